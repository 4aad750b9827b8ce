//! The accept loop with raw connections.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use hyper_util::rt::TokioExecutor;
use tracing::level_filters::LevelFilter;
use tracing::{Event as Line, Instrument as _, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{self, LookupSpan};

use super::*;
use coatroom::ClientAddress;

use crate::edge::{Edge, Endpoint, Hosts};

async fn panics() -> &'static str {
    panic!("on purpose")
}

/// Makes its span before it is polled, as the guard does.
fn spanned() -> Endpoint {
    Box::new(|_| {
        let span = tracing::debug_span!("inner");
        let answering = async {
            tracing::info!("something");
            Ok(http::Response::new(Body::empty()))
        };
        Box::pin(answering.instrument(span))
    })
}

/// Tells when it is dropped.
struct Held(mpsc::Sender<()>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.try_send(()).ok();
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

async fn start(settings: ServeSettings) -> Running {
    start_with(settings, Router::new()).await
}

async fn start_with(settings: ServeSettings, router: Router) -> Running {
    let router = router
        .route("/peer", get(|client: axum::Extension<ClientAddress>| async move { client.0.0.to_string() }))
        .route("/panic", any(panics))
        .route(
            "/slow",
            any(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "done"
            }),
        )
        .route("/forever", any(std::future::pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let endpoints = HashMap::from([("/spanned".to_owned(), spanned())]);
    let edge = Edge::new(router, endpoints, Vec::new(), Hosts::LoopbackAnd("mcp.example.com".to_owned()));
    let done = tokio::spawn(async move {
        run(listener, edge, &settings, async {
            stopped.await.ok();
        })
        .await;
    });
    Running { address, stop, done }
}

fn settings() -> ServeSettings {
    ServeSettings {
        header_block: 32 * 1024,
        header_lines: 100,
        header_read: Duration::from_millis(400),
        connections: 100,
        connections_per_address: 100,
        trusted_proxies: Vec::new(),
        limit_loopback: true,
        http2_streams: 100,
        idle: Duration::from_millis(300),
        write_stall: Duration::from_millis(300),
        drain: Duration::from_secs(5),
    }
}

/// Sends bytes and reads until the server closes.
async fn talk(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read everything.
    stream.write_all(sent).await.ok();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), reading).await.expect("closed in time").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

fn get_request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_request_is_answered_and_knows_its_peer() {
    let running = start(settings()).await;
    let answer = talk(running.address, &get_request("/peer")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
}

/// Notes the spans of each line.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_event(&self, event: &Line<'_>, context: layer::Context<'_, S>) {
        let spans = context.event_scope(event).into_iter().flat_map(registry::Scope::from_root);
        let spans: Vec<_> = spans.map(|span| span.name()).collect();
        self.0.lock().unwrap().push(format!("{} in {spans:?}", event.metadata().level()));
    }
}

#[tokio::test]
async fn what_is_logged_for_a_request_stands_under_its_name_with_all_spans_between() {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone()).with(LevelFilter::DEBUG);
    let _here = tracing::subscriber::set_default(subscriber);
    let running = start(settings()).await;
    assert!(talk(running.address, &get_request("/spanned")).await.starts_with("HTTP/1.1 200"));
    let line = r#"INFO in ["request", "inner"]"#.to_owned();
    assert!(spans.0.lock().unwrap().contains(&line), "{spans:?}", spans = spans.0);
}

