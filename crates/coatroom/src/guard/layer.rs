//! The layer itself: the steps of the module documentation in their order.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use coatroom_protocol::access::{
    Authentication, Denial, Era, EraRefusal, Holder, Id, Judged, Message, Target, Verdict, judge,
};
use coatroom_protocol::words::{Resource, Scopes};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument as _;

use super::answer::Inspection;
use super::bodies::{self, BodyTrouble, Held, within};
use super::call::Call;
use super::caller::Caller;
use super::connect::Asked;
use super::ending::{CallEnded, end_with, is_event_stream, while_live};
use super::events::{self, EventIds};
use super::headers::{LAST_EVENT_ID, SESSION_ID, check_media_type, clean, field, mirrors};
use super::limits::{CallLimits, TooMany};
use super::modes::Presented;
use super::origin::{allow_page, allow_preflight, is_preflight};
use super::respond::{Refusal, reads_results, unknown_place};
use super::roles::roles_at;
use super::sessions::{self, SessionOwner};
use super::settings::{GuardBuilder, Settings};
use super::verify::VerifyToken;
use crate::allowance::ClientAddress;

/// Protects one MCP endpoint, whatever service answers it.
#[derive(Debug, Clone)]
pub struct GuardLayer(Option<Arc<Settings>>);

/// A service behind the guard.
#[derive(Debug, Clone)]
pub struct Guard<S> {
    inner: S,
    /// Without any, nobody is let through.
    settings: Option<Arc<Settings>>,
}

impl GuardLayer {
    /// Starts the settings of a guard for `resource`, whose tokens `verify` knows.
    pub fn builder(resource: Resource, verify: Arc<dyn VerifyToken>) -> GuardBuilder {
        GuardBuilder::new(resource, verify)
    }

    pub(super) fn new(settings: Settings) -> Self {
        Self(Some(Arc::new(settings)))
    }

    /// A guard that lets nobody through, for a place of which nothing is known.
    pub(crate) const fn shut() -> Self {
        Self(None)
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, settings: self.0.clone() }
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
        let Some(settings) = self.settings.clone() else {
            return Box::pin(async { Ok(unknown_place()) });
        };
        let span = tracing::debug_span!("guard.call", resource = settings.resource.as_str());
        Box::pin(async move { settings.answer(inner, request).await }.instrument(span))
    }
}

/// A request that may pass, and what its answer still needs.
struct Admitted {
    request: Request<Body>,
    caller: Option<Caller>,
    call: Option<Arc<Call>>,
    session: Session,
    asked: Option<Asked>,
    inspection: Option<Inspection>,
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
    upstream: Option<HeaderValue>,
    url_mode: bool,
}

