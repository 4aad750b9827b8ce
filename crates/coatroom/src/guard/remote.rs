//! Verifies access tokens of a remote issuer, which registers clients and signs users in by itself (ARCHITECTURE.md, "Remote
//! tokens"). There is no grant here, so nothing can be revoked here, and no upstream token is kept.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coatroom_protocol::access::RemoteRefusal;
use coatroom_protocol::words::{
    AccessToken, ClientId, GrantId, ProviderName, Resource, ScopeCatalogue, sha256,
};

use super::caller::{Caller, CallerClient, CallerParts, UpstreamCredentials, UpstreamError};
use super::grant_data::NoData;
use super::verify::{VerifyError, VerifyToken};
use crate::clock::Clock;
use crate::error::Error;
use crate::issuers::{RemoteIssuer, RemoteTokenError, VerifiedToken};
use crate::providers::UpstreamToken;

/// Verifies access tokens of one remote issuer.
pub struct RemoteTokens {
    issuer: RemoteIssuer,
    catalogue: ScopeCatalogue,
    clock: Arc<dyn Clock>,
    /// When an operator was last told what to do.
    advised: Mutex<Option<Duration>>,
}

impl RemoteTokens {
    /// A verifier of the tokens of `issuer`, whose scopes imply what `catalogue` says.
    #[must_use]
    pub fn new(issuer: RemoteIssuer, catalogue: ScopeCatalogue, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, catalogue, clock, advised: Mutex::default() }
    }

    fn caller(&self, verified: VerifiedToken, resource: &Resource) -> Caller {
        let VerifiedToken { user, said } = verified;
        let client = ClientId::new(said.client.unwrap_or_default());
        Caller::new(CallerParts {
            grant: grant_of(self.issuer.issuer(), &said.subject, &client),
            user,
            client: CallerClient { id: client, name: None },
            resource: resource.clone(),
            scopes: self.catalogue.expand(&said.scopes),
            sender_constrained: said.sender_constrained,
            expires_at: said.expires_at,
            credentials: Arc::new(KeptElsewhere),
            data: Arc::new(NoData),
        })
    }

    /// Tells the operator what may be wrong, once a minute at the most: strangers choose what is refused.
    fn advise(&self, refusal: RemoteRefusal) {
        let needs_operator = match refusal {
            RemoteRefusal::Opaque
            | RemoteRefusal::Algorithm
            | RemoteRefusal::Issuer
            | RemoteRefusal::NoEnd
            | RemoteRefusal::Audience
            | RemoteRefusal::Subject => true,
            RemoteRefusal::Malformed
            | RemoteRefusal::UnknownKey
            | RemoteRefusal::Signature
            | RemoteRefusal::Kind
            | RemoteRefusal::Expired
            | RemoteRefusal::NotYetValid => false,
        };
        let now = self.clock.elapsed();
        let mut advised = self.advised.lock().unwrap_or_else(PoisonError::into_inner);
        if needs_operator && advised.is_none_or(|at| now.saturating_sub(at) >= ADVICE_PAUSE) {
            *advised = Some(now);
            let (issuer, advice) = (self.issuer.issuer(), self.issuer.advice());
            tracing::warn!(provider.name = %self.issuer.name(), issuer, reason = %refusal, advice, "a token was refused");
        }
    }
}

#[async_trait]
impl VerifyToken for RemoteTokens {
    async fn verify(&self, token: &AccessToken, resource: &Resource) -> Result<Caller, VerifyError> {
        match self.issuer.verify(token, resource).await {
            Ok(verified) => match self.issuer.admits(&verified.user) {
                Ok(()) => Ok(self.caller(verified, resource)),
                Err(kept_out) => {
                    let subject = &verified.user.subject;
                    tracing::debug!(%subject, reason = %kept_out, "the user of a token may not enter");
                    Err(VerifyError::NotAllowed)
                }
            },
            Err(RemoteTokenError::Refused(refusal)) => {
                self.advise(refusal);
                Err(VerifyError::Refused(refusal.as_str()))
            }
            Err(RemoteTokenError::Unavailable(error)) => {
                let source = Box::new(error);
                Err(Error::Unavailable { what: "the key set of the issuer", source }.into())
            }
        }
    }
}

impl fmt::Debug for RemoteTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What stands in for the grant, as the key of sessions: one user of one issuer through one client.
fn grant_of(issuer: &str, subject: &str, client: &ClientId) -> GrantId {
    let mut text = b"coatroom remote grant\0".to_vec();
    for part in [issuer, subject, client.as_str()] {
        text.extend_from_slice(&sha256(part.as_bytes()));
    }
    let digest = sha256(&text);
    GrantId::from_bytes(digest.first_chunk::<16>().copied().unwrap_or_default())
}

/// Their users' upstream tokens, if any, are the issuer's business.
#[derive(Debug)]
struct KeptElsewhere;

#[async_trait]
impl UpstreamCredentials for KeptElsewhere {
    async fn token(&self, provider: &ProviderName) -> Result<UpstreamToken, UpstreamError> {
        Err(UpstreamError::KeptElsewhere { provider: provider.clone() })
    }

    async fn renew(
        &self,
        provider: &ProviderName,
        _: &UpstreamToken,
    ) -> Result<UpstreamToken, UpstreamError> {
        Err(UpstreamError::KeptElsewhere { provider: provider.clone() })
    }
}

const ADVICE_PAUSE: Duration = Duration::from_mins(1);
