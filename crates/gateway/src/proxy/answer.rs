//! What a client hears when its call does not reach the server, or the server fails: a JSON-RPC error with the
//! request's id, never a 401 of an upstream, and 503 with `Retry-After` when trying again helps.

use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse as _;
use coatroom::guard::{GuardAnswer, UpstreamError};
use coatroom::protocol::words::ProviderName;
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::connect::{Cause, NoAnswer};
use super::endpoint::EndpointRefusal;
use super::places::Full;

/// Why a call did not get the server's answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An HTTP method that MCP does not use.
    #[error("only GET, POST and DELETE are used here")]
    Method,
    /// What HTTP+SSE does not use, or a message outside any session. Clients of both transports fall back on it.
    #[error(
        "this server speaks HTTP+SSE (MCP 2024-11-05): open its event stream with GET, and send messages to the URL that its \
         `endpoint` event names"
    )]
    NotSse,
    /// A body beyond the limit.
    #[error("a message may have at most {0} bytes")]
    TooLarge(usize),
    /// The body broke off.
    #[error("the request body ended early")]
    Incomplete,
    /// The body took too long.
    #[error("the request body did not arrive in time")]
    Slow,
    /// No guard stands before a server that needs one.
    #[error("the call was not authenticated")]
    NoCaller,
    /// The user has to connect these first. The guard says so in the client's own way.
    #[error("the user has not connected what this call needs")]
    NotConnected(Vec<ProviderName>),
    /// The user's token could not be had.
    #[error(transparent)]
    Credential(#[from] UpstreamError),
    /// Who calls could not be signed.
    #[error("the gateway cannot say who calls at the moment")]
    Unsigned(#[source] coatroom::error::Error),
    /// A value cannot stand in the header that it is for.
    #[error("the header {0} cannot be sent for this user")]
    Header(http::HeaderName),
    /// No connection.
    #[error("the MCP server cannot be reached")]
    Unreachable(#[source] Cause),
    /// As many requests are under way there as may be, or as this user may have.
    #[error("the MCP server has too much to do; try again in a moment")]
    Full,
    /// Connected, and no answer that can be read. The call may have been carried out, so trying again is for the client to
    /// decide.
    #[error("the MCP server broke off, or answered with something that is not HTTP")]
    Broken(#[source] Cause),
    /// Connected, and no answer in time.
    #[error("the MCP server did not answer in time")]
    Silent,
    /// The user's token was refused, also after it was renewed.
    #[error("the MCP server did not accept the credential of this call")]
    Refused,
    /// A stream that does not say where messages go.
    #[error("the MCP server cannot be used: {0}")]
    Endpoint(#[from] EndpointRefusal),
    /// A session that is not known here.
    #[error("this session has ended; begin another with `initialize`")]
    NoSession,
    /// A call outside of any session, of a client that needs one.
    #[error("the header Mcp-Session-Id is missing; begin a session with `initialize`")]
    SessionMissing,
    /// A stream outside of any session.
    #[error("there is no stream outside of a session; begin one with `initialize`")]
    NoStream,
    /// A command cannot be run for this user.
    #[error("the MCP server cannot be started for you: {0}")]
    NoPlan(String),
    /// All processes that there may be are at work.
    #[error("all processes that you may have are at work; try again in a moment")]
    Crowded,
    /// The user's process failed several times.
    #[error("{trouble}. It is tried again in {} s", after.as_secs().max(1))]
    Failing {
        /// What happened the last time.
        trouble: String,
        /// When it is tried again.
        after: Duration,
    },
    /// A client that says very much about itself.
    #[error("a client may say at most {0} bytes about itself")]
    Talkative(usize),
    /// No random numbers for the id of a session.
    #[error("the gateway has no random numbers at the moment")]
    NoEntropy,
    /// A message that a server on stdio cannot be given.
    #[error("the message cannot be read")]
    NotAMessage,
    /// An answer that makes no sense behind a gateway.
    #[error("the MCP server answered {0}, which cannot be passed on")]
    Answer(StatusCode),
}

impl From<NoAnswer> for Failure {
    fn from(cause: NoAnswer) -> Self {
        match cause {
            NoAnswer::Unconnected(cause) => Self::Unreachable(cause),
            NoAnswer::Silent => Self::Silent,
            NoAnswer::Broken(cause) => Self::Broken(cause),
        }
    }
}

impl From<Full> for Failure {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

impl Failure {
    /// The answer to the client. `id` is the request's, when it has one.
    pub(crate) fn into_response(self, id: Option<&RawValue>) -> Response<Body> {
        // The guard answers these: with a challenge, or with the way to connect what is missing.
        match self {
            Self::Credential(
                error @ (UpstreamError::SignInEnded { .. } | UpstreamError::NotConnected { .. }),
            ) => {
                return error.into_response();
            }
            Self::NotConnected(providers) => {
                let mut response = StatusCode::FORBIDDEN.into_response();
                response.extensions_mut().insert(GuardAnswer::Connect(providers));
                return response;
            }
            _ => {}
        }
        let (status, reason, retry) = self.meaning();
        let allowed = if matches!(self, Self::NotSse) { "GET, POST" } else { "GET, POST, DELETE" };
        let error = ErrorBody { code: SERVER_ERROR, message: self.to_string(), data: Reason { reason } };
        let body = serde_json::to_vec(&Message { jsonrpc: "2.0", id, error }).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if retry {
            let seconds = if let Self::Failing { after, .. } = &self { after.as_secs().max(1) } else { 5 };
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }

    /// Status, a word for programs, and whether trying again soon may help.
    const fn meaning(&self) -> (StatusCode, &'static str, bool) {
        match self {
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method", false),
            Self::NotSse => (StatusCode::METHOD_NOT_ALLOWED, "not_sse", false),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", false),
            Self::Incomplete => (StatusCode::BAD_REQUEST, "incomplete", false),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "slow", false),
            Self::NoCaller => (StatusCode::INTERNAL_SERVER_ERROR, "not_authenticated", false),
            Self::NotConnected(_) => (StatusCode::FORBIDDEN, "not_connected", false),
            Self::Credential(_) => (StatusCode::SERVICE_UNAVAILABLE, "credential_unavailable", true),
            Self::Unsigned(_) => (StatusCode::SERVICE_UNAVAILABLE, "unsigned", true),
            Self::Header(_) => (StatusCode::BAD_GATEWAY, "header", false),
            Self::Unreachable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unreachable", true),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "full", true),
            Self::Broken(_) => (StatusCode::BAD_GATEWAY, "broken_answer", false),
            Self::Silent => (StatusCode::GATEWAY_TIMEOUT, "no_answer", true),
            Self::Refused => (StatusCode::BAD_GATEWAY, "credential_refused", false),
            Self::Endpoint(_) => (StatusCode::BAD_GATEWAY, "endpoint", false),
            Self::Answer(_) => (StatusCode::BAD_GATEWAY, "bad_answer", false),
            Self::NoSession => (StatusCode::NOT_FOUND, "no_session", false),
            Self::SessionMissing => (StatusCode::BAD_REQUEST, "session_missing", false),
            Self::NoStream => (StatusCode::METHOD_NOT_ALLOWED, "no_stream", false),
            Self::NoPlan(_) => (StatusCode::BAD_GATEWAY, "not_started", false),
            Self::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "crowded", true),
            Self::Failing { .. } => (StatusCode::SERVICE_UNAVAILABLE, "failing", true),
            Self::Talkative(_) => (StatusCode::BAD_REQUEST, "talkative", false),
            Self::NoEntropy => (StatusCode::SERVICE_UNAVAILABLE, "no_entropy", true),
            Self::NotAMessage => (StatusCode::BAD_REQUEST, "not_a_message", false),
        }
    }
}

/// The `id` of a single JSON-RPC request; `None` for notifications, batches and what is no message.
pub(crate) fn request_id(body: &[u8]) -> Option<&RawValue> {
    let id = serde_json::from_slice::<Peek<'_>>(body).ok()?.id?;
    let is_plain = id.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
    is_plain.then_some(id)
}

#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Message<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    error: ErrorBody,
}

#[derive(Serialize)]
struct ErrorBody {
    code: i32,
    message: String,
    data: Reason,
}

#[derive(Serialize)]
struct Reason {
    reason: &'static str,
}

/// The code that JSON-RPC 2.0 §5.1 leaves to servers.
const SERVER_ERROR: i32 = -32000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_repeated_as_it_was_sent() {
        let id = |body: &'static str| request_id(body.as_bytes()).map(RawValue::get);
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#), Some("7"));
        assert_eq!(id(r#"{"id":"a\u0062","method":"ping"}"#), Some(r#""a\u0062""#));
        for none in [r#"{"method":"x"}"#, r#"{"id":null}"#, r#"{"id":{}}"#, r#"{"id":1,"id":2}"#, "[]", ""] {
            assert_eq!(id(none), None, "{none}");
        }
    }
}
