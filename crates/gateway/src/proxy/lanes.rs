//! Connections of HTTP/2 to one server, each with as many streams as it may have; a further one is opened when all are full.
//!
//! A server lets a client have so many streams on a connection, often a hundred (RFC 9113 §5.1.2), and each event stream is one for as
//! long as it is open. Those of a connection are thus counted, and what its server allows is known before it is used.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::client::conn::http2::{self, Connection, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::oneshot;
use tower_service::Service as _;

use super::answering::Answering;
use super::connect::{Connector, IDLE, Io, NoAnswer};

/// The connections to one server.
#[derive(Debug)]
pub(super) struct Lanes {
    connector: Connector,
    url: Uri,
    /// Whether HTTP/1.1 will not do instead.
    must: bool,
    /// What the server chose when it was asked.
    is_http1: AtomicBool,
    opened: Mutex<Vec<Lane>>,
    /// One connection is opened at a time, for everybody who waits for one.
    opening: tokio::sync::Mutex<()>,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Lane {
    sender: SendRequest<Full<Bytes>>,
    load: Arc<Load>,
}

/// What there is on a connection.
#[derive(Debug, Default)]
struct Load {
    streams: AtomicUsize,
    /// What the server allows, and we take of that.
    most: AtomicUsize,
}

/// A stream on a connection, or the right to open one; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Load>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

type Driven = Connection<Io, Full<Bytes>, TokioExecutor>;
type Place = (SendRequest<Full<Bytes>>, Slot);

impl Lanes {
    pub(super) fn new(connector: Connector, url: &Uri, must: bool) -> Arc<Self> {
        Arc::new(Self {
            connector,
            url: url.clone(),
            must,
            is_http1: AtomicBool::new(false),
            opened: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            failures: AtomicU64::new(0),
        })
    }

