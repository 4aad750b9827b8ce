//! The way from a grant to a fresh upstream token (ARCHITECTURE.md, "Upstream renewal").
//!
//! * `check` asks the provider whether a credential that is never renewed still stands.
//! * `connect` seals what a sign-in brought.
//! * `credential` is what a connection seals: the tokens of one user at one provider.
//! * `farewell` tells providers that a grant has ended.
//! * `freshness` decides when a credential is about to end.
//! * `readmit` asks the identity provider again who a user is, where an allowlist decides who may go on.
//! * `renew` asks the provider for a new one, once for all who wait: one flight per connection in a process, and one
//!   lease across replicas.

mod check;
#[cfg(feature = "server")]
mod connect;
mod credential;
#[cfg(feature = "server")]
mod farewell;
mod freshness;
#[cfg(feature = "server")]
mod readmit;
mod renew;

#[cfg(feature = "server")]
pub(crate) use connect::{FreshConnection, Slot};
#[cfg(feature = "server")]
pub(crate) use farewell::Farewell;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coatroom_protocol::words::{GrantId, ProviderName, Subject, Timestamp};

use self::check::Checks;
use self::freshness::{Freshness, freshness, good_until};
#[cfg(feature = "server")]
use self::readmit::Questions;
use self::renew::{Flight, Held, take_off};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::hooks::{ConnectionEvent, HookLine};
use crate::providers::{Provider, UpstreamToken};
use crate::records::{self, ConnectionRecord, Seen};
use crate::store::Store;
use crate::vault::{GrantVault, LiveKeys, VaultKey};

/// Reads, renews and writes the connections of grants. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    parts: Arc<ConnectionParts>,
    flights: Arc<Mutex<Renewals>>,
    checks: Arc<Checks>,
    #[cfg(feature = "server")]
    questions: Arc<Questions>,
}

/// The renewals that are under way.
type Renewals = HashMap<(GrantId, ProviderName), Flight<Held>>;

/// What every flight needs.
#[derive(Debug)]
pub(crate) struct ConnectionParts {
    /// Where connections are kept.
    pub(crate) store: Arc<dyn Store>,
    /// The master key.
    pub(crate) keys: Arc<LiveKeys>,
    /// The providers, by name.
    pub(crate) providers: HashMap<ProviderName, Arc<Provider>>,
    /// Decides what is about to end.
    pub(crate) clock: Arc<dyn Clock>,
    /// Nonces.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Who is told of renewals and of credentials that are dead.
    pub(crate) hooks: HookLine,
}

/// A grant whose vault was opened with a ticket.
#[derive(Debug, Clone)]
pub(crate) struct OpenGrant {
    /// The grant.
    pub(crate) id: GrantId,
    /// The user.
    pub(crate) subject: Subject,
    /// What credentials are sealed to.
    pub(crate) vault: GrantVault,
    /// What opens them.
    pub(crate) key: Arc<VaultKey>,
}

/// A token, as it came out of the vault.
#[derive(Debug, Clone)]
pub(crate) struct OpenToken {
    /// The token.
    pub(crate) token: UpstreamToken,
    /// From when on its connection must be looked at again; `None` is never.
    pub(crate) good_until: Option<Timestamp>,
}

/// Why a connection gives no token.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// There is no connection to this provider.
    #[error("there is no connection to this provider")]
    Missing,
    /// The provider refuses the credential for good, or it ended and cannot be renewed.
    #[error("the credential has ended for good")]
    Dead,
    /// The provider or the store is down.
    #[error("the credential is not available for the moment")]
    Unavailable(#[source] Arc<Error>),
}

