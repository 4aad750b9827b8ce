//! A server on stdio, met directly: what it does without the gateway, line by line.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct StdioServer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    next_id: u64,
    version: &'static str,
    /// What it said on its own account while an answer was awaited.
    pub heard: Vec<Value>,
}

impl StdioServer {
    /// Starts a command with these variables and no others but `PATH`.
    #[must_use]
    pub fn start(command: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starting the server");
        let stdin = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, stdin, lines, next_id: 1, version: "2026-07-28", heard: Vec::new() }
    }

    /// Shakes hands as a client of an older revision with these capabilities; what the server said.
    pub async fn shake_hands(&mut self, version: &'static str, capabilities: Value) -> Value {
        self.version = version;
        let client = json!({"name": "direct", "version": "1"});
        let hello = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": client});
        let answer = self.request("initialize", hello).await;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string()).await;
        answer
    }

    /// Asks, and waits for the answer.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.answer(&json!(id)).await
    }

    /// Calls a tool, and waits for the answer.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Asks without waiting; the id of the request.
    pub async fn ask(&mut self, method: &str, mut params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.version == "2026-07-28" {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(self.version);
            let capabilities = &mut params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
            if capabilities.is_null() {
                *capabilities = json!({});
            }
        }
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()).await;
        id
    }

    /// Sends a line as it is. A server that has ended shows when it is read.
    pub async fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("not closed");
        let _ = stdin.write_all(format!("{line}\n").as_bytes()).await;
    }

    /// The answer to a request; what comes before it is kept in `heard`.
    pub async fn answer(&mut self, id: &Value) -> Value {
        loop {
            let message = self.next().await;
            if message["id"] == *id && message.get("method").is_none() {
                return message;
            }
            self.heard.push(message);
        }
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line()).await;
        let line = line.expect("the server says nothing").expect("reading").expect("the server ended");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server wrote {line}"))
    }

    /// The next line, whatever it is; `None` at the end.
    pub async fn next_line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line()).await;
        line.expect("the server says nothing").expect("reading")
    }

    /// Closes its input, and waits for its end: its exit code, if it has one, and what it said on stderr.
    pub async fn finish(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let mut said = String::new();
        let mut errors = self.child.stderr.take().expect("piped");
        let ended = tokio::time::timeout(Duration::from_secs(20), async {
            errors.read_to_string(&mut said).await.expect("stderr");
            self.child.wait().await.expect("waiting")
        });
        let status = ended.await.expect("the server goes on");
        (status.code(), said)
    }
}

/// The text of a tool's result.
#[must_use]
pub fn text(answer: &Value) -> String {
    let parts = answer["result"]["content"].as_array().unwrap_or_else(|| panic!("no content in {answer}"));
    parts.iter().filter_map(|part| part["text"].as_str()).collect()
}
