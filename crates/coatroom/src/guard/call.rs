//! What a handler behind the guard can ask the guard to tell the client, and the errors by which it does.
//!
//! A handler that answers over HTTP puts a [`GuardAnswer`] into its response's extensions, or answers with a [`CallerError`],
//! which does so. One whose answers become messages on a stream, as those of MCP libraries, has no response to mark: its error
//! is noted with the call, and the guard, which holds a stream back until its first message, finds it there.

use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::response::{IntoResponse, Response};
use coatroom_protocol::access::{RpcCode, RpcError};
use coatroom_protocol::words::{ProviderName, Scopes};
use http::header::RETRY_AFTER;
use http::{Extensions, HeaderValue, StatusCode};
use tokio::sync::Notify;

use super::caller::{Caller, UpstreamError};
use super::grant_data::DataError;
use super::respond::json;
use super::roles::roles_at;
use crate::error::Error;
use crate::outbound::{Outbound, OutboundError};
use crate::user::User;

/// What the guard answers in its own words, in the place of what a handler answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuardAnswer {
    /// Somebody has to sign in: 401 and where to.
    SignIn,
    /// The user's sign-in has ended ([`UpstreamError::SignInEnded`]): 401 `invalid_token`.
    SignInEnded,
    /// The user has to connect these providers first ([`UpstreamError::NotConnected`]): a link, as the client understands it.
    Connect(Vec<ProviderName>),
    /// The user has to grant these scopes first: 403 `insufficient_scope`.
    Scopes(Scopes),
    /// No scope would help: 403 with these words.
    Denied(String),
    /// Nobody can tell at the moment: 503.
    Unavailable,
}

/// What handlers of one protected resource share.
#[derive(Debug)]
pub(super) struct Handlers {
    pub(super) roles_claim: String,
    pub(super) outbound: Outbound,
}

/// One call, as its handlers see it.
#[derive(Debug)]
pub(super) struct Call {
    handlers: Arc<Handlers>,
    answer: OnceLock<GuardAnswer>,
    noted: Notify,
}

impl Call {
    /// Lets handlers find who calls; and this call, where there are handlers that may ask for something.
    pub(super) fn begin(
        handlers: Option<&Arc<Handlers>>,
        caller: Option<&Caller>,
        extensions: &mut Extensions,
    ) -> Option<Arc<Self>> {
        let new = |handlers| Self { handlers, answer: OnceLock::new(), noted: Notify::new() };
        let call = handlers.cloned().map(|handlers| Arc::new(new(handlers)));
        if let Some(call) = &call {
            extensions.insert(Arc::clone(call));
        }
        if let Some(caller) = caller.cloned() {
            extensions.insert(caller.in_call(call.clone()));
        }
        call
    }

    /// The call of a request that passed the guard.
    pub(super) fn of(extensions: &Extensions) -> Option<Arc<Self>> {
        extensions.get::<Arc<Self>>().cloned()
    }

    pub(super) fn roles_of(&self, user: &User) -> Vec<String> {
        roles_at(&self.handlers.roles_claim, user)
    }

    pub(super) fn outbound(&self) -> Outbound {
        self.handlers.outbound.clone()
    }

    /// What a handler asked for first.
    pub(super) fn answer(&self) -> Option<&GuardAnswer> {
        self.answer.get()
    }

    /// Waits until a handler asks for something.
    pub(super) async fn noted(&self) {
        loop {
            let noted = self.noted.notified();
            if self.answer.get().is_some() {
                return;
            }
            noted.await;
        }
    }

    fn note(&self, answer: GuardAnswer) {
        if self.answer.set(answer).is_ok() {
            self.noted.notify_waiters();
        }
    }
}

/// Why a handler does not get what it asked the caller for.
pub struct CallerError {
    kind: CallerErrorKind,
    call: Option<Arc<Call>>,
}

