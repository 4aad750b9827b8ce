//! The layer itself: the steps of the module documentation in their order.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use coatroom_protocol::access::{
    Bearer, Denial, Era, EraRefusal, Field, Holder, Id, Judged, MirrorHeaders, Verdict, judge,
};
use coatroom_protocol::words::{Resource, Scopes};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName,
    ORIGIN, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::Value;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument as _;

use super::bodies::{self, BodyTrouble, Held};
use super::caller::{Caller, SignInEnded};
use super::ending::end_with;
use super::limits::{CallLimits, TooMany};
use super::origin::{allow_page, allow_preflight, is_preflight};
use super::respond::Refusal;
use super::sessions::SessionOwner;
use super::settings::{Authentication, GuardBuilder, Settings};
use super::verify::{VerifyError, VerifyToken};
use crate::context::ClientAddress;

/// Protects one MCP endpoint, whatever service answers it.
#[derive(Debug, Clone)]
pub struct GuardLayer(Arc<Settings>);

/// A service behind the guard.
#[derive(Debug, Clone)]
pub struct Guard<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl GuardLayer {
    /// Starts the settings of a guard for `resource`, whose tokens `verify` knows.
    pub fn builder(resource: Resource, verify: Arc<dyn VerifyToken>) -> GuardBuilder {
        GuardBuilder::new(resource, verify)
    }

    pub(super) fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, settings: Arc::clone(&self.0) }
    }
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone takes the place of the service that was found ready.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let settings = Arc::clone(&self.settings);
        let span = tracing::debug_span!("guard.call", resource = settings.resource.as_str());
        Box::pin(async move { settings.answer(inner, request).await }.instrument(span))
    }
}

/// A request that may pass, and what its answer still needs.
struct Admitted {
    request: Request<Body>,
    caller: Option<Caller>,
    session: Session,
}

/// What becomes of the session id in the answer.
enum Session {
    /// The modern wire has none.
    Strip,
    /// It belongs to a session that the request named, or begins a new one.
    Legacy { named: Option<Named>, deletes: bool },
}

/// A session by both of its ids.
struct Named {
    here: HeaderValue,
    upstream: HeaderValue,
}

