//! Many streams, slow readers, slow servers and more work than can be done: memory is bounded, users get their share, and what ends
//! ends whole. `coatroom-bench streams` measures what is only bounded here.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use coatroom_e2e::oauth::http;
use coatroom_e2e::upstream::{Crowd, FloodServer};
use coatroom_e2e::{Gateway, OAuthClient, tools};
use futures_util::future::join_all;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The program before a server under load, and what two people have.
struct World {
    gateway: Gateway,
    flood: FloodServer,
    tokens: Vec<String>,
    http: reqwest::Client,
}

impl World {
    async fn start(server: &str, limits: &str) -> Self {
        let (crowd, flood) = (Crowd::start(2, None).await, FloodServer::start().await);
        let port = tools::free_port();
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"memory:\"\n{}\n\
             [servers.flood]\nupstream = \"{}\"\nprovider = \"crowd\"\n{server}\n[limits]\n{limits}\n",
            crowd.configuration(),
            flood.url,
        );
        let gateway = Gateway::serve_with(port, &configuration, &[("COATROOM_LOG", "info")]).await;
        let client = OAuthClient::connect(&gateway.mcp_url()).await;
        let mut tokens = Vec::new();
        for person in 0..2 {
            tokens.push(client.sign_in(&Crowd::name(person)).await.access);
        }
        Self { gateway, flood, tokens, http: http() }
    }

    fn call(&self, person: usize, takes: u64) -> RequestBuilder {
        self.http
            .post(self.gateway.mcp_url())
            .bearer_auth(&self.tokens[person])
            .header("accept", "application/json, text/event-stream")
            .header("x-takes", takes.to_string())
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}))
    }

    /// Opens a stream on a connection of its own, and reads nothing but its head, and its first event where it has but one.
    async fn open(&self, more: &str) -> TcpStream {
        let host = self.gateway.origin().replace("http://", "");
        let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1")).await.unwrap();
        let head = format!(
            "GET /mcp HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n{more}\r\n",
            self.tokens[0]
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let wanted = if more.is_empty() { "\r\n\r\n" } else { "data: 1\n\n\r\n" };
        let mut seen = Vec::new();
        while !seen.ends_with(wanted.as_bytes()) {
            seen.push(stream.read_u8().await.unwrap());
            assert!(seen.len() < 2000, "{}", String::from_utf8_lossy(&seen));
        }
        stream
    }
}

/// How many answers have each status.
fn statuses(answers: &[Response]) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for answer in answers {
        *counts.entry(answer.status().as_u16()).or_default() += 1;
    }
    counts
}

async fn all(calls: impl Iterator<Item = RequestBuilder>) -> Vec<Response> {
    join_all(calls.map(RequestBuilder::send))
        .await
        .into_iter()
        .map(|answer| answer.expect("an answer"))
        .collect()
}

async fn readers_that_do_not_read(server: &str) {
    let world = World::start(server, "write_stall = \"2min\"").await;
    let before = world.gateway.resident_kib();
    let mut held = Vec::new();
    for _ in 0..150 {
        held.push(world.open("").await);
    }
    let mut said = 0;
    let began = Instant::now();
    while said != world.flood.said() {
        said = world.flood.said();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "a server may say more than anybody reads: {said}"
        );
    }
    let grown = world.gateway.resident_kib().saturating_sub(before) / 150;
    println!(
        "{grown} KiB for each of 150 readers that do not read; {} KiB taken for each",
        said / 150 / 1024
    );
    // One window of HTTP/2, or buffers on both sides.
    assert!(grown < 512, "{grown} KiB for a reader that does not read");
    assert_eq!(world.call(1, 0).send().await.unwrap().status(), 200, "others are served");
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_its_server_and_little_memory() {
    readers_that_do_not_read("").await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_nobody_else_on_a_shared_connection() {
    readers_that_do_not_read("http2 = true").await;
}

#[tokio::test]
async fn three_hundred_streams_end_whole_at_shutdown() {
    let mut world = World::start("", "").await;
    let mut streams = Vec::new();
    for _ in 0..300 {
        streams.push(world.open("x-quiet: 1\r\n").await);
    }
    let took = world.gateway.stop().await;
    assert!(took < Duration::from_secs(10), "{took:?}, though nobody waits for an answer");
    for mut stream in streams {
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest))
            .await
            .expect("closed")
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "0\r\n\r\n", "the last chunk");
    }
}

#[tokio::test]
async fn a_slow_server_holds_up_whoever_calls_it_most_and_nobody_else() {
    let world = World::start("", "upstream_waiting = 20").await;
    let flood = async { all((0..100).map(|_| world.call(0, 3000))).await };
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.call(1, 0).send().await.unwrap().status()
    };
    let (answers, other) = tokio::join!(flood, other);
    assert_eq!(other, 200, "there is a place for another user");
    let counts = statuses(&answers);
    assert_eq!((counts[&200], counts[&503]), (10, 90), "one user has half of the places: {counts:?}");
    for answer in answers.into_iter().filter(|answer| answer.status() == 503) {
        assert!(answer.headers().contains_key("retry-after"));
        let body: Value = answer.json().await.unwrap();
        assert_eq!((&body["id"], &body["error"]["data"]["reason"]), (&json!(1), &json!("full")), "{body}");
    }
    let told = world.gateway.log().matches("no room for more requests").count();
    assert_eq!(told, 1, "it is said once");
    assert_eq!(statuses(&all((0..10).map(|_| world.call(0, 0))).await)[&200], 10, "and it is over");
}

fn signal(gateway: &Gateway, signal: &str) {
    let status = Command::new("kill").args([signal, &gateway.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn when_work_has_waited_calls_have_their_turns_and_it_is_over_soon() {
    let world = World::start("", "").await;
    let quiet = world.open("x-quiet: 1\r\n").await;
    // Nothing is as late as a program that stands still.
    signal(&world.gateway, "-STOP");
    let calls = tokio::spawn(join_all((0..400).map(|_| world.call(0, 0).send())));
    tokio::time::sleep(Duration::from_secs(1)).await;
    signal(&world.gateway, "-CONT");
    let answers: Vec<_> = calls.await.unwrap().into_iter().map(|answer| answer.expect("an answer")).collect();
    let counts = statuses(&answers);
    assert!(counts.keys().all(|status| [200, 503].contains(status)), "{counts:?}");
    assert!(counts.get(&200).is_some_and(|served| *served >= 40), "{counts:?}");
    let began = Instant::now();
    loop {
        let log = world.gateway.log();
        assert!(log.contains("there is more to do than can be done: calls wait"), "{log}");
        if log.contains("calls pass at once again") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it is not over: {log}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.call(1, 0).send().await.unwrap().status(), 200);
    drop(quiet);
}
