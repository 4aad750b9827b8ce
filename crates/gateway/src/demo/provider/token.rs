//! `POST /token` and `POST /revoke`: what the gateway says to the provider directly.
//!
//! RFC 6749 §4.1.3 and §6, RFC 7636 §4.6, RFC 7009.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use coatroom::entropy::{NoEntropy, draw};
use coatroom::protocol::errors::{ErrorCode, OAuthError};
use coatroom::protocol::words::{
    ClientSecret, CodeVerifier, Params, ParamsRefusal, Scopes, base64url, from_base64url,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::ledger::{SignIn, Start, Turn};
use super::seal::{AccessClaims, CodeClaims, RefreshClaims, Sealed as _};
use super::{Provider, answer};
use crate::demo::CLIENT_ID;

/// Answers `POST /token`.
pub(super) async fn exchange(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    answer::blocking(provider, move |provider| match provider.exchange(&headers, &body) {
        Ok(tokens) => answer::json(StatusCode::OK, &tokens),
        Err(refusal) => refuse(refusal),
    })
    .await
}

/// Answers `POST /revoke`: an unknown token is as good as a revoked one (RFC 7009 §2.2).
pub(super) async fn revoke(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    answer::blocking(provider, move |provider| match provider.revoke(&headers, &body) {
        Ok(()) => answer::empty(StatusCode::OK),
        Err(refusal) => refuse(refusal),
    })
    .await
}

/// What is broken here is for the log too; what the client did wrong is for the client.
fn refuse(refusal: TokenRefusal) -> Response {
    if let TokenRefusal::Disk(error) = &refusal {
        tracing::error!(reason = %error, "the demo provider cannot write its sign-ins");
    }
    answer::oauth_error(&OAuthError::from(refusal))
}

/// Why a request of the client was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenRefusal {
    /// The body is not a form.
    #[error("the body must be application/x-www-form-urlencoded")]
    NotAForm,
    /// The form cannot be read, or a parameter is repeated.
    #[error(transparent)]
    Params(#[from] ParamsRefusal),
    /// A required parameter is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Two ways of authenticating at once (RFC 6749 §2.3).
    #[error("the client authenticates in the header or in the body, not in both")]
    TwoSecrets,
    /// Not the gateway.
    #[error("the client is unknown, or its secret is wrong")]
    Client,
    /// A grant type that does not exist here.
    #[error("the grant types are authorization_code and refresh_token")]
    GrantType,
    /// The code or its redirect URI, or the verifier.
    #[error(
        "the code is unknown, has ended or was used, or redirect_uri or code_verifier do not belong to it"
    )]
    Code,
    /// The refresh token.
    #[error("the refresh token is unknown, has ended or was used")]
    RefreshToken,
    /// More than was granted.
    #[error("scope asks for more than was granted")]
    Scope,
    /// The data folder cannot be written.
    #[error("the data folder cannot be written")]
    Disk(#[from] io::Error),
    /// The operating system gave no random bytes.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

impl From<TokenRefusal> for OAuthError {
    fn from(refusal: TokenRefusal) -> Self {
        let code = match refusal {
            TokenRefusal::NotAForm
            | TokenRefusal::Params(_)
            | TokenRefusal::Missing(_)
            | TokenRefusal::TwoSecrets => ErrorCode::InvalidRequest,
            TokenRefusal::Client => ErrorCode::InvalidClient,
            TokenRefusal::GrantType => ErrorCode::UnsupportedGrantType,
            TokenRefusal::Code | TokenRefusal::RefreshToken => ErrorCode::InvalidGrant,
            TokenRefusal::Scope => ErrorCode::InvalidScope,
            TokenRefusal::Disk(_) | TokenRefusal::Entropy(_) => ErrorCode::TemporarilyUnavailable,
        };
        Self::json(code, refusal.to_string())
    }
}

impl Provider {
    fn exchange(&self, headers: &HeaderMap, body: &str) -> Result<Value, TokenRefusal> {
        let params = self.authenticated(headers, body)?;
        match required(&params, "grant_type")? {
            "authorization_code" => self.redeem(&params),
            "refresh_token" => self.refresh(&params),
            _ => Err(TokenRefusal::GrantType),
        }
    }

    /// The verifier is checked before the ledger is asked: who holds the code alone neither spends nor ends anything.
    fn redeem(&self, params: &Params) -> Result<Value, TokenRefusal> {
        let redirect_uri = required(params, "redirect_uri")?;
        let verifier = CodeVerifier::new(required(params, "code_verifier")?);
        let code = CodeClaims::open(required(params, "code")?, &self.key).ok_or(TokenRefusal::Code)?;
        let now = self.sources.clock.now();
        let live = !now.has_reached(code.expires_at);
        if !live || redirect_uri != code.redirect_uri || !code.proven_by(&verifier) {
            return Err(TokenRefusal::Code);
        }
        let sign_in =
            SignIn { login: code.login, scopes: code.scopes, generation: 0, used_at: now, ended: false };
        match self.ledger.start(&code.sign_in, sign_in.clone())? {
            Start::Started => self.tokens(&code.sign_in, &sign_in, &sign_in.scopes),
            Start::Replayed => Err(TokenRefusal::Code),
        }
    }

    /// The scope is checked before the token is spent: a request that is refused for it may be corrected and repeated.
    fn refresh(&self, params: &Params) -> Result<Value, TokenRefusal> {
        let claims = RefreshClaims::open(required(params, "refresh_token")?, &self.key);
        let claims = claims.ok_or(TokenRefusal::RefreshToken)?;
        let sign_in = self.ledger.find(&claims.sign_in).ok_or(TokenRefusal::RefreshToken)?;
        let scopes: Scopes = match params.one("scope")? {
            Some(asked) => asked.parse().map_err(|_| TokenRefusal::Scope)?,
            None => sign_in.scopes.clone(),
        };
        if !scopes.is_subset(&sign_in.scopes) {
            return Err(TokenRefusal::Scope);
        }
        match self.ledger.turn(&claims.sign_in, claims.generation, self.sources.clock.now())? {
            Turn::Turned(sign_in) => self.tokens(&claims.sign_in, &sign_in, &scopes),
            Turn::Replayed | Turn::Unknown => Err(TokenRefusal::RefreshToken),
        }
    }

    fn revoke(&self, headers: &HeaderMap, body: &str) -> Result<(), TokenRefusal> {
        let params = self.authenticated(headers, body)?;
        let token = required(&params, "token")?;
        let access = AccessClaims::open(token, &self.key).map(|claims| claims.sign_in);
        let refresh = RefreshClaims::open(token, &self.key).map(|claims| claims.sign_in);
        if let Some(sign_in) = access.or(refresh) {
            self.ledger.end(&sign_in)?;
        }
        Ok(())
    }

    /// The tokens of a sign-in as it stands.
    fn tokens(&self, id: &str, sign_in: &SignIn, scopes: &Scopes) -> Result<Value, TokenRefusal> {
        let nonce = base64url(&draw::<16>(&*self.sources.entropy)?);
        let expires_at = self.sources.clock.now().plus(self.access_token_life);
        let access = AccessClaims { sign_in: id.to_owned(), scopes: scopes.clone(), expires_at, nonce };
        let refresh = RefreshClaims { sign_in: id.to_owned(), generation: sign_in.generation };
        let unwritable = || io::Error::other("claims cannot be written");
        let access = access.seal(&self.key).ok_or_else(unwritable)?;
        let refresh = refresh.seal(&self.key).ok_or_else(unwritable)?;
        Ok(json!({
            "access_token": access.expose(),
            "token_type": "Bearer",
            "expires_in": self.access_token_life.as_secs(),
            "refresh_token": refresh.expose(),
            "scope": scopes.to_string(),
        }))
    }

    /// The form, once the client has proved that it is the gateway.
    fn authenticated(&self, headers: &HeaderMap, body: &str) -> Result<Params, TokenRefusal> {
        let form = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = form.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(TokenRefusal::NotAForm);
        }
        let params = Params::parse(body)?;
        params.check_repeats()?;
        let (id, secret) = match (basic(headers), params.one("client_secret")?) {
            (Some(_), Some(_)) => return Err(TokenRefusal::TwoSecrets),
            (Some(basic), None) => basic?,
            (None, Some(secret)) => {
                (params.one("client_id")?.unwrap_or_default().to_owned(), ClientSecret::new(secret))
            }
            (None, None) => return Err(TokenRefusal::Client),
        };
        // Equal hashes say that the secrets are equal, and their comparison tells nothing about either.
        if id != CLIENT_ID || secret.hash() != self.client_secret().hash() {
            return Err(TokenRefusal::Client);
        }
        Ok(params)
    }
}

/// The credentials of a Basic header, each part form-encoded (RFC 6749 §2.3.1). `None` when there is no such header.
fn basic(headers: &HeaderMap) -> Option<Result<(String, ClientSecret), TokenRefusal>> {
    let value = headers.get(AUTHORIZATION)?;
    let decoded = value.to_str().ok().and_then(|text| {
        let (scheme, text) = text.split_once(' ')?;
        let text = text.trim().trim_end_matches('=').replace('+', "-").replace('/', "_");
        let pair = String::from_utf8(from_base64url(&text)?).ok()?;
        let (id, secret) = pair.split_once(':')?;
        let pair = Params::parse(&format!("id={id}&secret={secret}")).ok()?;
        let id = pair.one("id").ok()??.to_owned();
        let secret = ClientSecret::new(pair.one("secret").ok()??);
        scheme.eq_ignore_ascii_case("basic").then_some((id, secret))
    });
    Some(decoded.ok_or(TokenRefusal::Client))
}

fn required<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, TokenRefusal> {
    params.one(name)?.ok_or(TokenRefusal::Missing(name))
}