impl Settings {
    async fn answer<S>(&self, mut inner: S, request: Request<Body>) -> Result<Response<Body>, S::Error>
    where
        S: Service<Request<Body>, Response = Response<Body>>,
    {
        if let Err(refusal) = self.check_edge(&request) {
            return Ok(self.challenger.respond(refusal));
        }
        let page = request.headers().get(ORIGIN).cloned();
        let mut response = if is_preflight(request.method(), request.headers()) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            allow_preflight(request.headers(), response.headers_mut());
            response
        } else {
            match self.admit(request).await {
                Ok(Admitted { request, caller, session }) => {
                    let mut response = inner.call(request).await?;
                    if response.extensions().get::<SignInEnded>().is_some() {
                        return Ok(self.challenger.respond(Refusal::BadToken));
                    }
                    if let (Some(caller), Some(ending)) = (&caller, &self.ending) {
                        let life = caller.expires_at().since(ending.clock.now());
                        response = end_with(caller, life, &ending.revocations, response);
                    }
                    match self.settle_session(caller.as_ref(), session, &mut response) {
                        Ok(()) => response,
                        Err(refusal) => self.challenger.respond(refusal),
                    }
                }
                Err(refusal) => self.challenger.respond(refusal),
            }
        };
        response.headers_mut().remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        if let Some(page) = page {
            allow_page(&page, response.headers_mut());
        }
        Ok(response)
    }

    /// Steps 1 and 2.
    fn check_edge(&self, request: &Request<Body>) -> Result<(), Refusal> {
        let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
        if request.headers().iter().map(size).sum::<usize>() > self.header_limit {
            return Err(Refusal::HeadersTooLarge(self.header_limit));
        }
        self.places.check(request.uri(), request.headers()).map_err(Refusal::Place)
    }

    /// Steps 3 to 8.
    async fn admit(&self, request: Request<Body>) -> Result<Admitted, Refusal> {
        let (mut parts, body) = request.into_parts();
        let address = parts.extensions.get::<ClientAddress>().copied();
        self.limit(|limits| limits.called_from(address))?;
        let caller = self.authenticate(&parts.uri, &parts.headers).await;
        if let Err(Refusal::BadToken) = caller {
            self.limit(|limits| limits.token_failed(address))?;
        }
        let caller = caller?;
        if let Some(caller) = &caller {
            self.limit(|limits| limits.called_by(caller))?;
        }
        let (era, body) = match parts.method {
            Method::POST => {
                check_media_type(&parts.headers)?;
                let (bytes, held) = self.read(&parts.headers, body).await?;
                parts.extensions.insert(held);
                let judged = judge(&bytes).map_err(Refusal::Body)?;
                let era = check_era(&parts.headers, &judged)?;
                self.check_policy(caller.as_ref(), &judged)?;
                parts.extensions.insert(Arc::new(judged.into_owned()));
                (era, bytes)
            }
            Method::GET | Method::HEAD | Method::DELETE => (bodiless_era(&parts.headers)?, Bytes::new()),
            _ => return Err(Refusal::Method { allowed: "GET, HEAD, POST, DELETE, OPTIONS" }),
        };
        let deletes = parts.method == Method::DELETE;
        let id = parts.extensions.get::<Arc<Judged<'static>>>().and_then(|judged| judged.id().cloned());
        let session = self.find_session(caller.as_ref(), era, &mut parts.headers, deletes);
        let session = session.ok_or(Refusal::Session(id))?;
        clean(&mut parts.headers, body.len());
        parts.extensions.insert(era);
        if let Some(caller) = &caller {
            parts.extensions.insert(caller.clone());
        }
        Ok(Admitted { request: Request::from_parts(parts, Body::from(body)), caller, session })
    }

    fn limit(&self, count: impl FnOnce(&CallLimits) -> Result<(), TooMany>) -> Result<(), Refusal> {
        self.limits.as_deref().map_or(Ok(()), count).map_err(Refusal::TooMany)
    }

    /// Step 3. `None` is an anonymous call that is allowed.
    async fn authenticate(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
        if self.authentication == Authentication::Off {
            return Ok(None);
        }
        let values = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let caller = match Bearer::read(values).map_err(Refusal::Bearer)? {
            Bearer::Anonymous if self.authentication == Authentication::Optional => None,
            Bearer::Anonymous => return Err(Refusal::NoToken(self.challenger.baseline.clone())),
            Bearer::Token(token) => match self.verify.verify(&token, &self.resource).await {
                // Whoever shows it as a bearer may have stolen it (RFC 9449 §7.2).
                Ok(caller) if caller.is_sender_constrained() => {
                    tracing::debug!("a token that is bound to a key came without its proof");
                    return Err(Refusal::BadToken);
                }
                Ok(caller) => Some(caller),
                Err(VerifyError::Refused(reason)) => {
                    tracing::debug!(reason, "the token was refused");
                    return Err(Refusal::BadToken);
                }
                Err(VerifyError::Unavailable(error)) => {
                    tracing::warn!(error = %error, "nobody could verify the token");
                    return Err(Refusal::Unavailable);
                }
            },
        };
        // Its value is never read: it would only be forwarded, and logged on the way.
        if names_a_token(uri.query().unwrap_or("")) {
            return Err(Refusal::TokenInQuery);
        }
        Ok(caller)
    }

    /// Reads the whole body, up to the limit.
    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<(Bytes, Held), Refusal> {
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > self.body_limit) {
            return Err(Refusal::TooLarge(self.body_limit));
        }
        let bodies = self.limits.as_deref().map(CallLimits::bodies);
        match tokio::time::timeout(BODY_PATIENCE, bodies::read(body, self.body_limit, bodies)).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(BodyTrouble::TooLarge)) => Err(Refusal::TooLarge(self.body_limit)),
            Ok(Err(BodyTrouble::NoRoom)) => {
                tracing::warn!("there is no room for more bodies of calls");
                Err(Refusal::Unavailable)
            }
            Ok(Err(BodyTrouble::Lost)) | Err(_) => Err(Refusal::BodyLost),
        }
    }

    /// Step 6.
    fn check_policy(&self, caller: Option<&Caller>, judged: &Judged<'_>) -> Result<(), Refusal> {
        let none = Scopes::none();
        let roles = caller.map(|caller| roles_of(caller, &self.roles_claim)).unwrap_or_default();
        let decide = |scopes: &Scopes| self.manifest.decide(judged, &Holder { scopes, roles: &roles });
        let granted = caller.map_or(&none, Caller::scopes);
        let verdict = match decide(granted) {
            Verdict::NeedsScopes(_) => decide(&self.catalogue.expand(granted)),
            verdict @ (Verdict::Permit | Verdict::Denied(_)) => verdict,
        };
        let id = || judged.id().cloned().map(Id::into_owned);
        let may_sign_in = caller.is_none() && self.authentication == Authentication::Optional;
        match verdict {
            Verdict::Permit => Ok(()),
            Verdict::NeedsScopes(scopes) if may_sign_in => Err(Refusal::NoToken(scopes)),
            Verdict::NeedsScopes(scopes) if caller.is_some() => Err(Refusal::Scopes(scopes, id())),
            Verdict::NeedsScopes(_) => Err(Refusal::Denied(Denial::ByRule, id())),
            Verdict::Denied(Denial::Role) if may_sign_in => {
                Err(Refusal::NoToken(self.challenger.baseline.clone()))
            }
            Verdict::Denied(denial) => Err(Refusal::Denied(denial, id())),
        }
    }

    /// Step 7: puts the upstream server's session id in place of ours; `None` when the caller has no such session.
    fn find_session(
        &self,
        caller: Option<&Caller>,
        era: Era,
        headers: &mut HeaderMap,
        deletes: bool,
    ) -> Option<Session> {
        if era == Era::Modern {
            headers.remove(&SESSION_ID);
            headers.remove(&LAST_EVENT_ID);
            return Some(Session::Strip);
        }
        let Some(sessions) = &self.sessions else { return Some(Session::Legacy { named: None, deletes }) };
        let Some(here) = headers.get(&SESSION_ID).cloned() else {
            // Without a session nobody can tell whose events would be sent again.
            headers.remove(&LAST_EVENT_ID);
            return Some(Session::Legacy { named: None, deletes });
        };
        let owner = SessionOwner { resource: &self.resource, caller };
        let upstream = sessions.find(&owner, here.to_str().ok()?)?;
        let upstream = HeaderValue::from_str(upstream).ok()?;
        headers.insert(SESSION_ID, upstream.clone());
        Some(Session::Legacy { named: Some(Named { here, upstream }), deletes })
    }

    /// Puts our session id in place of the upstream server's.
    fn settle_session(
        &self,
        caller: Option<&Caller>,
        session: Session,
        response: &mut Response<Body>,
    ) -> Result<(), Refusal> {
        let (named, deletes) = match session {
            Session::Strip => {
                response.headers_mut().remove(&SESSION_ID);
                return Ok(());
            }
            Session::Legacy { named, deletes } => (named, deletes),
        };
        let Some(sessions) = &self.sessions else { return Ok(()) };
        let owner = SessionOwner { resource: &self.resource, caller };
        if let (true, Some(named)) = (deletes && response.status().is_success(), &named) {
            sessions.end(&owner, named.here.to_str().unwrap_or(""));
        }
        let Some(upstream) = response.headers_mut().remove(&SESSION_ID) else { return Ok(()) };
        let here = match named {
            Some(named) if named.upstream == upstream => named.here,
            _ => {
                let id = sessions.begin(&owner, upstream.to_str().unwrap_or(""));
                let id = id.inspect_err(|error| tracing::warn!(%error, "a session could not begin"));
                let id = id.map_err(|_| Refusal::Unavailable)?;
                HeaderValue::try_from(id).map_err(|_| Refusal::Unavailable)?
            }
        };
        response.headers_mut().insert(SESSION_ID, here);
        Ok(())
    }
}

