//! Raw JSON-RPC to an MCP server, in both wire eras: every header and byte is the test's own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// An answer that arrives message by message.
#[derive(Debug)]
pub struct Stream {
    /// The id of the request; null where there was none.
    pub id: Value,
    /// The HTTP status.
    pub status: StatusCode,
    /// The HTTP headers.
    pub headers: HeaderMap,
    is_events: bool,
    rest: Vec<u8>,
    pieces: reqwest::Response,
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
    pub async fn request(&self, method: &str, params: Value) -> Answer {
        let message = self.message(method, params);
        let answer = self.post(&message).send().await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        let answer = Answer::read(answer).await;
        if answer.status == 200 {
            assert_eq!(answer.body["id"], message["id"], "the answer to another request: {}", answer.body);
        }
        answer
    }

    /// Sends a request whose answer is read message by message.
    pub async fn open(&self, method: &str, params: Value) -> Stream {
        let message = self.message(method, params);
        let answer = self.post(&message).send().await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        Stream::new(answer, message["id"].clone())
    }

    /// Opens the stream on which servers before 2026-07-28 speak on their own account.
    pub async fn listen(&self) -> Stream {
        let request = self.http.get(&self.url).bearer_auth(&self.token).header("accept", "text/event-stream");
        let answer = self.in_session(request).send().await.expect("a stream");
        Stream::new(answer, Value::Null)
    }

    /// Sends a notification; its status.
    pub async fn notify(&self, method: &str, params: Value) -> StatusCode {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.post(&message).send().await.expect("a notification").status()
    }

    /// Answers what the server asked in the legacy era; the status.
    pub async fn reply(&self, question: &Value, result: Value) -> StatusCode {
        let message = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        self.post(&message).send().await.expect("a reply").status()
    }

    /// Ends the session of the legacy era; the status.
    pub async fn end(&self) -> StatusCode {
        let request = self.http.delete(&self.url).bearer_auth(&self.token);
        self.in_session(request).send().await.expect("ending the session").status()
    }

    /// A request as this client writes it, with an id of its own.
    pub fn message(&self, method: &str, mut params: Value) -> Value {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if self.era == Era::Modern {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = json!(self.version);
            meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "raw", "version": "1"});
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        }
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
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
        self.in_session(request).body(message.to_string())
    }

    fn in_session(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.session {
            Some(session) => {
                request.header("mcp-session-id", session).header("mcp-protocol-version", self.version)
            }
            None => request,
        }
    }
}

impl Stream {
    fn new(answer: reqwest::Response, id: Value) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let is_events = is_event_stream(&headers);
        Self { id, status, headers, is_events, rest: Vec::new(), pieces: answer }
    }

    /// The next message: of an event stream the next event that has one, else the whole body. `None` at the end.
    ///
    /// # Panics
    /// When there is none for 30 seconds.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(Duration::from_secs(30), self.read()).await.expect("nothing comes for 30 s")
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            while self.is_events
                && let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n")
            {
                let event: Vec<u8> = self.rest.drain(..end + 2).collect();
                let event = String::from_utf8(event).expect("UTF-8");
                let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                if !data.trim().is_empty() {
                    return Some(
                        serde_json::from_str(&data).unwrap_or_else(|_| panic!("no message: {data}")),
                    );
                }
            }
            match self.pieces.chunk().await {
                Ok(Some(piece)) => self.rest.extend_from_slice(&piece),
                Ok(None) | Err(_) if self.is_events || self.rest.is_empty() => return None,
                Ok(None) | Err(_) => {
                    let body = std::mem::take(&mut self.rest);
                    evidence::answer(self.status, &body);
                    return serde_json::from_slice(&body).ok();
                }
            }
        }
    }

    /// Reads on until the answer to the request is there; what came before it, and the answer.
    pub async fn answer(&mut self) -> (Vec<Value>, Value) {
        let mut before = Vec::new();
        while let Some(message) = self.next().await {
            if message.get("method").is_none() && message["id"] == self.id {
                return (before, message);
            }
            before.push(message);
        }
        panic!("the stream ({}) ended without an answer, after {before:?}", self.status);
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

impl Answer {
    /// Reads an answer, whether it is JSON or an event stream.
    pub async fn read(answer: reqwest::Response) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap_or_default();
        evidence::answer(status, &bytes);
        let text = String::from_utf8_lossy(&bytes);
        let json = if is_event_stream(&headers) {
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
