//! `GET /authorize`: shows the sign-in page, or answers without one.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use coatroom::protocol::errors::{ErrorCode, OAuthError, Shown};
use coatroom::protocol::words::Params;
use http::{HeaderMap, StatusCode};

use super::request::{AuthorizationRequest, Prompt, RequestRefusal};
use super::{Provider, answer, page};
use crate::demo::accounts::Account;

/// Answers `GET /authorize`.
pub(super) async fn show(
    State(provider): State<Arc<Provider>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let params = match Params::parse(query.as_deref().unwrap_or_default()) {
        Ok(params) => params,
        Err(refusal) => return page::refused(&OAuthError::from(RequestRefusal::from(refusal))),
    };
    let request = match AuthorizationRequest::parse(&params, &provider.redirect_uri) {
        Ok(request) => request,
        Err(refusal) => return refuse(&provider, &params, refusal, StatusCode::FOUND),
    };
    let remembered = provider.remembered(&headers);
    match (request.prompt, remembered) {
        (Prompt::Nothing, None) => {
            let refusal = OAuthError::redirect(ErrorCode::LoginRequired, "nobody is signed in");
            send_error(&provider, Some(&request.state), &refusal, StatusCode::FOUND)
        }
        (Prompt::Nothing, Some(account)) => agree(&provider, &request, account, StatusCode::FOUND),
        (Prompt::Needed, Some(account)) => page::go_on(&provider, &request, account),
        (Prompt::Needed, None) | (Prompt::Choose, _) => page::choose(&provider, &request),
    }
}

/// Hands the client a code for what the account agreed to.
pub(super) fn agree(
    provider: &Provider,
    request: &AuthorizationRequest,
    account: &Account,
    status: StatusCode,
) -> Response {
    let Some(code) = provider.issue_code(account, &request.scopes, &request.challenge) else {
        let refusal = OAuthError::redirect(ErrorCode::ServerError, "a code could not be made");
        return send_error(provider, Some(&request.state), &refusal, status);
    };
    send(provider, &[("code", code.expose()), ("state", &request.state)], status)
}

/// Refuses a request on a page or by redirect, whichever the refusal allows.
pub(super) fn refuse(
    provider: &Provider,
    params: &Params,
    refusal: RequestRefusal,
    status: StatusCode,
) -> Response {
    let refusal = OAuthError::from(refusal);
    match refusal.shown() {
        Shown::ByRedirect => send_error(provider, params.one("state").ok().flatten(), &refusal, status),
        _ => page::refused(&refusal),
    }
}

/// Sends an error to the client's checked redirect URI (RFC 6749 §4.1.2.1).
pub(super) fn send_error(
    provider: &Provider,
    state: Option<&str>,
    refusal: &OAuthError,
    status: StatusCode,
) -> Response {
    let mut params = vec![("error", refusal.code().as_str()), ("error_description", refusal.description())];
    params.extend(state.map(|state| ("state", state)));
    send(provider, &params, status)
}

fn send(provider: &Provider, params: &[(&str, &str)], status: StatusCode) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    answer::redirect(status, &format!("{}?{query}", provider.redirect_uri))
}