/// Exactly one JSON body, in no encoding that hides it.
fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity");
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or(""));
    let (Some(only), None, true) = (types.next(), types.next(), plain) else {
        return Err(Refusal::MediaType);
    };
    let mut parts = only.split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if json && utf8 { Ok(()) } else { Err(Refusal::MediaType) }
}

/// Step 5, the second half: the headers say what the body says.
fn check_era(headers: &HeaderMap, judged: &Judged<'_>) -> Result<Era, Refusal> {
    let mirrors = MirrorHeaders {
        version: field(headers, &PROTOCOL_VERSION),
        method: field(headers, &MCP_METHOD),
        name: field(headers, &MCP_NAME),
    };
    let era = check_mcp_headers(headers).and_then(|()| Era::of_post(&mirrors, judged));
    era.map_err(|refusal| Refusal::Era(refusal, judged.id().cloned().map(Id::into_owned)))
}

/// The modern wire is POST alone.
fn bodiless_era(headers: &HeaderMap) -> Result<Era, Refusal> {
    let era = check_mcp_headers(headers).and_then(|()| Era::of_bodiless(field(headers, &PROTOCOL_VERSION)));
    match era {
        Ok(Era::Legacy) => Ok(Era::Legacy),
        Ok(Era::Modern) => Err(Refusal::Method { allowed: "POST, OPTIONS" }),
        Err(refusal) => Err(Refusal::Era(refusal, None)),
    }
}

