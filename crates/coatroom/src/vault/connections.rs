//! The way from a grant to a fresh upstream token (ARCHITECTURE.md, "Upstream renewal").
//!
//! A token that is about to end is renewed on use. One flight per connection in a process, and one lease across replicas: the lease
//! is a field of the connection, taken by `replace`, and longer than a flight may take. The result is written by `replace` on the
//! leased version, so a revocation or a new consent in the meantime wins. A flight is detached from the request that
//! started it: a client that hangs up cannot lose a token that the provider has already rotated.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coatroom_protocol::words::{GrantId, ProviderName, Subject, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::{Binding, GrantVault, KeyRing, Sealer, VaultKey};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::providers::{Provider, ProviderError, UpstreamToken, UpstreamTokens};
use crate::records::{self, ConnectionRecord, Lease, Seen, Written};
use crate::store::Store;

/// Reads, renews and writes the connections of grants.
#[derive(Debug)]
pub struct Connections {
    parts: Arc<Parts>,
    flights: Mutex<HashMap<(GrantId, ProviderName), Flight>>,
}

/// What every flight needs.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "the builder names all parts")]
pub struct Parts {
    /// Where connections are kept.
    pub store: Arc<dyn Store>,
    /// The master key.
    pub keys: Arc<KeyRing>,
    /// The providers, by name.
    pub providers: HashMap<ProviderName, Arc<Provider>>,
    /// Decides what is about to end.
    pub clock: Arc<dyn Clock>,
    /// Nonces.
    pub entropy: Arc<dyn Entropy>,
}

/// A grant whose vault was opened with a ticket.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "whoever unwrapped the key names all parts")]
pub struct OpenGrant {
    /// The grant.
    pub id: GrantId,
    /// The user.
    pub subject: Subject,
    /// What credentials are sealed to.
    pub vault: GrantVault,
    /// What opens them.
    pub key: Arc<VaultKey>,
}

/// Why a connection gives no token.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
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

type Flight = Shared<BoxFuture<'static, Result<UpstreamToken, ConnectionError>>>;

impl Connections {
    /// The connections of a server.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), flights: Mutex::new(HashMap::new()) }
    }

    /// Seals the tokens of a sign-in into a connection of a grant, replacing an earlier one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub async fn connect(
        &self,
        grant: &GrantId,
        subject: &Subject,
        vault: &GrantVault,
        fresh: FreshConnection<'_>,
    ) -> Result<(), Error> {
        let binding = Binding { grant, subject, provider: fresh.provider };
        let mut record = self.parts.sealed(binding, vault, fresh.tokens, fresh.kept_until)?;
        let store = self.parts.store.as_ref();
        for _ in 0..ATTEMPTS {
            if records::insert(store, &record).await? == Written::Done {
                return Ok(());
            }
            let key = ConnectionRecord::key_of(grant, fresh.provider);
            if let Some(seen) = records::load::<ConnectionRecord>(store, &key).await? {
                record.kept_until = record.kept_until.max(seen.value.kept_until);
                if records::replace(store, &record, seen.version).await? == Written::Done {
                    return Ok(());
                }
            }
        }
        Err(contended())
    }

    /// The user's token at `provider`, renewed first when it is about to end.
    ///
    /// # Errors
    /// See [`ConnectionError`]. While a renewal fails for the moment, a token that is still good is served.
    pub async fn token(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
    ) -> Result<UpstreamToken, ConnectionError> {
        let seen = self.parts.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
        let now = self.parts.clock.now();
        match freshness(&seen.value, now) {
            Freshness::Good => Ok(self.parts.open(grant, &seen.value)?.access_token()),
            Freshness::Dead => Err(ConnectionError::Dead),
            Freshness::EndsSoon
                if seen.value.lease.as_ref().is_some_and(|lease| !now.has_reached(lease.until)) =>
            {
                Ok(self.parts.open(grant, &seen.value)?.access_token())
            }
            Freshness::EndsSoon => match self.flight(grant, provider, &seen).await {
                Err(ConnectionError::Unavailable(error)) => {
                    tracing::warn!(provider.name = %provider, %error, "a renewal failed; the token is still good");
                    Ok(self.parts.open(grant, &seen.value)?.access_token())
                }
                result => result,
            },
            Freshness::Ended => self.flight(grant, provider, &seen).await,
        }
    }

    /// A token to try after the upstream server refused `rejected`: another one if somebody renewed it since, a renewed one if that
    /// can be had and was not done just now, else the same.
    ///
    /// # Errors
    /// See [`ConnectionError`].
    pub async fn renew(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
        rejected: &UpstreamToken,
    ) -> Result<UpstreamToken, ConnectionError> {
        let seen = self.parts.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
        if seen.value.dead_since.is_some() {
            return Err(ConnectionError::Dead);
        }
        let current = self.parts.open(grant, &seen.value)?.access_token();
        let renewed_since = current.expose() != rejected.expose();
        let just_issued = self.parts.clock.now().since(seen.value.issued_at) < SETTLING;
        if renewed_since || just_issued || !seen.value.renewable {
            return Ok(current);
        }
        self.flight(grant, provider, &seen).await
    }

    /// Joins the flight of this connection, or starts one.
    async fn flight(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
        seen: &Seen<ConnectionRecord>,
    ) -> Result<UpstreamToken, ConnectionError> {
        let key = (grant.id, provider.clone());
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.retain(|_, flight| flight.peek().is_none());
            let start =
                || take_off(Arc::clone(&self.parts), grant.clone(), provider.clone(), seen.value.issued_at);
            flights.entry(key).or_insert_with(start).clone()
        };
        flight.await
    }
}

