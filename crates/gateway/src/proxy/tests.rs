//! The proxy against a real server on loopback.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use coatroom::guard::{Caller, GuardAnswer, NoCredentials};
use coatroom::protocol::words::Issuer;
use http::{HeaderName, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::credential::Template;
use super::testing::{Renewal, Wallet, alice, caller, github};
use super::{Connections, Needs, Places, Proxy, Transport, Upstream, Waiting, Wants, Wire};

/// Serves `router` on loopback, and gives the proxy of its `/mcp`.
async fn proxy_of(router: Router) -> Proxy {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    proxy_to(address)
}

fn proxy_to(address: SocketAddr) -> Proxy {
    proxy_speaking(Transport::Streamable, address)
}

/// The proxy of the server at this address, at `/mcp` of which it speaks so.
pub(super) fn proxy_speaking(transport: Transport, address: SocketAddr) -> Proxy {
    let template = |text| Template::compile(text, Some(&github()), &[github()]).unwrap();
    let headers = vec![
        (http::header::AUTHORIZATION, template("Bearer {github.access_token}")),
        (HeaderName::from_static("x-name"), template("{user.name}")),
        (HeaderName::from_static("x-login"), template("{user.username}")),
    ];
    let needs = Needs { always: vec![github()], by_rule: Vec::new() };
    let upstream = Upstream {
        assertions: None,
        name: "test".to_owned(),
        url: format!("http://{address}/mcp?fixed=1").parse().unwrap(),
        transport,
        is_open: false,
        wants: Wants::of(headers.iter().map(|(_, template)| template), needs),
        headers,
        public_url: Issuer::parse("https://mcp.example.com").unwrap(),
        waiting: Waiting { body: 1024, first_byte: Duration::from_millis(300) },
        places: Places::new("test", 100, 100),
    };
    let way = Connections::new(Duration::from_secs(1)).to(&upstream.url, Wire::Auto).unwrap();
    Proxy::new(upstream, way)
}

/// A server that answers each connection's request with these bytes and closes, and the proxy of it.
async fn proxy_of_bytes(answer: impl Into<Vec<u8>>) -> Proxy {
    let answer = answer.into();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while request.last() != Some(&b'}') {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request is whole");
            }
            stream.write_all(&answer).await.ok();
        }
    });
    proxy_to(address)
}

fn post(body: &str, caller: Caller) -> Request {
    let request =
        Request::post("/tools/below?access_token=stolen").header("content-type", "application/json");
    let mut request = request.body(Body::from(body.to_owned())).unwrap();
    request.extensions_mut().insert(caller);
    request
}

async fn send(proxy: &Proxy, request: Request) -> Response {
    proxy.clone().oneshot(request).await.unwrap()
}

