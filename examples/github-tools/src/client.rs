//! The web app as an OAuth client of the authorization server beside it, which it calls in this process.

use anyhow::Context as _;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use coatroom::clock::Clock as _;
use coatroom::protocol::client::{AppUris, Client, RedirectUri};
use coatroom::protocol::words::{base64url, sha256};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;
use url::form_urlencoded;

use crate::App;
use crate::session::{Pending, Session};

/// Where the browser comes back with a code.
pub(crate) const REDIRECT_PATH: &str = "/signed-in";

/// Why there are no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The sign-in has ended: a new one helps.
    Ended,
    /// Nobody can tell at the moment: waiting helps.
    Unavailable,
}

/// The client as the authorization server knows it. It has no secret: PKCE shows that whoever redeems a code began the sign-in.
pub(crate) fn web_app(origin: &str) -> anyhow::Result<Client> {
    let redirect_uri = RedirectUri::parse(&format!("{origin}{REDIRECT_PATH}"), &AppUris::default())
        .with_context(|| format!("{origin} is no origin of a web app"))?;
    let mut client = Client::configured(CLIENT_ID, None, vec![redirect_uri])?;
    client.name = Some("Example web app".to_owned());
    Ok(client)
}

impl App {
    /// Where a browser begins to sign in.
    pub(crate) fn authorize_url(&self, pending: &Pending) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", CLIENT_ID)
            .append_pair("redirect_uri", &self.origin.url(REDIRECT_PATH))
            .append_pair("scope", "repos:read issues:write")
            .append_pair("state", &pending.state)
            .append_pair("code_challenge", &base64url(&sha256(pending.verifier.as_bytes())))
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", &self.origin.url("/mcp"))
            .finish();
        self.origin.url(&format!("/authorize?{query}"))
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, code: &str, pending: &Pending) -> Result<Session, Refusal> {
        let redirect_uri = self.origin.url(REDIRECT_PATH);
        self.tokens(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", &pending.verifier),
            ("redirect_uri", &redirect_uri),
        ])
        .await
    }

    /// Gets new tokens for old ones. Two that do so at once get the same.
    pub(crate) async fn refresh(&self, session: &Session) -> Result<Session, Refusal> {
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", &session.refresh)]).await
    }

    /// Ends the sign-in that the tokens stand for.
    pub(crate) async fn revoke(&self, session: &Session) {
        let answered = self.post("/revoke", &[("token", &session.refresh)]).await;
        if !matches!(answered, Ok((StatusCode::OK, _))) {
            tracing::warn!("a sign-in was not revoked; it ends when nobody has used it for long enough");
        }
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Result<Session, Refusal> {
        let (status, body) = self.post("/token", form).await?;
        if status == StatusCode::OK {
            let answer: Tokens = serde_json::from_slice(&body).map_err(|_| Refusal::Unavailable)?;
            let expires_at = self.clock.now().unix().saturating_add(answer.expires_in);
            return Ok(Session { access: answer.access_token, refresh: answer.refresh_token, expires_at });
        }
        let error: Value = serde_json::from_slice(&body).unwrap_or_default();
        let has_ended = error.get("error").is_some_and(|code| code == "invalid_grant");
        tracing::debug!(%status, has_ended, "no tokens");
        Err(if has_ended { Refusal::Ended } else { Refusal::Unavailable })
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<(StatusCode, Vec<u8>), Refusal> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .append_pair("client_id", CLIENT_ID)
            .finish();
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .map_err(|_| Refusal::Unavailable)?;
        // A router has no error of its own.
        let Ok(answer) = self.authorization_server.clone().oneshot(request).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), LONGEST_ANSWER).await.map_err(|_| Refusal::Unavailable)?;
        Ok((status, body.to_vec()))
    }
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    /// In seconds.
    expires_in: u64,
}

const CLIENT_ID: &str = "web-app";
/// In bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
