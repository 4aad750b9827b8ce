//! Providers that are written elsewhere: what they have to do, and what they are held to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coatroom_protocol::words::{ProviderName, Scopes};
use tracing::field::Empty;
use tracing::{Span, info_span};
use url::Url;

use super::answer::TokenAnswer;
use super::engine::{observed, within};
use super::error::{ProviderError, printable};
use super::profile::is_id;
use super::sign_in::{CodeExchange, RevokeOutcome, SignedIn, UpstreamAuthorization};
use super::tokens::{UpstreamToken, UpstreamTokens};
use crate::allowlist::Allowlist;
use crate::outbound::DEFAULT_DEADLINE;

/// Somewhere to sign in that no [`ProviderKind`](super::ProviderKind) describes: a house's own login service, or an API with habits of its
/// own. It is added by [`Provider::custom`](super::Provider::custom).
///
/// The browser goes to [`authorization_url`](Self::authorization_url) and comes back to `/callback/NAME` with the `state` that it was
/// given, and a `code` or an `error`. State, the browser's cookie, the PKCE verifier and the nonce are made, kept and compared by the
/// server. What is left is to build the address, to exchange the code, and to say who the user is.
///
/// A call that takes longer than the [deadline](Self::deadline) counts as an outage. Only [`ProviderError::Dead`] says that a credential
/// will never work again; whatever else goes wrong leaves it alone. Texts of errors go to the log, cut and made printable, so they must hold no
/// secret.
#[async_trait]
pub trait CustomProvider: Send + Sync + 'static {
    /// What people call it: "Continue with …".
    fn label(&self) -> &str;

    /// The scopes that a sign-in asks for, as the page names them where somebody connects it. Default: none are named.
    fn scopes(&self) -> Scopes {
        Scopes::none()
    }

    /// How long one call may take. Default 10 s.
    fn deadline(&self) -> Duration {
        DEFAULT_DEADLINE
    }

    /// Where to send the browser. The address carries `ask.state`, `ask.redirect_uri` and, unless the provider knows no PKCE,
    /// `ask.code_challenge` with the method S256.
    ///
    /// # Errors
    /// [`ProviderError::Transient`] and [`ProviderError::Misconfigured`].
    async fn authorization_url(&self, ask: &UpstreamAuthorization<'_>) -> Result<Url, ProviderError>;

    /// Exchanges the code, and finds out who the user is. Their subject has the provider's name, and an id that never changes and never
    /// becomes somebody else's. An ID token is only as good as its checks: issuer, audience, signature, times, and `callback.nonce`.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] when the code is not good.
    async fn sign_in(&self, callback: &CodeExchange<'_>) -> Result<SignedIn, ProviderError>;

    /// Renews tokens; never called where no refresh token was given. An answer without one means that the old one stays good.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] only if the refresh token will never work again. Default: it is [`ProviderError::Misconfigured`] to give
    /// refresh tokens and not to renew them.
    async fn renew(&self, refresh_token: &UpstreamToken) -> Result<UpstreamTokens, ProviderError> {
        let _ = refresh_token;
        Err(ProviderError::misconfigured("the provider gives refresh tokens and does not implement `renew`"))
    }

    /// Tells the provider that a credential is thrown away. Default: it cannot be told.
    ///
    /// # Errors
    /// When it did not take note.
    async fn revoke(
        &self,
        access: &UpstreamToken,
        refresh: Option<&UpstreamToken>,
    ) -> Result<RevokeOutcome, ProviderError> {
        let _ = (access, refresh);
        Ok(RevokeOutcome::NotOffered)
    }

    /// Whether the provider still takes an access token, asked after an API refused it. Default: nobody can tell, so it is as good as before.
    ///
    /// # Errors
    /// [`ProviderError::Dead`] when it does not; others when it cannot say.
    async fn check_token(&self, access: &UpstreamToken) -> Result<(), ProviderError> {
        let _ = access;
        Ok(())
    }
}

/// A custom provider under its name, held to what the trait says.
#[derive(Clone)]
pub(super) struct Custom(Arc<Inner>);

struct Inner {
    name: ProviderName,
    label: String,
    scopes: Scopes,
    allow: Allowlist,
    written: Arc<dyn CustomProvider>,
}

impl Custom {
    pub(super) fn new(name: ProviderName, written: Arc<dyn CustomProvider>) -> Self {
        let (label, scopes) = (written.label().to_owned(), written.scopes());
        Self(Arc::new(Inner { name, label, scopes, allow: Allowlist::default(), written }))
    }

    pub(super) fn name(&self) -> &ProviderName {
        &self.0.name
    }

    pub(super) fn label(&self) -> &str {
        &self.0.label
    }

    pub(super) fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    pub(super) fn deadline(&self) -> Duration {
        self.0.written.deadline()
    }

    /// Empty: it admits whom it signs in, and a hook may refuse them.
    pub(super) fn allowlist(&self) -> &Allowlist {
        &self.0.allow
    }

    pub(super) async fn authorization_url(
        &self,
        ask: &UpstreamAuthorization<'_>,
    ) -> Result<Url, ProviderError> {
        let span = info_span!("provider.authorize", provider.name = %self.0.name, outcome = Empty);
        self.held(span, self.0.written.authorization_url(ask)).await
    }

    pub(super) async fn sign_in(&self, callback: CodeExchange<'_>) -> Result<SignedIn, ProviderError> {
        let span = info_span!("provider.exchange", provider.name = %self.0.name, outcome = Empty);
        let signed_in = self.held(span, self.0.written.sign_in(&callback)).await?;
        let subject = &signed_in.user.subject;
        if subject.provider != self.0.name || !is_id(&subject.id) {
            return Err(ProviderError::bad_answer(
                "a user's subject needs the name of the provider, and an id of 1 to 255 characters",
            ));
        }
        Ok(signed_in)
    }

    pub(super) async fn renewal(&self, refresh_token: &UpstreamToken) -> Result<TokenAnswer, ProviderError> {
        let span = info_span!("provider.renew", provider.name = %self.0.name, outcome = Empty);
        let tokens = self.held(span, self.0.written.renew(refresh_token)).await?;
        Ok(TokenAnswer { tokens, id_token: None })
    }

    pub(super) async fn revoke(
        &self,
        access: &UpstreamToken,
        refresh: Option<&UpstreamToken>,
    ) -> Result<RevokeOutcome, ProviderError> {
        let span = info_span!("provider.revoke", provider.name = %self.0.name, outcome = Empty);
        self.held(span, self.0.written.revoke(access, refresh)).await
    }

    pub(super) async fn check_token(&self, access: &UpstreamToken) -> Result<(), ProviderError> {
        let span = info_span!("provider.check", provider.name = %self.0.name, outcome = Empty);
        self.held(span, self.0.written.check_token(access)).await
    }

    /// Waits no longer than the deadline, and keeps what an error says fit for a log.
    async fn held<T>(
        &self,
        span: Span,
        call: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        observed(span, within(self.deadline(), call)).await.map_err(fit_for_a_log)
    }
}

fn fit_for_a_log(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Dead { code } => ProviderError::Dead { code: printable(&code) },
        ProviderError::Refused { code } => ProviderError::Refused { code: printable(&code) },
        ProviderError::Transient { reason } => ProviderError::Transient { reason: printable(&reason) },
        ProviderError::Misconfigured { reason } => {
            ProviderError::Misconfigured { reason: printable(&reason) }
        }
        ProviderError::BadAnswer { reason } => ProviderError::BadAnswer { reason: printable(&reason) },
        other @ (ProviderError::IdToken(_) | ProviderError::Issuer) => other,
    }
}
