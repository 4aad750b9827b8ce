//! What is decided about every request before the router sees it: its name in the log, whose address it comes from,
//! whether its `Host` may be used here, and that a panic costs one answer and nothing else.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use coatroom::ClientAddress;
use coatroom::entropy::{SystemEntropy, draw};
use coatroom::pages::PASSWORD_PATH;
use coatroom::protocol::words::{Issuer, base64url, is_loopback_host};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use tower_service::Service;
use url::Host;

use crate::client_address::{IpRange, client_address};
use crate::named::named;
use crate::unread::watch;

/// The name of a request in the log, in its extensions and in `X-Request-Id` towards upstream servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

/// In the extensions of an event stream that no call opened: answers to calls come in it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswersComeHere;

impl RequestId {
    /// The name.
    pub(crate) const fn as_header(&self) -> &HeaderValue {
        &self.0
    }

    fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// What answers one MCP endpoint.
pub(crate) type Endpoint = Box<dyn Fn(Request<Body>) -> BoxFuture<'static, Answer> + Send + Sync>;

type Answer = Result<Response<Body>, Infallible>;

/// Everything that is served, and what stands before it. Shared by all connections.
pub(crate) struct Edge {
    router: Router,
    /// By their paths, which the router does not know. Nearly every request is for one of these.
    endpoints: HashMap<String, Endpoint>,
    trusted_proxies: Vec<IpRange>,
    hosts: Hosts,
}

/// Which `Host` a request may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// Any: the address is public, and so are the names that lead to it.
    Any,
    /// Loopback names, and this one. A web page elsewhere can let its own name resolve to 127.0.0.1 and would else
    /// reach a server that listens on this machine alone.
    LoopbackAnd(String),
    /// This one alone: where the public URL is a loopback one, cookies and resource identifiers belong to its spelling.
    Only(Issuer),
}

impl Edge {
    /// Puts the checks before `router` and before endpoints, by their paths.
    pub(crate) const fn new(
        router: Router,
        endpoints: HashMap<String, Endpoint>,
        trusted_proxies: Vec<IpRange>,
        hosts: Hosts,
    ) -> Self {
        Self { router, endpoints, trusted_proxies, hosts }
    }

    fn routed(&self, request: Request<Body>) -> BoxFuture<'static, Answer> {
        if !has_one_host(&request) {
            // Of two, whoever stands before us may have read the other one (RFC 9112 §3.2).
            return ready(Ok(refusal(StatusCode::BAD_REQUEST, "a request has one Host header\n"))).boxed();
        }
        if !self.hosts.allow(&request) {
            tracing::debug!("the host is not ours");
            return ready(Ok(refusal(StatusCode::MISDIRECTED_REQUEST, self.hosts.advice()))).boxed();
        }
        if let Some(endpoint) = self.endpoints.get(request.uri().path()) {
            return endpoint(request);
        }
        self.router.clone().call(request).boxed()
    }

    /// Answers a request that came from `peer`.
    pub(crate) fn answer(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
        let id = request_id();
        let client = client_address(peer.ip(), request.headers(), &self.trusted_proxies);
        let (name, method, uri) = (id.clone(), request.method().clone(), request.uri().clone());
        let span = move || {
            tracing::info_span!(
                "request",
                id = name.as_ref().map(RequestId::as_str),
                %method,
                path = without_secrets(uri.path()),
                client.address = %client,
            )
        };
        let extensions = request.extensions_mut();
        extensions.insert(ClientAddress(client));
        if let Some(id) = id {
            extensions.insert(id);
        }
        let (request, unread) = watch(request);
        let (edge, request) = (Arc::clone(self), request.map(Body::new));
        // All of it under the name, spans too. In a box, since whoever waits for a future else holds it twice.
        let answering = Box::pin(async move { edge.routed(request).await });
        let answering = AssertUnwindSafe(answering).catch_unwind();
        let settling = async move {
            let mut response = match answering.await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "something failed here"),
            };
            unread.settle(&mut response).await;
            Ok(response)
        };
        named(span, settling)
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Hosts {
    /// What to tell whoever used another name.
    fn advice(&self) -> String {
        match self {
            Self::Only(public) => format!("this server is {public}; use exactly that address\n"),
            Self::Any | Self::LoopbackAnd(_) => "this host name is not served here\n".to_owned(),
        }
    }

    /// Any name for a public address; on this machine loopback names and the public one; where the public URL is on this
    /// machine too, that one alone.
    pub(crate) fn of(listen: SocketAddr, public_url: &Issuer) -> Self {
        if !public_url.is_https() {
            return Self::Only(public_url.clone());
        }
        if listen.ip().is_loopback() {
            return Self::LoopbackAnd(public_url.authority().to_owned());
        }
        Self::Any
    }

    fn allow<B>(&self, request: &Request<B>) -> bool {
        let public = match self {
            Self::Any => return true,
            Self::LoopbackAnd(public) => public.as_str(),
            Self::Only(public) => public.authority(),
        };
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let Some(host) = request.uri().authority().map(http::uri::Authority::as_str).or(named) else {
            return false;
        };
        if host.eq_ignore_ascii_case(public) {
            return true;
        }
        if matches!(self, Self::Only(_)) {
            return false;
        }
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
            _ => host,
        };
        Host::parse(name).is_ok_and(|host| is_loopback_host(&host))
    }
}

