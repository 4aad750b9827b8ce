//! Raw JSON-RPC to an MCP server, in both wire eras: every header and byte is the test's own.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::evidence::{self, Secret};
use crate::oauth::http;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25 and before: a handshake, perhaps a session.
    Legacy,
    /// 2026-07-28: each request stands alone and names its method in headers.
    Modern,
}

/// A caller of one MCP server.
#[derive(Debug)]
pub struct Mcp {
    http: reqwest::Client,
    url: String,
    era: Era,
    token: String,
    session: Option<String>,
    next_id: AtomicU64,
    version: &'static str,
    capabilities: Value,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The HTTP headers.
    pub headers: HeaderMap,
    /// The JSON-RPC message; of an event stream, its last one. `Null` when there was none.
    pub body: Value,
}

impl Mcp {
    /// A caller with a token; in the legacy era it shakes hands first.
    pub async fn connect(url: &str, era: Era, token: &str) -> Self {
        let version = if era == Era::Legacy { "2025-06-18" } else { "2026-07-28" };
        Self::connect_as(url, version, token, json!({})).await
    }

    /// A caller of a revision, with the capabilities that it declares.
    pub async fn connect_as(url: &str, version: &'static str, token: &str, capabilities: Value) -> Self {
        let era = if version == "2026-07-28" { Era::Modern } else { Era::Legacy };
        let mut mcp = Self { version, capabilities, ..Self::without_handshake(url, era, token) };
        if era == Era::Legacy {
            let hello = json!({
                "protocolVersion": mcp.version,
                "capabilities": mcp.capabilities,
                "clientInfo": {"name": "raw", "version": "1"},
            });
            let answer = mcp.request("initialize", hello).await;
            assert_eq!(answer.status, 200, "initialize: {}", answer.body);
            mcp.session = answer
                .headers
                .get("mcp-session-id")
                .map(|id| id.to_str().expect("visible ASCII (SES-02)").to_owned());
            evidence::secret(Secret::Credential, mcp.session().unwrap_or_default());
            let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            let noted = mcp.post(&done).send().await.expect("a notification");
            assert_eq!(noted.status(), 202, "a notification is accepted (GW-13)");
        }
        mcp
    }

    /// A caller that begins with its first request.
    #[must_use]
    pub fn without_handshake(url: &str, era: Era, token: &str) -> Self {
        evidence::secret(Secret::Credential, token);
        Self {
            http: http(),
            url: url.to_owned(),
            era,
            token: token.to_owned(),
            session: None,
            next_id: AtomicU64::new(1),
            version: if era == Era::Legacy { "2025-06-18" } else { "2026-07-28" },
            capabilities: json!({}),
        }
    }

    /// The same caller with another token, in the same session.
    pub fn use_token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// The session id of the legacy era.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Sends a request and reads its answer.
    pub async fn request(&self, method: &str, mut params: Value) -> Answer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            });
        }
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let answer = self.post(&message).send().await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        let answer = Answer::read(answer).await;
        if answer.status == 200 {
            assert_eq!(answer.body["id"], id, "the answer to another request: {}", answer.body);
        }
        answer
    }

    /// A request with the headers that belong to the message, to be changed before it is sent.
    pub fn post(&self, message: &Value) -> RequestBuilder {
        let mut request = self
            .http
            .post(&self.url)
            .bearer_auth(&self.token)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        if self.era == Era::Modern {
            request = request
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", message["method"].as_str().unwrap_or_default());
            if let Some(name) = message["params"]["name"].as_str() {
                request = request.header("mcp-name", name);
            }
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", self.version);
        }
        request.body(message.to_string())
    }
}

impl Answer {
    /// Reads an answer, whether it is JSON or an event stream.
    pub async fn read(answer: reqwest::Response) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap_or_default();
        evidence::answer(status, &bytes);
        let text = String::from_utf8_lossy(&bytes);
        let streamed =
            headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let json = if streamed {
            text.lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim)
                .rfind(|data| !data.is_empty())
        } else {
            Some(&*text)
        };
        let body = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        Self { status, headers, body }
    }

    /// The text of a tool's result.
    #[must_use]
    pub fn text(&self) -> String {
        assert_eq!(self.status, 200, "the call failed: {}", self.body);
        let parts = self.body["result"]["content"].as_array();
        let parts = parts.unwrap_or_else(|| panic!("no content in {}", self.body));
        parts.iter().filter_map(|part| part["text"].as_str()).collect()
    }
}
