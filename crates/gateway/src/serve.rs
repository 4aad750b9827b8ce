//! Accepts connections: HTTP/1.1 and HTTP/2 by prior knowledge, with limits on what a stranger can hold open, and an
//! orderly end.
//!
//! TLS is left to a proxy in front. Bodies are limited where they are read. Whoever reads answers slowly is for `patience`,
//! whoever holds many connections for `crowd`.

mod closing;
mod crowd;
mod patience;
mod woken;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::{Method, Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use self::closing::{Closing, Phase};
use self::crowd::Crowd;
use self::patience::{Heads, Open, Patient, Streams, UnderWay, counted};
use self::woken::Woken;
use crate::client_address::IpRange;
use crate::config::Config;
use crate::edge::{AnswersComeHere, Edge, is_event_stream};

/// What one connection, and all of them, may hold.
#[derive(Debug, Clone)]
pub(crate) struct ServeSettings {
    /// Bytes of a header block, at least 8 KiB. Beyond: 431.
    pub(crate) header_block: usize,
    /// Header lines. Beyond: 431.
    pub(crate) header_lines: usize,
    /// How long a request's headers may take, from the connection or the last answer on. Beyond: closed.
    pub(crate) header_read: Duration,
    /// Connections at once; further ones wait in the system's queue.
    pub(crate) connections: usize,
    /// Connections of one address at once. Beyond: closed.
    pub(crate) connections_per_address: usize,
    /// The proxies whose connections are not counted.
    pub(crate) trusted_proxies: Vec<IpRange>,
    /// Whether the connections of this machine are counted too.
    pub(crate) limit_loopback: bool,
    /// Streams at once on one HTTP/2 connection.
    pub(crate) http2_streams: u32,
    /// How long an HTTP/2 connection may be open without a request. Beyond: closed.
    pub(crate) idle: Duration,
    /// How long a reader may take for the next kilobyte of what waits for it. Beyond: closed, on HTTP/2 the stream alone.
    pub(crate) write_stall: Duration,
    /// How long requests and streams may go on after the shutdown began.
    pub(crate) drain: Duration,
}

impl From<&Config> for ServeSettings {
    fn from(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            header_block: limits.header_block,
            header_lines: limits.header_lines,
            header_read: limits.header_read,
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            trusted_proxies: config.trusted_proxies.clone(),
            limit_loopback: config.limit_loopback,
            http2_streams: limits.http2_streams,
            idle: limits.idle,
            write_stall: limits.write_stall,
            drain: limits.drain,
        }
    }
}

