//! An MCP server under load: its streams say as much as is taken of them, or one event and no more, and its calls take their time.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{json_answer, serve};

/// A running server. A GET opens a stream without end, and with `x-quiet` one that says an event and then nothing. A POST is answered after
/// as many milliseconds as `x-takes` says.
#[derive(Debug, Clone)]
pub struct FloodServer {
    /// Its MCP endpoint.
    pub url: String,
    said: Arc<AtomicUsize>,
}

impl FloodServer {
    /// Starts it on a free loopback port.
    pub async fn start() -> Self {
        let said: Arc<AtomicUsize> = Arc::default();
        let routes = Router::new().route("/mcp", any(answer)).with_state(Arc::clone(&said));
        Self { url: format!("{}/mcp", serve(routes).await), said }
    }

    /// How many bytes of its streams without end were taken so far.
    #[must_use]
    pub fn said(&self) -> usize {
        self.said.load(Ordering::Relaxed)
    }
}

async fn answer(
    State(said): State<Arc<AtomicUsize>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method == Method::GET {
        let quiet = headers.contains_key("x-quiet");
        let event = if quiet { "data: 1\n\n".to_owned() } else { format!("data: {}\n\n", "x".repeat(4096)) };
        let count = if quiet { 1 } else { usize::MAX };
        let events = stream::iter(0..count).map(move |_| {
            said.fetch_add(event.len(), Ordering::Relaxed);
            Ok::<_, Infallible>(event.clone())
        });
        let all = Body::from_stream(events.chain(stream::pending()));
        return ([("content-type", "text/event-stream")], all).into_response();
    }
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let takes = headers.get("x-takes").and_then(|takes| takes.to_str().ok()?.parse().ok()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(takes)).await;
    json_answer(StatusCode::OK, &json!({"jsonrpc": "2.0", "id": message["id"], "result": {}}))
}