/// What a [`CallerError`] is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallerErrorKind {
    /// There is no upstream token for this call.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The token has not all of these scopes.
    #[error("this operation needs the scope {0}")]
    Scopes(Scopes),
    /// This cannot be a scope.
    #[error("{0:?} is not a scope")]
    NoSuchScope(String),
    /// The user does not have this role.
    #[error("this operation needs the role {0}")]
    Role(String),
    /// The user does not have this permission.
    #[error("this operation needs the permission {0}")]
    Permission(String),
    /// A request with the user's token cannot be made.
    #[error("{0}")]
    Request(String),
    /// No answer of an upstream API.
    #[error("{provider} gave no answer: {error}")]
    NoAnswer {
        /// The provider whose token was used.
        provider: String,
        /// Why not.
        #[source]
        error: OutboundError,
    },
    /// An answer of an upstream API that is not what was expected.
    #[error("{provider} answered {status}{}", if *unreadable { ", in a form that was not expected" } else { "" })]
    Answer {
        /// The provider whose token was used.
        provider: String,
        /// The status.
        status: StatusCode,
        /// Whether the status is fine and the body is not.
        unreadable: bool,
    },
    /// What is kept with the grant cannot be read or written.
    #[error(transparent)]
    Data(DataError),
    /// Nobody has signed in.
    #[error("this operation needs a user who has signed in")]
    Anonymous,
    /// No guard stands before the handler.
    #[error("no guard stands before this handler, so nobody knows who calls")]
    Unguarded,
}

impl CallerError {
    pub(super) const fn new(kind: CallerErrorKind, call: Option<Arc<Call>>) -> Self {
        Self { kind, call }
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> &CallerErrorKind {
        &self.kind
    }

    /// What it is about, for whoever decides alone what the client hears.
    #[must_use]
    pub fn into_kind(self) -> CallerErrorKind {
        self.kind
    }

    /// What the guard tells the client, where this is its business.
    #[must_use]
    pub fn answer(&self) -> Option<GuardAnswer> {
        match &self.kind {
            CallerErrorKind::Upstream(error) => error.answer(),
            CallerErrorKind::Scopes(scopes) => Some(GuardAnswer::Scopes(scopes.clone())),
            CallerErrorKind::Role(_) | CallerErrorKind::Permission(_) => {
                Some(GuardAnswer::Denied(self.to_string()))
            }
            CallerErrorKind::Data(DataError::Kept(Error::Unavailable { .. })) => {
                Some(GuardAnswer::Unavailable)
            }
            CallerErrorKind::Anonymous => Some(GuardAnswer::SignIn),
            CallerErrorKind::NoSuchScope(_)
            | CallerErrorKind::Request(_)
            | CallerErrorKind::NoAnswer { .. }
            | CallerErrorKind::Answer { .. }
            | CallerErrorKind::Data(_)
            | CallerErrorKind::Unguarded => None,
        }
    }

    /// Lets the guard tell the client, for a handler whose answers become messages on a stream, so that it has no response to mark. To
    /// be called before the first of them.
    pub fn note(&self) {
        if let (Some(call), Some(answer)) = (&self.call, self.answer()) {
            call.note(answer);
        }
    }
}

impl UpstreamError {
    /// What the guard tells the client, where this is its business.
    #[must_use]
    pub fn answer(&self) -> Option<GuardAnswer> {
        match self {
            Self::NotConnected { provider } => Some(GuardAnswer::Connect(vec![provider.clone()])),
            Self::SignInEnded { .. } => Some(GuardAnswer::SignInEnded),
            Self::KeptElsewhere { .. } => Some(GuardAnswer::Denied(self.to_string())),
            Self::Unknown { .. } => None,
            Self::Unavailable(_) => Some(GuardAnswer::Unavailable),
        }
    }
}

impl fmt::Debug for CallerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallerError").field(&self.kind).finish()
    }
}

impl fmt::Display for CallerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for CallerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

/// A handler may answer with the error itself; the guard makes of it what the client understands.
impl IntoResponse for CallerError {
    fn into_response(self) -> Response {
        let answer = self.answer();
        if answer.is_none() {
            tracing::error!(error = %self, "a handler failed");
        }
        answered(answer, &self)
    }
}

/// A handler may answer with the error itself; the guard makes of it what the client understands.
impl IntoResponse for UpstreamError {
    fn into_response(self) -> Response {
        answered(self.answer(), &self)
    }
}

/// What is answered where no guard puts its own words in the place.
fn answered(answer: Option<GuardAnswer>, error: &dyn fmt::Display) -> Response {
    let status = match &answer {
        Some(GuardAnswer::SignIn | GuardAnswer::SignInEnded) => StatusCode::UNAUTHORIZED,
        Some(GuardAnswer::Connect(_) | GuardAnswer::Scopes(_) | GuardAnswer::Denied(_)) => {
            StatusCode::FORBIDDEN
        }
        Some(GuardAnswer::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        None => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let error = RpcError::new(RpcCode::Refused, error.to_string());
    let mut response = json(status, error.to_json(None));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    if let Some(answer) = answer {
        response.extensions_mut().insert(answer);
    }
    response
}
