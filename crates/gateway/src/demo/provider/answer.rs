//! How the provider answers: JSON, redirects, and work that touches the disk.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use coatroom::protocol::errors::OAuthError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::Provider;

/// A JSON answer. Nothing that the provider says may be kept by a cache.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(body) else { return empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error as RFC 6749 §5.2 writes it.
pub(super) fn error(status: StatusCode, code: &str, description: &str) -> Response {
    json(status, &json!({ "error": code, "error_description": description }))
}

/// A method that the endpoint does not have. The router adds `Allow`.
pub(super) async fn wrong_method() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "this method is not used here")
}

/// A body over the limit, which the framework refuses in plain text; every other answer is left as it is.
pub(super) async fn too_large(response: Response) -> Response {
    if response.status() != StatusCode::PAYLOAD_TOO_LARGE {
        return response;
    }
    error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is too large")
}

/// An error of the token or revocation endpoint.
pub(super) fn oauth_error(refusal: &OAuthError) -> Response {
    let status = StatusCode::from_u16(refusal.code().status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = error(status, refusal.code().as_str(), refusal.description());
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"demo-provider\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Sends the browser elsewhere: 302 after a GET, 303 after a POST.
pub(super) fn redirect(status: StatusCode, location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = empty(status);
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Runs work that may write to the disk where it holds up no other request.
pub(super) async fn blocking(
    provider: Arc<Provider>,
    work: impl FnOnce(&Provider) -> Response + Send + 'static,
) -> Response {
    let outcome = tokio::task::spawn_blocking(move || work(&provider)).await;
    outcome.unwrap_or_else(|_| empty(StatusCode::INTERNAL_SERVER_ERROR))
}
