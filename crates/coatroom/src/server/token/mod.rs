//! `POST /token`: codes and refresh tokens into tokens (OAuth 2.1 §3.2).

mod code;
mod readmit;
mod refresh;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use coatroom_protocol::discovery::path;
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::grant::{RefreshRefusal, TargetRefusal};
use coatroom_protocol::words::{AccessToken, GrantId, Params, RefreshToken, Resource, Scopes, Timestamp};
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;

use super::App;
use super::authenticate::authenticate;
use super::body::{self, required};
use super::respond::{Failure, json};
use crate::allowance::ClientAddress;
use crate::context::Context;
use crate::error::Error;
use crate::records::{self, AccessTokenRecord, GrantRecord, Seen};
use crate::vault::{GrantVault, Sealer, Ticket, VaultKey};

/// Answers `POST /token`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    address: Option<Extension<ClientAddress>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match answer(&app, address.map(|Extension(address)| address), (&uri, &headers), body).await {
        Ok(issued) => json(StatusCode::OK, &issued.answer()),
        Err(failure) => failure.into_response(),
    }
}

async fn answer(
    app: &App,
    address: Option<ClientAddress>,
    (uri, headers): (&Uri, &HeaderMap),
    body: Body,
) -> Result<Issued, Failure> {
    let context = &app.context;
    body::refuse_query(uri)?;
    let params = body::parameters(headers, body, context.settings.oauth_body_limit).await?;
    // Before the client: what nobody can have is no reason to register again.
    let grant_type = GrantType::parse(required(&params, "grant_type")?)?;
    let client = authenticate(app, address, headers, (path::TOKEN, &params)).await?;
    match grant_type {
        GrantType::Code => code::redeem(context, &client, &params).await,
        GrantType::Refresh => refresh::refresh(context, &client, &params).await,
    }
}

/// The grants that exist here.
#[derive(Debug, Clone, Copy)]
enum GrantType {
    Code,
    Refresh,
}

impl GrantType {
    fn parse(text: &str) -> Result<Self, OAuthError> {
        match text {
            "authorization_code" => Ok(Self::Code),
            "refresh_token" => Ok(Self::Refresh),
            _ => {
                let text = "grant_type must be authorization_code or refresh_token";
                Err(OAuthError::json(ErrorCode::UnsupportedGrantType, text))
            }
        }
    }
}

/// What a client gets.
#[derive(Debug)]
struct Issued {
    access_token: AccessToken,
    refresh_token: Option<RefreshToken>,
    scopes: Scopes,
    expires_in: Duration,
}

impl Issued {
    fn answer(&self) -> impl Serialize + '_ {
        #[derive(Serialize)]
        struct Answer<'a> {
            access_token: &'a str,
            token_type: &'static str,
            expires_in: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            refresh_token: Option<&'a str>,
            scope: String,
        }
        Answer {
            access_token: self.access_token.expose(),
            token_type: "Bearer",
            expires_in: self.expires_in.as_secs(),
            refresh_token: self.refresh_token.as_ref().map(RefreshToken::expose),
            scope: self.scopes.to_string(),
        }
    }
}

/// The vault of a grant, opened by the ticket that a client presented.
struct OpenVault {
    vault: GrantVault,
    key: Arc<VaultKey>,
}

impl OpenVault {
    /// Opens it. When its key was retired the grant ends, and its client hears that it must authorize again.
    async fn open(context: &Context, record: &GrantRecord, ticket: Ticket<'_>) -> Result<Self, Failure> {
        let shut = |reason: &str| Error::Corrupt { what: "grant", reason: reason.to_owned() };
        let vault = record.vault.clone().ok_or_else(|| shut("it has no vault"))?;
        let wrapped = record.wrapped.as_deref().ok_or_else(|| shut("its vault key is gone"))?;
        let id = &record.grant.id;
        let refusal = match vault.unwrap(&context.keys().wrapping, id, ticket, wrapped) {
            Ok(key) => return Ok(Self { vault, key: Arc::new(key) }),
            Err(refusal) => refusal,
        };
        if context.end_if_retired(id, refusal).await? {
            return Err(OAuthError::from(RefreshRefusal::Revoked { at: context.clock.now() }).into());
        }
        Err(shut(&format!("its vault key does not open: {refusal}")).into())
    }

    fn wrap(&self, context: &Context, grant: &GrantId, ticket: Ticket<'_>) -> Result<String, Error> {
        let keys = context.keys();
        let sealer = Sealer { master: &keys.wrapping, entropy: context.entropy.as_ref() };
        Ok(self.vault.wrap(sealer, grant, ticket, &self.key)?)
    }
}

/// What an access token is good for.
struct NewAccess<'a> {
    token: &'a AccessToken,
    grant: &'a GrantId,
    scopes: &'a Scopes,
    resource: &'a Resource,
    issued_at: Timestamp,
}

/// The record of an access token. It is written before the grant is replaced: a crash in between leaves an orphan that nobody
/// holds, nothing else.
fn access_record(
    context: &Context,
    open: &OpenVault,
    new: &NewAccess<'_>,
) -> Result<AccessTokenRecord, Error> {
    let ends_at = new.issued_at.plus(context.settings.access_token_life);
    Ok(AccessTokenRecord {
        token: new.token.hash(),
        grant: *new.grant,
        scopes: new.scopes.clone(),
        resource: new.resource.clone(),
        issued_at: new.issued_at,
        ends_at,
        kept_until: AccessTokenRecord::kept_at_least(ends_at),
        accepted: false,
        wrapped: open.wrap(context, new.grant, Ticket::Access(new.token))?,
    })
}

async fn load_grant(context: &Context, id: &GrantId) -> Result<Option<Seen<GrantRecord>>, Error> {
    records::load(context.store.as_ref(), &GrantRecord::key_of(id)).await
}

/// The `resource` of a token request names what was authorized, or nothing (RFC 8707 §2.2).
fn check_resource(context: &Context, params: &Params, granted: &Resource) -> Result<(), OAuthError> {
    let target = |refusal: TargetRefusal| OAuthError::json(ErrorCode::InvalidTarget, refusal.to_string());
    for asked in params.many("resource") {
        let asked = Resource::parse(asked).map_err(|refusal| target(refusal.into()))?;
        if !context.resources.is_meant(&asked, granted) {
            let text = "resource is another one than was authorized";
            return Err(OAuthError::json(ErrorCode::InvalidTarget, text));
        }
    }
    Ok(())
}
