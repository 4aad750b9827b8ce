//! Asking the provider whether a credential that is never renewed still stands: GitHub's OAuth apps have such, and a user
//! may revoke theirs there at any time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coatroom_protocol::words::{GrantId, ProviderName, Timestamp};

#[cfg(feature = "server")]
use super::freshness::{Freshness, freshness};
use super::renew::{Flight, take_off};
use super::{ConnectionError, ConnectionParts, Connections, OpenGrant, SETTLING};
use crate::error::Error;
use crate::providers::UpstreamToken;
use crate::records::{ConnectionRecord, Seen};

/// The questions that are under way or were answered lately, by the credential that they were about.
#[derive(Debug, Default)]
pub(super) struct Checks(Mutex<HashMap<(GrantId, ProviderName, Timestamp), Check>>);

#[derive(Debug)]
struct Check {
    /// By the clock that never goes back.
    since: Duration,
    flight: Flight<UpstreamToken>,
}

impl Connections {
    /// Whether the user's credential at `provider` still stands: renewed first when it is about to end, and shown to its provider if it is
    /// never renewed, since nothing else tells that it was revoked there. One that is good for a while and can be renewed is not opened.
    ///
    /// # Errors
    /// See [`ConnectionError`].
    #[cfg(feature = "server")]
    pub(crate) async fn stands(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
    ) -> Result<(), ConnectionError> {
        let seen = self.parts.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
        let knows_key = || self.parts.keys.current().wrapping.knows_key_of(&seen.value.sealed);
        match freshness(&seen.value, self.parts.clock.at_least()) {
            Freshness::Good if !seen.value.renewable => {
                self.check(grant, &seen, Duration::ZERO).await.map(drop)
            }
            Freshness::Good if knows_key() => Ok(()),
            _ => self.fresh(grant, provider, &seen).await.map(drop),
        }
    }

    /// The token of a credential whose provider still takes it, as far as it said so in the last `fresh_for`.
    pub(super) async fn check(
        &self,
        grant: &OpenGrant,
        seen: &Seen<ConnectionRecord>,
        fresh_for: Duration,
    ) -> Result<UpstreamToken, ConnectionError> {
        let now = self.parts.clock.elapsed();
        let flight = {
            let mut checks = self.checks.0.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = |check: &Check, life: Duration| {
                check.flight.peek().is_none() || now.saturating_sub(check.since) < life
            };
            checks.retain(|_, check| counts(check, SETTLING));
            let key = (grant.id, seen.value.provider.clone(), seen.value.issued_at);
            if let Some(check) = checks.get(&key).filter(|check| counts(check, fresh_for)) {
                check.flight.clone()
            } else {
                let flight = self.ask(grant.clone(), seen.clone());
                checks.insert(key, Check { since: now, flight: flight.clone() });
                flight
            }
        };
        flight.await
    }

    fn ask(&self, grant: OpenGrant, seen: Seen<ConnectionRecord>) -> Flight<UpstreamToken> {
        let parts = Arc::clone(&self.parts);
        let span =
            tracing::info_span!("vault.check", provider.name = %seen.value.provider, grant.id = %grant.id);
        take_off(span, async move { parts.ask(&grant, seen).await })
    }
}

impl ConnectionParts {
    async fn ask(
        &self,
        grant: &OpenGrant,
        seen: Seen<ConnectionRecord>,
    ) -> Result<UpstreamToken, ConnectionError> {
        let token = self.open(grant, &seen.value).await?.access_token();
        match self.engine(&seen.value.provider)?.check_token(&token).await {
            Ok(()) => Ok(token),
            Err(error) if error.is_dead() => Err(self.bury(seen, &error).await),
            Err(error) if error.is_transient() => {
                Err(Error::Unavailable { what: "the identity provider", source: Box::new(error) }.into())
            }
            Err(error) => {
                tracing::debug!(%error, "the provider does not say whether it takes a credential");
                Ok(token)
            }
        }
    }
}
