//! What pages load besides themselves: the stylesheet, and the pictures of a theme. All of it comes from our own origin, at a path that
//! changes with the content, so that browsers may keep it for ever.

use bytes::Bytes;
use coatroom_protocol::words::{base64url, sha256};
use http::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};

use super::PageResponse;

/// A file that pages refer to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Asset {
    /// The path at which it must be served.
    pub path: String,
    /// Its media type.
    pub media_type: &'static str,
    /// The content.
    pub body: Bytes,
}

impl Asset {
    pub(super) fn new(name: &str, (extension, media_type): (&str, &'static str), body: Bytes) -> Self {
        let hash: String = base64url(&sha256(&body)).chars().take(16).collect();
        Self { path: format!("/assets/{name}-{hash}.{extension}"), media_type, body }
    }

    /// The stylesheet of all pages, with what a theme adds.
    pub(super) fn stylesheet(themed: &str) -> Self {
        let body = [include_str!("../../assets/pages.css"), themed].concat();
        Self::new("pages", ("css", "text/css; charset=utf-8"), body.into())
    }

    /// The answer to a GET of its path. An SVG picture that somebody opens by itself is a document: it runs nothing and loads nothing.
    #[must_use]
    pub fn respond(&self) -> PageResponse {
        let mut answer = Response::new(axum::body::Body::from(self.body.clone()));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        );
        answer
    }
}

/// Styles inside of a picture are a part of it, and can reach nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";
