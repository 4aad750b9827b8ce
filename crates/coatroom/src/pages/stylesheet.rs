use std::sync::LazyLock;

use axum::body::Body;
use coatroom_protocol::words::{base64url, sha256};
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::PageResponse;

/// The one stylesheet of all pages.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stylesheet {
    /// The path at which it must be served. It changes with the content, so that browsers may keep it for ever.
    pub path: String,
    /// The content.
    pub body: &'static str,
}

impl Stylesheet {
    /// The answer to a GET of its path.
    #[must_use]
    pub fn respond(&self) -> PageResponse {
        let mut answer = Response::new(Body::from(self.body));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer
    }
}

/// The stylesheet that every page links to.
#[must_use]
pub fn stylesheet() -> &'static Stylesheet {
    static STYLESHEET: LazyLock<Stylesheet> = LazyLock::new(|| {
        let body = include_str!("../../assets/pages.css");
        let hash: String = base64url(&sha256(body.as_bytes())).chars().take(16).collect();
        Stylesheet { path: format!("/assets/pages-{hash}.css"), body }
    });
    &STYLESHEET
}
