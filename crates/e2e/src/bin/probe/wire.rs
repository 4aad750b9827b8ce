//! The protocol, by hand: lines in and out, and what each revision demands of both sides.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use serde_json::{Value, json};

/// One conversation.
pub(crate) struct Wire {
    revision: String,
    lines: AtomicU64,
    stage: Mutex<Stage>,
    /// What the client of the handshake can do.
    capabilities: Mutex<Value>,
    /// Our own requests that wait for an answer, by id.
    asked: Mutex<HashMap<String, Sender<Value>>>,
    next: AtomicU64,
    /// Ids of requests that were cancelled.
    cancelled: Mutex<HashSet<String>>,
    /// Ids of the open `subscriptions/listen` that want to hear of tools.
    listeners: Mutex<Vec<Value>>,
    has_more_tools: AtomicBool,
}

/// How far the handshake of the older revisions is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Asked,
    Ready,
}

impl Wire {
    pub(crate) fn new(revision: &str) -> Self {
        Self {
            revision: revision.to_owned(),
            lines: AtomicU64::new(0),
            stage: Mutex::new(Stage::New),
            capabilities: Mutex::new(json!({})),
            asked: Mutex::default(),
            next: AtomicU64::new(1),
            cancelled: Mutex::default(),
            listeners: Mutex::default(),
            has_more_tools: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.revision.as_str() >= "2026-07-28"
    }

    pub(crate) fn has_batches(&self) -> bool {
        self.revision == "2025-03-26"
    }

    pub(crate) fn has_elicitation(&self) -> bool {
        self.revision.as_str() >= "2025-06-18"
    }

    pub(crate) fn note_line(&self) {
        self.lines.fetch_add(1, Ordering::SeqCst);
    }

    /// How many lines it was sent.
    pub(crate) fn lines(&self) -> u64 {
        self.lines.load(Ordering::SeqCst)
    }

    pub(crate) fn has_more_tools(&self) -> bool {
        self.has_more_tools.load(Ordering::SeqCst)
    }

    /// Sends one message.
    pub(crate) fn send(&self, message: &Value) {
        self.send_line(&message.to_string());
    }

    /// Sends a line, whatever it is. Nobody who listens any more is no reason to panic.
    pub(crate) fn send_line(&self, line: &str) {
        let mut output = io::stdout().lock();
        let _ = output.write_all(format!("{line}\n").as_bytes()).and_then(|()| output.flush());
    }

    pub(crate) fn notify(&self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Asks the client, and waits for what it says.
    pub(crate) fn ask(&self, method: &str, params: &Value) -> Option<Value> {
        let id = format!("probe-{}", self.next.fetch_add(1, Ordering::SeqCst));
        let (sender, receiver) = mpsc::channel();
        self.asked.lock().unwrap().insert(id.clone(), sender);
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        receiver.recv_timeout(Duration::from_secs(30)).ok()
    }

    pub(crate) fn take_answer(&self, message: &Value) {
        let waiting = self.asked.lock().unwrap().remove(message["id"].as_str().unwrap_or_default());
        match waiting {
            Some(waiting) => drop(waiting.send(message.clone())),
            None => eprintln!("an answer that nobody asked for: {message}"),
        }
    }

    pub(crate) fn take_notification(&self, message: &Value) {
        match message["method"].as_str().unwrap_or_default() {
            "notifications/initialized" => *self.stage.lock().unwrap() = Stage::Ready,
            "notifications/cancelled" => {
                let id = &message["params"]["requestId"];
                self.cancelled.lock().unwrap().insert(id.to_string());
                self.listeners.lock().unwrap().retain(|listener| listener != id);
            }
            _ => {}
        }
    }

    pub(crate) fn is_cancelled(&self, id: &Value) -> bool {
        self.cancelled.lock().unwrap().contains(&id.to_string())
    }

    pub(crate) fn cancellations(&self) -> usize {
        self.cancelled.lock().unwrap().len()
    }

    /// Refuses what the revision does not allow.
    pub(crate) fn admit(&self, message: &Value) -> Result<(), Value> {
        let (id, method) = (&message["id"], message["method"].as_str().unwrap_or_default());
        let refuse = |code, text: &str| Err(error(id, code, text, Value::Null));
        if !self.is_modern() {
            let stage = *self.stage.lock().unwrap();
            return match method {
                "server/discover" | "subscriptions/listen" => refuse(-32601, "Method not found"),
                "ping" => Ok(()),
                "initialize" if stage == Stage::New => Ok(()),
                "initialize" => refuse(-32600, "the handshake was done before"),
                _ if stage == Stage::Ready => Ok(()),
                _ => refuse(-32600, "the handshake is not done"),
            };
        }
        if matches!(method, "initialize" | "ping" | "logging/setLevel") {
            return refuse(-32601, "Method not found");
        }
        let said = &message["params"]["_meta"];
        let version = &said["io.modelcontextprotocol/protocolVersion"];
        if !version.is_string() || !said["io.modelcontextprotocol/clientCapabilities"].is_object() {
            return refuse(-32602, "_meta lacks the revision or the client's capabilities");
        }
        if *version != json!(self.revision) {
            let known = json!({"supported": [self.revision], "requested": version});
            return Err(error(id, -32022, "Unsupported protocol version", known));
        }
        Ok(())
    }

    pub(crate) fn shake_hands(&self, params: &Value) -> Value {
        *self.stage.lock().unwrap() = Stage::Asked;
        *self.capabilities.lock().unwrap() = params["capabilities"].clone();
        json!({"protocolVersion": self.revision, "capabilities": capabilities(), "serverInfo": identity()})
    }

    pub(crate) fn discover(&self) -> Value {
        self.cacheable(json!({
            "supportedVersions": [self.revision],
            "capabilities": capabilities(),
            "_meta": {"io.modelcontextprotocol/serverInfo": identity()},
        }))
    }

    /// What the client that sent `params` can do.
    pub(crate) fn client_capabilities(&self, params: &Value) -> Value {
        if self.is_modern() {
            return params["_meta"]["io.modelcontextprotocol/clientCapabilities"].clone();
        }
        self.capabilities.lock().unwrap().clone()
    }

    /// Acknowledges a subscription, which stays open.
    pub(crate) fn listen(&self, id: &Value, params: &Value) {
        if params["notifications"]["toolsListChanged"] == true {
            self.listeners.lock().unwrap().push(id.clone());
        }
        let accepted = json!({
            "notifications": params["notifications"],
            "_meta": {"io.modelcontextprotocol/subscriptionId": id},
        });
        self.notify("notifications/subscriptions/acknowledged", accepted);
    }

    /// Has one more tool from now on, and says so to whoever wants to know.
    pub(crate) fn grow(&self) {
        self.has_more_tools.store(true, Ordering::SeqCst);
        let method = "notifications/tools/list_changed";
        if !self.is_modern() {
            return self.send(&json!({"jsonrpc": "2.0", "method": method}));
        }
        for id in self.listeners.lock().unwrap().clone() {
            self.notify(method, json!({"_meta": {"io.modelcontextprotocol/subscriptionId": id}}));
        }
    }

    /// A result, which 2026-07-28 wants called complete unless it says otherwise.
    pub(crate) fn result(&self, id: &Value, mut result: Value) -> Value {
        if self.is_modern() && result.get("resultType").is_none() {
            result["resultType"] = json!("complete");
        }
        json!({"jsonrpc": "2.0", "id": id, "result": result})
    }

    /// A list that 2026-07-28 lets the client keep for a second.
    pub(crate) fn cacheable(&self, mut list: Value) -> Value {
        if self.is_modern() {
            list["ttlMs"] = json!(1000);
            list["cacheScope"] = json!("private");
        }
        list
    }
}

/// An error; without `data` where that is null.
pub(crate) fn error(id: &Value, code: i64, text: &str, data: Value) -> Value {
    let mut error = json!({"code": code, "message": text});
    if !data.is_null() {
        error["data"] = data;
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

fn capabilities() -> Value {
    json!({"tools": {"listChanged": true}, "logging": {}})
}

/// With a member that no revision knows.
fn identity() -> Value {
    json!({"name": "probe", "version": "1", "x-unknown": {"kept": true}})
}
