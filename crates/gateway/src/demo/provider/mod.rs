//! A small upstream provider, as any forge would be one: OAuth 2.0 with PKCE and rotating refresh tokens, a user
//! endpoint, and a repositories API that knows whose token it is shown.
//!
//! It has one client, the gateway, and two accounts without passwords. It keeps three small files in the data folder,
//! so that everything it issued, authorization codes included, stays good over a restart.

mod answer;
mod api;
mod authorize;
mod browser;
mod issues;
mod ledger;
mod page;
mod request;
mod seal;
mod sign_in;
mod token;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::routing::{get, post};
use coatroom::clock::Clock;
use coatroom::entropy::{Entropy, draw};
use coatroom::protocol::words::{
    AuthorizationCode, ClientSecret, Issuer, KeyId, MacKey, Scopes, base64url, from_base64url,
};

use self::issues::Issues;
use self::ledger::Ledger;
use self::seal::{CodeClaims, Sealed as _};
use super::accounts::Account;
use super::{CALLBACK_PATH, PROVIDER_PATH, disk};

/// The provider: its keys, and everything that it remembers.
#[derive(Debug)]
pub(crate) struct Provider {
    origin: Issuer,
    redirect_uri: String,
    access_token_life: Duration,
    key: MacKey,
    ledger: Ledger,
    issues: Issues,
    sources: Sources,
}

/// Where the provider takes time and randomness from.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    /// Tells the time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Draws keys, ids and nonces.
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Provider {
    /// How long an access token of the provider is good, unless someone sets it otherwise.
    pub(crate) const ACCESS_TOKEN_LIFE: Duration = Duration::from_hours(1);

    /// Opens the provider in `folder`, which exists; makes its key on the first start.
    ///
    /// `origin` is the gateway's public URL: the provider serves below it and sends browsers back to
    /// its `/callback/demo` alone.
    ///
    /// # Errors
    /// When a file of the folder cannot be read, understood or written, or there are no random bytes.
    pub(crate) fn open(
        folder: &Path,
        origin: Issuer,
        access_token_life: Duration,
        sources: Sources,
    ) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            redirect_uri: origin.url(CALLBACK_PATH),
            origin,
            access_token_life,
            key: open_key(&folder.join("demo-key"), &*sources.entropy)?,
            ledger: Ledger::open(folder.join("demo-sign-ins.json"))?,
            issues: Issues::open(folder.join("demo-issues.json"))?,
            sources,
        }))
    }

    /// The secret of the provider's one client, [`CLIENT_ID`](super::CLIENT_ID): for the gateway's configuration.
    pub(crate) fn client_secret(&self) -> ClientSecret {
        ClientSecret::new(base64url(&self.key.tag("demo client secret", &[])))
    }

    /// Makes a code for what `account` agreed to; `None` when there are no random bytes for it.
    fn issue_code(&self, account: &Account, scopes: &Scopes, challenge: &str) -> Option<AuthorizationCode> {
        let claims = CodeClaims {
            login: account.login.to_owned(),
            scopes: scopes.clone(),
            challenge: challenge.to_owned(),
            redirect_uri: self.redirect_uri.clone(),
            sign_in: base64url(&draw::<16>(&*self.sources.entropy).ok()?),
            expires_at: self.sources.clock.now().plus(CodeClaims::LIFE),
        };
        claims.seal(&self.key).map(|text| AuthorizationCode::new(text.expose()))
    }
}

/// The provider's endpoints, all below [`PROVIDER_PATH`].
pub(crate) fn routes(provider: Arc<Provider>) -> Router {
    let endpoints = Router::new()
        .route("/authorize", get(authorize::show))
        .route("/sign-in", post(sign_in::submit))
        .route("/style.css", get(page::style))
        .route("/token", post(token::exchange))
        .route("/revoke", post(token::revoke))
        .route("/user", get(api::user))
        .route("/userinfo", get(api::userinfo))
        .route("/api/repos", get(api::repos))
        .route("/api/repos/{owner}/{name}/issues", post(api::create_issue))
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(map_response(answer::too_large))
        .with_state(provider);
    Router::new().nest(PROVIDER_PATH, endpoints)
}

/// Reads the key under which everything is signed, or draws one on the first start.
fn open_key(path: &Path, entropy: &dyn Entropy) -> io::Result<MacKey> {
    let bytes = if let Some(text) = disk::read(path)? {
        let text = String::from_utf8(text).map_err(io::Error::other)?;
        let key = from_base64url(text.trim()).and_then(|bytes| bytes.try_into().ok());
        key.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "demo-key is not a 256-bit key"))?
    } else {
        let bytes = draw::<32>(entropy).map_err(io::Error::other)?;
        disk::write(path, base64url(&bytes).as_bytes())?;
        bytes
    };
    Ok(MacKey::new(KeyId::from_bytes(*b"demo"), bytes))
}

const MOST_BODY_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
