//! What stands behind the guard of a server on stdio: streamable HTTP in every revision of MCP on one side, each user's own process on the
//! other.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use coatroom::entropy::{SystemEntropy, draw};
use coatroom::guard::Caller;
use coatroom::protocol::access::{Era, Judged, Message, one_line};
use coatroom::protocol::bridge::envelope::{answer, messages, refusal};
use coatroom::protocol::bridge::{Envelope, ModernClient, Retried, Welcome};
use coatroom::protocol::words::base64url;
use futures_util::future::join_all;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service;
use tracing::Instrument as _;

use super::legacy::{self, LegacyCall};
use super::link::Link;
use super::listen;
use super::meet::{Hello, Manners};
use super::modern::{self, ModernCall, NO_STATE, SERVER_ERROR};
use super::outbox::{Inbox, Outbox, Resumed, accepted, json, stream_of, takes_streams};
use super::pool::{NoLink, Pool, Server};
use super::seat::{PlaceKey, Seat, SeatKey, Trouble};
use crate::child::Plan;
use crate::command::CommandConfig;
use crate::proxy::{Failure, Wants, request_id};

/// The service of one server; cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Stdio(Arc<Shared>);

struct Shared {
    name: String,
    server: Arc<Server>,
    wants: Wants,
    /// Whether calls without a caller are served. If not, such a call is a mistake in wiring and is refused.
    is_open: bool,
    /// The gateway's own variables that the command gets.
    variables: BTreeMap<String, String>,
    body: usize,
    pool: Arc<Pool>,
}

/// A server, for [`Stdio`].
pub(crate) struct StdioServer {
    /// Its name.
    pub(crate) name: String,
    /// What is run.
    pub(crate) config: CommandConfig,
    /// What its calls get of the user's.
    pub(crate) wants: Wants,
    /// Whether calls come without a user, too.
    pub(crate) is_open: bool,
    /// The gateway's own variables that the command gets.
    pub(crate) variables: BTreeMap<String, String>,
    /// Bytes of a request body.
    pub(crate) body: usize,
}

/// One request that is ready to be sent.
struct Ready {
    seat: Arc<Seat>,
    plan: Plan,
    /// What to connect where the server cannot be started without it.
    left_out: Vec<coatroom::protocol::words::ProviderName>,
}

impl Stdio {
    /// Serves a command from processes of this pool.
    pub(crate) fn new(server: StdioServer, pool: Arc<Pool>) -> Self {
        let StdioServer { name, config, wants, is_open, variables, body } = server;
        let server = Arc::new(Server { config, manners: Manners::default() });
        Self(Arc::new(Shared { name, server, wants, is_open, variables, body, pool }))
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, self.0.body).await else {
            return Failure::TooLarge(self.0.body).into_response(None);
        };
        match self.0.serve(&parts, &body).await {
            Ok(response) => response,
            Err(failure) => {
                tracing::info!(reason = %failure, "the call was not answered by the server");
                failure.into_response(request_id(&body))
            }
        }
    }
}

impl Shared {
    async fn serve(self: &Arc<Self>, parts: &Parts, body: &[u8]) -> Result<Response<Body>, Failure> {
        let caller = parts.extensions.get::<Caller>();
        if caller.is_none() && !self.is_open {
            return Err(Failure::NoCaller);
        }
        if parts.method != Method::POST {
            return self.serve_session(parts, caller);
        }
        let line = one_line(body);
        let text = std::str::from_utf8(&line).map_err(|_| Failure::NotAMessage)?;
        let judged = parts.extensions.get::<Arc<Judged<'static>>>().ok_or(Failure::NotAMessage)?;
        match parts.extensions.get::<Era>() {
            Some(Era::Modern) => self.serve_modern(parts, caller, (judged, text)).await,
            _ => self.serve_legacy(parts, caller, (judged, text)).await,
        }
    }

