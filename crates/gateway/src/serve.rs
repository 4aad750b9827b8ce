//! Accepts connections: HTTP/1.1 and HTTP/2 by prior knowledge, with limits on what a stranger can hold open, and an
//! orderly end.
//!
//! TLS is left to a proxy in front. Bodies are limited where they are read.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::Limits;
use crate::edge::Edge;

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
    /// How long requests and streams may go on after the shutdown began.
    pub(crate) drain: Duration,
}

impl From<&Limits> for ServeSettings {
    fn from(limits: &Limits) -> Self {
        Self {
            header_block: limits.header_block,
            header_lines: limits.header_lines,
            header_read: limits.header_read,
            connections: limits.connections,
            drain: limits.drain,
        }
    }
}

/// Serves until `shutdown` completes; then accepts no more, lets what runs finish, and ends the rest after the drain.
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
    let (ending, has_ended) = watch::channel(());
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
                let connection = Connection {
                    edge: Arc::clone(&edge),
                    builder: Arc::clone(&builder),
                    header_read: settings.header_read,
                    ending: has_ended.clone(),
                };
                connections.spawn(async move {
                    connection.serve(stream, peer).await;
                    drop(permit);
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
    drop(ending);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.drain, finished).await.is_err() {
        tracing::info!(connections = connections.len(), "ending what still runs");
        connections.shutdown().await;
    }
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

fn builder(settings: &ServeSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_read)
        .max_headers(settings.header_lines)
        .max_buf_size(settings.header_block);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(settings.header_block).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

struct Connection {
    edge: Arc<Edge>,
    builder: Arc<auto::Builder<TokioExecutor>>,
    header_read: Duration,
    ending: watch::Receiver<()>,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream, peer: SocketAddr) {
        let was_used = AtomicBool::new(false);
        let service = service_fn(|request| {
            was_used.store(true, Ordering::Relaxed);
            self.edge.answer(request, peer)
        });
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        // Until the protocol is known, nothing else watches over a silent peer.
        let mut first_request = pin!(tokio::time::sleep(self.header_read));
        let mut may_be_unused = true;
        let mut is_ending = false;
        loop {
            tokio::select! {
                outcome = connection.as_mut() => {
                    if let Err(cause) = outcome {
                        tracing::debug!(cause = %cause, peer = %peer.ip(), "a connection ended early");
                    }
                    return;
                }
                () = first_request.as_mut(), if may_be_unused => {
                    may_be_unused = false;
                    if !was_used.load(Ordering::Relaxed) {
                        return;
                    }
                }
                // The sender is dropped when the shutdown begins, which wakes every connection.
                _ = self.ending.changed(), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// After a failed accept: long enough for a descriptor to become free.
const PAUSE: Duration = Duration::from_millis(100);

/// Streams at once on one HTTP/2 connection.
const STREAMS: u32 = 250;

/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests;