/// Whether a request says exactly once which host it is for. HTTP/1.0 need not say it, and HTTP/2 says it elsewhere.
fn has_one_host<B>(request: &Request<B>) -> bool {
    match request.headers().get_all(header::HOST).iter().count() {
        0 => request.version() != Version::HTTP_11,
        hosts => hosts == 1,
    }
}

/// Draws a name. Without random bytes the request goes on without one; what needs them for security fails by itself.
fn request_id() -> Option<RequestId> {
    NAMES.with_borrow_mut(|names| {
        if names.is_empty() {
            *names = base64url(&draw::<{ 9 * NAMES_AT_ONCE }>(&SystemEntropy::new()).ok()?).into();
        }
        HeaderValue::from_maybe_shared(names.split_to(12)).ok().map(RequestId)
    })
}

thread_local! {
    /// The names of the next requests, each twelve letters for nine random bytes: many at once cost as much as few.
    static NAMES: RefCell<Bytes> = const { RefCell::new(Bytes::new()) };
}

const NAMES_AT_ONCE: usize = 64;

fn refusal(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether an answer is an event stream, whatever follows its media type.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.as_bytes().get(..EVENT_STREAM.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM))
}

const EVENT_STREAM: &[u8] = b"text/event-stream";

/// A path as it may be logged: what stands below [`PASSWORD_PATH`] sets a password.
fn without_secrets(path: &str) -> &str {
    let below = path.strip_prefix(PASSWORD_PATH).is_some_and(|rest| rest.starts_with('/'));
    if below { PASSWORD_PATH } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(hosts: &Hosts, host: &str) -> bool {
        hosts.allow(&Request::builder().uri("/mcp").header("host", host).body(()).unwrap())
    }

    #[test]
    fn on_loopback_only_loopback_names_and_the_public_one_are_served() {
        let hosts = Hosts::LoopbackAnd("mcp.example.com".to_owned());
        for good in ["localhost:8787", "127.0.0.1:1", "[::1]:8787", "[::1]", "localhost", "MCP.example.com"] {
            assert!(allows(&hosts, good), "{good}");
        }
        for bad in
            ["evil.example.com", "localhost.evil.example", "mcp.example.com.evil.example", "", "10.0.0.1"]
        {
            assert!(!allows(&hosts, bad), "{bad}");
        }
        assert!(!hosts.allow(&Request::builder().uri("/mcp").body(()).unwrap()));
    }

    #[test]
    fn a_loopback_server_has_one_spelling_and_says_which() {
        let hosts =
            Hosts::of("127.0.0.1:8787".parse().unwrap(), &Issuer::parse("http://localhost:8787").unwrap());
        assert!(allows(&hosts, "localhost:8787"));
        for bad in ["127.0.0.1:8787", "[::1]:8787", "localhost", "localhost:1"] {
            assert!(!allows(&hosts, bad), "{bad}");
        }
        assert!(hosts.advice().contains("http://localhost:8787"));
    }

    #[test]
    fn a_request_names_its_host_once() {
        let request = |version: Version, hosts: &[&str]| {
            let request = Request::builder().version(version).uri("/mcp");
            hosts.iter().fold(request, |request, host| request.header("host", *host)).body(()).unwrap()
        };
        assert!(has_one_host(&request(Version::HTTP_11, &["a.example"])));
        assert!(has_one_host(&request(Version::HTTP_10, &[])));
        assert!(has_one_host(&request(Version::HTTP_2, &[])));
        assert!(!has_one_host(&request(Version::HTTP_11, &[])));
        assert!(!has_one_host(&request(Version::HTTP_11, &["a.example", "a.example"])));
    }

    #[test]
    fn elsewhere_any_name_is_served() {
        assert!(allows(&Hosts::Any, "whatever.example"));
    }
}
