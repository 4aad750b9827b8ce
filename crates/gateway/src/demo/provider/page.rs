//! What a person sees of the provider: the sign-in page and the page for refused requests. No script, one stylesheet.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use coatroom::protocol::errors::OAuthError;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::request::AuthorizationRequest;
use super::{Provider, answer};
use crate::demo::accounts::{ACCOUNTS, Account};
use crate::demo::{PROVIDER_PATH, SCOPES};

/// The page that offers every account.
#[derive(Template)]
#[template(path = "demo/provider/choose.html")]
struct Choose<'a> {
    base: &'a str,
    wants: Vec<&'a str>,
    fields: Vec<(&'a str, String)>,
    accounts: &'a [Account],
}

/// The page that offers the account that signed in last.
#[derive(Template)]
#[template(path = "demo/provider/go_on.html")]
struct GoOn<'a> {
    base: &'a str,
    wants: Vec<&'a str>,
    fields: Vec<(&'a str, String)>,
    account: &'a Account,
    others: String,
}

/// The page that explains why there is nothing to sign in to.
#[derive(Template)]
#[template(path = "demo/provider/refused.html")]
struct Refused<'a> {
    base: &'a str,
    reason: &'a str,
}

/// Offers every account.
pub(super) fn choose(provider: &Provider, request: &AuthorizationRequest) -> Response {
    let page = Choose {
        base: PROVIDER_PATH,
        wants: wants(request),
        fields: request.fields(&provider.redirect_uri),
        accounts: &ACCOUNTS,
    };
    html(StatusCode::OK, &page)
}

/// Offers the account that signed in last, and the way to the others.
pub(super) fn go_on(provider: &Provider, request: &AuthorizationRequest, account: &Account) -> Response {
    let fields = request.fields(&provider.redirect_uri);
    let mut others = url::form_urlencoded::Serializer::new(format!("{PROVIDER_PATH}/authorize?"));
    others.extend_pairs(&fields).append_pair("prompt", "select_account");
    let page = GoOn { base: PROVIDER_PATH, wants: wants(request), fields, account, others: others.finish() };
    html(StatusCode::OK, &page)
}

/// Explains a request that cannot be sent back to whoever made it.
pub(super) fn refused(refusal: &OAuthError) -> Response {
    html(StatusCode::BAD_REQUEST, &Refused { base: PROVIDER_PATH, reason: refusal.description() })
}

/// Answers `GET /style.css`.
pub(super) async fn style() -> Response {
    let mut response = Response::new(Body::from(include_str!("style.css")));
    set(response.headers_mut(), [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")]);
    response
}

/// What the client wants, in words.
fn wants(request: &AuthorizationRequest) -> Vec<&'static str> {
    let asked = |name: &str| request.scopes.iter().any(|scope| scope.as_str() == name);
    SCOPES.iter().filter(|scope| asked(scope.name)).map(|scope| scope.title).collect()
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let Ok(text) = page.render() else { return answer::empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    set(
        response.headers_mut(),
        [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "same-origin"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
        ],
    );
    response
}

fn set<const N: usize>(headers: &mut HeaderMap, values: [(HeaderName, &'static str); N]) {
    for (name, value) in values {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
