//! `GET /`: what this server is, for a person who opens its address; and the answers to everything that is not here: a page for
//! browsers, JSON for everybody else.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::{ACCEPT, ACCESS_CONTROL_REQUEST_METHOD};
use http::{HeaderMap, Method};

use super::App;
use super::cors;
use super::respond;
use super::visit::{Stop, Visit};
use crate::pages::{LandingPage, McpServer, Trouble};

/// Answers `GET /`.
pub(super) async fn get(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let visit = Visit::new(&app, &headers, None);
    let servers: Vec<McpServer<'_>> = app
        .context
        .resources
        .iter()
        .map(|resource| McpServer { name: &resource.name, url: resource.id.as_str() })
        .chain(
            app.context
                .remote
                .iter()
                .map(|resource| McpServer { name: &resource.name, url: resource.id.as_str() }),
        )
        .collect();
    app.pages.landing(visit.language, &LandingPage { servers: &servers })
}

/// Answers what does not exist. That it does not, a page of another origin may read: clients in browsers try addresses too.
pub(super) async fn not_found(State(app): State<Arc<App>>, method: Method, headers: HeaderMap) -> Response {
    if is_browser(&headers) {
        return Visit::new(&app, &headers, None).stopped(Stop::Trouble(Trouble::NotFound));
    }
    if method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return cors::trying().preflight();
    }
    cors::readable(respond::not_found().await)
}

/// Answers a method that a page does not have.
pub(super) async fn wrong_method(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if is_browser(&headers) {
        return Visit::new(&app, &headers, None).stopped(Stop::Trouble(Trouble::WrongMethod));
    }
    respond::wrong_method().await
}

/// Whether whoever asks can show a page. Programs accept anything, JSON, or say nothing.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html"))
}
