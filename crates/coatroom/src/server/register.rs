//! `POST /register` (RFC 7591): stateless. Nothing is written; the client id says everything (ARCHITECTURE.md, rule 1).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use coatroom_protocol::client::{RegistrationRequest, register};
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use http::{HeaderMap, StatusCode};

use super::App;
use super::body::{self, BodyRefusal, has_media_type};
use super::respond::{Failure, json};
use crate::entropy::draw;

/// Answers `POST /register`.
pub(super) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    answer(&app, &headers, body).await.unwrap_or_else(Failure::into_response)
}

async fn answer(app: &App, headers: &HeaderMap, body: Body) -> Result<Response, Failure> {
    let context = &app.context;
    if !has_media_type(headers, "application/json") {
        let text = "the body must be application/json, and not compressed";
        return Err(OAuthError::json(ErrorCode::InvalidClientMetadata, text).into());
    }
    let body =
        body::read(body, context.settings.oauth_body_limit).await.map_err(|refusal| match refusal {
            BodyRefusal::TooLarge(limit) => Failure::TooLarge(ErrorCode::InvalidClientMetadata, limit),
            BodyRefusal::Unreadable(error) => {
                OAuthError::json(ErrorCode::InvalidClientMetadata, error.description().to_owned()).into()
            }
        })?;
    let metadata = RegistrationRequest::parse(&body)
        .and_then(|request| request.check(&context.app_uris))
        .map_err(OAuthError::from)?;
    context.redirect_hosts.check(&metadata).map_err(OAuthError::from)?;
    let metadata = context.secret_redirects.apply(metadata);
    let nonce = draw(context.entropy.as_ref())?;
    let registration = register(metadata, &context.keys().registration, nonce, context.clock.now())
        .map_err(OAuthError::from)?;
    if context.blocks.forbids(&registration.client) {
        let text = "the operator of this server blocked this client";
        return Err(OAuthError::json(ErrorCode::InvalidClientMetadata, text).into());
    }
    Ok(json(StatusCode::CREATED, &registration.answer()))
}
