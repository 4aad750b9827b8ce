//! `POST /revoke` (RFC 7009): a client gives its tokens back.
//!
//! Whichever token is given, the whole grant ends: that is what disconnecting means to a user, and it is felt by open
//! streams and child processes too. The token also opens the vault a last time, so that the providers can be told.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use coatroom_protocol::discovery::path;
use coatroom_protocol::grant::{RevokedReason, parse_refresh_token};
use coatroom_protocol::words::{AccessToken, GrantId, RefreshToken};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, StatusCode, Uri};

use super::App;
use super::authenticate::authenticate;
use super::body;
use super::respond::Failure;
use crate::allowance::ClientAddress;
use crate::connections::{Farewell, OpenGrant};
use crate::error::Error;
use crate::records::{self, AccessTokenRecord, GrantRecord};
use crate::vault::Ticket;

/// Answers `POST /revoke`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    address: Option<Extension<ClientAddress>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match revoke(&app, address.map(|Extension(address)| address), (&uri, &headers), body).await {
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
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Result<(), Failure> {
    let context = &app.context;
    body::refuse_query(uri)?;
    let params = body::parameters(headers, body, context.settings.oauth_body_limit).await?;
    let client = authenticate(app, address, headers, (path::REVOKE, &params)).await?;
    let token = body::required(&params, "token")?;
    // The hint is not needed: our tokens say what they are.
    let Some(held) = Held::find(app, token).await? else { return Ok(()) };
    let key = GrantRecord::key_of(&held.grant());
    let Some(seen) = records::load::<GrantRecord>(context.store.as_ref(), &key).await? else { return Ok(()) };
    // Another client's token is none of this client's business, and it does not learn that there is one.
    if seen.value.grant.client != client.client().id.hash() {
        return Ok(());
    }
    // What has ended already needs no proof, and leaves none behind.
    if seen.value.vault.is_some() {
        client.use_up(context).await?;
    }
    let farewells = held.farewells(app, &seen.value).await;
    context.revoke(&held.grant(), RevokedReason::Client).await?;
    for farewell in farewells {
        // The client need not wait for other people's servers.
        tokio::spawn(farewell.say());
    }
    Ok(())
}

/// A token of ours that a client gives back.
enum Held {
    Refresh(RefreshToken, GrantId),
    Access(AccessToken, AccessTokenRecord),
}

impl Held {
    /// What a text is; `None` for what is unknown, expired or not a token of ours.
    async fn find(app: &App, text: &str) -> Result<Option<Self>, Error> {
        let refresh = RefreshToken::new(text);
        if let Ok(parts) = parse_refresh_token(&refresh, &app.context.keys().tickets) {
            return Ok(Some(Self::Refresh(refresh, parts.grant)));
        }
        let access = AccessToken::new(text);
        let key = AccessTokenRecord::key_of(&access.hash());
        let seen = records::load::<AccessTokenRecord>(app.context.store.as_ref(), &key).await?;
        Ok(seen.map(|seen| Self::Access(access, seen.value)))
    }

    const fn grant(&self) -> GrantId {
        match self {
            Self::Refresh(_, grant) => *grant,
            Self::Access(_, record) => record.grant,
        }
    }

    /// The credentials that this token opens, to be told to their providers. None is no reason to keep the grant.
    async fn farewells(&self, app: &App, record: &GrantRecord) -> Vec<Farewell> {
        let Some(vault) = &record.vault else { return Vec::new() };
        let (ticket, wrapped) = match self {
            Self::Refresh(token, _) => {
                (Ticket::Refresh(token), record.wrapped.as_deref().unwrap_or_default())
            }
            Self::Access(token, access) => (Ticket::Access(token), access.wrapped.as_str()),
        };
        let id = record.grant.id;
        // A token that is no longer the current one opens nothing.
        let Ok(key) = vault.unwrap(&app.context.keys().wrapping, &id, ticket, wrapped) else {
            return Vec::new();
        };
        let subject = record.grant.subject.clone();
        let open = OpenGrant { id, subject, vault: vault.clone(), key: Arc::new(key) };
        app.context.connections.farewells(&open).await.unwrap_or_else(|error| {
            tracing::warn!(grant.id = %id, %error, "the credentials of an ending grant were not opened");
            Vec::new()
        })
    }
}
