//! `POST /revoke` (RFC 7009): a client gives its tokens back.
//!
//! Whichever token is given, the whole grant ends: that is what disconnecting means to a user, and it is felt by open
//! streams and child processes too.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::grant::{RevokedReason, parse_refresh_token};
use coatroom_protocol::words::{AccessToken, GrantId, RefreshToken};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::App;
use super::authenticate::authenticate;
use super::body;
use super::limits::ClientAddress;
use super::respond::Failure;
use crate::error::Error;
use crate::records::{self, AccessTokenRecord, GrantRecord};

/// Answers `POST /revoke`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    address: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match revoke(&app, address.map(|Extension(address)| address), &headers, body).await {
        Ok(()) => {
            let mut response = StatusCode::OK.into_response();
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(failure) => failure.into_response(),
    }
}

async fn revoke(
    app: &App,
    address: Option<ClientAddress>,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Failure> {
    let context = &app.context;
    let params = body::form(headers, body, context.settings.oauth_body_limit).await?;
    let repeated = |text: String| OAuthError::json(ErrorCode::InvalidRequest, text);
    params.check_repeats().map_err(|refusal| repeated(refusal.to_string()))?;
    let client = authenticate(app, address, headers, &params)?;
    let token = params.one("token").ok().flatten();
    let token = token.ok_or_else(|| OAuthError::json(ErrorCode::InvalidRequest, "token is missing"))?;
    // The hint is not needed: our tokens say what they are.
    let Some(grant) = grant_of(app, token).await? else { return Ok(()) };
    let seen = records::load::<GrantRecord>(context.store.as_ref(), &GrantRecord::key_of(&grant)).await?;
    // Another client's token is none of this client's business, and it does not learn that there is one.
    if seen.is_some_and(|seen| seen.value.grant.client == client.id.hash()) {
        context.revoke(&grant, RevokedReason::Client).await?;
    }
    Ok(())
}

/// The grant that a token belongs to; `None` for what is unknown, expired or not a token of ours.
async fn grant_of(app: &App, token: &str) -> Result<Option<GrantId>, Error> {
    if let Ok(parts) = parse_refresh_token(&RefreshToken::new(token), &app.context.keys.tickets) {
        return Ok(Some(parts.grant));
    }
    let key = AccessTokenRecord::key_of(&AccessToken::new(token).hash());
    let seen = records::load::<AccessTokenRecord>(app.context.store.as_ref(), &key).await?;
    Ok(seen.map(|seen| seen.value.grant))
}
