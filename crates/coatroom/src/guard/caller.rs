//! Who is calling: the user, the client, and the way to the user's own upstream token.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use coatroom_protocol::words::{ClientId, GrantId, ProviderName, Resource, Scopes, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::{Call, CallerError, CallerErrorKind};
use super::grant_data::{self, GrantData, KeptData, NoData};
use super::upstream_http::UpstreamHttp;
use crate::error::Error;
use crate::providers::UpstreamToken;
use crate::user::User;

/// Who makes this call. The guard puts one into the request's extensions; cloning it is cheap.
///
/// Whatever a handler asks of it and does not get is a [`CallerError`]. A handler that answers with that error lets the guard
/// tell the client in its own way: a challenge for more scopes, a link to connect an account, or 401 where a sign-in has ended.
#[derive(Clone)]
pub struct Caller {
    /// What the token says; calls with the same token share it.
    said: Arc<Said>,
    call: Option<Arc<Call>>,
}

#[derive(Debug)]
struct Said {
    parts: CallerParts,
    derived: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Deref for Said {
    type Target = CallerParts;

    fn deref(&self) -> &CallerParts {
        &self.parts
    }
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
    /// The way to what handlers keep with the grant.
    pub data: Arc<dyn GrantData>,
}

impl CallerParts {
    /// A caller with a token that is good for as long as times go, without scopes, upstream tokens and data: for what the
    /// verifier does not know, and for tests.
    #[must_use]
    pub fn new(user: User, client: ClientId, grant: GrantId, resource: Resource) -> Self {
        Self {
            user,
            client: CallerClient { id: client, name: None },
            grant,
            resource,
            scopes: Scopes::none(),
            sender_constrained: false,
            expires_at: Timestamp::from_unix(u64::MAX),
            credentials: Arc::new(NoCredentials),
            data: Arc::new(NoData),
        }
    }
}

impl Caller {
    /// Makes a caller of what a verified token says.
    #[must_use]
    pub fn new(parts: CallerParts) -> Self {
        Self { said: Arc::new(Said { parts, derived: OnceLock::new() }), call: None }
    }

    /// The same caller, in this very call.
    pub(super) fn in_call(self, call: Option<Arc<Call>>) -> Self {
        Self { call, ..self }
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.said.user
    }

    /// The client through which the user calls.
    #[must_use]
    pub fn client(&self) -> &CallerClient {
        &self.said.client
    }

    /// The grant: one user's agreement with one client for one resource.
    #[must_use]
    pub fn grant(&self) -> GrantId {
        self.said.grant
    }

    /// The protected resource that the token is good at.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.said.resource
    }