#[tokio::test]
async fn http2_is_spoken_by_prior_knowledge() {
    let running = start(settings()).await;
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http::<http_body_util::Empty<bytes::Bytes>>();
    let answer = client.get(format!("http://{}/peer", running.address).parse().unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
}

#[tokio::test]
async fn giant_headers_are_431() {
    let running = start(settings()).await;
    let large = format!("GET /peer HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(64 * 1024));
    assert!(talk(running.address, large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET /peer HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: a\r\n".repeat(101));
    assert!(talk(running.address, many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn whoever_sends_headers_slowly_or_not_at_all_is_closed() {
    let running = start(settings()).await;
    for sent in
        ["", "P", "PRI * HTTP/2", "GET /peer HTTP/1.1\r\nhost: lo", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let answer = talk(running.address, sent.as_bytes()).await;
        assert!(!answer.contains(" 200 "), "{sent:?}");
    }
    // Also after an answer, on a connection that is kept alive.
    let answer = talk(running.address, b"GET /peer HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

// Clients and proxies keep connections for a minute and more, and cannot send a POST again that met a closed one.
#[tokio::test]
async fn a_connection_may_rest_between_requests_and_not_within_the_headers_of_one() {
    let quick =
        ServeSettings { header_read: Duration::from_millis(200), idle: Duration::from_secs(2), ..settings() };
    let running = start(quick).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(b"GET /peer HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        read_until(&mut stream, "127.0.0.1").await;
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    stream.write_all(b"GET /peer HT").await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_millis(1500), stream.read_to_end(&mut rest)).await;
    closed.expect("closed").ok();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    closed.expect("whoever rests for long is closed").unwrap();
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_goes_on() {
    let running = start(settings()).await;
    assert!(talk(running.address, &get_request("/panic")).await.starts_with("HTTP/1.1 500"));
    assert!(talk(running.address, &get_request("/peer")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_foreign_host_is_refused_on_loopback() {
    let running = start(settings()).await;
    let foreign = b"GET /peer HTTP/1.1\r\nhost: evil.example.com\r\nconnection: close\r\n\r\n";
    assert!(talk(running.address, foreign).await.starts_with("HTTP/1.1 421"));
}

#[tokio::test]
async fn two_hosts_are_400() {
    let running = start(settings()).await;
    let twice = b"GET /peer HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = talk(running.address, twice).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("one Host header"), "{answer}");
}

#[tokio::test]
async fn at_shutdown_what_runs_is_finished_and_nothing_new_is_accepted() {
    let running = start(settings()).await;
    let request = get_request("/slow");
    let answering = talk(running.address, &request);
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        running.stop.send(()).unwrap();
    };
    let (answer, ()) = tokio::join!(answering, stopping);
    assert!(answer.ends_with("done"), "{answer}");
    tokio::time::timeout(Duration::from_secs(2), running.done).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn streams_end_when_the_drain_is_over() {
    let running = start(ServeSettings { drain: Duration::from_millis(200), ..settings() }).await;
    let request = get_request("/forever");
    let answering = talk(running.address, &request);
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        running.stop.send(()).unwrap();
    };
    let (answer, ()) = tokio::join!(answering, stopping);
    assert_eq!(answer, "");
    tokio::time::timeout(Duration::from_secs(2), running.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_room() {
    let running = start(ServeSettings { connections: 1, ..settings() }).await;
    let first = TcpStream::connect(running.address).await.unwrap();
    let request = get_request("/peer");
    let second = talk(running.address, &request);
    let leaving = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(first);
    };
    let (answer, ()) = tokio::join!(second, leaving);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Connects, sends a request, and reads until the answer has `wanted`.
async fn begin(address: SocketAddr, path: &str, wanted: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&get_request(path)).await.unwrap();
    read_until(&mut stream, wanted).await;
    stream
}

async fn read_until(stream: &mut TcpStream, wanted: &str) {
    let mut seen = String::new();
    while !seen.contains(wanted) {
        let mut chunk = [0; 1024];
        let reading = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut chunk));
        let count = reading.await.expect("in time").unwrap();
        assert!(count > 0, "closed before {wanted:?}: {seen}");
        seen.push_str(&String::from_utf8_lossy(&chunk[..count]));
    }
}

async fn is_dropped(dropped: &mut mpsc::Receiver<()>) {
    tokio::time::timeout(Duration::from_secs(5), dropped.recv()).await.expect("in time");
}

#[tokio::test]
async fn events_leave_one_by_one_and_a_client_that_leaves_ends_the_stream() {
    let (tell, mut dropped) = mpsc::channel(1);
    let (feed, events) = mpsc::channel::<&'static str>(1);
    let state = Arc::new(std::sync::Mutex::new(Some((events, Held(tell)))));
    let stream = get(|| async move {
        let state = state.lock().unwrap().take().unwrap();
        axum::body::Body::from_stream(futures_util::stream::unfold(state, |(mut events, held)| async move {
            let event = events.recv().await?;
            Some((Ok::<_, io::Error>(bytes::Bytes::from(event)), (events, held)))
        }))
    });
    let running = start_with(settings(), Router::new().route("/stream", stream)).await;
    feed.send("data: 1").await.unwrap();
    let mut client = begin(running.address, "/stream", "data: 1").await;
    feed.send("data: 2").await.unwrap();
    read_until(&mut client, "data: 2").await;
    drop(client);
    is_dropped(&mut dropped).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_the_handler() {
    let (tell, mut dropped) = mpsc::channel(1);
    let handler = get(|| async move {
        let _held = Held(tell);
        std::future::pending::<()>().await;
    });
    let running = start_with(settings(), Router::new().route("/pending", handler)).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(&get_request("/pending")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(dropped.try_recv().is_err());
    drop(client);
    is_dropped(&mut dropped).await;
}

#[tokio::test]
async fn an_address_holds_only_so_many_connections() {
    let running = start(ServeSettings { connections_per_address: 2, ..settings() }).await;
    let held = [connected(running.address).await, connected(running.address).await];
    let mut third = TcpStream::connect(running.address).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(2), third.read(&mut [0])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "closed at once");
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(talk(running.address, &get_request("/peer")).await.starts_with("HTTP/1.1 200"));
}

/// A connection that is known to be served.
async fn connected(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut stream, "127.0.0.1").await;
    stream
}

/// An answer without an end, which tells when it is dropped.
fn flood(path: &str) -> (Router, mpsc::Receiver<()>) {
    let (tell, dropped) = mpsc::channel(100);
    let handler = get(|| async move {
        let chunk = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
        axum::body::Body::from_stream(futures_util::stream::unfold(Held(tell), move |held| {
            let chunk = chunk.clone();
            async move { Some((Ok::<_, io::Error>(chunk), held)) }
        }))
    });
    (Router::new().route(path, handler), dropped)
}

#[tokio::test]
async fn whoever_does_not_read_is_given_up() {
    let (router, mut dropped) = flood("/flood");
    let running = start_with(settings(), router).await;
    let _client = begin(running.address, "/flood", "xxx").await;
    is_dropped(&mut dropped).await;
}

#[tokio::test]
async fn whoever_reads_a_byte_now_and_then_is_given_up_too() {
    let (router, mut dropped) = flood("/flood");
    let running = start_with(settings(), router).await;
    let mut client = begin(running.address, "/flood", "xxx").await;
    let trickling = async {
        loop {
            client.read_exact(&mut [0]).await.ok();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = trickling => {}
        () = is_dropped(&mut dropped) => {}
    }
}

#[tokio::test]
async fn whoever_has_nothing_to_read_is_not_slow() {
    let silent =
        get(|| async { axum::body::Body::from_stream(SilentThenDone::new(Duration::from_millis(900))) });
    let running = start_with(settings(), Router::new().route("/silent", silent)).await;
    assert!(talk(running.address, &get_request("/silent")).await.contains("done"));
    let mut client = http2(running.address, |_| ()).await;
    let answer = client.send_request(http2_request("/silent")).await.unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    assert_eq!(body, "done");
}

/// One part after a while, and the end.
struct SilentThenDone(std::pin::Pin<Box<tokio::time::Sleep>>, bool);

impl SilentThenDone {
    fn new(span: Duration) -> Self {
        Self(Box::pin(tokio::time::sleep(span)), false)
    }
}

impl futures_util::Stream for SilentThenDone {
    type Item = io::Result<bytes::Bytes>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        if self.1 {
            return std::task::Poll::Ready(None);
        }
        std::task::ready!(self.0.as_mut().poll(cx));
        self.1 = true;
        std::task::Poll::Ready(Some(Ok(bytes::Bytes::from_static(b"done"))))
    }
}

type Http2 = hyper::client::conn::http2::SendRequest<http_body_util::Empty<bytes::Bytes>>;

async fn http2(
    address: SocketAddr,
    configure: impl FnOnce(&mut hyper::client::conn::http2::Builder<TokioExecutor>),
) -> Http2 {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    configure(&mut builder);
    let (client, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

fn http2_request(path: &str) -> Request<http_body_util::Empty<bytes::Bytes>> {
    Request::get(format!("http://localhost{path}")).body(http_body_util::Empty::new()).unwrap()
}

#[tokio::test]
async fn a_stream_whose_reader_takes_nothing_is_reset_alone() {
    let (router, mut dropped) = flood("/flood");
    let running = start_with(settings(), router).await;
    let mut client = http2(running.address, |builder| {
        builder.initial_stream_window_size(1);
    })
    .await;
    let stalled = client.send_request(http2_request("/flood")).await.unwrap();
    is_dropped(&mut dropped).await;
    let answer = client.send_request(http2_request("/peer")).await.unwrap();
    assert_eq!(answer.status(), 200, "the connection and its other streams live on");
    let mut body = stalled.into_body();
    let ended = async {
        while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
            if frame.is_err() {
                return true;
            }
        }
        false
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(2), ended).await.unwrap(),
        "a cut answer never looks whole"
    );
}

#[tokio::test]
async fn large_answers_arrive_whole_over_http2() {
    let whole = bytes::Bytes::from((0..=250_u8).cycle().take(1_000_003).collect::<Vec<_>>());
    let served = whole.clone();
    let running = start_with(settings(), Router::new().route("/large", get(|| async { served }))).await;
    let mut client = http2(running.address, |_| ()).await;
    let answer = client.send_request(http2_request("/large")).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "1000003");
    assert!(http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes() == whole);
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_closed() {
    let running = start(settings()).await;
    let mut client = http2(running.address, |_| ()).await;
    assert_eq!(client.send_request(http2_request("/peer")).await.unwrap().status(), 200);
    let closed = async {
        while !client.is_closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3), closed).await.expect("closed while idle");
    // One whose request is being answered is not idle.
    let mut client = http2(running.address, |_| ()).await;
    let slow = ServeSettings { idle: Duration::from_millis(50), ..settings() };
    let busy = start(slow).await;
    assert_eq!(client.send_request(http2_request("/peer")).await.unwrap().status(), 200);
    let mut client = http2(busy.address, |_| ()).await;
    assert_eq!(client.send_request(http2_request("/slow")).await.unwrap().status(), 200);
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a request, by the static table where it has them (RFC 7541, appendix A).
fn header_block(method: u8, host: &str, path: &str) -> Vec<u8> {
    let literal =
        |index: u8, value: &str| [&[index, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [vec![method, 0x86], literal(0x01, host), literal(0x04, path)].concat()
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The kinds of the frames on one stream, and whether each of them ends it.
fn frames_of(stream: u32, mut bytes: &[u8]) -> Vec<(u8, bool)> {
    let mut found = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if head[5..] == stream.to_be_bytes() {
            found.push((head[3], head[4] & 1 == 1));
        }
        bytes = &rest[length..];
    }
    found
}

// Some clients, curl 7.88 among them, drop an answer behind which its stream is reset.
#[tokio::test]
async fn an_early_refusal_over_http2_is_no_reset() {
    let refused = any(|| async { (http::StatusCode::UNAUTHORIZED, "no") });
    let running = start_with(settings(), Router::new().route("/refused", refused)).await;
    for host in ["localhost", "evil.example.com"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let headers = frame(1, 0b100, 1, &header_block(POST, host, "/refused"));
        stream.write_all(&[PREFACE, &frame(4, 0, 0, &[]), &headers].concat()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(&frame(0, 1, 1, b"{}")).await.unwrap();
        let mut answer = Vec::new();
        // Until it is closed for being idle.
        let reading = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer));
        reading.await.expect("closed").unwrap();
        let (headers, data) = ((1, false), (0, true));
        assert_eq!(frames_of(1, &answer), [headers, data], "{host}");
    }
}

// CVE-2023-44487: streams that are opened and reset without pause.
#[tokio::test]
async fn rapid_resets_end_the_connection_and_nothing_else() {
    let running = start(settings()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let mut sent = [PREFACE, &frame(4, 0, 0, &[])].concat();
    let headers = header_block(GET, "localhost", "/forever");
    for number in 0..5000 {
        let id = number * 2 + 1;
        sent.extend(frame(1, 0b101, id, &headers));
        sent.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
    }
    stream.write_all(&sent).await.ok();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("closed").ok();
    assert!(talk(running.address, &get_request("/peer")).await.starts_with("HTTP/1.1 200"));
}

/// A router whose stream at `/events` says what the test has it say.
fn saying() -> (mpsc::Sender<&'static str>, Router) {
    let (say, said) = mpsc::channel::<&'static str>(8);
    let said = Arc::new(std::sync::Mutex::new(Some(said)));
    let open = move || {
        let said = said.lock().unwrap().take().unwrap();
        let events = futures_util::stream::unfold(said, |mut said| async {
            Some((Ok::<_, std::convert::Infallible>(said.recv().await?), said))
        });
        async { ([("content-type", "text/event-stream; charset=utf-8")], Body::from_stream(events)) }
    };
    (say, Router::new().route("/events", any(open)))
}

/// Reads until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_secs(4), reading).await.expect("closed in time").unwrap();
    String::from_utf8(rest).unwrap()
}

const LAST_CHUNK: &str = "0\r\n\r\n";

#[tokio::test]
async fn at_shutdown_a_stream_for_whatever_comes_ends_whole_and_after_its_event() {
    let (say, router) = saying();
    let running = start_with(settings(), router).await;
    say.send("data: 1\n").await.unwrap();
    let stream = begin(running.address, "/events", "data: 1").await;
    running.stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    say.send("\n").await.unwrap();
    let rest = rest(stream).await;
    assert!(rest.ends_with(LAST_CHUNK) && rest.contains('\n'), "{rest:?}");
    running.done.await.unwrap();

    // Between two events, at once.
    let (say, router) = saying();
    let running = start_with(settings(), router).await;
    say.send("data: 1\r\n\r\n").await.unwrap();
    let stream = begin(running.address, "/events", "data: 1").await;
    running.stop.send(()).unwrap();
    let rest = self::rest(stream).await;
    assert!(rest.ends_with(LAST_CHUNK), "{rest:?}");
    tokio::time::timeout(Duration::from_secs(1), running.done).await.expect("at once").unwrap();
}

#[tokio::test]
async fn a_stream_with_answers_to_calls_has_the_drain_and_then_ends_whole_too() {
    let (say, router) = saying();
    let running = start_with(ServeSettings { drain: Duration::from_millis(600), ..settings() }, router).await;
    say.send("data: 1\n\n").await.unwrap();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "data: 1\n\n").await;
    running.stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    say.send("data: 2\n\ndata: 3").await.unwrap();
    let rest = rest(stream).await;
    assert!(rest.contains("data: 2\n\ndata: 3") && rest.ends_with(LAST_CHUNK), "{rest:?}");
    running.done.await.unwrap();
}

#[tokio::test]
async fn at_shutdown_a_stream_over_http2_ends_with_its_last_frame_and_no_reset() {
    let (say, router) = saying();
    let running = start_with(settings(), router).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let headers = frame(1, 0b101, 1, &header_block(GET, "localhost", "/events"));
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[]), &headers].concat()).await.unwrap();
    say.send("data: 1\n\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.stop.send(()).unwrap();
    let mut answer = Vec::new();
    // The other side answers no ping of the goodbye, so the connection stays for a while.
    tokio::time::timeout(Duration::from_millis(700), stream.read_to_end(&mut answer)).await.ok();
    assert_eq!(frames_of(1, &answer), [(1, false), (0, false), (0, true)]);
}
