//! The server behind all contenders: as fast as hyper is, it says who calls by the credential that it was given.

use std::convert::Infallible;
use std::process::Command;

use anyhow::Result;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use memchr::memmem;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::processes::Listening;

/// Starts it on the core of whoever starts it.
pub(super) fn start() -> Result<Listening> {
    Listening::start(Command::new(std::env::current_exe()?).arg("upstream"))
}

/// Serves until it is killed.
pub(crate) async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::task::spawn_local(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let credential = request.headers().get(header::AUTHORIZATION).cloned();
    let credential = credential.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("nobody").to_owned();
    let is_post = request.method() == Method::POST;
    let Ok(message) = request.into_body().collect().await.map(Collected::to_bytes) else {
        return Ok(bare(StatusCode::BAD_REQUEST));
    };
    // The load's own calls need no reading. Clients of peers have ids of their own, and ask for more.
    let body = if memmem::find(&message, CALLED.as_bytes()).is_some() {
        called(&1.into(), &credential).to_string()
    } else {
        let message: Value = serde_json::from_slice(&message).unwrap_or_default();
        match (is_post, message["method"].as_str()) {
            (true, Some("initialize")) => reply(
                &message["id"],
                &json!({
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "bench", "version": "1"},
                }),
            ),
            (true, Some("tools/list")) => {
                let tools = json!([{"name": "get_repos", "inputSchema": {"type": "object"}}]);
                let list =
                    json!({"resultType": "complete", "tools": tools, "ttlMs": 0, "cacheScope": "public"});
                reply(&message["id"], &list)
            }
            (true, Some("server/discover")) => reply(
                &message["id"],
                &json!({
                    "resultType": "complete",
                    "supportedVersions": ["2026-07-28"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "bench", "version": "1"},
                    "ttlMs": 0,
                    "cacheScope": "public",
                }),
            ),
            (true, Some("tools/call")) => called(&message["id"], &credential),
            (true, Some("ping")) => reply(&message["id"], &json!({})),
            (true, _) => return Ok(bare(StatusCode::ACCEPTED)),
            (false, _) => return Ok(bare(StatusCode::METHOD_NOT_ALLOWED)),
        }
        .to_string()
    };
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The answer to a call says whose it was.
fn called(id: &Value, credential: &str) -> Value {
    let content = json!([{"type": "text", "text": credential}]);
    reply(id, &json!({"resultType": "complete", "content": content, "isError": false}))
}

fn reply(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// How each call of the load begins.
pub(super) const CALLED: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call""#;