impl From<Error> for ConnectionError {
    fn from(error: Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl Connections {
    /// The connections of a server.
    pub(crate) fn new(parts: ConnectionParts) -> Self {
        Self {
            parts: Arc::new(parts),
            flights: Arc::default(),
            checks: Arc::default(),
            #[cfg(feature = "server")]
            questions: Arc::default(),
        }
    }

    /// The user's token at `provider`, renewed first when it is about to end.
    ///
    /// # Errors
    /// See [`ConnectionError`]. While a renewal fails for the moment, a token that is still good is served.
    pub(crate) async fn token(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
    ) -> Result<OpenToken, ConnectionError> {
        let seen = self.parts.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
        let held = self.fresh(grant, provider, &seen).await?;
        // What was renewed meanwhile has another life than what was seen: by that it is to be looked at again at once.
        Ok(OpenToken { token: held.tokens.access_token, good_until: good_until(&seen.value) })
    }

    async fn fresh(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
        seen: &Seen<ConnectionRecord>,
    ) -> Result<Held, ConnectionError> {
        let kept = async || Ok(Held::kept(&self.parts.open(grant, &seen.value).await?));
        let now = self.parts.clock.at_least();
        match freshness(&seen.value, now) {
            Freshness::Good => kept().await,
            Freshness::Dead => Err(ConnectionError::Dead),
            Freshness::EndsSoon if seen.value.is_leased(now) => kept().await,
            Freshness::EndsSoon => match self.flight(grant, provider, seen).await {
                Err(ConnectionError::Unavailable(error)) => {
                    tracing::warn!(provider.name = %provider, %error, "a renewal failed; the token is still good");
                    kept().await
                }
                result => result,
            },
            Freshness::Ended => self.flight(grant, provider, seen).await,
        }
    }

    /// A token to try after the upstream server refused `rejected`: another one if somebody renewed it since, a
    /// renewed one if that can be had and was not done just now, else the same if its provider still takes it.
    ///
    /// # Errors
    /// See [`ConnectionError`].
    pub(crate) async fn renew(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
        rejected: &UpstreamToken,
    ) -> Result<UpstreamToken, ConnectionError> {
        let seen = self.parts.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
        if seen.value.dead_since.is_some() {
            return Err(ConnectionError::Dead);
        }
        let current = self.parts.open(grant, &seen.value).await?.access_token();
        let renewed_since = current.expose() != rejected.expose();
        let just_issued = self.parts.clock.at_least().since(seen.value.issued_at) < SETTLING;
        if renewed_since || just_issued {
            return Ok(current);
        }
        if !seen.value.renewable {
            return self.check(grant, &seen, SETTLING).await;
        }
        Ok(self.flight(grant, provider, &seen).await?.tokens.access_token)
    }

    /// Joins the flight of this connection, or starts one.
    async fn flight(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
        seen: &Seen<ConnectionRecord>,
    ) -> Result<Held, ConnectionError> {
        let key = (grant.id, provider.clone());
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.retain(|_, flight| flight.peek().is_none());
            let start = || {
                let (parts, grant, provider) = (Arc::clone(&self.parts), grant.clone(), provider.clone());
                let stale = seen.value.issued_at;
                let span =
                    tracing::info_span!("vault.renew", provider.name = %provider, grant.id = %grant.id);
                take_off(span, async move { parts.renew(&grant, &provider, stale).await })
            };
            flights.entry(key).or_insert_with(start).clone()
        };
        flight.await
    }
}

impl ConnectionParts {
    /// What hooks are told of a connection.
    fn event(&self, record: &ConnectionRecord) -> ConnectionEvent {
        let ConnectionRecord { grant, subject, provider, .. } = record;
        let (subject, provider) = (subject.clone(), provider.clone());
        ConnectionEvent { grant: *grant, subject, provider, at: self.clock.now() }
    }

    async fn load(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
    ) -> Result<Option<Seen<ConnectionRecord>>, Error> {
        records::load(self.store.as_ref(), &ConnectionRecord::key_of(&grant.id, provider)).await
    }
}

/// What a connection is called in errors.
const WHAT: &str = "the connection";

/// How long a token must be out before a refusal by the upstream server may force its renewal, and how long the provider's
/// word that it takes a token counts, so that a server that refuses everything does not make us ask the provider on every
/// call.
const SETTLING: Duration = Duration::from_secs(30);
