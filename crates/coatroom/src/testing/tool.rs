//! A call of a tool, as a client makes it.

use std::fmt::Debug;

use axum::body::Body;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_service::Service;

/// Calls a tool of the MCP server at `path`, as clients of MCP 2026-07-28 do: one POST, without a session. The answer is
/// the whole message of JSON-RPC, with its `result` or its `error`.
///
/// The request comes to the host `localhost`, which rmcp's default settings let in; those of
/// `Coatroom::rmcp_config` let in the host of the public URL instead.
///
/// # Panics
/// When the answer is no message, or a stream that ends without one; the panic says what came.
pub async fn call_tool<S>(app: S, path: &str, tool: &str, arguments: Value) -> Value
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Debug,
{
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "test-client", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let request = Request::post(path)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .body(Body::from(message.to_string()));
    let request = request.unwrap_or_else(|error| panic!("{path:?} and {tool:?} make no request: {error}"));
    let answer = app.oneshot(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"));
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap_or_else(|error| panic!("the answer breaks off: {error}"));
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    last_message(&body).unwrap_or_else(|| panic!("no message, but {}: {body}", parts.status))
}

/// The answer, whether it is the body or the last event of a stream: notifications may come before it.
fn last_message(body: &str) -> Option<Value> {
    let events = body.lines().filter_map(|line| line.strip_prefix("data:"));
    let mut messages = events.chain([body]).filter_map(|text| serde_json::from_str(text.trim()).ok());
    messages.rfind(|message: &Value| message.get("result").is_some() || message.get("error").is_some())
}

const MODERN: &str = "2026-07-28";
