//! Who calls: each connection waits for its answer, which must be the right one, and calls again.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use coatroom_e2e::{Era, Mcp};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::contender::Caller;
use super::upstream::CALLED;
use crate::processes;

/// Which calls.
pub(super) struct Load<'a> {
    pub(super) address: SocketAddr,
    pub(super) path: &'a str,
    /// One for each connection.
    pub(super) callers: &'a [Caller],
    /// If there are any, calls present these in turn, whoever calls.
    pub(super) in_turn: &'a [String],
    /// How large the argument of the tool is, in bytes.
    pub(super) argument: usize,
}

/// What came of them.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    calls: f64,
    seconds: f64,
    computed: Duration,
    /// In microseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Measured {
    /// Calls in a second.
    pub(super) fn rate(&self) -> f64 {
        self.calls / self.seconds
    }

    /// Seconds of computing for 10,000 calls.
    pub(super) fn cpu(&self) -> f64 {
        self.computed.as_secs_f64() / self.calls * 10_000.0
    }
}

impl Load<'_> {
    /// Calls for some time on a thread of its own, and counts what a process computes meanwhile.
    pub(super) fn run(&self, time: Duration, process: Option<u32>) -> Result<Measured> {
        std::thread::scope(|scope| scope.spawn(|| self.work(time, process)).join())
            .map_err(|_| anyhow::anyhow!("the load panicked"))?
    }

    fn work(&self, time: Duration, process: Option<u32>) -> Result<Measured> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let mut calling = Vec::new();
            let in_turn: Rc<[Vec<u8>]> = self.in_turn.iter().map(|token| self.request(token)).collect();
            let next = Rc::new(Cell::new(0));
            // Connections open, and the first calls are slower.
            let begins = Instant::now() + time.min(WARMUP);
            let ends = begins + time;
            for caller in self.callers {
                let own = self.request(&caller.presents);
                let requests = Requests { own, in_turn: Rc::clone(&in_turn), next: Rc::clone(&next) };
                let expected = caller.arrives.clone();
                calling.push(tokio::task::spawn_local(call(self.address, requests, expected, begins..ends)));
            }
            let of = |process: Option<u32>| process.map_or(Duration::ZERO, processes::computed);
            tokio::time::sleep_until(begins.into()).await;
            let before = of(process);
            tokio::time::sleep_until(ends.into()).await;
            let computed = of(process).saturating_sub(before);
            let mut times = Vec::new();
            for calls in calling {
                times.extend(calls.await??);
            }
            ensure!(!times.is_empty(), "nothing was answered");
            times.sort_unstable();
            let quantile = |per_cent: usize| f64::from(times[(times.len() - 1) * per_cent / 100]) / 1000.0;
            let calls = f64::from(u32::try_from(times.len())?);
            Ok(Measured {
                calls,
                seconds: time.as_secs_f64(),
                computed,
                p50: quantile(50),
                p99: quantile(99),
            })
        })
    }

    fn request(&self, token: &str) -> Vec<u8> {
        let params = json!({
            "name": "get_repos",
            "arguments": {"owner": "alice", "filter": "x".repeat(self.argument)},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        });
        let body = format!("{CALLED},\"params\":{params}}}");
        format!(
            "POST {} HTTP/1.1\r\nhost: localhost:{}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
             mcp-name: get_repos\r\nuser-agent: load/1\r\ncontent-length: {}\r\n\r\n{body}",
            self.path,
            self.address.port(),
            token,
            body.len(),
        )
        .into_bytes()
    }
}

/// What a connection sends.
struct Requests {
    own: Vec<u8>,
    /// Those of all connections, and which of them is next.
    in_turn: Rc<[Vec<u8>]>,
    next: Rc<Cell<usize>>,
}

impl Requests {
    fn next(&self) -> &[u8] {
        let at = self.next.get();
        let Some(request) = self.in_turn.get(at) else { return &self.own };
        self.next.set((at + 1) % self.in_turn.len());
        request
    }
}

/// Calls until the end, and returns how long each call took that was answered in between, in nanoseconds.
async fn call(
    address: SocketAddr,
    requests: Requests,
    expected: String,
    counted: std::ops::Range<Instant>,
) -> Result<Vec<u32>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    let mut answer = Vec::with_capacity(16 * 1024);
    let finder = memchr::memmem::Finder::new(expected.as_bytes());
    loop {
        let request = requests.next();
        let began = Instant::now();
        stream.write_all(request).await?;
        answer.clear();
        while !is_whole(&answer)? {
            ensure!(
                stream.read_buf(&mut answer).await? > 0,
                "the connection was closed in the middle of an answer"
            );
        }
        let now = Instant::now();
        ensure!(finder.find(&answer).is_some(), "a wrong answer: {}", String::from_utf8_lossy(&answer));
        if now >= counted.end {
            return Ok(times);
        }
        if now >= counted.start {
            times.push(u32::try_from((now - began).as_nanos()).unwrap_or(u32::MAX));
        }
    }
}

/// Whether all of an answer is there, which must be a good one.
fn is_whole(bytes: &[u8]) -> Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else { return Ok(false) };
    ensure!(answer.code == Some(200), "refused: {}", String::from_utf8_lossy(bytes));
    let value = |name: &str| {
        let header = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let body = &bytes[head..];
    if let Some(length) = value("content-length") {
        return Ok(body.len() >= length.parse::<usize>()?);
    }
    if value("transfer-encoding") == Some("chunked") {
        return Ok(body.ends_with(b"0\r\n\r\n"));
    }
    bail!("an answer without an end: {}", String::from_utf8_lossy(bytes))
}

/// Which credential arrives at the server for a token.
pub(super) async fn credential(url: &str, token: &str) -> Result<String> {
    let answer = Mcp::without_handshake(url, Era::Modern, token).call("get_repos", json!({})).await;
    let text = answer.text();
    Ok(text.strip_prefix("Bearer ").context("no credential arrived")?.to_owned())
}

/// How long a round runs before it counts.
const WARMUP: Duration = Duration::from_secs(1);
