//! Whoever holds things open: slow, silent and many. Memory stays bounded, and others are served.
//!
//! Small numbers unless `COATROOM_SOAK` says how many times as much.

use std::time::{Duration, Instant};

use coatroom_e2e::Gateway;
use coatroom_e2e::oauth::http;
use coatroom_e2e::upstream::Behind;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

fn soak() -> usize {
    std::env::var("COATROOM_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

async fn connect(gateway: &Gateway) -> TcpStream {
    let address = gateway.origin().replace("http://localhost", "127.0.0.1").parse().unwrap();
    TcpSocket::new_v4().unwrap().connect(address).await.expect("a connection")
}

fn host(gateway: &Gateway) -> String {
    gateway.origin().replace("http://", "")
}

/// How long until the other side closes.
async fn until_closed(stream: &mut TcpStream) -> Duration {
    let since = Instant::now();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
    closed.expect("not closed after 30 s").ok();
    since.elapsed()
}

/// Others are served, and soon.
async fn serves(world: &Behind, token: &str) {
    let asked = Instant::now();
    assert_eq!(world.mcp(token).call("headers", json!({})).await.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

const PATIENCE: &str = "[limits]\nheader_read = \"500ms\"\nwrite_stall = \"500ms\"\nidle = \"500ms\"\n";

#[tokio::test]
async fn slow_and_silent_connections_are_closed() {
    let world = Behind::start("", PATIENCE).await;
    let (_, tokens) = world.signed_in("Alice").await;
    let gateway = &world.gateway;
    let request = format!(
        "POST /token HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 60000\r\n",
        host(gateway)
    );
    let mut held = Vec::new();
    for begin in ["", "GET /mcp HT", &request] {
        for _ in 0..50 {
            let mut stream = connect(gateway).await;
            stream.write_all(begin.as_bytes()).await.unwrap();
            held.push(stream);
        }
    }
    serves(&world, &tokens.access).await;
    let closing = held.iter_mut().map(until_closed);
    for took in futures_util::future::join_all(closing).await {
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    // A header a time, for ever.
    let mut trickle = connect(gateway).await;
    trickle.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let since = Instant::now();
    while trickle.write_all(b"x: y\r\n").await.is_ok() {
        assert!(since.elapsed() < Duration::from_secs(5), "headers trickle in for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends the head of a request and a part of its body, and nothing more.
async fn slow_body(gateway: &Gateway, path: &str, more: &str, part: usize) -> TcpStream {
    let mut stream = connect(gateway).await;
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: {}\r\n{more}content-length: 60000\r\n\r\n", host(gateway));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; part]).await.unwrap();
    stream
}

#[tokio::test]
async fn slow_bodies_hold_little_and_end() {
    let bodies = 200 * soak();
    let world = Behind::start("", "").await;
    let (_, tokens) = world.signed_in("Alice").await;
    let before = world.gateway.resident_kib();
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let mut held = Vec::new();
    for _ in 0..bodies {
        held.push(slow_body(&world.gateway, "/token", form, 30_000).await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let resident = world.gateway.resident_kib();
    serves(&world, &tokens.access).await;
    println!("{bodies} slow bodies of 30 kB: {before} KiB -> {resident} KiB resident");
    assert!(
        resident < before + 96 * u64::try_from(bodies).unwrap() + 16 * 1024,
        "{before} -> {resident} KiB"
    );
    // Ten seconds for the body, then an answer and the end.
    for stream in &mut held {
        until_closed(stream).await;
    }
    // Without a token nothing of a body is read at the MCP endpoint.
    let mut stranger = slow_body(&world.gateway, "/mcp", "content-type: application/json\r\n", 10).await;
    let mut answer = [0; 12];
    tokio::time::timeout(Duration::from_secs(5), stranger.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
}

#[tokio::test]
async fn readers_that_do_not_read_are_given_up() {
    let world = Behind::start("", PATIENCE).await;
    let (_, tokens) = world.signed_in("Alice").await;
    // Answers of many kilobytes, of which nothing is read: the header says what the echo server sends back.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "headers", "arguments": {}}});
    let body = call.to_string();
    let one = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-06-18\r\nx-large: {}\r\n\
         content-length: {}\r\n\r\n{body}",
        host(&world.gateway),
        tokens.access,
        "y".repeat(20_000),
        body.len()
    );
    let mut stream = connect(&world.gateway).await;
    let since = Instant::now();
    // Requests one after the other, until nobody takes them any more: the answers stay in the way.
    let flooding = async {
        while stream.write_all(one.as_bytes()).await.is_ok() {
            assert!(since.elapsed() < Duration::from_secs(60), "the reader is waited for without end");
        }
    };
    tokio::time::timeout(Duration::from_secs(90), flooding).await.expect("given up");
    serves(&world, &tokens.access).await;
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let more = "[limits]\nconnections_per_address = 20\n\n[rates]\nloopback = true\n";
    let world = Behind::start("", more).await;
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(connect(&world.gateway).await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut closed = 0;
    for stream in &mut held {
        let read = tokio::time::timeout(Duration::from_millis(5), stream.read(&mut [0])).await;
        closed += usize::from(read.is_ok());
    }
    assert!((40..=41).contains(&closed), "{closed} of 60 were closed");
    let other =
        reqwest::Client::builder().local_address(Some([127, 0, 0, 2].into())).no_proxy().build().unwrap();
    let url = format!("{}/jwks.json", world.gateway.origin().replace("localhost", "127.0.0.1"));
    let answer = other.get(url).header("host", host(&world.gateway)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "another address is served");
}

#[tokio::test]
async fn idle_connections_cost_little() {
    let idle = 1000 * soak().min(10);
    let more = format!("[limits]\nheader_read = \"60s\"\nconnections = {}\n", idle + 1000);
    let world = Behind::start("", &more).await;
    let (_, tokens) = world.signed_in("Alice").await;
    let before = world.gateway.resident_kib();
    let mut held = Vec::new();
    for _ in 0..idle {
        held.push(connect(&world.gateway).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    serves(&world, &tokens.access).await;
    let resident = world.gateway.resident_kib();
    println!("{idle} idle connections: {before} KiB -> {resident} KiB resident");
    let each = u64::try_from(idle).unwrap() * 12;
    assert!(resident < before + each + 8 * 1024, "{before} -> {resident} KiB");
}

#[tokio::test]
async fn strangers_without_number_leave_memory_bounded() {
    let strangers = 2000 * soak();
    let world = Behind::start("", "[rates]\nregister = \"off\"\nauthorize = \"off\"\n").await;
    let (client, _) = world.signed_in("Alice").await;
    let link = client.start(None).url;
    let register = format!("{}/register", world.gateway.origin());
    let http = http();
    let visit = async |number: usize| {
        let metadata =
            json!({ "client_name": format!("Stranger {number}"), "redirect_uris": ["http://127.0.0.1/cb"] });
        assert_eq!(http.post(&register).json(&metadata).send().await.unwrap().status(), 201);
        let page = http.get(&link).send().await.unwrap();
        assert_eq!(page.status(), 200);
        page.bytes().await.unwrap();
        let guess = http.post(world.gateway.mcp_url()).bearer_auth(format!("coat_at_{number}"));
        assert_eq!(guess.json(&json!({})).send().await.unwrap().status(), 401);
    };
    let visits = |range: std::ops::Range<usize>| {
        futures_util::StreamExt::for_each_concurrent(futures_util::stream::iter(range), 16, &visit)
    };
    visits(0..200).await;
    let (rows, before) = (world.gateway.rows_in_store(), world.gateway.resident_kib());
    visits(200..strangers).await;
    let after = world.gateway.resident_kib();
    println!("{strangers} strangers: {before} KiB -> {after} KiB resident");
    assert_eq!(world.gateway.rows_in_store(), rows, "strangers left records behind");
    assert!(after < before + 16 * 1024, "{before} -> {after} KiB");
}