/// A credential that was just obtained.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the callback names all parts")]
pub struct FreshConnection<'a> {
    /// Where it was obtained.
    pub provider: &'a ProviderName,
    /// The credential.
    pub tokens: &'a UpstreamTokens,
    /// How long the connection is kept.
    pub kept_until: Timestamp,
}

/// Starts a renewal that goes on when nobody waits for it any more.
fn take_off(parts: Arc<Parts>, grant: OpenGrant, provider: ProviderName, stale: Timestamp) -> Flight {
    let span = tracing::info_span!("vault.renew", provider.name = %provider, grant.id = %grant.id);
    let flight = async move { parts.renew(&grant, &provider, stale).await }.instrument(span);
    let task = tokio::spawn(flight);
    let landed = async move {
        task.await.unwrap_or_else(|error| {
            Err(Error::Unavailable { what: "the renewal of a credential", source: Box::new(error) }.into())
        })
    };
    landed.boxed().shared()
}

impl Parts {
    async fn load(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
    ) -> Result<Option<Seen<ConnectionRecord>>, Error> {
        records::load(self.store.as_ref(), &ConnectionRecord::key_of(&grant.id, provider)).await
    }

    /// Renews the credential that was issued at `stale`, unless somebody else does or did.
    async fn renew(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
        stale: Timestamp,
    ) -> Result<UpstreamToken, ConnectionError> {
        let engine = self.providers.get(provider).ok_or(ConnectionError::Missing)?;
        let lease_life = engine.deadline() + LEASE_MARGIN;
        let patience = self.clock.elapsed() + lease_life;
        loop {
            let seen = self.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
            if seen.value.dead_since.is_some() {
                return Err(ConnectionError::Dead);
            }
            if seen.value.issued_at != stale {
                return Ok(self.open(grant, &seen.value)?.access_token());
            }
            if seen.value.lease.as_ref().is_some_and(|lease| !self.clock.now().has_reached(lease.until)) {
                if self.clock.elapsed() >= patience {
                    return Err(contended().into());
                }
                tokio::time::sleep(LEASE_POLL).await;
                continue;
            }
            let Some(leased) = self.take_lease(seen, lease_life).await? else { continue };
            return self.renew_leased(grant, engine, leased).await;
        }
    }

    /// Takes the lease; `None` when someone was faster.
    async fn take_lease(
        &self,
        mut seen: Seen<ConnectionRecord>,
        life: Duration,
    ) -> Result<Option<Seen<ConnectionRecord>>, Error> {
        seen.value.lease = Some(Lease { until: self.clock.now().plus(life) });
        let written = records::replace(self.store.as_ref(), &seen.value, seen.version).await?;
        seen.version = seen.version.next();
        Ok((written == Written::Done).then_some(seen))
    }