async fn json_of(response: Response) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// A server that tells what it received.
async fn echo(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let body = body.collect().await.unwrap().to_bytes();
    let told = json!({
        "uri": parts.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let hostile = [
        ("set-cookie", "a=b"),
        ("www-authenticate", "Bearer realm=\"elsewhere\""),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("mcp-session-id", "s-1"),
    ];
    (hostile, told.to_string()).into_response()
}

#[tokio::test]
async fn the_upstream_gets_the_users_own_token_and_nothing_of_the_client() {
    let proxy = proxy_of(Router::new().route("/mcp", any(echo))).await;
    let body = "{\"jsonrpc\":\"2.0\", \"id\":1}";
    let mut request = post(body, alice());
    for (name, value) in [
        ("authorization", "Bearer coat_at_canary"),
        ("cookie", "canary=1"),
        ("x-coatroom-user", "github:canary"),
        ("x-login", "canary"),
        ("origin", "https://canary.example"),
        ("host", "mcp.example.com"),
        ("mcp-session-id", "s-1"),
        ("traceparent", "00-1-2-01"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = send(&proxy, request).await;
    for gone in ["set-cookie", "www-authenticate", "connection", "x-hop"] {
        assert!(!response.headers().contains_key(gone), "{gone}");
    }
    assert_eq!(response.headers()["mcp-session-id"], "s-1");
    let told = json_of(response).await;
    assert_eq!(told["uri"], "/mcp?fixed=1");
    assert_eq!(told["body"], body);
    let text = told.to_string();
    assert!(!text.contains("canary") && !text.contains("stolen"), "{text}");
    let sent = |name: &str| {
        let pairs = told["headers"].as_array().unwrap();
        let found: Vec<&Value> = pairs.iter().filter(|pair| pair[0] == name).map(|pair| &pair[1]).collect();
        assert!(found.len() < 2, "{name} is repeated");
        found.first().map(|value| value.as_str().unwrap().to_owned())
    };
    assert_eq!(sent("authorization").as_deref(), Some("Bearer gho_alice"));
    assert_eq!(sent("x-name").as_deref(), Some("Älice"));
    assert_eq!(sent("x-login"), None);
    assert_eq!(sent("x-coatroom-user").as_deref(), Some("github:1"));
    assert_eq!(sent("traceparent").as_deref(), Some("00-1-2-01"));
    assert_eq!(sent("mcp-session-id").as_deref(), Some("s-1"));
    assert!(sent("host").unwrap().starts_with("127.0.0.1:"));
}

/// A server whose answer is an event stream that the test feeds, and that tells when it was dropped.
fn stream_router(events: mpsc::Receiver<&'static str>, dropped: mpsc::Sender<()>) -> Router {
    struct Drops(mpsc::Sender<()>);
    impl Drop for Drops {
        fn drop(&mut self) {
            self.0.try_send(()).ok();
        }
    }
    let shared = Arc::new(Mutex::new(Some((events, Drops(dropped)))));
    let answer = move || {
        let state = shared.lock().unwrap().take().unwrap();
        async move {
            let events = futures_util::stream::unfold(state, |(mut events, drops)| async move {
                let event = events.recv().await?;
                Some((Ok::<_, std::io::Error>(Bytes::from(event)), (events, drops)))
            });
            ([("content-type", "text/event-stream")], Body::from_stream(events))
        }
    };
    Router::new().route("/mcp", any(answer))
}

pub(super) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), work).await.expect("in time")
}

#[tokio::test]
async fn events_arrive_one_by_one_and_a_client_that_leaves_ends_the_upstreams_request() {
    let (feed, events) = mpsc::channel(1);
    let (dropped, mut was_dropped) = mpsc::channel(1);
    let proxy = proxy_of(stream_router(events, dropped)).await;
    let response = soon(send(&proxy, post("{}", alice()))).await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut body = response.into_body();
    for event in ["data: 1\n\n", ": keep-alive\n\n", "data: 2\n\n"] {
        feed.send(event).await.unwrap();
        let frame = soon(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    drop(body);
    soon(was_dropped.recv()).await.unwrap();
}

/// A server that takes only `accepted`, and remembers what it was sent.
fn picky_router(accepted: &'static str, seen: Arc<Mutex<Vec<String>>>) -> Router {
    let answer = move |request: Request| {
        let seen = Arc::clone(&seen);
        async move {
            let token = request.headers()["authorization"].to_str().unwrap().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let is_accepted = token == accepted;
            seen.lock().unwrap().push(format!("{token} {}", String::from_utf8_lossy(&body)));
            if is_accepted { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
        }
    };
    Router::new().route("/mcp", any(answer))
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_repeated() {
    let seen = Arc::default();
    let proxy = proxy_of(picky_router("Bearer gho_alice_2", Arc::clone(&seen))).await;
    let response = send(&proxy, post("{\"id\":1}", alice())).await;
    assert_eq!(response.status(), StatusCode::OK);
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, ["Bearer gho_alice {\"id\":1}", "Bearer gho_alice_2 {\"id\":1}"]);
}

#[tokio::test]
async fn a_token_that_stays_refused_is_a_502_and_never_a_401() {
    let seen = Arc::default();
    let proxy = proxy_of(picky_router("nothing", Arc::clone(&seen))).await;
    let response = send(&proxy, post("{\"id\":\"seven\"}", alice())).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let answer = json_of(response).await;
    assert_eq!(answer["id"], "seven");
    assert_eq!(answer["error"]["data"]["reason"], "credential_refused");
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_same_token_is_not_tried_twice() {
    let seen = Arc::default();
    let proxy = proxy_of(picky_router("nothing", Arc::clone(&seen))).await;
    let wallet = Arc::new(Wallet { renewal: Renewal::SameToken, ..Wallet::default() });
    let response = send(&proxy, post("{\"id\":1}", caller(wallet.clone()))).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(*wallet.renewals.lock().unwrap(), 1);
}

#[tokio::test]
async fn an_ended_sign_in_asks_for_a_challenge() {
    let proxy = proxy_of(picky_router("nothing", Arc::default())).await;
    let wallet = Wallet { renewal: Renewal::SignInEnded, ..Wallet::default() };
    let response = send(&proxy, post("{\"id\":1}", caller(Arc::new(wallet)))).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.extensions().get(), Some(&GuardAnswer::SignInEnded));
}

/// A judged call, as the guard hands it on.
fn judged(method: &str, caller: Caller) -> Request {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"t"}}}}"#);
    let mut request = post(&body, caller);
    let judged = coatroom::protocol::access::judge(body.as_bytes()).unwrap().into_owned();
    request.extensions_mut().insert(Arc::new(judged));
    request
}

#[tokio::test]
async fn a_call_that_needs_what_is_not_connected_does_not_reach_the_server() {
    // No server listens: a call that left would be unreachable.
    let proxy = proxy_to("127.0.0.1:9".parse().unwrap());
    let response = send(&proxy, judged("tools/call", caller(Arc::new(NoCredentials)))).await;
    assert_eq!(response.extensions().get(), Some(&GuardAnswer::Connect(vec![github()])));
}

