//! MCP servers over HTTP+SSE (2024-11-05) on the official SDKs, which tell each request that reached them.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::evidence::{self, Secret};
use crate::foreign::Script;
use crate::tools;

/// A running server. Its tools are `whoami`, which tells the `Authorization` of its call, and `drop`.
#[derive(Debug)]
pub struct SseServer {
    /// Its SSE endpoint.
    pub url: String,
    arrived: Arc<Mutex<Vec<Value>>>,
    _child: Child,
}

impl SseServer {
    /// Starts it on the TypeScript SDK.
    pub async fn typescript() -> Self {
        Self::start(Script::Node("sse-server.mjs")).await
    }

    /// Starts it on the Python SDK.
    pub async fn python() -> Self {
        Self::start(Script::Python("python-1", "sse_server.py")).await
    }

    async fn start(script: Script) -> Self {
        let mut command = script.command();
        let mut child = command
            .arg(tools::free_port().to_string())
            .stderr(std::process::Stdio::inherit())
            .spawn()
            .expect("starting the server");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next_line().await.expect("its lines").expect("it ended at start");
        let first: Value = serde_json::from_str(&first).expect("JSON");
        let url = first["ready"].as_str().expect("its address").to_owned();
        let arrived: Arc<Mutex<Vec<Value>>> = Arc::default();
        let record = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line: Value = serde_json::from_str(&line).expect("JSON");
                let credential = line["arrived"]["headers"]["authorization"].as_str().unwrap_or_default();
                evidence::secret(Secret::Credential, credential.trim_start_matches("Bearer "));
                record.lock().expect("the record").push(line["arrived"].clone());
            }
        });
        Self { url, arrived, _child: child }
    }

    /// Every request that reached it: `{"method", "url", "headers"}`; and `{"dropped": true}` for each use of `drop`.
    #[must_use]
    pub fn arrived(&self) -> Vec<Value> {
        self.arrived.lock().expect("the record").clone()
    }
}