    /// Sends a request; gives it back where the server speaks HTTP/1.1 only.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Result<Response<Answering>, Request<Full<Bytes>>>, NoAnswer> {
        for _ in 0..ATTEMPTS {
            let Some((mut sender, slot)) = self.place().await? else { return Ok(Err(request)) };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(Ok(response.map(|body| Answering::in_slot(body, slot)))),
                // It was never sent: the connection closed in that moment.
                Err(mut unsent) => match unsent.take_message() {
                    Some(again) => request = again,
                    None => return Err(NoAnswer::Broken(unsent.into_error().into())),
                },
            }
        }
        Err(NoAnswer::Broken("its connections close as soon as they are open".into()))
    }

    /// A place on a connection; `None` where there will be none.
    async fn place(self: &Arc<Self>) -> Result<Option<Place>, NoAnswer> {
        if self.is_http1.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if let Some(place) = self.find() {
            return Ok(Some(place));
        }
        let failures = self.failures.load(Ordering::Relaxed);
        let _one_at_a_time = self.opening.lock().await;
        if self.failures.load(Ordering::Relaxed) != failures {
            return Err(NoAnswer::Unconnected("it could not be connected to a moment ago".into()));
        }
        if let Some(place) = self.find() {
            return Ok(Some(place));
        }
        // Large, and rare: not to be a part of every call.
        let opened = Box::pin(self.open()).await;
        if opened.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        opened
    }

    /// The first connection that is not full, so that the others come to rest.
    fn find(&self) -> Option<Place> {
        let mut lanes = self.locked();
        lanes.retain(|lane| !lane.sender.is_closed());
        let free =
            |lane: &&Lane| lane.load.streams.load(Ordering::Relaxed) < lane.load.most.load(Ordering::Relaxed);
        let lane = lanes.iter().find(free)?;
        lane.load.streams.fetch_add(1, Ordering::Relaxed);
        Some((lane.sender.clone(), Slot(Arc::clone(&lane.load))))
    }

    async fn open(self: &Arc<Self>) -> Result<Option<Place>, NoAnswer> {
        let io = self.connector.clone().call(self.url.clone()).await.map_err(NoAnswer::Unconnected)?;
        let is_http2 = match &io {
            MaybeHttpsStream::Http(_) => self.must,
            MaybeHttpsStream::Https(_) => io.connected().is_negotiated_h2(),
        };
        if !is_http2 && !self.must {
            self.is_http1.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        if !is_http2 {
            return Err(NoAnswer::Unconnected("it does not speak HTTP/2".into()));
        }
        let handshake = builder().handshake(io).await;
        let (sender, connection) = handshake.map_err(|cause| NoAnswer::Unconnected(cause.into()))?;
        let load = Arc::new(Load { streams: AtomicUsize::new(1), most: AtomicUsize::new(0) });
        let slot = Slot(Arc::clone(&load));
        let (ready, is_ready) = oneshot::channel();
        tokio::spawn(drive(connection, Arc::clone(&load), ready, Arc::downgrade(self)));
        match tokio::time::timeout(PATIENCE, is_ready).await {
            Ok(Ok(())) => {}
            _ => return Err(NoAnswer::Unconnected("it does not speak HTTP/2".into())),
        }
        self.locked().push(Lane { sender: sender.clone(), load });
        Ok(Some((sender, slot)))
    }

    /// Takes a connection without streams off the list, so that it ends; unless it was used in the meantime.
    fn retire(&self, load: &Arc<Load>) -> bool {
        let mut lanes = self.locked();
        let is_idle = load.streams.load(Ordering::Relaxed) == 0;
        if is_idle {
            lanes.retain(|lane| !Arc::ptr_eq(&lane.load, load));
        }
        is_idle
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a connection going until it ends, or nobody used it for a while.
async fn drive(connection: Driven, load: Arc<Load>, ready: oneshot::Sender<()>, lanes: Weak<Lanes>) {
    let mut connection = pin!(connection);
    let mut ready = Some(ready);
    // What the server allows arrives without a word to whoever drives the connection.
    let mut look = tokio::time::interval(SETTLING);
    let mut was_idle = false;
    loop {
        let polled = poll_fn(|cx| {
            let polled = std::future::Future::poll(connection.as_mut(), cx);
            // Nothing is sent before the server said how many streams it allows.
            let most = connection.current_max_send_streams().min(STREAMS);
            load.most.store(most, Ordering::Relaxed);
            if most > 0
                && let Some(ready) = ready.take()
            {
                ready.send(()).ok();
                look = tokio::time::interval(IDLE);
                look.reset();
            }
            match polled {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending => look.poll_tick(cx).map(|_| None),
            }
        });
        match polled.await {
            Some(outcome) => {
                if let Err(cause) = outcome {
                    tracing::debug!(%cause, "a connection to a server ended early");
                }
                return;
            }
            None if ready.is_some() => {}
            None => {
                let is_idle = load.streams.load(Ordering::Relaxed) == 0;
                if is_idle && was_idle && lanes.upgrade().is_none_or(|lanes| lanes.retire(&load)) {
                    return;
                }
                was_idle = is_idle;
            }
        }
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_max_send_streams(0)
        .initial_stream_window_size(WINDOW)
        // All streams together: one whose client does not read holds up no other.
        .initial_connection_window_size(WINDOW * WINDOWS)
        .max_header_list_size(HEADERS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// Streams on one connection, where its server allows as many.
const STREAMS: usize = 100;

/// What is taken of a stream whose client does not read, in bytes; and how many windows a connection has, one for each stream.
const WINDOW: u32 = 128 * 1024;
const WINDOWS: u32 = 100;

/// The headers of an answer, in bytes.
const HEADERS: u32 = 64 * 1024;

/// How often a server is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);

/// How long a server may take to say how many streams it allows.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked for what the server allows.
const SETTLING: Duration = Duration::from_millis(1);

const ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::SocketAddr;

    use futures_util::StreamExt as _;
    use futures_util::future::try_join_all;
    use http::Version;
    use http_body_util::{BodyExt as _, StreamBody};
    use hyper::body::{Frame, Incoming};
    use hyper::server::conn;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpListener;

    use super::super::connect::{Connections, Way, Wire};
    use super::*;

    /// A server of HTTP/2 that allows two streams on a connection, and counts these. A stream begins, and never ends by itself; at `/short`
    /// it ends at once.
    async fn server(connections: Arc<AtomicUsize>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let answer = service_fn(|request: Request<Incoming>| async move {
                    assert_eq!(request.version(), Version::HTTP_2);
                    let first =
                        futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from("1")))]);
                    let is_short = request.uri().path() == "/short";
                    let rest = futures_util::stream::pending().take_until(async move {
                        if !is_short {
                            std::future::pending::<()>().await;
                        }
                    });
                    Ok::<_, Infallible>(Response::new(StreamBody::new(first.chain(rest))))
                });
                let serving = conn::http2::Builder::new(TokioExecutor::new())
                    .max_concurrent_streams(2)
                    .serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(async move { serving.await.ok() });
            }
        });
        address
    }

    async fn send(way: &Way, url: &str) -> Result<Response<Answering>, NoAnswer> {
        let mut request = Request::builder().uri(url).body(Full::default()).unwrap();
        let sending = way.send(&mut request, None);
        tokio::time::timeout(Duration::from_secs(5), sending).await.expect("an answer in time")
    }

    fn way(url: &str) -> Way {
        Connections::new(Duration::from_secs(1)).to(&url.parse().unwrap(), Wire::Http2).unwrap()
    }

    #[tokio::test]
    async fn when_a_connection_has_as_many_streams_as_its_server_allows_there_is_another_one() {
        let count = Arc::new(AtomicUsize::new(0));
        let address = server(Arc::clone(&count)).await;
        let url = format!("http://{address}/mcp");
        let way = way(&url);
        let mut streams = try_join_all((0..7).map(|_| send(&way, &url))).await.unwrap();
        for stream in &mut streams {
            assert_eq!(stream.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "1");
        }
        assert_eq!(count.load(Ordering::Relaxed), 4);
        // What is free is used again.
        streams.truncate(1);
        for _ in 0..10 {
            let short = send(&way, &format!("http://{address}/short")).await.unwrap();
            assert_eq!(short.into_body().collect().await.unwrap().to_bytes(), "1");
        }
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_server_that_is_away_or_speaks_something_else_is_not_waited_for_by_everybody_in_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        drop(listener);
        let way = way(&url);
        let tries = futures_util::future::join_all((0..50).map(|_| send(&way, &url)));
        for outcome in tries.await {
            assert!(matches!(outcome, Err(NoAnswer::Unconnected(_))), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_server_of_http1_without_tls_is_spoken_to_as_such_unless_it_is_said_to_speak_http2() {
        let url = "http://127.0.0.1:9/mcp".parse().unwrap();
        let connections = Connections::new(Duration::from_secs(1));
        let is_plain = |wire| format!("{:?}", connections.to(&url, wire)).contains("lanes: None");
        assert!(is_plain(Wire::Auto) && is_plain(Wire::Http1) && !is_plain(Wire::Http2));
    }
}
