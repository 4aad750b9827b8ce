//! The edge: how errors and answers of the authorization server become HTTP.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::entropy::NoEntropy;
use crate::error::Error;

/// The body of every error (OAuth 2.1 §3.2.4).
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// Why an endpoint for clients did not answer as asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client may learn why.
    Refused(OAuthError),
    /// The body is larger than this many bytes. The code is the one that the endpoint has for bad requests.
    TooLarge(ErrorCode, usize),
    /// The address asked too often; how long to wait.
    TooMany(Duration),
    /// Something here is down or broken: nobody's fault but ours.
    Inside(Error),
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Inside(error)
    }
}

impl From<NoEntropy> for Failure {
    fn from(error: NoEntropy) -> Self {
        Self::Inside(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(error) => refused(&error),
            Self::TooLarge(code, limit) => {
                let text = format!("the body is larger than {limit} bytes");
                let mut response = refused(&OAuthError::json(code, text));
                *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                response
            }
            Self::TooMany(wait) => {
                let text = "too many requests from this address; wait before the next one";
                let mut response = refused(&OAuthError::json(ErrorCode::SlowDown, text));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
                response
            }
            Self::Inside(error) => {
                log(&error, "a request failed inside");
                refused(&OAuthError::json(
                    ErrorCode::TemporarilyUnavailable,
                    "the authorization server cannot answer at the moment; try again",
                ))
            }
        }
    }
}

/// Logs a failure of ours with everything that caused it.
pub(super) fn log(error: &Error, message: &str) {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    tracing::error!(%error, causes = causes.join(": "), "{message}");
}

fn refused(error: &OAuthError) -> Response {
    tracing::debug!(outcome = error.code().as_str(), reason = error.description(), "refused");
    let body = ErrorBody { error: error.code().as_str(), error_description: error.description() };
    let status = StatusCode::from_u16(error.code().status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, &body);
    if status == StatusCode::UNAUTHORIZED {
        // Every 401 names a way to authenticate (RFC 9110 §15.5.2), also to who named their client in the body.
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="coatroom""#));
    }
    if matches!(error.code(), ErrorCode::TemporarilyUnavailable | ErrorCode::SlowDown) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// Answers a program that asks for what does not exist.
pub(super) async fn not_found() -> Response {
    json(StatusCode::NOT_FOUND, &ErrorBody { error: "not_found", error_description: "nothing exists here" })
}

/// Answers a program that uses a method which the endpoint does not have. The router adds `Allow`.
pub(super) async fn wrong_method() -> Response {
    let error_description = "this method is not used here; the Allow header names those that are";
    let error = ErrorCode::InvalidRequest.as_str();
    json(StatusCode::METHOD_NOT_ALLOWED, &ErrorBody { error, error_description })
}

/// A JSON answer that nobody may keep.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = document(status, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // OAuth 2.1 dropped it, and RFC 6749 §5.1 demands it.
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// A JSON answer without a rule for caches.
pub(super) fn document(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_vec(body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
