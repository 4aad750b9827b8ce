//! An MCP server that tells which headers reached it, and remembers every one of them. A GET opens a stream of ticks.
//!
//! It lists more tools than it has: `query`, whose argument `region` is mirrored into a header, `create_x` and `drop`. `slow` never
//! comes to an end, `away` is answered with a redirect. With the header `x-answer: stream` it lists in an event stream.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream;
use serde_json::{Value, json};

use super::{json_answer, serve};
use crate::evidence::{self, Secret};
use crate::tools;

/// A running echo server.
#[derive(Debug, Clone)]
pub struct EchoServer {
    /// Its MCP endpoint.
    pub url: String,
    arrived: Arc<Mutex<Vec<Value>>>,
}

impl EchoServer {
    /// Starts it on a free loopback port.
    pub async fn start() -> Self {
        let arrived: Arc<Mutex<Vec<Value>>> = Arc::default();
        let routes = Router::new().route("/mcp", any(answer)).with_state(Arc::clone(&arrived));
        let origin = serve(routes).await;
        Self { url: format!("{origin}/mcp"), arrived }
    }

    /// An address where no server is.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { url: format!("http://127.0.0.1:{}/mcp", tools::free_port()), arrived: Arc::default() }
    }

    /// Every request that reached it: `{"headers": {…}, "message": {…}}`.
    #[must_use]
    pub fn arrived(&self) -> Vec<Value> {
        self.arrived.lock().expect("the record").clone()
    }
}

async fn answer(
    State(arrived): State<Arc<Mutex<Vec<Value>>>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut named = json!({});
    for (name, value) in &headers {
        named[name.as_str()] = json!(String::from_utf8_lossy(value.as_bytes()));
        if name == "authorization" {
            let token = String::from_utf8_lossy(value.as_bytes());
            evidence::secret(Secret::Credential, token.trim_start_matches("Bearer "));
        }
    }
    arrived.lock().expect("the record").push(json!({"headers": named, "message": message}));
    if method == Method::GET {
        return ticks();
    }
    let reply = |result: Value| {
        let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        json_answer(StatusCode::OK, &body)
    };
    match message["method"].as_str().unwrap_or_default() {
        "initialize" => reply(json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        })),
        "tools/list" => {
            let list = json!({"jsonrpc": "2.0", "id": message["id"], "result": {
                "resultType": "complete", "ttlMs": 1000, "cacheScope": "public", "tools": listed(),
            }});
            if named["x-answer"] == "stream" {
                let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}});
                let events = format!(": listing\n\ndata: {progress}\n\nevent: message\ndata: {list}\n\n");
                return ([("content-type", "text/event-stream")], events).into_response();
            }
            json_answer(StatusCode::OK, &list)
        }
        "tools/call" if message["params"]["name"] == "slow" => slow(),
        "tools/call" if message["params"]["name"] == "away" => {
            (StatusCode::TEMPORARY_REDIRECT, [("location", "http://127.0.0.1:9/")]).into_response()
        }
        "tools/call" => reply(json!({
            "resultType": "complete",
            "content": [{"type": "text", "text": named.to_string()}],
            "isError": false,
        })),
        method if method.starts_with("notifications/") => StatusCode::ACCEPTED.into_response(),
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            json_answer(
                StatusCode::NOT_FOUND,
                &json!({"jsonrpc": "2.0", "id": message["id"], "error": error}),
            )
        }
    }
}

/// The tools, as they are listed.
fn listed() -> Value {
    let plain = |name| json!({"name": name, "description": "Tells the headers of this call.", "inputSchema": {"type": "object"}});
    let region = json!({"type": "string", "x-mcp-header": "Region"});
    let query = json!({"name": "query", "inputSchema": {"type": "object", "properties": {"region": region}}});
    json!([plain("headers"), plain("create_x"), plain("drop"), query, plain("slow")])
}

/// An answer in JSON that begins at once and never ends by itself.
fn slow() -> Response {
    let spaces = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, Infallible>(" "), ()))
    });
    ([("content-type", "application/json")], Body::from_stream(spaces)).into_response()
}

/// An event stream that begins at once and never ends by itself.
fn ticks() -> Response {
    let ticks = stream::unfold(0_u64, async |number| {
        if number > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Some((Ok::<_, Infallible>(format!("event: tick\ndata: {number}\n\n")), number + 1))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(ticks)).into_response()
}
