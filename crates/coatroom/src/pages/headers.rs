use askama::Template;
use axum::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};

use super::language::Language;
use super::{PageResponse, Pages};

impl Pages {
    /// Renders a page and gives it the headers that every page has.
    pub(super) fn answer(
        &self,
        language: Language,
        status: StatusCode,
        page: &impl Template,
    ) -> PageResponse {
        let (status, html) = match page.render() {
            Ok(html) => (status, html),
            // Templates are checked when they are compiled, so that only a failing formatter ends here.
            Err(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                String::from("<!doctype html><title>500</title><h1>500</h1>"),
            ),
        };
        let mut answer = Response::new(Body::from(html));
        *answer.status_mut() = status;
        self.set_headers(answer.headers_mut());
        if !self.look.pictures.is_empty() {
            Self::show_own_pictures(answer.headers_mut());
        }
        answer.headers_mut().insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        answer
    }

    /// Lets a page show pictures that this server serves.
    pub(super) fn show_own_pictures(headers: &mut HeaderMap) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY_WITH_PICTURES));
    }

    fn set_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in EVERY_PAGE {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.https {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
    }
}

/// `form-action 'self'` can stay because forms are answered with a hand-over page, never with a redirect: Chromium applies
/// the directive to every redirect that follows a form.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The same for a page with a logo.
const POLICY_WITH_PICTURES: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const EVERY_PAGE: [(HeaderName, &str); 9] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    // For a cache that keeps pages all the same.
    (VARY, "accept-language"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_FRAME_OPTIONS, "DENY"),
    // `no-referrer` would make browsers send `Origin: null` with the consent form, which then looks forged. Other
    // origins see no more with this policy than with that one: nothing.
    (REFERRER_POLICY, "same-origin"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Any other value cuts the window off from the one that opened it, for good: web apps that sign in by popup then
    // take it for closed and give up, and their callback finds no opener. These pages run no script and listen to no
    // message, so that an opener can do nothing to them but navigate away.
    (HeaderName::from_static("cross-origin-opener-policy"), "unsafe-none"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];
