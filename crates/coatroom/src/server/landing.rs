//! `GET /`: what this server is, for a person who opens its address; and the page for everything that does not exist.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::App;
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
        .collect();
    app.pages.landing(visit.language, &LandingPage { servers: &servers })
}

/// Answers what does not exist.
pub(super) async fn not_found(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    Visit::new(&app, &headers, None).stopped(Stop::Trouble(Trouble::NotFound))
}
