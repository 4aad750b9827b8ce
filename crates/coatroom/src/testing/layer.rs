//! What stands in the place of the guard.

use std::task::{Context, Poll};

use coatroom_protocol::access::Era;
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::guard::Caller;

/// Makes one caller, or nobody, the caller of every request. From [`TestCaller::layer`](super::TestCaller::layer) and
/// [`anonymous`](super::anonymous).
///
/// Nothing of the request is checked. Extractors and rmcp's arguments find the caller as they do behind the guard; what a handler asks
/// for in vain is answered by the error itself: 401, 403, 503 or, by rmcp, an error of JSON-RPC.
#[derive(Debug, Clone)]
pub struct CallerLayer(Option<Caller>);

impl CallerLayer {
    pub(super) const fn new(caller: Option<Caller>) -> Self {
        Self(caller)
    }
}

impl<S> Layer<S> for CallerLayer {
    type Service = WithCaller<S>;

    fn layer(&self, inner: S) -> WithCaller<S> {
        WithCaller { inner, caller: self.0.clone() }
    }
}

/// A service with a caller of a test. From [`CallerLayer`].
#[derive(Debug, Clone)]
pub struct WithCaller<S> {
    inner: S,
    caller: Option<Caller>,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for WithCaller<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        // By the era, handlers see that somebody stands before them.
        request.extensions_mut().insert(Era::Modern);
        if let Some(caller) = &self.caller {
            request.extensions_mut().insert(caller.clone());
        }
        self.inner.call(request)
    }
}
