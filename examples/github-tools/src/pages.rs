//! What people see. The page itself knows nobody's data: its script asks the tools for it, as an MCP client would.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{Html, IntoResponse, Response};
use axum_extra::extract::PrivateCookieJar;

use crate::session::Session;

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    signed_in: bool,
    problem: Option<&'a str>,
}

/// `GET /`.
pub(crate) async fn home(cookies: PrivateCookieJar) -> Response {
    page(StatusCode::OK, &Page { signed_in: Session::of(&cookies).is_some(), problem: None })
}

/// A page that says what went wrong.
pub(crate) fn problem(status: StatusCode, words: &str) -> Response {
    page(status, &Page { signed_in: false, problem: Some(words) })
}

/// `GET /app.js`.
pub(crate) async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8"), NO_SNIFFING], include_str!("app.js"))
}

/// `GET /style.css`.
pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), NO_SNIFFING], include_str!("style.css"))
}

fn page(status: StatusCode, page: &Page<'_>) -> Response {
    let Ok(html) = page.render() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        // Without a referrer, forms would say that they come from nowhere.
        (REFERRER_POLICY, "same-origin"),
        NO_SNIFFING,
    ];
    (status, headers, Html(html)).into_response()
}

const NO_SNIFFING: (axum::http::HeaderName, &str) = (X_CONTENT_TYPE_OPTIONS, "nosniff");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
