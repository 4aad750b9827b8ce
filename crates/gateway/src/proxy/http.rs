//! Proxies one HTTP server: JSON and event streams, unbuffered, in every revision of the protocol.
//!
//! The request is buffered up to its limit, since its bytes were judged by the guard and may be sent again; the answer
//! never is. Dropping the answer, as happens when the client goes away, ends the upstream's request.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use coatroom::ClientAddress;
use coatroom::guard::{Assertions, Caller};
use coatroom::protocol::access::Judged;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tower_service::Service;
use tracing::Instrument;

use super::alarm;
use super::answer::{Failure, request_id};
use super::answering::Answering;
use super::connect::Way;
use super::endpoint::{self, SESSION_ID};
use super::headers::{Arrival, clean_response, identify, passing};
use super::places::{self, Place};
use super::upstream::{Transport, Upstream};
use super::wallet::{Tokens, Wallet};
use crate::edge::RequestId;

/// The service that stands behind the guard of one server; cloning it is cheap.
///
/// It takes the [`Caller`] and, where they exist, [`ClientAddress`] and [`RequestId`] from the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    upstream: Arc<Upstream>,
    way: Arc<Way>,
    /// Host and port of the public URL.
    host: Option<HeaderValue>,
}

impl Proxy {
    /// A proxy of one server.
    pub(crate) fn new(upstream: Upstream, way: Way) -> Self {
        let host = upstream.public_url.authority().parse().ok();
        Self { upstream: Arc::new(upstream), way: Arc::new(way), host }
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (body, outcome) = match self.read(&parts, body).await {
            Ok(body) => (body.clone(), self.forward(&parts, body).await),
            Err(failure) => (Bytes::new(), Err(failure)),
        };
        match outcome {
            Ok(response) => {
                tracing::debug!(status = response.status().as_u16(), "the server answered");
                response
            }
            Err(failure) => {
                let cause = causes(&failure);
                let server = &self.upstream.name;
                if matches!(failure, Failure::Full) {
                    // Said once, where it was noticed.
                    tracing::debug!(server.name = %server, "there is no room for the call");
                } else {
                    tracing::info!(server.name = %server, reason = %failure, cause, "the call was not answered by the server");
                }
                failure.into_response(request_id(&body))
            }
        }
    }

