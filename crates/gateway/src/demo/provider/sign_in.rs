//! `POST /sign-in`: the person pressed a button of the sign-in page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use coatroom::protocol::errors::{ErrorCode, OAuthError};
use coatroom::protocol::words::{Params, ParamsRefusal};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::authorize::{agree, refuse, send_error};
use super::request::{AuthorizationRequest, RequestRefusal};
use super::{Provider, page};
use crate::demo::accounts::Account;

/// Answers `POST /sign-in`.
///
/// The hand-over is a plain 303: the callback is of this origin, so `form-action 'self'` allows it.
pub(super) async fn submit(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    if !provider.sent_by_our_page(&headers) {
        let refusal = OAuthError::page(ErrorCode::AccessDenied, "the form was not sent by the sign-in page");
        return page::refused(&refusal);
    }
    let params = match Params::parse(&body) {
        Ok(params) => params,
        Err(refusal) => return page::refused(&OAuthError::from(RequestRefusal::from(refusal))),
    };
    let request = match AuthorizationRequest::parse(&params, &provider.redirect_uri) {
        Ok(request) => request,
        Err(refusal) => return refuse(&provider, &params, refusal, StatusCode::SEE_OTHER),
    };
    match pressed(&params) {
        Ok(Some(account)) => {
            let mut response = agree(&provider, &request, account, StatusCode::SEE_OTHER);
            if let Some(cookie) = provider.remember(account) {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            response
        }
        Ok(None) => {
            let refusal = OAuthError::redirect(ErrorCode::AccessDenied, "the person chose no account");
            send_error(&provider, Some(&request.state), &refusal, StatusCode::SEE_OTHER)
        }
        Err(refusal) => page::refused(&OAuthError::from(RequestRefusal::from(refusal))),
    }
}

/// The account whose button was pressed; `None` for the button that cancels.
fn pressed(params: &Params) -> Result<Option<&'static Account>, ParamsRefusal> {
    Ok(params.one("account")?.and_then(Account::find))
}