/// No header of MCP occurs twice, and none comes in the spelling that some servers read as the same name.
fn check_mcp_headers(headers: &HeaderMap) -> Result<(), EraRefusal> {
    let ours = headers.keys().filter(|name| is_mcp(name.as_str()));
    for name in ours {
        if headers.get_all(name).iter().nth(1).is_some() || name.as_str().contains('_') {
            return Err(EraRefusal::Malformed("a header of MCP"));
        }
    }
    Ok(())
}

fn field<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Field<'h> {
    Field::read(headers.get_all(name).iter().map(HeaderValue::as_bytes))
}

fn is_mcp(name: &str) -> bool {
    matches!(name.as_bytes(), [b'm', b'c', b'p', b'-' | b'_', ..])
}

/// Step 8: removes what must not reach the server behind the guard, and says the length of what is forwarded.
fn clean(headers: &mut HeaderMap, length: usize) {
    let removed: Vec<HeaderName> = headers.keys().filter(|name| is_removed(name)).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONTENT_LENGTH);
    if length > 0 {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Credentials of the client, what only the gateway may say, and every name that a server could read as another: CGI and
/// what descends from it turn `_`, and some of them any sign at all, into what `-` becomes.
fn is_removed(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "authorization" | "proxy-authorization" | "cookie" | "dpop")
        || name.starts_with("x-coatroom-")
        || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Whether a query has a parameter that is called like a token, however its name is encoded.
fn names_a_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name.eq_ignore_ascii_case("access_token"))
}

/// The roles that the user's claims name: a text or a list of texts at a dotted path.
fn roles_of(caller: &Caller, path: &str) -> Vec<String> {
    let mut names = path.split('.');
    let first = names.next().and_then(|name| caller.user().claims.get(name));
    match names.try_fold(first, |value, name| Some(value?.get(name))).flatten() {
        Some(Value::String(role)) => vec![role.clone()],
        Some(Value::Array(roles)) => {
            roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// How long the body of a call may take to arrive: 4 MiB on a slow line.
const BODY_PATIENCE: Duration = Duration::from_mins(1);

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
