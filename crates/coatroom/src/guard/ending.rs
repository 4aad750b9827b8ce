//! Open streams end when the token that opened them expires, or its grant is revoked (ARCHITECTURE.md, rule 5).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::caller::Caller;
use crate::context::Revocations;

/// Lets an event stream end with the caller's token. Other answers are short and stay as they are.
pub(super) fn end_with(
    caller: &Caller,
    life: Duration,
    revocations: &Arc<Revocations>,
    response: Response<Body>,
) -> Response<Body> {
    if !is_event_stream(response.headers()) {
        return response;
    }
    let (revocations, grant) = (Arc::clone(revocations), caller.grant());
    let ended = async move {
        tokio::select! {
            () = tokio::time::sleep(life) => {}
            () = revocations.ended(grant) => {}
        }
    };
    response.map(|inner| Body::new(Ending { inner, ended: ended.boxed() }))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

/// A body that ends by itself or with a future, whichever comes first.
struct Ending {
    inner: Body,
    ended: BoxFuture<'static, ()>,
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended.poll_unpin(cx).is_ready() {
            // The next poll must not touch a future that is done.
            self.ended = std::future::pending().boxed();
            self.inner = Body::empty();
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::GrantId;
    use http_body_util::BodyExt as _;

    use super::*;

    fn ending(ended: impl Future<Output = ()> + Send + 'static) -> Ending {
        let forever = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"data: 1\n\n"))]);
        let inner = Body::from_stream(futures_util::StreamExt::chain(first, forever));
        Ending { inner, ended: ended.boxed() }
    }

    #[tokio::test]
    async fn a_stream_goes_on_until_its_grant_is_revoked() {
        let revocations = Arc::new(Revocations::new());
        let grant = GrantId::from_bytes([1; 16]);
        let watching = Arc::clone(&revocations);
        let mut body = ending(async move { watching.ended(grant).await });
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: 1\n\n");
        assert!(body.frame().now_or_never().is_none());
        revocations.announce(grant, Duration::ZERO);
        assert!(body.frame().await.is_none());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_its_token() {
        let mut body = ending(tokio::time::sleep(Duration::from_hours(1)));
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().await.is_none());
    }
}