/// Serves until `shutdown` completes; then accepts no more, lets what runs finish, and ends the rest after the drain. Event streams end
/// as [`closing`] says.
///
/// The listener's own trouble (too many open files) is logged and waited out.
pub(crate) async fn run(
    listener: TcpListener,
    edge: Edge,
    settings: &ServeSettings,
    shutdown: impl Future<Output = ()>,
) {
    let edge = Arc::new(edge);
    let builder = Arc::new(builder(settings));
    let room = Arc::new(Semaphore::new(settings.connections));
    let crowd = Crowd::new(
        settings.connections_per_address,
        settings.trusted_proxies.clone(),
        settings.limit_loopback,
    );
    let (phase, phases) = watch::channel(Phase::Serving);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let Some(place) = crowd.enter(peer.ip()) else {
                    tracing::debug!(peer = %peer.ip(), "an address has too many connections; the new one is closed");
                    continue;
                };
                let connection = Connection {
                    edge: Arc::clone(&edge),
                    builder: Arc::clone(&builder),
                    header_read: settings.header_read,
                    idle: settings.idle,
                    write_stall: settings.write_stall,
                    phase: phases.clone(),
                };
                connections.spawn(async move {
                    connection.serve(stream, peer).await;
                    drop((permit, place));
                });
            }
            Err(cause) if is_of_the_peer(&cause) => {}
            Err(cause) => {
                tracing::warn!(%cause, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    phase.send_replace(Phase::Ending);
    if all_end(&mut connections, settings.drain).await {
        return;
    }
    tracing::info!(connections = connections.len(), "ending what still runs");
    phase.send_replace(Phase::Over);
    if !all_end(&mut connections, LAST_WORDS).await {
        connections.shutdown().await;
    }
}

/// Whether all connections end within this time.
async fn all_end(connections: &mut JoinSet<()>, time: Duration) -> bool {
    let ending = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(time, ending).await.is_ok()
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    if let Err(cause) = stream.set_nodelay(true) {
        tracing::debug!(%cause, "a connection was gone before it was served");
    }
    Ok((stream, peer, permit))
}

/// Whether a failed accept says something about one peer and nothing about the listener.
fn is_of_the_peer(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

fn builder(settings: &ServeSettings) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams { patience: settings.write_stall });
    builder
        .http1()
        .timer(TokioTimer::new())
        // It would count the time between two requests as well: see `Heads`, and `idle`.
        .header_read_timeout(None)
        .max_buf_size(settings.header_block);
    if settings.header_lines != HEADER_LINES {
        builder.http1().max_headers(settings.header_lines);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(settings.header_block).unwrap_or(u32::MAX))
        .max_concurrent_streams(settings.http2_streams)
        // Whoever opens streams and resets them at once costs work and counts as nothing (CVE-2023-44487); whoever makes
        // us reset streams, too (CVE-2025-8671).
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

struct Connection {
    edge: Arc<Edge>,
    builder: Arc<auto::Builder<Streams>>,
    header_read: Duration,
    idle: Duration,
    write_stall: Duration,
    phase: watch::Receiver<Phase>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        let requests = AtomicUsize::new(0);
        let open = Open::default();
        let is_http1 = Arc::new(AtomicBool::new(false));
        let phase = self.phase.clone();
        let service = service_fn(|request: Request<Incoming>| {
            requests.fetch_add(1, Ordering::Relaxed);
            let is_http2 = request.version() == Version::HTTP_2;
            is_http1.store(!is_http2, Ordering::Relaxed);
            let is_call = request.method() == Method::POST;
            let answering = Woken::new(self.edge.answer(request, peer));
            // A request that is being answered is counted like an answer that is being read.
            let under_way = UnderWay::count(&open);
            let phase = phase.clone();
            async move {
                let response = answering.await;
                response.map(|response| {
                    let has_answers = is_call || response.extensions().get::<AnswersComeHere>().is_some();
                    let closing =
                        is_event_stream(response.headers()).then(|| Closing::new(phase, has_answers));
                    response.map(|body| counted(body, under_way, is_http2, closing))
                })
            }
        });
        let heads =
            Heads { patience: self.header_read, open: Arc::clone(&open), is_http1: Arc::clone(&is_http1) };
        let stream = TokioIo::new(Patient::new(stream, self.write_stall, heads));
        let mut connection = pin!(self.builder.serve_connection(stream, service));
        // Looked at when one of them happens, and not with each request.
        let mut events = FuturesUnordered::new();
        events.push(self.next(Event::Greeted));
        events.push(self.next(Event::Looked));
        events.push(self.next(Event::Ending));
        let (mut seen, mut was_idle) = (0, false);
        loop {
            let event = tokio::select! {
                biased;
                outcome = connection.as_mut() => {
                    if let Err(cause) = outcome {
                        tracing::debug!(cause = %cause, peer = %peer.ip(), "a connection ended early");
                    }
                    return;
                }
                Some(event) = events.next() => event,
            };
            let count = requests.load(Ordering::Relaxed);
            match event {
                Event::Greeted if count == 0 => return,
                Event::Greeted => {}
                Event::Looked => {
                    let is_idle = open.load(Ordering::Relaxed) == 0 && count == seen;
                    if is_idle && was_idle {
                        return;
                    }
                    if is_idle {
                        // Says goodbye first, so that a request that is on its way is sent elsewhere.
                        connection.as_mut().graceful_shutdown();
                    }
                    (seen, was_idle) = (count, is_idle);
                    events.push(self.next(Event::Looked));
                }
                Event::Ending => connection.as_mut().graceful_shutdown(),
            }
        }
    }

    /// Waits until it happens.
    async fn next(&self, event: Event) -> Event {
        match event {
            Event::Greeted => tokio::time::sleep(self.header_read).await,
            Event::Looked => tokio::time::sleep(self.idle).await,
            Event::Ending => drop(self.phase.clone().changed().await),
        }
        event
    }
}

/// What happens to a connection besides its requests.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The time for its first request is over. Until the protocol is known, nothing else watches over a silent peer.
    Greeted,
    /// It is time to look whether it is in use.
    Looked,
    /// The shutdown begins.
    Ending,
}

/// So many header lines hyper takes by itself, and then reads them without memory of their own.
const HEADER_LINES: usize = 100;

/// After a failed accept: long enough for a descriptor to become free.
const PAUSE: Duration = Duration::from_millis(100);

/// How long streams take to say that they end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Streams that a peer may have reset before we looked at them, and that we reset for its mistakes.
const RESETS: usize = 50;

/// What may wait for the reader of one HTTP/2 stream, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests;