    /// Reads the request's body, up to the limit.
    async fn read(&self, parts: &Parts, body: Body) -> Result<Bytes, Failure> {
        match (self.upstream.transport, &parts.method) {
            (_, &Method::GET | &Method::POST) | (Transport::Streamable, &Method::DELETE) => {}
            (Transport::Streamable, _) => return Err(Failure::Method),
            (Transport::Sse, _) => return Err(Failure::NotSse),
        }
        let limit = self.upstream.waiting.body;
        let mut reading = pin!(Limited::new(body, limit).collect());
        // What the guard has read is there at once, and needs no timer.
        let read = match poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
            Poll::Ready(read) => read,
            Poll::Pending => {
                let read = tokio::time::timeout(self.upstream.waiting.first_byte, reading).await;
                read.map_err(|_| Failure::Slow)?
            }
        };
        match read {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(cause) if cause.is::<LengthLimitError>() => Err(Failure::TooLarge(limit)),
            Err(_) => Err(Failure::Incomplete),
        }
    }

    /// Forwards the call, and once more with renewed tokens if the server refuses the first ones.
    async fn forward(&self, parts: &Parts, body: Bytes) -> Result<Response<Body>, Failure> {
        let caller = parts.extensions.get::<Caller>();
        if caller.is_none() && !self.upstream.is_open {
            return Err(Failure::NoCaller);
        }
        let url = self.url(parts)?;
        let judged = parts.extensions.get::<Arc<Judged<'static>>>().map(Arc::as_ref);
        let wallet = match caller {
            Some(caller) => self.upstream.wants.wallet(caller, judged).await?,
            None => Wallet::default(),
        };
        let mut response = self.send(parts, &url, body.clone(), &wallet.tokens).await?;
        if let (Some(caller), StatusCode::UNAUTHORIZED) = (caller, response.status()) {
            drop(response);
            // Apart, since a future is as large as the most that it may have to do.
            let again = Box::pin(async {
                let renewed = self.upstream.wants.renewed(caller, judged, &wallet).await?;
                tracing::debug!("the server refused the user's token; trying once more with the renewed one");
                self.send(parts, &url, body, &renewed.ok_or(Failure::Refused)?).await
            });
            response = again.await?;
        }
        self.settled(parts, passed_on(response)?).await
    }

    /// What the server's transport makes of its answer.
    async fn settled(&self, parts: &Parts, response: Response<Body>) -> Result<Response<Body>, Failure> {
        let Upstream { url, waiting, .. } = self.upstream.as_ref();
        match self.upstream.transport {
            Transport::Streamable => Ok(response),
            Transport::Sse if parts.method == Method::GET => {
                Box::pin(endpoint::opened(url, response, waiting.first_byte)).await
            }
            Transport::Sse => Ok(endpoint::taken(response)),
        }
    }

    /// Where a request goes.
    fn url(&self, parts: &Parts) -> Result<Uri, Failure> {
        let Upstream { transport, url, .. } = self.upstream.as_ref();
        if *transport == Transport::Streamable || parts.method == Method::GET {
            return Ok(url.clone());
        }
        let session = parts.headers.get(&SESSION_ID).ok_or(Failure::NotSse)?;
        endpoint::message_url(url, session).ok_or(Failure::NotSse)
    }

    async fn send(
        &self,
        parts: &Parts,
        url: &Uri,
        body: Bytes,
        tokens: &Tokens,
    ) -> Result<Response<Answering>, Failure> {
        let may_stay_silent = parts.method == Method::GET && self.upstream.transport == Transport::Streamable;
        let place = self.enter(parts, !may_stay_silent)?;
        let mut request = Request::new(Full::new(body));
        request.method_mut().clone_from(&parts.method);
        request.uri_mut().clone_from(url);
        *request.headers_mut() = self.headers(parts, tokens)?;
        let until = (!may_stay_silent).then(|| alarm::after(self.upstream.waiting.first_byte));
        Ok(self.way.send(&mut request, until).await?.map(|body| body.at(place)))
    }

    /// A place at the server for a request of this user, or of this address where nobody signed in.
    fn enter(&self, parts: &Parts, waits: bool) -> Result<Place, places::Full> {
        let places = &self.upstream.places;
        match parts.extensions.get::<Caller>() {
            Some(caller) => places.enter(&caller.user().subject, waits),
            None => places.enter(parts.extensions.get::<ClientAddress>().map(|client| client.0), waits),
        }
    }

    fn headers(&self, parts: &Parts, tokens: &Tokens) -> Result<HeaderMap, Failure> {
        let caller = parts.extensions.get::<Caller>();
        let mut headers = passing(&parts.headers, &self.upstream.headers.iter().map(|(name, _)| name));
        if self.upstream.transport == Transport::Sse {
            headers.remove(&SESSION_ID);
        }
        let arrival = Arrival {
            client: parts.extensions.get::<ClientAddress>().map(|client| client.0),
            host: self.host.as_ref(),
            is_https: self.upstream.public_url.is_https(),
            request_id: parts.extensions.get::<RequestId>().map(RequestId::as_header),
        };
        identify(&mut headers, arrival, caller);
        if let (Some(assertions), Some(caller)) = (&self.upstream.assertions, caller) {
            headers.insert(ASSERTION, assertion(assertions, caller)?);
        }
        for (name, template) in &self.upstream.headers {
            let value = template.render(caller, tokens).map_err(|_| Failure::Header(name.clone()))?;
            headers.extend(value.map(|value| (name.clone(), value)));
        }
        // Answers are read by the guard and streams must not be buffered, so nothing is to be compressed.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(headers)
    }
}

impl Service<Request<Body>> for Proxy {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Each call is in a span of its own already, and a second one would cost as much again.
        let span = tracing::debug_span!("proxy.http", server.name = %self.upstream.name);
        let proxy = self.clone();
        Box::pin(async move { Ok(proxy.answer(request).await) }.instrument(span))
    }
}

/// A signed assertion about this call. It is good for a minute, and never logged.
fn assertion(assertions: &Assertions, caller: &Caller) -> Result<HeaderValue, Failure> {
    let signed = assertions.sign(caller).map_err(Failure::Unsigned)?;
    let mut value = HeaderValue::try_from(signed).map_err(|_| Failure::Header(ASSERTION))?;
    value.set_sensitive(true);
    Ok(value)
}

const ASSERTION: HeaderName = HeaderName::from_static("x-coatroom-assertion");

/// What is behind a failure, for the log.
fn causes(failure: &Failure) -> String {
    let first = std::error::Error::source(failure);
    let chain = std::iter::successors(first, |cause| cause.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The server's answer as the client gets it.
fn passed_on(response: Response<Answering>) -> Result<Response<Body>, Failure> {
    let status = response.status();
    // A 401 or 407 of ours would send the client to the wrong place to sign in, and a redirect past the guard.
    if status == StatusCode::UNAUTHORIZED {
        return Err(Failure::Refused);
    }
    let cannot_pass = status.is_informational()
        || (status.is_redirection() && status != StatusCode::NOT_MODIFIED)
        || status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    if cannot_pass {
        return Err(Failure::Answer(status));
    }
    let (mut parts, body) = response.into_parts();
    clean_response(&mut parts.headers);
    Ok(Response::from_parts(parts, Body::new(body)))
}
