//! `POST /introspect` (RFC 7662): a resource server beside us asks about a token that was presented to it.
//!
//! It must be one that the operator configured, and learns about tokens for its own resources alone. Everything else, refresh
//! tokens among it, is inactive: those are for us, and whoever presents one elsewhere has lost it (docs/decisions/0022).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use coatroom_protocol::access::{Introspection, LiveToken};
use coatroom_protocol::client::PresentedClient;
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::words::{AccessToken, Params};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode, Uri};

use super::App;
use super::body;
use super::respond::{Failure, json};
use crate::allowance::ClientAddress;
use crate::context::AskingServer;
use crate::error::Error;

/// Answers `POST /introspect`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    address: Option<Extension<ClientAddress>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if uri.query().is_some() {
        let text = "parameters belong in the body, not in the query";
        return Failure::from(OAuthError::json(ErrorCode::InvalidRequest, text)).into_response();
    }
    match introspect(&app, address.map(|Extension(address)| address), &headers, body).await {
        Ok(answer) => json(StatusCode::OK, &answer),
        Err(failure) => failure.into_response(),
    }
}

async fn introspect(
    app: &App,
    address: Option<ClientAddress>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Introspection, Failure> {
    let context = &app.context;
    let params = body::parameters(headers, body, context.settings.oauth_body_limit).await?;
    let server = authenticate(app, address, headers, &params)?;
    let token = body::required(&params, "token")?;
    // The hint is not needed: our tokens say what they are.
    let answer = describe(app, server, &AccessToken::new(token)).await?;
    if !answer.is_active() {
        app.limits.guessed(address, context.clock.elapsed()).map_err(Failure::TooMany)?;
    }
    Ok(answer)
}

async fn describe(app: &App, server: &AskingServer, token: &AccessToken) -> Result<Introspection, Error> {
    let context = &app.context;
    let found = context.live_access(token, |resource| server.resources.contains(resource)).await?;
    let live = match found {
        Ok(live) => live,
        Err(reason) => {
            tracing::debug!(reason = reason.as_str(), "a token is inactive");
            return Ok(Introspection::inactive());
        }
    };
    let client = live.grant.client_id.as_ref();
    let client = client
        .ok_or_else(|| Error::Corrupt { what: "grant", reason: "the client id is missing".to_owned() })?;
    let token = LiveToken {
        issuer: &context.issuer,
        token: &live.access.token,
        client,
        subject: &live.grant.grant.subject,
        resource: &live.access.resource,
        scopes: &context.effective_scopes(&live.access),
        issued_at: live.access.issued_at,
        ends_at: live.access.ends_at,
    };
    Ok(Introspection::of(&token, &server.resources))
}

/// The server that asks. It always authenticates, and is challenged if it does not: no client of ours can be meant.
fn authenticate<'a>(
    app: &'a App,
    address: Option<ClientAddress>,
    headers: &HeaderMap,
    params: &Params,
) -> Result<&'a AskingServer, Failure> {
    let refuse = |text: String| Failure::from(OAuthError::json(ErrorCode::InvalidClient, text));
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let authorization = values.next().map(|value| value.to_str().unwrap_or_default());
    if values.next().is_some() {
        return Err(refuse("there is more than one Authorization header".to_owned()));
    }
    let presented =
        PresentedClient::read(authorization, params).map_err(|refusal| refuse(refusal.to_string()))?;
    let (hash, now) = (presented.client_id().hash(), app.context.clock.elapsed());
    app.limits.may_authenticate(address, hash, now).map_err(Failure::TooMany)?;
    let server = app.context.asking_servers.get(presented.client_id());
    server.filter(|server| presented.presents(&server.secret)).ok_or_else(|| {
        app.limits.authentication_failed(address, hash, now);
        refuse("the resource server is unknown, or its secret is wrong".to_owned())
    })
}