    /// Asks the provider, and writes what it says on the leased version.
    async fn renew_leased(
        &self,
        grant: &OpenGrant,
        engine: &Provider,
        leased: Seen<ConnectionRecord>,
    ) -> Result<UpstreamToken, ConnectionError> {
        let old = self.open(grant, &leased.value)?;
        let outcome = match old.refresh_token() {
            Some(refresh) => engine.renew(&refresh).await,
            None => Err(ProviderError::Dead { code: "no refresh token".to_owned() }),
        };
        let mut record = leased.value;
        match outcome {
            Ok(mut tokens) => {
                tokens.refresh_token = tokens.refresh_token.or_else(|| old.refresh_token());
                let binding =
                    Binding { grant: &grant.id, subject: &grant.subject, provider: &record.provider };
                let renewed = self.sealed(binding, &grant.vault, &tokens, record.kept_until)?;
                let kept = self.keep(renewed, Seen { value: record, version: leased.version }).await?;
                tracing::info!(outcome = "renewed", "an upstream token was renewed");
                Ok(self.open(grant, &kept)?.access_token())
            }
            Err(error) if error.is_dead() => {
                tracing::info!(outcome = "dead", %error, "the provider ended a credential");
                record.lease = None;
                record.dead_since = Some(self.clock.now());
                let _ = records::replace(self.store.as_ref(), &record, leased.version).await?;
                Err(ConnectionError::Dead)
            }
            Err(error) => {
                self.give_back(record, leased.version).await?;
                Err(Error::Unavailable { what: "the identity provider", source: Box::new(error) }.into())
            }
        }
    }

