//! An MCP server that opens an event stream for whoever asks, on HTTP/1.1 and HTTP/2, and says there what the benchmark has it say.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A running server. Its streams are known by the number in their request's `x-stream`.
#[derive(Clone)]
pub(crate) struct Upstream {
    port: u16,
    streams: Streams,
}

type Streams = Arc<Mutex<Vec<Option<mpsc::Sender<Bytes>>>>>;
type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl Upstream {
    /// Starts it on a free loopback port.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let streams = Streams::default();
        tokio::spawn(serve(listener, Arc::clone(&streams)));
        Ok(Self { port, streams })
    }

    /// Its MCP endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Puts something into a stream; waits while it is full.
    pub(crate) async fn say(&self, stream: usize, what: Bytes) -> Result<()> {
        let sender = self.sender(stream)?;
        sender.send(what).await.context("the stream is closed")
    }

    /// Puts something into a stream, unless it is full.
    pub(crate) fn try_say(&self, stream: usize, what: Bytes) -> Result<bool> {
        Ok(self.sender(stream)?.try_send(what).is_ok())
    }

    /// How many streams are open.
    pub(crate) fn open(&self) -> usize {
        let streams = locked(&self.streams);
        streams.iter().flatten().filter(|sender| !sender.is_closed()).count()
    }

    /// Forgets all streams.
    pub(crate) fn forget(&self) {
        locked(&self.streams).clear();
    }

    fn sender(&self, stream: usize) -> Result<mpsc::Sender<Bytes>> {
        let streams = locked(&self.streams);
        streams.get(stream).cloned().flatten().with_context(|| format!("there is no stream {stream}"))
    }
}

fn locked(streams: &Streams) -> MutexGuard<'_, Vec<Option<mpsc::Sender<Bytes>>>> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, streams: Streams) {
    while let Ok((connection, _)) = listener.accept().await {
        let streams = Arc::clone(&streams);
        tokio::spawn(async move { serve_one(connection, streams).await.ok() });
    }
}

async fn serve_one(connection: TcpStream, streams: Streams) -> Result<()> {
    connection.set_nodelay(true)?;
    let service = service_fn(|request| answer(request, Arc::clone(&streams)));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(STREAMS_OF_A_CONNECTION);
    let serving = builder.serve_connection(TokioIo::new(connection), service);
    serving.await.map_err(|error| anyhow::anyhow!("{error}"))
}

async fn answer(request: Request<Incoming>, streams: Streams) -> Result<Answer> {
    let number = request.headers().get("x-stream").and_then(|number| number.to_str().ok()?.parse().ok());
    let Some(number) = number else {
        let body = request.into_body().collect().await?.to_bytes();
        ensure!(!body.is_empty(), "neither a stream nor a call");
        let answer = Full::from(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        return Ok(Response::builder()
            .header("content-type", "application/json")
            .body(answer.boxed_unsync())?);
    };
    let (sender, said) = mpsc::channel(WAITING);
    {
        let mut streams = locked(&streams);
        if streams.len() <= number {
            streams.resize(number + 1, None);
        }
        streams[number] = Some(sender);
    }
    let said = futures_util::stream::unfold(said, async |mut said| Some((said.recv().await?, said)));
    let said = StreamBody::new(said.map(|what| Ok(Frame::data(what)))).boxed_unsync();
    Ok(Response::builder().header("content-type", "text/event-stream").body(said)?)
}

/// As many servers allow (RFC 9113 §6.5.2 recommends no fewer).
const STREAMS_OF_A_CONNECTION: u32 = 100;

/// What may wait in a stream before whoever speaks has to.
const WAITING: usize = 4;