    /// The scopes of the token, with everything that they imply.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.said.scopes
    }

    /// The user's roles: those at the configured claim, else those that the provider told.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        self.call.as_ref().map_or_else(|| self.said.user.roles.clone(), |call| call.roles_of(&self.said.user))
    }

    /// What the provider says the user may do.
    #[must_use]
    pub fn permissions(&self) -> &[String] {
        &self.said.user.permissions
    }

    /// What else the provider said of the user.
    #[must_use]
    pub fn claims(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.said.user.claims
    }

    /// Whether the token is good only with the proof of a key.
    #[must_use]
    pub(super) fn is_sender_constrained(&self) -> bool {
        self.said.sender_constrained
    }

    /// What a proxy makes of the caller: made at the first call, and shared by all calls with the same token for as long as that is
    /// remembered. `make` sees what the token says, and must depend on nothing else. Only the first type that is asked for is kept.
    pub fn derived<T: Any + Send + Sync>(&self, make: impl Fn(&Self) -> T) -> Arc<T> {
        let kept = Arc::clone(self.said.derived.get_or_init(|| Arc::new(make(self))));
        kept.downcast().unwrap_or_else(|_| Arc::new(make(self)))
    }

    /// The way to the user's upstream tokens, for a proxy that decides itself what becomes of errors.
    #[must_use]
    pub fn credentials(&self) -> &dyn UpstreamCredentials {
        self.said.credentials.as_ref()
    }

    /// When the token ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.said.expires_at
    }

    /// Goes on only if the token has this scope, or one that implies it.
    ///
    /// # Errors
    /// [`CallerErrorKind::Scopes`]. Answered with it, the client is asked to let its user grant the scope.
    pub fn require_scope(&self, scope: &str) -> Result<(), CallerError> {
        if self.scopes().iter().any(|held| held.as_str() == scope) {
            return Ok(());
        }
        let kind = scope.parse().map_or_else(
            |_| CallerErrorKind::NoSuchScope(scope.to_owned()),
            |needed| CallerErrorKind::Scopes([needed].into_iter().collect()),
        );
        Err(self.refused(kind))
    }

    /// Goes on only if the user has this role.
    ///
    /// # Errors
    /// [`CallerErrorKind::Role`]. No scope would help, so the client is told so and asked for nothing.
    pub fn require_role(&self, role: &str) -> Result<(), CallerError> {
        if self.roles().iter().any(|held| held == role) {
            return Ok(());
        }
        Err(self.refused(CallerErrorKind::Role(role.to_owned())))
    }

    /// Goes on only if the provider says that the user may do this.
    ///
    /// # Errors
    /// [`CallerErrorKind::Permission`]. No scope would help, so the client is told so and asked for nothing.
    pub fn require_permission(&self, permission: &str) -> Result<(), CallerError> {
        if self.permissions().iter().any(|held| held == permission) {
            return Ok(());
        }
        Err(self.refused(CallerErrorKind::Permission(permission.to_owned())))
    }

    /// The user's own token at an upstream provider, renewed first when it is about to end.
    ///
    /// # Errors
    /// [`CallerErrorKind::Upstream`] says whether connecting the provider, or signing in again, would help.
    pub async fn upstream(&self, provider: &str) -> Result<UpstreamToken, CallerError> {
        let provider = self.provider(provider)?;
        self.said.credentials.token(&provider).await.map_err(|error| self.refused(error.into()))
    }

    /// A token to try after the upstream server refused `rejected`: renewed at most once, and only if nobody has
    /// renewed it since.
    ///
    /// # Errors
    /// As [`upstream`](Self::upstream).
    pub async fn renew_upstream(
        &self,
        provider: &str,
        rejected: &UpstreamToken,
    ) -> Result<UpstreamToken, CallerError> {
        let provider = self.provider(provider)?;
        self.said.credentials.renew(&provider, rejected).await.map_err(|error| self.refused(error.into()))
    }

    /// An HTTP client that calls an upstream provider with the user's own token.
    ///
    /// # Errors
    /// As [`upstream`](Self::upstream).
    pub async fn http(&self, provider: &str) -> Result<UpstreamHttp, CallerError> {
        let token = self.upstream(provider).await?;
        let outbound = self.call.as_ref().map(|call| call.outbound()).unwrap_or_default();
        Ok(UpstreamHttp::new(self.clone(), provider.to_owned(), token, outbound))
    }

    /// What handlers kept with this grant; `None` when nothing was.
    ///
    /// # Errors
    /// [`CallerErrorKind::Data`] when the store is down, or what is kept is no `T`.
    pub async fn data<T: DeserializeOwned>(&self) -> Result<Option<T>, CallerError> {
        let kept = self.said.data.load().await;
        let read = kept.and_then(|kept| kept.map(|kept| kept.read()).transpose());
        read.map_err(|error| self.refused(CallerErrorKind::Data(error)))
    }

    /// Keeps something with this grant, in the place of what is kept there. It is sealed as upstream tokens are, lives as long as
    /// the grant can be refreshed, and goes when the grant is revoked. At most 64 KiB as JSON.
    ///
    /// # Errors
    /// [`CallerErrorKind::Data`] when it is too large, or the store is down.
    pub async fn set_data<T: Serialize + Sync>(&self, data: &T) -> Result<(), CallerError> {
        self.update_data(|_: Option<serde_json::Value>| data).await
    }

    /// Keeps with this grant what `change` makes of what is kept there. Calls at the same time never undo each other: `change`
    /// is called again with what another call kept meanwhile.
    ///
    /// # Errors
    /// As [`set_data`](Self::set_data) and [`data`](Self::data).
    pub async fn update_data<T: DeserializeOwned, U: Serialize>(
        &self,
        mut change: impl FnMut(Option<T>) -> U + Send,
    ) -> Result<(), CallerError> {
        let data = self.said.data.as_ref();
        let kept = async {
            for _ in 0..ATTEMPTS {
                let kept = data.load().await?;
                let json = grant_data::write(&change(kept.as_ref().map(KeptData::read).transpose()?))?;
                if data.keep(json, kept.map(|kept| kept.version)).await? {
                    return Ok(());
                }
            }
            Err(Error::contended("the data of the grant").into())
        };
        kept.await.map_err(|error| self.refused(CallerErrorKind::Data(error)))
    }

    fn provider(&self, name: &str) -> Result<ProviderName, CallerError> {
        ProviderName::parse(name)
            .ok_or_else(|| self.refused(UpstreamError::Unknown { provider: name.to_owned() }.into()))
    }

    pub(super) fn refused(&self, kind: CallerErrorKind) -> CallerError {
        CallerError::new(kind, self.call.clone())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("subject", &self.said.user.subject)
            .field("grant", &self.said.grant)
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
    /// No such provider is set.
    #[error("there is no provider {provider}")]
    Unknown {
        /// What was asked for.
        provider: String,
    },
    /// The provider, the store or the key is down: trying again later helps, signing in again does not.
    #[error("the credential is not available for the moment")]
    Unavailable(#[source] Error),
}

/// How often a lost race is run again.
const ATTEMPTS: u32 = 16;
