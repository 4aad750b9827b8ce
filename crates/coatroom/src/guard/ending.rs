//! Answers end when the token of their call expires, or its grant is revoked (ARCHITECTURE.md, rule 5).
//!
//! A call that still waits for its answer is given up, an event stream ends, and any other answer that is still on its way
//! breaks off, so that nobody takes the half of it for the whole. An answer that is all there at once is never watched.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use coatroom_protocol::words::GrantId;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::caller::Caller;
use super::headers::media_type;
use crate::context::Revocations;

/// The answer broke off since the grant or the token of its call ended.
#[derive(Debug, thiserror::Error)]
#[error("the grant of this call has ended")]
pub(super) struct CallEnded;

/// Waits for an answer, but no longer than the grant lives.
pub(super) async fn while_live<T>(
    caller: Option<&Caller>,
    revocations: Option<&Arc<Revocations>>,
    answering: Pin<&mut impl Future<Output = T>>,
) -> Result<T, CallEnded> {
    let (Some(caller), Some(revocations)) = (caller, revocations) else { return Ok(answering.await) };
    tokio::select! {
        biased;
        answer = answering => Ok(answer),
        () = revocations.ended(caller.grant()) => Err(CallEnded),
    }
}

/// Lets an answer end with the caller's token.
pub(super) fn end_with(
    caller: &Caller,
    life: Duration,
    revocations: &Arc<Revocations>,
    response: Response<Body>,
) -> Response<Body> {
    if response.body().is_end_stream() {
        return response;
    }
    let (revocations, grant) = (Arc::clone(revocations), caller.grant());
    let is_stream = is_event_stream(response.headers());
    let unwatched = Some(Watch { revocations, grant, life });
    response.map(|inner| Body::new(Ending { inner, is_stream, begun: false, unwatched, ended: None }))
}

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("text/event-stream")
}

/// What ends a call.
struct Watch {
    revocations: Arc<Revocations>,
    grant: GrantId,
    life: Duration,
}

impl Watch {
    async fn ended(self) {
        tokio::select! {
            () = tokio::time::sleep(self.life) => {}
            () = self.revocations.ended(self.grant) => {}
        }
    }
}

/// A body that ends by itself or with its call, whichever comes first.
struct Ending {
    inner: Body,
    is_stream: bool,
    begun: bool,
    /// Until the body is first waited for.
    unwatched: Option<Watch>,
    ended: Option<BoxFuture<'static, ()>>,
}

impl Ending {
    fn has_ended(&mut self, cx: &mut Context<'_>) -> bool {
        self.ended.as_mut().is_some_and(|ended| ended.poll_unpin(cx).is_ready())
    }

    /// The last that is seen of the body.
    fn end(&mut self) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.ended = None;
        self.unwatched = None;
        self.inner = Body::empty();
        Poll::Ready((!self.is_stream).then(|| Err(axum::Error::new(CallEnded))))
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.has_ended(cx) {
            return self.end();
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if (polled.is_pending() || self.begun)
            && let Some(watch) = self.unwatched.take()
        {
            self.ended = Some(watch.ended().boxed());
            if polled.is_pending() && self.has_ended(cx) {
                return self.end();
            }
        }
        self.begun = true;
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_stream { SizeHint::default() } else { self.inner.size_hint() }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const GRANT: GrantId = GrantId::from_bytes([1; 16]);

    fn ending(is_stream: bool, life: Duration, revocations: &Arc<Revocations>) -> Ending {
        let forever = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"data: 1\n\n"))]);
        let inner = Body::from_stream(futures_util::StreamExt::chain(first, forever));
        let watch = Watch { revocations: Arc::clone(revocations), grant: GRANT, life };
        Ending { inner, is_stream, begun: false, unwatched: Some(watch), ended: None }
    }

    #[tokio::test]
    async fn a_stream_goes_on_until_its_grant_is_revoked() {
        let revocations = Arc::new(Revocations::new());
        let mut body = ending(true, Duration::from_hours(1), &revocations);
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: 1\n\n");
        assert!(body.frame().now_or_never().is_none());
        revocations.announce(GRANT, Duration::ZERO);
        assert!(body.frame().await.is_none());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_its_token() {
        let mut body = ending(true, Duration::from_hours(1), &Arc::default());
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_slow_answer_that_is_no_stream_breaks_off_with_its_grant() {
        let revocations = Arc::new(Revocations::new());
        let mut body = ending(false, Duration::from_hours(1), &revocations);
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().now_or_never().is_none());
        revocations.announce(GRANT, Duration::ZERO);
        assert!(body.frame().await.unwrap().is_err(), "half of an answer is not the whole of it");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_whose_frames_are_always_ready_ends_as_well() {
        let revocations = Arc::new(Revocations::new());
        let flood = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"x")));
        let mut body = ending(true, Duration::from_hours(1), &revocations);
        body.inner = Body::from_stream(flood);
        for _ in 0..5 {
            body.frame().await.unwrap().unwrap();
        }
        revocations.announce(GRANT, Duration::ZERO);
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_that_is_there_at_once_is_not_watched() {
        let mut body = ending(false, Duration::from_hours(1), &Arc::default());
        body.inner = Body::from("all of it");
        assert_eq!(body.size_hint().exact(), Some(9));
        body.frame().await.unwrap().unwrap();
        assert!(body.ended.is_none() && body.unwatched.is_some());
    }
}