#[tokio::test]
async fn what_needs_no_account_reaches_the_server_without_the_header_of_one() {
    let proxy = proxy_of(Router::new().route("/mcp", any(echo))).await;
    let response = send(&proxy, judged("tools/list", caller(Arc::new(NoCredentials)))).await;
    assert_eq!(response.status(), StatusCode::OK);
    let told = json_of(response).await.to_string();
    assert!(!told.contains("authorization") && told.contains("x-name"), "{told}");
}

#[tokio::test]
async fn a_server_that_refuses_what_came_without_an_account_leads_to_connecting_it() {
    let refuse = async || StatusCode::UNAUTHORIZED;
    let proxy = proxy_of(Router::new().route("/mcp", any(refuse))).await;
    let response = send(&proxy, judged("tools/list", caller(Arc::new(NoCredentials)))).await;
    assert_eq!(response.extensions().get(), Some(&GuardAnswer::Connect(vec![github()])));
}

#[tokio::test]
async fn a_server_that_is_down_is_a_503_that_says_when_to_try_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let response = send(&proxy_to(address), post("{\"id\":1}", alice())).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(json_of(response).await["id"], 1);
}

#[tokio::test]
async fn a_server_that_breaks_off_or_speaks_no_http_is_a_502() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n", "x".repeat(1 << 20));
    let crowded = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1000));
    for broken in
        ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Ty", "SSH-2.0-x\r\n\r\n", &endless, &crowded]
    {
        let proxy = proxy_of_bytes(broken).await;
        let response = soon(send(&proxy, post("{\"id\":1}", alice()))).await;
        let about = broken.get(..30).unwrap_or(broken);
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{about}");
        assert!(
            !response.headers().contains_key("retry-after"),
            "the call may have been carried out: {about}"
        );
        let answer = json_of(response).await;
        assert_eq!((&answer["id"], &answer["error"]["data"]["reason"]), (&json!(1), &json!("broken_answer")));
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_replaced() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    // It says nothing of closing, so the connection is kept for the next call.
    let proxy = proxy_of_bytes(answer).await;
    for _ in 0..20 {
        assert_eq!(soon(send(&proxy, post("{}", alice()))).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_silent_server_is_a_504_for_a_post() {
    let proxy = proxy_of(Router::new().route("/mcp", any(std::future::pending::<Response>))).await;
    let response = soon(send(&proxy, post("{\"id\":1}", alice()))).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn answers_of_the_server_pass_with_their_status_but_redirects_do_not() {
    for (given, passed) in [(404, 404), (403, 403), (202, 202), (500, 500), (307, 502), (407, 502)] {
        let status = StatusCode::from_u16(given).unwrap();
        let answer =
            move || async move { (status, [("www-authenticate", "Bearer"), ("location", "http://x")]) };
        let proxy = proxy_of(Router::new().route("/mcp", any(answer))).await;
        let response = send(&proxy, post("{\"id\":1}", alice())).await;
        assert_eq!(response.status(), passed, "{given}");
        assert!(!response.headers().contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn a_length_that_contradicts_chunks_is_dropped() {
    for length in ["0", "1", "1000"] {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let proxy = proxy_of_bytes(head + "5\r\nwhole\r\n0\r\n\r\n").await;
        let response = soon(send(&proxy, post("{}", alice()))).await;
        assert!(!response.headers().contains_key("content-length"), "{length}");
        assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "whole");
    }
    let proxy = proxy_of_bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole").await;
    let response = soon(send(&proxy, post("{}", alice()))).await;
    assert_eq!(response.headers()["content-length"], "5");
}

#[tokio::test]
async fn without_a_caller_a_protected_server_is_not_contacted() {
    let proxy = proxy_of(Router::new().route("/mcp", any(echo))).await;
    let response = send(&proxy, Request::post("/mcp").body(Body::from("{\"id\":1}")).unwrap()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn large_bodies_and_other_methods_are_refused() {
    let proxy = proxy_of(Router::new().route("/mcp", any(echo))).await;
    let response = send(&proxy, post(&"x".repeat(1025), alice())).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let mut request = post("", alice());
    *request.method_mut() = http::Method::PUT;
    let response = send(&proxy, request).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET, POST, DELETE");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_the_upstreams_request() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = proxy_to(listener.local_addr().unwrap());
    let mut request = post("{\"id\":1}", alice());
    *request.method_mut() = http::Method::GET;
    let calling = tokio::spawn(async move { send(&proxy, request).await });
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    let mut seen = [0; 16];
    soon(stream.read_exact(&mut seen)).await.unwrap();
    calling.abort();
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap();
}
