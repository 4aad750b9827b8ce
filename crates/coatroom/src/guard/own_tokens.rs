//! Verifies our own access tokens: the token's record and its grant, two reads, and nothing else.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use coatroom_protocol::grant::RevokedReason;
use coatroom_protocol::words::{AccessToken, GrantId, ProviderName, Resource, Subject};

use super::caller::{Caller, CallerClient, CallerParts, UpstreamCredentials, UpstreamError};
use super::verify::{VerifyError, VerifyToken};
use crate::connections::{ConnectionError, OpenGrant};
use crate::context::{AccessRefusal, Context, LiveAccess};
use crate::error::Error;
use crate::providers::UpstreamToken;
use crate::records::{AccessTokenRecord, GrantRecord};
use crate::vault::{GrantVault, Ticket, VaultKey};

/// Verifies access tokens that this server issued.
#[derive(Debug)]
pub(crate) struct OwnTokens(Arc<Context>);

impl OwnTokens {
    pub(crate) const fn new(context: Arc<Context>) -> Self {
        Self(context)
    }
}

#[async_trait]
impl VerifyToken for OwnTokens {
    async fn verify(&self, token: &AccessToken, resource: &Resource) -> Result<Caller, VerifyError> {
        let found = self.0.live_access(token, |meant| meant == resource).await?;
        let LiveAccess { access, grant } = found.map_err(VerifyError::from)?;
        caller(&self.0, token, access, grant)
    }
}

impl From<AccessRefusal> for VerifyError {
    fn from(refusal: AccessRefusal) -> Self {
        Self::Refused(refusal.as_str())
    }
}

fn caller(
    context: &Arc<Context>,
    token: &AccessToken,
    access: AccessTokenRecord,
    grant: GrantRecord,
) -> Result<Caller, VerifyError> {
    let incomplete = |what: &str| Error::Corrupt { what: "grant", reason: format!("{what} is missing") };
    let user = grant.user.ok_or_else(|| incomplete("the user"))?;
    let client = grant.client_id.ok_or_else(|| incomplete("the client id"))?;
    let vault = grant.vault.ok_or_else(|| incomplete("the vault"))?;
    let scopes = context.effective_scopes(&access);
    let credentials = Credentials {
        context: Arc::clone(context),
        token: token.clone(),
        wrapped: access.wrapped,
        grant: access.grant,
        subject: grant.grant.subject,
        vault,
        key: OnceLock::new(),
    };
    Ok(Caller::new(CallerParts {
        user,
        client: CallerClient { id: client, name: grant.client_name },
        grant: access.grant,
        resource: access.resource,
        scopes,
        sender_constrained: false,
        expires_at: access.ends_at,
        credentials: Arc::new(credentials),
    }))
}

/// Opens the vault of a grant with the access token of this very call.
struct Credentials {
    context: Arc<Context>,
    token: AccessToken,
    wrapped: String,
    grant: GrantId,
    subject: Subject,
    vault: GrantVault,
    /// Opened on first use, and gone with the caller.
    key: OnceLock<Arc<VaultKey>>,
}

impl Credentials {
    async fn open(&self) -> Result<OpenGrant, UpstreamError> {
        let key = if let Some(key) = self.key.get() {
            Arc::clone(key)
        } else {
            let key = Arc::new(self.unwrap().await?);
            Arc::clone(self.key.get_or_init(|| key))
        };
        Ok(OpenGrant { id: self.grant, subject: self.subject.clone(), vault: self.vault.clone(), key })
    }

    async fn unwrap(&self) -> Result<VaultKey, UpstreamError> {
        let Self { context, token, wrapped, grant, subject, vault, .. } = self;
        let opened = vault.unwrap(&context.keys().wrapping, grant, Ticket::Access(token), wrapped);
        let refusal = match opened {
            Ok(key) => return Ok(key),
            Err(refusal) => refusal,
        };
        match context.end_if_retired(grant, refusal).await {
            Ok(true) => Err(UpstreamError::SignInEnded { provider: subject.provider.clone() }),
            Ok(false) => Err(UpstreamError::Unavailable(Error::Corrupt {
                what: "access token",
                reason: format!("its vault key does not open: {refusal}"),
            })),
            Err(error) => Err(UpstreamError::Unavailable(error)),
        }
    }

    /// What a handler learns, and what it means for the grant: when the identity provider ended the sign-in, the grant ends with it.
    async fn failed(&self, provider: &ProviderName, error: ConnectionError) -> UpstreamError {
        let is_identity = *provider == self.subject.provider;
        match error {
            ConnectionError::Unavailable(error) => UpstreamError::Unavailable(Error::Unavailable {
                what: "the upstream credential",
                source: Box::new(error),
            }),
            ConnectionError::Missing | ConnectionError::Dead if is_identity => {
                match self.context.revoke(&self.grant, RevokedReason::SignInEnded).await {
                    Ok(()) => UpstreamError::SignInEnded { provider: provider.clone() },
                    Err(error) => UpstreamError::Unavailable(error),
                }
            }
            ConnectionError::Missing | ConnectionError::Dead => {
                UpstreamError::NotConnected { provider: provider.clone() }
            }
        }
    }
}

#[async_trait]
impl UpstreamCredentials for Credentials {
    async fn token(&self, provider: &ProviderName) -> Result<UpstreamToken, UpstreamError> {
        match self.context.connections.token(&self.open().await?, provider).await {
            Ok(token) => Ok(token),
            Err(error) => Err(self.failed(provider, error).await),
        }
    }

    async fn renew(
        &self,
        provider: &ProviderName,
        rejected: &UpstreamToken,
    ) -> Result<UpstreamToken, UpstreamError> {
        match self.context.connections.renew(&self.open().await?, provider, rejected).await {
            Ok(token) => Ok(token),
            Err(error) => Err(self.failed(provider, error).await),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("grant", &self.grant).finish_non_exhaustive()
    }
}
