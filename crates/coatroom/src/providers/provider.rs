//! A provider: one that the engine runs as it is configured, or one that somebody else wrote.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coatroom_protocol::words::{ProviderName, Scopes};
use url::Url;

use super::answer::TokenAnswer;
use super::config::{ProviderConfig, ProviderConfigError};
use super::custom::{Custom, CustomProvider};
use super::engine::Engine;
use super::error::ProviderError;
use super::sign_in::{CodeExchange, RevokeOutcome, SignedIn, UpstreamAuthorization};
use super::tokens::{UpstreamToken, UpstreamTokens};
use crate::allowlist::{Allowlist, NotAllowed};
use crate::clock::Clock;
use crate::outbound::Outbound;
use crate::user::User;

/// An identity provider. Cloning is cheap, and clones share what they remember of the provider's documents.
#[derive(Clone)]
pub struct Provider(Kind);

#[derive(Clone)]
enum Kind {
    Engine(Engine),
    Custom(Custom),
}

/// Does the same with either kind.
macro_rules! either {
    ($provider:expr, $it:ident => $what:expr) => {
        match &$provider.0 {
            Kind::Engine($it) => $what,
            Kind::Custom($it) => $what,
        }
    };
}

impl Provider {
    /// A provider as configured. Nothing is fetched before it is needed.
    ///
    /// # Errors
    /// [`ProviderConfigError`] names the setting that is wrong.
    pub fn new(
        config: ProviderConfig,
        outbound: Arc<Outbound>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderConfigError> {
        Engine::new(config, outbound, clock).map(|engine| Self(Kind::Engine(engine)))
    }

    /// A provider that is written elsewhere, under this name, which is part of its users' identities.
    pub fn custom(name: ProviderName, provider: impl CustomProvider) -> Self {
        Self(Kind::Custom(Custom::new(name, Arc::new(provider))))
    }

    /// The configured name.
    #[must_use]
    pub fn name(&self) -> &ProviderName {
        either!(self, it => it.name())
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        either!(self, it => it.label())
    }

    /// Whether its callbacks are forms that its page posts to us (OAuth 2.0 Form Post Response Mode).
    #[must_use]
    pub fn posts_callbacks(&self) -> bool {
        match &self.0 {
            Kind::Engine(engine) => engine.posts_callbacks(),
            Kind::Custom(_) => false,
        }
    }

    /// The scopes that every sign-in asks for.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        either!(self, it => it.scopes())
    }

    /// The hard deadline of [`Provider::renew`]: after it no request for new tokens is under way.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        either!(self, it => it.deadline())
    }

    /// Who may sign in here.
    #[must_use]
    pub fn allowlist(&self) -> &Allowlist {
        either!(self, it => it.allowlist())
    }

    /// Whether a user of this provider may enter.
    ///
    /// # Errors
    /// [`NotAllowed`] names the list that keeps them out.
    pub fn admits(&self, user: &User) -> Result<(), NotAllowed> {
        match &self.0 {
            Kind::Engine(engine) => engine.admits(user),
            Kind::Custom(_) => Ok(()),
        }
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// When the provider's metadata is needed and cannot be had, or rules the provider out.
    pub async fn authorization_url(&self, ask: &UpstreamAuthorization<'_>) -> Result<Url, ProviderError> {
        either!(self, it => it.authorization_url(ask).await)
    }

    /// Checks the `iss` of a callback, of an error too, against the issuer that the user was sent to (RFC 9207 §2.4).
    ///
    /// # Errors
    /// [`ProviderError::Issuer`] when it is another one, or is missing where the provider promises it. A provider
    /// without a known issuer is told apart by its callback path alone.
    pub async fn check_issuer(&self, iss: Option<&str>) -> Result<(), ProviderError> {
        match &self.0 {
            Kind::Engine(engine) => engine.check_issuer(iss).await,
            Kind::Custom(_) => Ok(()),
        }
    }

    /// Exchanges the code of a callback, and finds out who the user is.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] when the code is not good, [`ProviderError::Transient`] when the provider cannot say; a
    /// code may have been spent all the same, so only a new sign-in helps then.
    pub async fn sign_in(&self, callback: CodeExchange<'_>) -> Result<SignedIn, ProviderError> {
        either!(self, it => it.sign_in(callback).await)
    }

    /// Whether the provider still takes an access token for its user. It is asked only where the same endpoint said who
    /// signed in, with the same token: elsewhere a refusal may mean that the token was never good there.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] when it does not; others when it cannot say.
    pub async fn check_token(&self, access_token: &UpstreamToken) -> Result<(), ProviderError> {
        either!(self, it => it.check_token(access_token).await)
    }

    /// Renews tokens. An answer without a refresh token means that the old one stays good.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] only if the provider says that the refresh token will never work again.
    pub async fn renew(&self, refresh_token: &UpstreamToken) -> Result<UpstreamTokens, ProviderError> {
        self.renewal(refresh_token).await.map(|answer| answer.tokens)
    }

    /// The same, with the ID token that may come with new tokens.
    pub(crate) async fn renewal(&self, refresh_token: &UpstreamToken) -> Result<TokenAnswer, ProviderError> {
        either!(self, it => it.renewal(refresh_token).await)
    }

    /// Tells the provider that a credential is thrown away, where it can be told without ending the user's other connections:
    /// the refresh token, whose end is the end of both (RFC 7009 §2.1), or the access token where there is no other.
    ///
    /// # Errors
    /// When the provider did not take note. The token may then still be good there.
    pub async fn revoke(
        &self,
        access: &UpstreamToken,
        refresh: Option<&UpstreamToken>,
    ) -> Result<RevokeOutcome, ProviderError> {
        either!(self, it => it.revoke(access, refresh).await)
    }

    /// What the provider says now of the user of these tokens, with the ID token that came with them, if one did.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] when it does not take the token any more, [`ProviderError::Transient`] when it cannot say.
    #[cfg(feature = "server")]
    pub(crate) async fn ask_again(
        &self,
        known: &User,
        tokens: (&UpstreamTokens, Option<&UpstreamToken>),
    ) -> Result<super::again::Standing, ProviderError> {
        match &self.0 {
            Kind::Engine(engine) => engine.ask_again(known, tokens).await,
            // Without an allowlist nobody is asked again.
            Kind::Custom(_) => Ok(super::again::Standing::Known(Box::new(known.clone()))),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", self.name()).finish_non_exhaustive()
    }
}