impl Session {
    /// Whether its client declared elicitation in URL mode.
    fn is_url_mode(&self) -> bool {
        matches!(self, Self::Legacy { named: Some(named), .. } if named.url_mode)
    }
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
                Ok(admitted) => match self.pass(&mut inner, admitted).await? {
                    Ok(response) => response,
                    Err(refusal) => self.challenger.respond(refusal),
                },
                Err(refusal) => self.challenger.respond(refusal),
            }
        };
        response.headers_mut().remove(ACCESS_CONTROL_ALLOW_ORIGIN);
        if let Some(page) = page {
            allow_page(&page, response.headers_mut());
        }
        Ok(response)
    }

    /// Step 9: has the request answered, and lets the answer through as far as it may pass.
    async fn pass<S>(
        &self,
        inner: &mut S,
        admitted: Box<Admitted>,
    ) -> Result<Result<Response<Body>, Refusal>, S::Error>
    where
        S: Service<Request<Body>, Response = Response<Body>>,
    {
        let Admitted { request, caller, call, session, asked, inspection } = *admitted;
        let caller = caller.as_ref();
        let opens_stream = request.method() == Method::GET && !request.headers().contains_key(&SESSION_ID);
        let revocations = self.ending.as_ref().map(|ending| &ending.revocations);
        let mut response = {
            let answering = pin!(async {
                let response = inner.call(request).await?;
                Ok(self.handled(call.as_ref(), caller, asked.as_ref(), response).await)
            });
            match while_live(caller, revocations, answering).await {
                Ok(answer) => match answer? {
                    Ok(response) => response,
                    Err(refusal) => return Ok(Err(refusal)),
                },
                Err(CallEnded) if revocations.is_some_and(|it| it.is_blind()) => {
                    return Ok(Err(Refusal::Unavailable));
                }
                Err(CallEnded) => return Ok(Err(Refusal::BadToken)),
            }
        };
        // To a client of the legacy wire 404 says that its session has ended, and it has none.
        if opens_stream && response.status() == StatusCode::NOT_FOUND {
            return Ok(Err(Refusal::Method { allowed: "POST, OPTIONS" }));
        }
        if let (Some(caller), Some(ending)) = (caller, &self.ending) {
            let life = caller.expires_at().since(ending.clock.at_least());
            response = end_with(caller, life, &ending.revocations, response);
        }
        let session = match self.settle_session(caller, session, asked.as_ref(), &mut response) {
            Ok(session) => session,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if is_event_stream(response.headers()) && !response.headers().contains_key(CONTENT_ENCODING) {
            let sessions = self.sessions.as_ref().map(Arc::clone);
            let ids = sessions.zip(session).map(|(sessions, session)| EventIds { sessions, session });
            return Ok(Ok(events::watch(inspection, ids, response)));
        }
        Ok(match inspection {
            Some(inspection) => inspection.hold(response).await,
            None => Ok(response),
        })
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
    async fn admit(&self, request: Request<Body>) -> Result<Box<Admitted>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let address = parts.extensions.get::<ClientAddress>().copied();
        self.limit(|limits| limits.called_from(address))?;
        let presented = self.present(&parts.uri, &parts.headers).await;
        if let Presented::Bad(Refusal::BadToken) = presented {
            self.limit(|limits| limits.token_failed(address))?;
        }
        let (mut caller, waiting) = if self.body_says && parts.method == Method::POST {
            (None, Some(presented))
        } else {
            (self.admitted(presented, self.authentication)?, None)
        };
        let (era, asked, inspection) = match parts.method {
            Method::POST => {
                check_media_type(&parts.headers)?;
                let (bytes, held) = self.read(&parts.headers, body).await?;
                parts.extensions.insert(held);
                let first = judge(&bytes).map_err(Refusal::Body)?;
                let era = self.check_era(&parts.headers, &first)?;
                let mut needed = self.authentication;
                if let Some(presented) = waiting {
                    needed = self.manifest.authentication(&first, needed);
                    caller = self.admitted(presented, needed)?;
                }
                // From here on the call is what it was when it was first made, and that is what is forwarded.
                let restored = self.restore(caller.as_ref(), era, (&first, &bytes))?;
                let (again, answers) = restored.map(|it| (it.body, it.answers)).unzip();
                let (judged, body) = match &again {
                    Some(body) => (judge(body).map_err(Refusal::Body)?, body),
                    None => (first, &bytes),
                };
                self.check_arguments(caller.as_ref(), era, &parts.headers, (&judged, body))?;
                let reads = reads_results(&parts.headers);
                let told = |refusal| self.challenger.told_to(reads, (era, &judged), refusal);
                self.check_policy(caller.as_ref(), needed, &judged).map_err(told)?;
                let answered = (judged.into_owned(), answers.unwrap_or_default());
                let asked = Asked::new(era, &parts.headers, body, answered);
                let inspection = Inspection::of_post(self, caller.as_ref(), era, &asked.judged);
                parts.extensions.insert(Arc::clone(&asked.judged));
                (era, Some(asked), inspection)
            }
            Method::GET | Method::HEAD | Method::DELETE => {
                let era = self.bodiless_era(&parts.headers)?;
                let streams = parts.method == Method::GET;
                let inspection = if streams { Inspection::of_stream(self, caller.as_ref()) } else { None };
                (era, None, inspection)
            }
            _ => return Err(Refusal::Method { allowed: "GET, HEAD, POST, DELETE, OPTIONS" }),
        };
        let deletes = parts.method == Method::DELETE;
        let id = asked.as_ref().and_then(|asked| asked.judged.id().cloned());
        let session = self.find_session(caller.as_ref(), era, &mut parts.headers, deletes);
        let session = session.ok_or(Refusal::Session(id))?;
        let asked = asked.map(|asked| asked.in_session(session.is_url_mode()));
        let body = asked.as_ref().map(|asked| asked.body.clone()).unwrap_or_default();
        clean(&mut parts.headers, body.len());
        parts.extensions.insert(era);
        let call = Call::begin(self.handlers.as_ref(), caller.as_ref(), &mut parts.extensions);
        let request = Request::from_parts(parts, Body::from(body));
        Ok(Box::new(Admitted { request, caller, call, session, asked, inspection }))
    }

    pub(super) fn limit(
        &self,
        count: impl FnOnce(&CallLimits) -> Result<(), TooMany>,
    ) -> Result<(), Refusal> {
        self.limits.as_deref().map_or(Ok(()), count).map_err(Refusal::TooMany)
    }

    /// Reads the whole body, up to the limit.
    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<(Bytes, Held), Refusal> {
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > self.body_limit) {
            return Err(Refusal::TooLarge(self.body_limit));
        }
        let bodies = self.limits.as_deref().map(CallLimits::bodies);
        match within(BODY_PATIENCE, bodies::read(body, self.body_limit, bodies)).await {
            Some(Ok(read)) => Ok(read),
            Some(Err(BodyTrouble::TooLarge)) => Err(Refusal::TooLarge(self.body_limit)),
            Some(Err(BodyTrouble::NoRoom)) => Err(Refusal::Unavailable),
            Some(Err(BodyTrouble::Lost)) => Err(Refusal::BodyLost),
            None => Err(Refusal::BodySlow),
        }
    }

    /// Step 5, the second half: the headers say what the body says.
    fn check_era(&self, headers: &HeaderMap, judged: &Judged<'_>) -> Result<Era, Refusal> {
        let era = mirrors(headers).and_then(|mirrors| Era::of_post(&mirrors, judged));
        era.map_err(|refusal| self.era_refused(refusal, judged.id().cloned().map(Id::into_owned)))
    }

    /// The modern wire is POST alone.
    fn bodiless_era(&self, headers: &HeaderMap) -> Result<Era, Refusal> {
        let era = mirrors(headers).and_then(|mirrors| Era::of_bodiless(mirrors.version));
        match era {
            Ok(Era::Legacy) => Ok(Era::Legacy),
            Ok(Era::Modern) => Err(Refusal::Method { allowed: "POST, OPTIONS" }),
            Err(refusal) => Err(self.era_refused(refusal, None)),
        }
    }

    /// Which versions a client may ask for instead, the server itself knows best, once it has said so.
    fn era_refused(&self, mut refusal: EraRefusal, id: Option<Id<'static>>) -> Refusal {
        if let EraRefusal::Unsupported { supported, .. } = &mut refusal {
            let versions = self.learned.versions();
            if !versions.is_empty() {
                *supported = versions;
            }
        }
        Refusal::Era(refusal, id)
    }

    /// Step 5, the last part: where it is known which arguments of a tool are mirrored, the headers say what they say.
    fn check_arguments(
        &self,
        caller: Option<&Caller>,
        era: Era,
        headers: &HeaderMap,
        (judged, body): (&Judged<'_>, &Bytes),
    ) -> Result<(), Refusal> {
        let Judged::One(Message::Request { id, call }) = judged else { return Ok(()) };
        let Target::Tool(tool) = &call.target else { return Ok(()) };
        let Some(mirrored) = self.learned.mirrored(caller, tool) else { return Ok(()) };
        let body = std::str::from_utf8(body).unwrap_or_default();
        let checked = mirrored.check(body, era == Era::Modern, |name| field(headers, name));
        checked.map_err(|refusal| Refusal::Mirror(refusal, id.clone().into_owned()))
    }

    /// The roles that the caller's claims name.
    pub(super) fn roles_of(&self, caller: Option<&Caller>) -> Vec<String> {
        caller.map(|caller| roles_at(&self.roles_claim, caller.user())).unwrap_or_default()
    }

    /// Step 6.
    fn check_policy(
        &self,
        caller: Option<&Caller>,
        needed: Authentication,
        judged: &Judged<'_>,
    ) -> Result<(), Refusal> {
        let none = Scopes::none();
        let roles = self.roles_of(caller);
        let (permissions, signed_in) = (caller.map_or(&[][..], Caller::permissions), caller.is_some());
        let decide = |scopes: &Scopes| {
            self.manifest.decide(judged, &Holder { scopes, roles: &roles, permissions, signed_in })
        };
        let granted = caller.map_or(&none, Caller::scopes);
        let verdict = match decide(granted) {
            Verdict::NeedsScopes(_) => decide(&self.catalogue.expand(granted)),
            verdict @ (Verdict::Permit | Verdict::Denied(_)) => verdict,
        };
        let id = || judged.id().cloned().map(Id::into_owned);
        let may_sign_in = caller.is_none() && needed != Authentication::Off;
        match verdict {
            Verdict::Permit => Ok(()),
            Verdict::NeedsScopes(scopes) if may_sign_in => Err(Refusal::NoToken(scopes)),
            Verdict::NeedsScopes(scopes) if caller.is_some() => Err(Refusal::Scopes(scopes, id())),
            Verdict::NeedsScopes(_) => Err(Refusal::Denied(Denial::ByRule, id())),
            Verdict::Denied(Denial::SignIn | Denial::Role | Denial::Permission) if may_sign_in => {
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
        let found = sessions.find(&owner, here.to_str().ok()?)?;
        let upstream = found.upstream.map(HeaderValue::from_str).transpose().ok()?;
        let url_mode = found.url_mode;
        headers.remove(&SESSION_ID);
        headers.extend(upstream.clone().map(|upstream| (SESSION_ID, upstream)));
        if let Some(event) = headers.remove(&LAST_EVENT_ID) {
            let bound = event.to_str().ok().zip(here.to_str().ok());
            if let Some(event) = bound.and_then(|(event, here)| sessions.find_event(here, event)) {
                headers.insert(LAST_EVENT_ID, HeaderValue::from_str(event).ok()?);
            } else {
                tracing::debug!("the event is of no stream of this session, so none is sent again");
            }
        }
        Some(Session::Legacy { named: Some(Named { here, upstream, url_mode }), deletes })
    }

    /// Puts our session id in place of the upstream server's; what it is, if there is one.
    fn settle_session(
        &self,
        caller: Option<&Caller>,
        session: Session,
        asked: Option<&Asked>,
        response: &mut Response<Body>,
    ) -> Result<Option<String>, Refusal> {
        let (named, deletes) = match session {
            Session::Strip => {
                response.headers_mut().remove(&SESSION_ID);
                return Ok(None);
            }
            Session::Legacy { named, deletes } => (named, deletes),
        };
        let Some(sessions) = &self.sessions else { return Ok(None) };
        let owner = SessionOwner { resource: &self.resource, caller };
        if let (true, Some(named)) = (deletes && response.status().is_success(), &named) {
            sessions.end(&owner, named.here.to_str().unwrap_or(""));
        }
        let upstream = response.headers_mut().remove(&SESSION_ID);
        let url_mode = named.as_ref().is_some_and(|named| named.url_mode) || Asked::declares(asked);
        let begins = url_mode && named.is_none() && self.remembers_url_mode(caller, response);
        let here = match named {
            Some(named) if upstream.is_none() || named.upstream == upstream => {
                if upstream.is_none() {
                    return Ok(named.here.to_str().ok().map(str::to_owned));
                }
                named.here
            }
            None if upstream.is_none() && !begins => return Ok(None),
            _ => {
                let upstream = upstream.as_ref().map(|id| id.to_str().unwrap_or(""));
                let id = sessions.begin_as(&owner, sessions::Session { upstream, url_mode });
                let id = id.inspect_err(|error| tracing::warn!(%error, "a session could not begin"));
                let id = id.map_err(|_| Refusal::Unavailable)?;
                HeaderValue::try_from(id).map_err(|_| Refusal::Unavailable)?
            }
        };
        let session = here.to_str().ok().map(str::to_owned);
        response.headers_mut().insert(SESSION_ID, here);
        Ok(session)
    }
}

/// How long the body of a call may take to arrive: 4 MiB on a slow line.
const BODY_PATIENCE: Duration = Duration::from_mins(1);
