//! Patience with whoever reads or writes slowly or not at all, at the places where they can make us wait:
//!
//! * [`Patient`]: the connection takes no bytes, which HTTP/1.1 shows there, or its next request stops within its headers.
//! * [`Streams`]: the connection is alive, but one HTTP/2 stream of it never gets room (RFC 9113 §5.2). Only that stream is
//!   reset: behind a proxy the others are other people's.
//!
//! Whoever has nothing to read is not slow: a silent event stream lives on.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::closing::Closing;

/// A connection that is given up when its peer takes less than a kilobyte within the patience, while there is more to send,
/// or has begun another request and does not say within the time of [`Heads`] what it is.
pub(super) struct Patient<I> {
    inner: I,
    patience: Duration,
    /// Runs while bytes wait for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
    taken: usize,
    heads: Heads,
    /// Runs from the first byte of a request to the last of its headers.
    head: Option<Pin<Box<Sleep>>>,
}

/// When the bytes of an HTTP/1.1 connection are headers: between two of its requests. A connection that rests there is idle, and
/// not slow; of the first request nobody knows which protocol it is.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    pub(super) patience: Duration,
    /// The requests and answers that are under way.
    pub(super) open: Open,
    /// Whether the last request was one of HTTP/1.1.
    pub(super) is_http1: Arc<AtomicBool>,
}

impl Heads {
    fn are_next(&self) -> bool {
        self.is_http1.load(Ordering::Relaxed) && self.open.load(Ordering::Relaxed) == 0
    }
}

impl<I> Patient<I> {
    pub(super) const fn new(inner: I, patience: Duration, heads: Heads) -> Self {
        Self { inner, patience, waiting: None, taken: 0, heads, head: None }
    }

    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(taken)) => {
                self.taken = self.taken.saturating_add(*taken);
                if *taken == wanted || self.taken >= ENOUGH {
                    (self.waiting, self.taken) = (None, 0);
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let patience = self.patience;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                ready!(waiting.as_mut().poll(cx));
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")));
            }
        }
        written
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if !self.heads.are_next() {
            self.head = None;
            return read;
        }
        if read.is_ready() && buf.filled().len() > before && self.head.is_none() {
            self.head = Some(Box::pin(tokio::time::sleep(self.heads.patience)));
        }
        if let (Poll::Pending, Some(head)) = (&read, &mut self.head) {
            ready!(head.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the headers do not end")));
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.judge(cx, buf.len(), written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.judge(cx, wanted, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Runs the streams of HTTP/2 connections, and resets those whose readers let them wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams {
    pub(super) patience: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let watched =
            Watched { stream: Box::pin(stream), patience: self.patience, full: false, waiting: None };
        tokio::spawn(watched);
    }
}

/// One stream. It is waiting for its reader when a part of its body was handed over and the next is not asked for.
struct Watched<F> {
    stream: Pin<Box<F>>,
    patience: Duration,
    full: bool,
    waiting: Option<Pin<Box<Sleep>>>,
}

thread_local! {
    /// Whether the stream that is being polled on this thread has more than its reader took.
    static FULL: Cell<bool> = const { Cell::new(false) };
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let outer = FULL.replace(this.full);
        let polled = this.stream.as_mut().poll(cx);
        this.full = FULL.replace(outer);
        if polled.is_ready() {
            return Poll::Ready(());
        }
        if !this.full {
            this.waiting = None;
            return Poll::Pending;
        }
        let patience = this.patience;
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(cx));
        tracing::debug!("a stream is reset: its reader takes nothing");
        Poll::Ready(())
    }
}

/// How many answers of a connection are under way.
pub(super) type Open = Arc<AtomicUsize>;

/// One of them, for as long as it lives.
pub(super) struct UnderWay(Open);

impl UnderWay {
    /// Counts one more.
    pub(super) fn count(open: &Open) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that is counted as long as it lives, and that hands over small parts on HTTP/2.
struct Counted {
    inner: Body,
    rest: Bytes,
    splits: bool,
    _under_way: UnderWay,
    /// Of an event stream: what tells when it has to end.
    closing: Option<Closing>,
}

/// Counts a body of an answer; for HTTP/2 it is cut into parts, so that no stream holds much for a reader that takes nothing.
pub(super) fn counted(body: Body, under_way: UnderWay, is_http2: bool, closing: Option<Closing>) -> Body {
    Body::new(Counted { inner: body, rest: Bytes::new(), splits: is_http2, _under_way: under_way, closing })
}

impl Counted {
    /// The next frame of what is counted, unless it has to end now.
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(closing) = &mut self.closing else { return Pin::new(&mut self.inner).poll_frame(cx) };
        if closing.is_due(cx) {
            self.closing = None;
            self.inner = Body::empty();
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            closing.passes(frame.data_ref().map_or(&[][..], |piece| piece));
        }
        polled
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.splits {
            return self.poll_inner(cx);
        }
        // It is asked for, so the reader took what there was.
        FULL.set(false);
        if self.rest.is_empty() {
            let frame = ready!(self.poll_inner(cx));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(PART);
        let part = self.rest.split_to(length);
        FULL.set(true);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// What a peer must take within the patience, in bytes. One byte now and then keeps nothing open.
const ENOUGH: usize = 1024;

/// The parts of an answer on HTTP/2, in bytes.
const PART: usize = 16 * 1024;
