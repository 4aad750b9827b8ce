//! What stands before the services: who comes while there is too much to do waits there, or is refused.

use std::convert::Infallible;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use coatroom::ClientAddress;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tower_service::Service;

use super::{Overload, Overloaded};

/// Stands before an MCP server. A POST is a call; what opens or ends a stream or a session always passes.
#[derive(Debug, Clone)]
pub(crate) struct CallsBefore<S> {
    overload: Arc<Overload>,
    inner: S,
}

impl<S> CallsBefore<S> {
    /// Stands before `inner`.
    pub(crate) const fn new(overload: Arc<Overload>, inner: S) -> Self {
        Self { overload, inner }
    }
}

type Answer = Result<Response<Body>, Infallible>;

/// What stands behind answers by a future in a box, as guards do: another box around it would be one more for each call.
impl<S> Service<Request<Body>> for CallsBefore<S>
where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<'static, Answer>,
        > + Clone
        + Send
        + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.overload.calls.is_shut() || request.method() != Method::POST {
            return self.inner.call(request);
        }
        // The clone takes the place of the service that was found ready.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let overload = Arc::clone(&self.overload);
        let caller = caller(&request);
        Box::pin(async move {
            match overload.calls.pass(caller).await {
                Ok(()) => inner.call(request).await,
                Err(Overloaded) => Ok(refusal("application/json", CALL_REFUSED)),
            }
        })
    }
}

/// Stands before everything else. What says where to find what is cheap, and how others see whether this program is well.
pub(crate) async fn rest_before(
    State(overload): State<Arc<Overload>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let says_where = request.method() == Method::GET && request.uri().path().starts_with("/.well-known/");
    let (address, is_page) = (address(&request), request.method() == Method::GET);
    if !says_where && overload.rest.pass(address).await == Err(Overloaded) {
        return if is_page {
            refusal("text/plain", PAGE_REFUSED)
        } else {
            refusal("application/json", REFUSED)
        };
    }
    next.run(request).await
}

/// Whoever makes a call: one of the same credential, else of the same address.
fn caller(request: &Request<Body>) -> (Option<HeaderValue>, Option<IpAddr>) {
    let credential = request.headers().get(header::AUTHORIZATION).cloned();
    let address = if credential.is_none() { address(request) } else { None };
    (credential, address)
}

fn address(request: &Request<Body>) -> Option<IpAddr> {
    request.extensions().get::<ClientAddress>().and_then(|address| address.caller(true))
}

/// An outage, and no accusation: trying again helps.
fn refusal(kind: &'static str, body: &'static str) -> Response<Body> {
    tracing::debug!("there is too much to do for this request");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

const CALL_REFUSED: &str = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"the gateway has too much to do; try again in a moment","data":{"reason":"overloaded"}}}"#;
const REFUSED: &str = r#"{"error":"temporarily_unavailable","error_description":"there is too much to do; try again in a moment"}"#;
const PAGE_REFUSED: &str = "There is too much to do here for the moment. Please try again.\n";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Clone)]
    struct Fine;

    impl Service<Request<Body>> for Fine {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Answer>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            Box::pin(std::future::ready(Ok(Response::new(Body::empty()))))
        }
    }

    fn request(method: Method, token: &str) -> Request<Body> {
        // Whoever reads this body waits for ever.
        let body = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, Infallible>>());
        Request::builder().method(method).uri("/mcp").header("authorization", token).body(body).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn calls_beyond_what_can_be_done_are_refused_unread_and_all_else_passes() {
        let overload = Arc::new(Overload::new());
        let served = CallsBefore::new(Arc::clone(&overload), Fine);
        let call = |method, token| {
            let served = served.clone();
            async move { served.oneshot(request(method, token)).await.unwrap() }
        };
        assert_eq!(call(Method::POST, "a").await.status(), 200);
        for _ in 0..3 {
            overload.calls.note(Duration::from_secs(1));
        }
        let calls = futures_util::future::join_all((0..100).map(|_| call(Method::POST, "a")));
        // No look comes, so the line does not move.
        let answers: Vec<_> = calls.await.into_iter().collect();
        let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status() == 503).collect();
        assert!((1..100).contains(&refused.len()), "{} refused", refused.len());
        for answer in refused {
            assert_eq!(answer.headers()["retry-after"], "2");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                (&body["jsonrpc"], &body["error"]["data"]["reason"]),
                (&"2.0".into(), &"overloaded".into())
            );
        }
        for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
            assert_eq!(call(method, "a").await.status(), 200);
        }
    }
}