    /// Writes a renewed credential over the leased one, and returns the one that stands then.
    ///
    /// The provider has rotated its token by now, and only we hold the new one. So a store that is away is asked again while the
    /// lease lasts, and a write whose answer was lost is recognised by what it sealed, which no other write did.
    async fn keep(
        &self,
        mut renewed: ConnectionRecord,
        mut leased: Seen<ConnectionRecord>,
    ) -> Result<ConnectionRecord, ConnectionError> {
        let mut pauses = WRITE_PAUSES.into_iter();
        loop {
            let error = match self.try_keep(&renewed, &leased).await {
                Ok(None) => return Ok(renewed),
                Ok(Some(found)) if found.value.sealed == renewed.sealed => return Ok(renewed),
                Ok(Some(found)) if found.value.sealed == leased.value.sealed => {
                    // Someone touched the record, and not the credential in it.
                    renewed.kept_until = found.value.kept_until;
                    leased.version = found.version;
                    contended()
                }
                // A new consent: what it wrote stands, and ours is forgotten.
                Ok(Some(found)) => return Ok(found.value),
                Err(ConnectionError::Unavailable(error)) => {
                    tracing::warn!(%error, "a renewed credential was not written; trying again");
                    Error::Unavailable { what: "the store", source: Box::new(error) }
                }
                Err(error) => return Err(error),
            };
            let Some(pause) = pauses.next() else {
                tracing::error!(%error, "a renewed credential is lost; its user may have to sign in again");
                return Err(error.into());
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Writes once; what is found instead when someone else wrote, and [`ConnectionError::Missing`] when it was revoked.
    async fn try_keep(
        &self,
        renewed: &ConnectionRecord,
        leased: &Seen<ConnectionRecord>,
    ) -> Result<Option<Seen<ConnectionRecord>>, ConnectionError> {
        let store = self.store.as_ref();
        match records::replace(store, renewed, leased.version).await? {
            Written::Done => Ok(None),
            Written::Beaten => {
                let key = ConnectionRecord::key_of(&renewed.grant, &renewed.provider);
                let found = records::load::<ConnectionRecord>(store, &key).await?;
                found.map(Some).ok_or(ConnectionError::Missing)
            }
        }
    }

    async fn give_back(
        &self,
        mut record: ConnectionRecord,
        version: crate::store::Version,
    ) -> Result<(), Error> {
        record.lease = None;
        // Whoever was faster has written something newer than the end of our lease.
        let _ = records::replace(self.store.as_ref(), &record, version).await?;
        Ok(())
    }

    fn sealed(
        &self,
        binding: Binding<'_>,
        vault: &GrantVault,
        tokens: &UpstreamTokens,
        kept_until: Timestamp,
    ) -> Result<ConnectionRecord, Error> {
        let credential = Zeroizing::new(Credential::of(tokens).to_json()?);
        let sealer = Sealer { master: &self.keys.wrapping, entropy: self.entropy.as_ref() };
        Ok(ConnectionRecord {
            grant: *binding.grant,
            provider: binding.provider.clone(),
            subject: binding.subject.clone(),
            sealed: vault.seal(sealer, binding, credential.as_bytes())?,
            issued_at: self.clock.now(),
            ends_at: tokens.expires_at,
            renewable: tokens.refresh_token.is_some(),
            lease: None,
            dead_since: None,
            kept_until,
        })
    }

    fn open(&self, grant: &OpenGrant, record: &ConnectionRecord) -> Result<Credential, Error> {
        let corrupt = |reason: String| Error::Corrupt { what: "connection", reason };
        let binding = Binding { grant: &grant.id, subject: &grant.subject, provider: &record.provider };
        let opened = grant.key.open(&self.keys.wrapping, binding, &record.sealed);
        let opened = opened.map_err(|refusal| corrupt(refusal.to_string()))?;
        serde_json::from_slice(&opened)
            .map_err(|_| corrupt("the sealed credential is not readable".to_owned()))
    }
}

/// How a credential stands at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Good,
    EndsSoon,
    Ended,
    Dead,
}

/// A credential is renewed when less than max(60 s, 10 %) of its life is left.
fn freshness(record: &ConnectionRecord, now: Timestamp) -> Freshness {
    if record.dead_since.is_some() {
        return Freshness::Dead;
    }
    let Some(ends_at) = record.ends_at else { return Freshness::Good };
    let ended = now.has_reached(ends_at);
    if !record.renewable {
        return if ended { Freshness::Dead } else { Freshness::Good };
    }
    let margin = (ends_at.since(record.issued_at) / 10).max(SOONEST);
    match (ended, now.plus(margin).has_reached(ends_at)) {
        (true, _) => Freshness::Ended,
        (false, true) => Freshness::EndsSoon,
        (false, false) => Freshness::Good,
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Credential {
    access_token: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Zeroizing<String>>,
    #[serde(default)]
    scopes: String,
}

impl Credential {
    fn of(tokens: &UpstreamTokens) -> Self {
        let text = |token: &UpstreamToken| Zeroizing::new(token.expose().to_owned());
        Self {
            access_token: text(&tokens.access_token),
            refresh_token: tokens.refresh_token.as_ref().map(text),
            scopes: tokens.scopes.clone(),
        }
    }

    fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|_| Error::Corrupt { what: "connection", reason: "it cannot be written".to_owned() })
    }

    fn access_token(&self) -> UpstreamToken {
        UpstreamToken::new(self.access_token.as_str())
    }

    fn refresh_token(&self) -> Option<UpstreamToken> {
        self.refresh_token.as_ref().map(|token| UpstreamToken::new(token.as_str()))
    }
}

fn contended() -> Error {
    Error::Unavailable { what: "the connection", source: "someone else keeps writing it".into() }
}

/// The least time before the end at which a token is renewed.
const SOONEST: Duration = Duration::from_mins(1);

/// How long a token must be out before a refusal by the upstream server may force its renewal, so that a server that refuses
/// everything does not make us ask the provider on every call.
const SETTLING: Duration = Duration::from_secs(30);

/// How much longer than a renewal a lease lasts.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How long to wait before each further attempt to write a renewed credential; together less than [`LEASE_MARGIN`].
const WRITE_PAUSES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];

/// How often a lease in another process is looked at.
const LEASE_POLL: Duration = Duration::from_millis(100);

/// How often a lost race is run again.
const ATTEMPTS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(issued_at: u64, ends_at: Option<u64>, renewable: bool) -> ConnectionRecord {
        let provider = ProviderName::parse("demo").unwrap();
        ConnectionRecord {
            grant: GrantId::from_bytes([1; 16]),
            subject: Subject { provider: provider.clone(), id: "1".to_owned() },
            provider,
            sealed: String::new(),
            issued_at: Timestamp::from_unix(issued_at),
            ends_at: ends_at.map(Timestamp::from_unix),
            renewable,
            lease: None,
            dead_since: None,
            kept_until: Timestamp::from_unix(u64::MAX),
        }
    }

    fn at(record: &ConnectionRecord, now: u64) -> Freshness {
        freshness(record, Timestamp::from_unix(now))
    }

    #[test]
    fn a_token_is_renewed_in_its_last_tenth_and_in_its_last_minute_at_the_least() {
        let hour = record(0, Some(3600), true);
        assert_eq!(at(&hour, 3239), Freshness::Good);
        assert_eq!(at(&hour, 3240), Freshness::EndsSoon);
        assert_eq!(at(&hour, 3600), Freshness::Ended);
        let short = record(0, Some(300), true);
        assert_eq!(at(&short, 239), Freshness::Good);
        assert_eq!(at(&short, 240), Freshness::EndsSoon);
    }

    #[test]
    fn a_token_without_an_end_stays_good_and_one_that_cannot_be_renewed_dies_at_its_end() {
        assert_eq!(at(&record(0, None, false), u64::MAX), Freshness::Good);
        let fixed = record(0, Some(3600), false);
        assert_eq!(at(&fixed, 3599), Freshness::Good);
        assert_eq!(at(&fixed, 3600), Freshness::Dead);
    }
}