    /// GET and DELETE, which are about a session alone.
    fn serve_session(&self, parts: &Parts, caller: Option<&Caller>) -> Result<Response<Body>, Failure> {
        let seat = self.session(parts, caller);
        match parts.method {
            Method::GET => {
                let seat = seat?.ok_or(Failure::NoStream)?;
                if !takes_streams(&parts.headers) {
                    return Err(Failure::NoStream);
                }
                Ok(stream_of(seat.hub.open_stream()))
            }
            Method::DELETE => {
                self.pool.remove(&*seat?.ok_or(Failure::SessionMissing)?);
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            _ => Err(Failure::Method),
        }
    }

    /// The seat of the session that a request names; `None` when it names none.
    fn session(&self, parts: &Parts, caller: Option<&Caller>) -> Result<Option<Arc<Seat>>, Failure> {
        let Some(id) = parts.headers.get(SESSION_ID) else { return Ok(None) };
        let id = id.to_str().map_err(|_| Failure::NoSession)?;
        let key = self.key(caller, PlaceKey::Session(id.to_owned()));
        self.pool.find(&key).map(Some).ok_or(Failure::NoSession)
    }

    fn key(&self, caller: Option<&Caller>, place: PlaceKey) -> SeatKey {
        SeatKey { server: self.name.clone(), grant: caller.map(Caller::grant), place }
    }

    // === MCP 2026-07-28 ===

    async fn serve_modern(
        self: &Arc<Self>,
        parts: &Parts,
        caller: Option<&Caller>,
        (judged, text): (&Arc<Judged<'static>>, &str),
    ) -> Result<Response<Body>, Failure> {
        let Judged::One(Message::Request { id, call }) = judged.as_ref() else {
            // There are no notifications from clients that would mean anything here.
            return Ok(accepted());
        };
        let client = ModernClient::of_request(text);
        let log_level = client.log_level.clone();
        let seat = self.seat_of(caller, client)?;
        let _busy = seat.busy();
        let (outbox, inbox) = Outbox::new(&parts.headers, Era::Modern, 1, false);
        let asked = Resumed { text: text.to_owned(), id: id.raw().to_owned(), outbox };
        let retried = Retried::of_request(text).state.map(|state| seat.hub.parked(&state));
        if let Some(Some(parked)) = retried {
            let resumed = parked.send(asked).await;
            drop(parked);
            if let Err(refused) = resumed {
                refused.0.outbox.answer(refusal(id.raw(), INVALID_PARAMS, NO_STATE)).await;
            }
            return Ok(inbox.respond().await);
        }
        let ready = self.ready(caller, Some(judged), seat).await?;
        let (link, calling) = loop {
            let link = match self.link(&ready).await? {
                Ok(link) => link,
                Err(trouble) => return Ok(not_started(id.raw(), &trouble)),
            };
            if retried.is_some() && !link.welcome().is_some_and(Welcome::is_modern) {
                return Ok(json(StatusCode::OK, refusal(id.raw(), INVALID_PARAMS, NO_STATE)));
            }
            if let Some(text) = modern::discovered(&link, id.raw(), &call.method) {
                return Ok(json(StatusCode::OK, text));
            }
            if call.method == "subscriptions/listen" {
                break (link, None);
            }
            if let Some(level) = &log_level {
                modern::set_log_level(&ready.seat, &link, level).await;
            }
            match in_time(modern::send(&ready.seat, &link, (&call.method, text), log_level.clone())).await? {
                Ok(calling) => break (link, Some(calling.ok_or(Failure::NotAMessage)?)),
                Err(_) if link.is_open() => return Err(Failure::Crowded),
                Err(_) => {}
            }
        };
        drop(link);
        let Some(calling) = calling else {
            return Ok(respond(listen::for_client(Arc::clone(&ready.seat), asked), inbox).await);
        };
        let about = (call.method.clone().into_owned(), call.meta.capabilities.unwrap_or_default());
        let call = ModernCall::new(&ready.seat, calling, about, asked);
        Ok(respond(call.run(), inbox).await)
    }

    /// The seat of a client whose requests say what they need.
    fn seat_of(&self, caller: Option<&Caller>, client: ModernClient) -> Result<Arc<Seat>, Failure> {
        let said =
            client.capabilities.as_ref().map_or(0, String::len) + client.info.as_ref().map_or(0, String::len);
        if said > LONGEST_HELLO {
            return Err(Failure::Talkative(LONGEST_HELLO));
        }
        let place = PlaceKey::Client(client.capabilities.clone());
        let mut key = self.key(caller, place);
        if let Some(seat) = self.pool.find(&key) {
            return Ok(seat);
        }
        if !self.server.manners.is_told_once() {
            key.place = PlaceKey::Client(None);
        }
        let subject = caller.map(|caller| &caller.user().subject);
        let hello = || Hello::Client(ModernClient { log_level: None, ..client });
        self.pool.seat(key, subject, self.server.config.idle, hello).ok_or(Failure::Crowded)
    }

    // === 2025-11-25 and before ===

    async fn serve_legacy(
        self: &Arc<Self>,
        parts: &Parts,
        caller: Option<&Caller>,
        (judged, text): (&Arc<Judged<'static>>, &str),
    ) -> Result<Response<Body>, Failure> {
        let Some(seat) = self.session(parts, caller)? else {
            return match judged.as_ref() {
                Judged::One(Message::Request { id, call }) if call.method == "initialize" => {
                    self.begin(caller, judged, (id.raw(), text)).await
                }
                _ => Err(Failure::SessionMissing),
            };
        };
        let _busy = seat.busy();
        let requests = judged.messages().iter().filter(|message| matches!(message, Message::Request { .. }));
        let (requests, is_batch) = (requests.count(), matches!(judged.as_ref(), Judged::Batch(_)));
        let (outbox, inbox) = Outbox::new(&parts.headers, Era::Legacy, requests, is_batch);
        let ready = match requests {
            0 => None,
            _ => Some(self.ready(caller, Some(judged), Arc::clone(&seat)).await?),
        };
        let mut calls = Vec::new();
        for (message, text) in judged.messages().iter().zip(messages(text)) {
            match (message, &ready) {
                (Message::Response { .. }, _) => seat.hub.answered(text),
                (Message::Notification { call }, _) => in_time(notify(&seat, &call.method, text)).await?,
                (Message::Request { id, call }, Some(ready)) => {
                    let asked =
                        Resumed { text: text.to_owned(), id: id.raw().to_owned(), outbox: outbox.clone() };
                    match self.call_legacy(ready, &call.method, asked).await {
                        Ok(call) => calls.extend(call.map(LegacyCall::run)),
                        Err(failure) if is_batch => {
                            outbox.answer(refusal(id.raw(), SERVER_ERROR, &failure.to_string())).await;
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                (Message::Request { .. }, None) => {}
            }
        }
        drop(outbox);
        Ok(match requests {
            0 => accepted(),
            _ => respond(join_all(calls), inbox).await,
        })
    }

    /// Begins a session: its server is met with what the client itself says.
    async fn begin(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        judged: &Arc<Judged<'static>>,
        (id, text): (&str, &str),
    ) -> Result<Response<Body>, Failure> {
        let message = Envelope::read(text).ok_or(Failure::NotAMessage)?;
        let params = message.params().unwrap_or("{}").to_owned();
        if params.len() > LONGEST_HELLO {
            return Err(Failure::Talkative(LONGEST_HELLO));
        }
        let requested: String = message
            .param("protocolVersion")
            .and_then(|version| serde_json::from_str(version).ok())
            .unwrap_or_default();
        let session = base64url(&draw::<16>(&SystemEntropy::new()).map_err(|_| Failure::NoEntropy)?);
        let key = self.key(caller, PlaceKey::Session(session.clone()));
        let subject = caller.map(|caller| &caller.user().subject);
        let seat = self.pool.seat(key, subject, self.server.config.idle, || Hello::Session(params));
        let seat = seat.ok_or(Failure::Crowded)?;
        let _busy = seat.busy();
        let linked = match self.ready(caller, Some(judged), Arc::clone(&seat)).await {
            Ok(ready) => self.link(&ready).await,
            Err(failure) => Err(failure),
        };
        let link = match linked {
            Ok(Ok(link)) => link,
            Ok(Err(trouble)) => {
                self.pool.remove(&seat);
                return Ok(not_started(id, &trouble));
            }
            Err(failure) => {
                self.pool.remove(&seat);
                return Err(failure);
            }
        };
        let welcome = link.welcome().map(|welcome| welcome.to_initialize(&requested)).unwrap_or_default();
        let mut response = json(StatusCode::OK, answer(id, &welcome));
        let session = HeaderValue::try_from(session).map_err(|_| Failure::NoSession)?;
        response.headers_mut().insert(SESSION_ID, session);
        Ok(response)
    }

    /// Sends one request of a session; `None` when it is answered already.
    async fn call_legacy(
        self: &Arc<Self>,
        ready: &Ready,
        method: &str,
        asked: Resumed,
    ) -> Result<Option<LegacyCall>, Failure> {
        if method == "initialize" {
            let why = "this session has begun already";
            asked.outbox.answer(refusal(&asked.id, INVALID_REQUEST, why)).await;
            return Ok(None);
        }
        loop {
            let link = match self.link(ready).await? {
                Ok(link) => link,
                Err(trouble) => {
                    asked.outbox.answer(refusal(&asked.id, SERVER_ERROR, &trouble.to_string())).await;
                    return Ok(None);
                }
            };
            let known = legacy::answered_here(&ready.seat, &link, method, (&asked.id, &asked.text));
            if let Some(text) = known {
                asked.outbox.answer(text).await;
                return Ok(None);
            }
            match in_time(legacy::send(&ready.seat, &link, (&asked.id, &asked.text))).await? {
                Ok(calling) => {
                    let calling = calling.ok_or(Failure::NotAMessage)?;
                    return Ok(Some(LegacyCall::new(&ready.seat, calling, asked)));
                }
                Err(_) if link.is_open() => return Err(Failure::Crowded),
                Err(_) => {}
            }
        }
    }

    // === Processes ===

    /// What a request's process is started with, or has been.
    async fn ready(
        &self,
        caller: Option<&Caller>,
        judged: Option<&Arc<Judged<'static>>>,
        seat: Arc<Seat>,
    ) -> Result<Ready, Failure> {
        let wallet = match caller {
            Some(caller) => self.wants.wallet(caller, judged.map(Arc::as_ref)).await?,
            None => crate::proxy::Wallet::default(),
        };
        if seat.uses() > MOST_AT_ONCE {
            return Err(Failure::Crowded);
        }
        let plan = self.server.config.plan(caller, &wallet.tokens, &self.variables, Path::new(""));
        let plan = plan.map_err(|refusal| Failure::NoPlan(refusal.to_string()))?;
        Ok(Ready { seat, plan, left_out: wallet.left_out })
    }

    /// The process for a request.
    async fn link(&self, ready: &Ready) -> Result<Result<Arc<Link>, Trouble>, Failure> {
        match self.pool.link(&ready.seat, &self.server, &ready.plan).await {
            Ok(link) => Ok(Ok(link)),
            Err(NoLink::Crowded) => Err(Failure::Crowded),
            Err(NoLink::Ended) => Err(Failure::NoSession),
            // What the user has not connected would probably have helped.
            Err(NoLink::NotStarted(_) | NoLink::Waiting(..)) if !ready.left_out.is_empty() => {
                Err(Failure::NotConnected(ready.left_out.clone()))
            }
            Err(NoLink::NotStarted(trouble)) => Ok(Err(trouble)),
            Err(NoLink::Waiting(trouble, after)) => {
                Err(Failure::Failing { trouble: trouble.to_string(), after })
            }
        }
    }
}

/// What its client is told of a call, as soon as that is known; what is left of the call goes on by itself. Most calls are over by then, and
/// no other task had to be woken for them.
async fn respond<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
    inbox: Inbox,
) -> Response<Body> {
    let mut call = Box::pin(call);
    let mut response = std::pin::pin!(inbox.respond());
    tokio::select! {
        biased;
        _ = &mut call => response.await,
        response = &mut response => {
            tokio::spawn(call);
            response
        }
    }
}

/// Waits for a server that takes a message, but not for ever for one that reads none.
async fn in_time<T>(sending: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(SENDING, sending).await.map_err(|_| Failure::Silent)
}

/// Passes on what a client with a session tells.
async fn notify(seat: &Arc<Seat>, method: &str, text: &str) {
    if method == "notifications/initialized" {
        seat.hub.set_initialized(text);
    }
    // Without a process there is nobody to tell; the next one is told what it has to know.
    let Some(link) = seat.link() else { return };
    let is_modern = link.welcome().is_some_and(Welcome::is_modern);
    match method {
        "notifications/initialized" => drop(link.initialized(Some(text.to_owned())).await),
        "notifications/cancelled" => {
            if let Some(id) = Envelope::read(text).and_then(|message| message.param("requestId")) {
                link.cancel(id, text);
            }
        }
        // MCP 2026-07-28 has no others.
        _ if is_modern => {}
        _ => drop(link.tell(text.to_owned()).await),
    }
}

/// A start that failed is no failure of the gateway: the client shows the message to its user.
fn not_started(id: &str, trouble: &Trouble) -> Response<Body> {
    json(StatusCode::OK, refusal(id, SERVER_ERROR, &trouble.to_string()))
}

impl Service<Request<Body>> for Stdio {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let span = tracing::info_span!("proxy.stdio", server.name = %self.0.name);
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) }.instrument(span))
    }
}

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Bytes that a client may say about itself. They are kept as long as its seat.
const LONGEST_HELLO: usize = 64 * 1024;

/// Calls of one client that wait at once.
const MOST_AT_ONCE: usize = 256;

/// How long a server may take to read a message.
const SENDING: Duration = Duration::from_secs(30);

const INVALID_REQUEST: i32 = -32600;
const INVALID_PARAMS: i32 = -32602;
