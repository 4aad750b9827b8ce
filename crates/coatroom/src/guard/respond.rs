//! Every answer that the guard gives itself, and the one place where its refusals become HTTP.
//!
//! RFC 6750 §3 and RFC 9728 §5.1 for the challenge, MCP for the statuses. Bodies are JSON-RPC errors: clients of the
//! modern wire fall back to the old handshake on a 400 that they cannot read.

use axum::body::Body;
use coatroom_protocol::access::retry::StateRefusal;
use coatroom_protocol::access::{
    BearerRefusal, Denial, Era, EraRefusal, Id, Judged, MirrorRefusal, Refused, RpcCode, RpcError,
    reads_tool_challenges, tool_challenge,
};
use coatroom_protocol::discovery::Challenge;
use coatroom_protocol::errors::OAuthError;
use coatroom_protocol::words::Scopes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::answer::AnswerRefusal;
use super::limits::TooMany;
use super::origin::PlaceRefusal;

/// Why the guard does not let a request through.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A header block that is too large.
    HeadersTooLarge(usize),
    /// From elsewhere.
    Place(PlaceRefusal),
    /// No credential, where one is needed for these scopes.
    NoToken(Scopes),
    /// `Authorization` cannot be used.
    Bearer(BearerRefusal),
    /// A parameter of the query is called like a token.
    TokenInQuery,
    /// The token is not good here.
    BadToken,
    /// The token is good, and its user may not enter.
    NotAllowed,
    /// Nobody can tell at the moment.
    Unavailable,
    /// A method that MCP does not use, or not in this era; these it uses.
    Method { allowed: &'static str },
    /// A body that is not plain JSON.
    MediaType,
    /// A body over the limit, in bytes.
    TooLarge(usize),
    /// Too many calls.
    TooMany(TooMany),
    /// The body broke off.
    BodyLost,
    /// The body did not arrive in time.
    BodySlow,
    /// A body that is not forwarded.
    Body(Refused),
    /// A way of speaking that is not accepted.
    Era(EraRefusal, Option<Id<'static>>),
    /// A call that is made again with a state that is not good for it.
    State(StateRefusal, Option<Id<'static>>),
    /// A header that says something else than an argument.
    Mirror(MirrorRefusal, Id<'static>),
    /// More scopes would help: all of these.
    Scopes(Scopes, Option<Id<'static>>),
    /// No scope would help.
    Denied(Denial, Option<Id<'static>>),
    /// No scope would help, as a handler says in these words.
    DeniedBy(String, Option<Id<'static>>),
    /// A session that this caller does not have.
    Session(Option<Id<'static>>),
    /// What the server answered is not passed on.
    Answer(AnswerRefusal, Option<Id<'static>>),
    /// A lack of scopes or of a token, for a client that reads of it in the result of its tool.
    InResult(String),
}

/// What every challenge of one resource says.
#[derive(Debug)]
pub(super) struct Challenger {
    /// The URL of the resource's metadata.
    pub(super) metadata_url: String,
    /// The scopes that a first sign-in asks for.
    pub(super) baseline: Scopes,
}

impl Challenger {
    /// A refusal of a call in the way that its client understands.
    pub(super) fn told_to(
        &self,
        reads_results: bool,
        (era, judged): (Era, &Judged<'_>),
        refusal: Refusal,
    ) -> Refusal {
        let (scopes, words) = match &refusal {
            Refusal::NoToken(scopes) => (scopes, SIGN_IN_FIRST),
            Refusal::Scopes(scopes, _) => (scopes, MORE_SCOPES_NEEDED),
            _ => return refusal,
        };
        if !reads_results {
            return refusal;
        }
        let challenge = Challenge::insufficient_scope(&self.metadata_url, scopes, words);
        tool_challenge(judged, era, challenge.as_str(), words).map_or(refusal, Refusal::InResult)
    }

    /// The answer to a refused request.
    pub(super) fn respond(&self, refusal: Refusal) -> Response<Body> {
        let status = refusal.status();
        let challenge = self.challenge(&refusal);
        let wait = if let Refusal::TooMany(too_many) = refusal { Some(too_many.wait) } else { None };
        let allowed = if let Refusal::Method { allowed } = refusal { Some(allowed) } else { None };
        let mut response = json(status, refusal.into_body());
        let headers = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        }
        if let Some(wait) = wait {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        if let Some(allowed) = allowed {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        if let Some(challenge) =
            challenge.and_then(|challenge| HeaderValue::from_str(challenge.as_str()).ok())
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn challenge(&self, refusal: &Refusal) -> Option<Challenge> {
        let url = self.metadata_url.as_str();
        match refusal {
            Refusal::NoToken(scopes) => Some(Challenge::missing_token(url, scopes)),
            Refusal::Bearer(bearer) if bearer.is_unauthenticated() => {
                Some(Challenge::missing_token(url, &self.baseline))
            }
            Refusal::Bearer(bearer) => {
                Some(Challenge::invalid_request(url, OAuthError::from(*bearer).description()))
            }
            Refusal::TokenInQuery => Some(Challenge::invalid_request(url, TOKEN_IN_QUERY)),
            Refusal::BadToken => Some(Challenge::invalid_token(url, &self.baseline, BAD_TOKEN)),
            Refusal::Scopes(scopes, _) => {
                Some(Challenge::insufficient_scope(url, scopes, MORE_SCOPES_NEEDED))
            }
            _ => None,
        }
    }
}

impl Refusal {
    /// The HTTP status: 401 for who, 403 for not enough, 400 for malformed, 503 for an outage.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::HeadersTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Place(PlaceRefusal::HostUnclear)
            | Self::TokenInQuery
            | Self::BodyLost
            | Self::Body(_)
            | Self::Mirror(..)
            | Self::State(..) => StatusCode::BAD_REQUEST,
            Self::Place(PlaceRefusal::Host | PlaceRefusal::Origin)
            | Self::NotAllowed
            | Self::Scopes(..)
            | Self::Denied(..)
            | Self::DeniedBy(..) => StatusCode::FORBIDDEN,
            Self::Bearer(refusal) if !refusal.is_unauthenticated() => StatusCode::BAD_REQUEST,
            Self::NoToken(_) | Self::Bearer(_) | Self::BadToken => StatusCode::UNAUTHORIZED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodySlow => StatusCode::REQUEST_TIMEOUT,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Era(refusal, _) => {
                StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST)
            }
            Self::Session(_) => StatusCode::NOT_FOUND,
            Self::Answer(refusal, _) => refusal.status(),
            Self::InResult(_) => StatusCode::OK,
        }
    }

    fn into_body(self) -> String {
        let status = self.status().as_u16();
        let refused = |message: &'static str| RpcError::new(RpcCode::Refused, message);
        let too_large = |what: &str, limit: usize| {
            RpcError::new(RpcCode::Refused, format!("{what} may have at most {limit} bytes"))
        };
        let invalid = |message: &'static str| RpcError::new(RpcCode::InvalidRequest, message);
        let (error, id) = match self {
            Self::InResult(result) => return result,
            Self::HeadersTooLarge(limit) => (too_large("the headers", limit), None),
            Self::Place(PlaceRefusal::HostUnclear) => (invalid("the request needs one Host"), None),
            Self::Place(PlaceRefusal::Host) => (refused("this host is not served here"), None),
            Self::Place(PlaceRefusal::Origin) => (refused("requests from this origin are not allowed"), None),
            Self::NoToken(_) => (refused(SIGN_IN_FIRST), None),
            Self::Bearer(refusal) => (RpcError::new(RpcCode::InvalidRequest, refusal.to_string()), None),
            Self::TokenInQuery => (invalid(TOKEN_IN_QUERY), None),
            Self::BadToken => (refused(BAD_TOKEN), None),
            Self::NotAllowed => (refused("this account may not use this server"), None),
            Self::Unavailable => (refused("not available for the moment, try again"), None),
            Self::Method { .. } => (refused("this method is not used here"), None),
            Self::MediaType => (refused("the body must be application/json, not encoded"), None),
            Self::TooLarge(limit) => (too_large("the body", limit), None),
            Self::TooMany(too_many) => (refused(too_many.of.message()), None),
            Self::BodyLost => (invalid("the body did not arrive whole"), None),
            Self::BodySlow => (invalid("the body did not arrive in time"), None),
            Self::Body(refused) => (refused.reason.into(), refused.id),
            Self::Era(refusal, id) => (refusal.into(), id),
            Self::State(refusal, id) => (refusal.into(), id),
            Self::Scopes(_, id) => (refused(MORE_SCOPES_NEEDED), id),
            Self::Denied(denial, id) => (RpcError::new(RpcCode::Refused, denial.to_string()), id),
            Self::DeniedBy(words, id) => (RpcError::new(RpcCode::Refused, words), id),
            Self::Session(id) => (refused("there is no such session"), id),
            Self::Mirror(refusal, id) => (refusal.into(), Some(id)),
            Self::Answer(refusal, id) => (refusal.into_error(), id),
        };
        tracing::debug!(status, reason = %error.message, "the guard refused a request");
        error.to_json(id.as_ref())
    }
}

/// What a guard says that was made for a place of which nothing is known.
pub(super) fn unknown_place() -> Response<Body> {
    let error =
        RpcError::new(RpcCode::InternalError, "this server is not set up for this path; its log says why");
    json(StatusCode::INTERNAL_SERVER_ERROR, error.to_json(None))
}

/// Whether a client reads challenges in the results of its tools.
pub(super) fn reads_results(headers: &HeaderMap) -> bool {
    let name = headers.get(USER_AGENT).and_then(|name| name.to_str().ok());
    name.is_some_and(reads_tool_challenges)
}

/// JSON that nobody may keep.
pub(super) fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const BAD_TOKEN: &str = "the access token is not valid here";
const TOKEN_IN_QUERY: &str = "a token belongs into the Authorization header, never into the URL";
const SIGN_IN_FIRST: &str = "sign in first: this resource needs an access token";
const MORE_SCOPES_NEEDED: &str = "this operation needs more scopes";

/// How soon an outage is worth another try.
const RETRY_SECONDS: &str = "5";

#[cfg(test)]
mod tests {
    use super::*;

    fn challenger(scopes: &str) -> Challenger {
        let metadata_url = "https://h.example/.well-known/oauth-protected-resource/mcp".to_owned();
        Challenger { metadata_url, baseline: scopes.parse().unwrap() }
    }

    fn header(response: &Response<Body>) -> &str {
        response.headers().get(WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap())
    }

    // RS-01, RS-07
    #[test]
    fn a_challenge_is_one_line_in_the_order_that_clients_read() {
        let challenger = challenger("b a offline_access");
        let response = challenger.respond(Refusal::NoToken("b a offline_access".parse().unwrap()));
        assert_eq!(
            header(&response),
            r#"Bearer resource_metadata="https://h.example/.well-known/oauth-protected-resource/mcp", scope="a b""#
        );
        let response = challenger.respond(Refusal::Scopes("w".parse().unwrap(), None));
        assert_eq!(
            header(&response),
            r#"Bearer resource_metadata="https://h.example/.well-known/oauth-protected-resource/mcp", error="insufficient_scope", scope="w", error_description="this operation needs more scopes""#
        );
    }

    // RS-27
    #[test]
    fn an_outage_is_no_challenge() {
        let response = challenger("a").respond(Refusal::Unavailable);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "5");
        assert_eq!(header(&response), "");
    }
}
