//! Who is calling: the user, the client, and the way to the user's own upstream token.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use coatroom_protocol::words::{ClientId, GrantId, ProviderName, Resource, Scopes, Timestamp};

use crate::error::Error;
use crate::providers::UpstreamToken;
use crate::user::User;

/// Who makes this call. The guard puts one into the request's extensions; cloning it is cheap.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    user: User,
    client: CallerClient,
    grant: GrantId,
    resource: Resource,
    scopes: Scopes,
    sender_constrained: bool,
    expires_at: Timestamp,
    credentials: Arc<dyn UpstreamCredentials>,
}

/// The client through which a user calls.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "verifiers build it")]
pub struct CallerClient {
    /// Its identifier.
    pub id: ClientId,
    /// The name that it gave itself; unverified.
    pub name: Option<String>,
}

/// What a verified token says, from which a [`Caller`] is made.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "verifiers build it")]
pub struct CallerParts {
    /// The user.
    pub user: User,
    /// The client.
    pub client: CallerClient,
    /// The grant, which is also the key of everything that is kept per user and client: sessions, processes.
    pub grant: GrantId,
    /// The protected resource that the token is good at.
    pub resource: Resource,
    /// The scopes of the token, with everything that they imply.
    pub scopes: Scopes,
    /// Whether the token is good only with the proof of a key (`cnf`; see `access::is_sender_constrained`). No proofs are
    /// taken here, so the guard refuses it.
    pub sender_constrained: bool,
    /// When the token ends; open streams end with it.
    pub expires_at: Timestamp,
    /// The way to the user's upstream tokens.
    pub credentials: Arc<dyn UpstreamCredentials>,
}

impl Caller {
    /// Makes a caller of what a verified token says.
    #[must_use]
    pub fn new(parts: CallerParts) -> Self {
        Self(Arc::new(Inner {
            user: parts.user,
            client: parts.client,
            grant: parts.grant,
            resource: parts.resource,
            scopes: parts.scopes,
            sender_constrained: parts.sender_constrained,
            expires_at: parts.expires_at,
            credentials: parts.credentials,
        }))
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// The client through which the user calls.
    #[must_use]
    pub fn client(&self) -> &CallerClient {
        &self.0.client
    }

    /// The grant: one user's agreement with one client for one resource.
    #[must_use]
    pub fn grant(&self) -> GrantId {
        self.0.grant
    }

    /// The protected resource that the token is good at.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// The scopes of the token, with everything that they imply.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// Whether the token is good only with the proof of a key.
    #[must_use]
    pub(super) fn is_sender_constrained(&self) -> bool {
        self.0.sender_constrained
    }

    /// When the token ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// The user's own token at an upstream provider, renewed first when it is about to end.
    ///
    /// # Errors
    /// [`UpstreamError`] says whether signing in again would help.
    pub async fn upstream(&self, provider: &ProviderName) -> Result<UpstreamToken, UpstreamError> {
        self.0.credentials.token(provider).await
    }

    /// A token to try after the upstream server refused `rejected`: renewed at most once, and only if nobody has
    /// renewed it since.
    ///
    /// # Errors
    /// [`UpstreamError`] says whether signing in again would help.
    pub async fn renew_upstream(
        &self,
        provider: &ProviderName,
        rejected: &UpstreamToken,
    ) -> Result<UpstreamToken, UpstreamError> {
        self.0.credentials.renew(provider, rejected).await
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("subject", &self.0.user.subject)
            .field("grant", &self.0.grant)
            .finish_non_exhaustive()
    }
}

/// The way from a verified token to the user's upstream tokens.
#[async_trait]
pub trait UpstreamCredentials: Send + Sync + fmt::Debug {
    /// The user's token at `provider`, renewed first when it is about to end.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    async fn token(&self, provider: &ProviderName) -> Result<UpstreamToken, UpstreamError>;

    /// A token to try after the upstream server refused `rejected`.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    async fn renew(
        &self,
        provider: &ProviderName,
        rejected: &UpstreamToken,
    ) -> Result<UpstreamToken, UpstreamError>;
}

/// No upstream tokens at all: for callers whose tokens were issued elsewhere, and bring nothing but an identity.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing in it")]
pub struct NoCredentials;

#[async_trait]
impl UpstreamCredentials for NoCredentials {
    async fn token(&self, provider: &ProviderName) -> Result<UpstreamToken, UpstreamError> {
        Err(UpstreamError::NotConnected { provider: provider.clone() })
    }

    async fn renew(
        &self,
        provider: &ProviderName,
        _: &UpstreamToken,
    ) -> Result<UpstreamToken, UpstreamError> {
        Err(UpstreamError::NotConnected { provider: provider.clone() })
    }
}

/// Put into a response's extensions by whatever stands behind the guard: the user's sign-in has ended
/// ([`UpstreamError::SignInEnded`]), so the guard answers with its own 401 `invalid_token` challenge instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is a plain mark")]
pub struct SignInEnded;

/// Why there is no upstream token for this call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The user never connected this provider in this grant.
    #[error("the user has not connected {provider}")]
    NotConnected {
        /// The provider.
        provider: ProviderName,
    },
    /// The provider refused the credential for good. It was the user's identity: the client must authorize again.
    #[error("the sign-in at {provider} has ended")]
    SignInEnded {
        /// The provider.
        provider: ProviderName,
    },
    /// The tokens of this resource are a remote issuer's, so no upstream tokens are kept for its users.
    #[error("no token of {provider} is kept: this resource takes the tokens of a remote issuer")]
    KeptElsewhere {
        /// The provider.
        provider: ProviderName,
    },
    /// The provider, the store or the key is down: trying again later helps, signing in again does not.
    #[error("the credential is not available for the moment")]
    Unavailable(#[source] Error),
}
