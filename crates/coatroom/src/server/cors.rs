//! Which answers a page of another origin may read (OAuth 2.1 §3.2): what clients in browsers need, and nothing that works by
//! cookies. The authorization endpoint and the pages have no such headers at all (OAuth 2.1 §3.1).

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::IntoResponse as _;
use futures_util::future::BoxFuture;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue,
};
use http::{Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

/// For documents: anybody may read them.
pub(super) const fn reading() -> Cors {
    Cors { methods: "GET, HEAD, OPTIONS" }
}

/// For addresses where nothing is: a client that tries one, such as a form of the metadata that is not served or an endpoint that is
/// switched off, learns so.
pub(super) const fn trying() -> Cors {
    Cors { methods: "GET, HEAD, POST, OPTIONS" }
}

/// For the endpoints that clients post to. No credentials mode: nothing there works by cookies.
pub(super) const fn posting() -> Cors {
    Cors { methods: "POST, OPTIONS" }
}

/// Answers preflights and marks answers as readable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cors {
    methods: &'static str,
}

impl<S> Layer<S> for Cors {
    type Service = CorsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CorsService { cors: *self, inner }
    }
}

/// See [`Cors`].
#[derive(Debug, Clone)]
pub(super) struct CorsService<S> {
    cors: Cors,
    inner: S,
}

impl<S> Service<Request<Body>> for CorsService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let cors = self.cors;
        if request.method() == Method::OPTIONS {
            return Box::pin(async move { Ok(cors.preflight()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(readable(answer.await?)) })
    }
}

impl Cors {
    /// The answer to a page that asks first.
    pub(super) fn preflight(self) -> Response<Body> {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(self.methods));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }
}

/// Lets every page read an answer.
pub(super) fn readable(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, Retry-After"));
    response
}

/// `*` does not cover `Authorization` (Fetch Standard), and clients send the protocol version on discovery.
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Accept, MCP-Protocol-Version, DPoP";
