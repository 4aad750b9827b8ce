//! What a request still has to say when its answer is ready.
//!
//! A refusal does not wait for the body: a 401 is decided by the headers. On HTTP/1.1 hyper then closes the connection
//! without having said so. A client that is still writing, or that keeps the connection for its next request (the refresh,
//! after a 401), finds it broken and reports that instead of the answer. On HTTP/2 the stream is reset right behind the
//! answer (RFC 9113 §8.1), and clients, curl 7.88 among them, drop the answer with it. So what nobody read is read to its
//! end and thrown away (RFC 9112 §9.6 asks for the like). Where that would be too much, an answer on HTTP/1.1 says that the
//! connection ends with it, and on HTTP/2 the stream is reset.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};

/// The body of a request, for whoever answers it.
#[derive(Debug)]
pub(crate) struct Watched<B>(Arc<Mutex<B>>);

/// The same body, once its answer is ready.
#[derive(Debug)]
pub(crate) struct Unread<B> {
    body: Arc<Mutex<B>>,
    /// Whether an answer can say that its connection ends (RFC 9113 §8.2.2: not on HTTP/2).
    can_close: bool,
    /// The client waits to be told that it may send its body (RFC 9110 §10.1.1).
    waits: bool,
}

/// Keeps an eye on the body of a request.
pub(crate) fn watch<B>(request: Request<B>) -> (Request<Watched<B>>, Unread<B>) {
    let waits = request.headers().contains_key(header::EXPECT);
    let can_close = request.version() < Version::HTTP_2;
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let request = Request::from_parts(parts, Watched(Arc::clone(&body)));
    (request, Unread { body, can_close, waits })
}

impl<B: Body<Data = Bytes> + Unpin> Unread<B> {
    /// Reads what is left, if nobody else is still reading, and changes the answer where the connection cannot go on.
    pub(crate) async fn settle<A>(self, response: &mut Response<A>) {
        self.settle_within(PATIENCE, response).await;
    }

    async fn settle_within<A>(self, patience: Duration, response: &mut Response<A>) {
        let Ok(body) = Arc::try_unwrap(self.body) else { return };
        let mut body = body.into_inner().unwrap_or_else(PoisonError::into_inner);
        if body.is_end_stream() {
            return;
        }
        let has_an_end = usize::try_from(body.size_hint().lower()).is_ok_and(|least| least <= MOST);
        let is_read = !self.waits
            && has_an_end
            && tokio::time::timeout(patience, read_to_its_end(&mut body)).await.unwrap_or(false);
        if !is_read && self.can_close {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Whether it has an end within [`MOST`] bytes.
async fn read_to_its_end<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> bool {
    let mut read = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read = read.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if read > MOST {
            return false;
        }
    }
    true
}

impl<B: Body + Unpin> Watched<B> {
    fn with<T>(&self, ask: impl FnOnce(Pin<&mut B>) -> T) -> T {
        ask(Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.with(|body| body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

/// As much as a call may have by default: whoever sends that and is refused gets to read why.
const MOST: usize = 4 << 20;

/// How long an answer waits for the rest of its request.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use futures_util::FutureExt as _;
    use http_body_util::{Full, StreamBody};

    use super::*;

    fn request<B>(body: B) -> Request<B> {
        Request::builder().version(Version::HTTP_11).body(body).unwrap()
    }

    /// What an answer says about its connection after nobody read the body of `request`.
    async fn connection<B: Body<Data = Bytes> + Unpin>(request: Request<B>) -> Option<HeaderValue> {
        let (request, unread) = watch(request);
        drop(request);
        let mut response = Response::new(());
        unread.settle_within(Duration::from_millis(20), &mut response).await;
        response.headers_mut().remove(header::CONNECTION)
    }

    #[tokio::test]
    async fn a_body_that_nobody_read_is_read_to_its_end() {
        assert_eq!(connection(request(Full::new(Bytes::from_static(b"{}")))).await, None);
        assert_eq!(connection(request(Full::new(Bytes::from(vec![b' '; MOST])))).await, None);
        assert_eq!(connection(request(Full::new(Bytes::new()))).await, None);
    }

    #[tokio::test]
    async fn a_body_that_says_it_is_too_long_is_not_waited_for() {
        let (request, unread) = watch(request(Announced(u64::try_from(MOST).unwrap() + 1)));
        drop(request);
        let mut response = Response::new(());
        let settled = unread.settle_within(Duration::MAX, &mut response);
        settled.now_or_never().expect("at once");
        assert_eq!(response.headers()[header::CONNECTION], "close");
    }

    /// A body of this many bytes, none of which comes.
    struct Announced(u64);

    impl Body for Announced {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }

    #[tokio::test]
    async fn where_the_body_is_too_long_or_slow_the_answer_says_that_the_connection_ends() {
        let close = Some(HeaderValue::from_static("close"));
        assert_eq!(connection(request(Full::new(Bytes::from(vec![b' '; MOST + 1])))).await, close);
        let never = futures_util::stream::once(pending::<Result<Frame<Bytes>, Infallible>>());
        assert_eq!(connection(request(StreamBody::new(Box::pin(never)))).await, close);
        let mut waiting = request(Full::new(Bytes::from_static(b"{}")));
        waiting.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        assert_eq!(connection(waiting).await, close, "it is not asked for a body that nobody wants");
    }

    #[tokio::test]
    async fn a_body_that_somebody_still_reads_is_left_alone() {
        let (request, unread) = watch(request(Full::new(Bytes::from_static(b"{}"))));
        let mut response = Response::new(());
        unread.settle(&mut response).await;
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "{}");
        assert!(response.headers().is_empty());
    }

    #[tokio::test]
    async fn on_http_2_no_answer_says_that_its_connection_ends() {
        let mut long = request(Full::new(Bytes::from(vec![b' '; MOST + 1])));
        *long.version_mut() = Version::HTTP_2;
        assert_eq!(connection(long).await, None);
    }
}
