//! `GET /assets/logos/{name}`: logos of clients, as they were fetched. Whoever made them runs nothing here.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};

use super::App;

/// Where logos are served; the name is the hash of their bytes.
pub(super) const PATH: &str = "/assets/logos/{name}";

/// The path of one logo.
pub(super) fn path_of(name: &str) -> String {
    PATH.replace("{name}", name)
}

/// Answers `GET /assets/logos/{name}`.
pub(super) async fn get(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    let Some(logo) = app.context.client_documents.picture(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = logo.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(logo.media_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
