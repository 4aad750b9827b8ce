//! The renewal of one credential.
//!
//! One flight per connection in a process, and one lease across replicas: the lease is a field of the connection,
//! taken by `replace`, and longer than a flight may take. The result is written by `replace` on the leased version,
//! so a revocation or a new consent in the meantime wins. A flight is detached from the request that started it: a
//! client that hangs up cannot lose a token that the provider has already rotated.

use std::sync::Arc;
use std::time::Duration;

use coatroom_protocol::words::{ProviderName, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tracing::{Instrument as _, Span};

use super::credential::Credential;
use super::{ConnectionError, ConnectionParts, OpenGrant, WHAT};
use crate::error::Error;
use crate::hooks::Event;
use crate::providers::{Provider, ProviderError, TokenAnswer, UpstreamToken, UpstreamTokens};
use crate::records::{self, ConnectionRecord, Lease, Seen, Written};
use crate::store::Version;
use crate::vault::{Binding, Contents};

/// A renewal, or a question, that everybody who needs it waits for.
pub(super) type Flight<T> = Shared<BoxFuture<'static, Result<T, ConnectionError>>>;

/// A credential as it stands after a renewal was looked for.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "who may go on is for the server to ask"))]
pub(super) struct Held {
    pub(super) tokens: UpstreamTokens,
    /// The ID token that came with it. It is nowhere kept.
    pub(super) id_token: Option<UpstreamToken>,
    /// Whether the provider has just issued it.
    pub(super) is_new: bool,
}

impl Held {
    /// A credential as it was kept.
    pub(super) fn kept(credential: &Credential) -> Self {
        Self { tokens: credential.tokens(), id_token: None, is_new: false }
    }
}

/// Starts what goes on when nobody waits for it any more.
pub(super) fn take_off<T: Clone + Send + Sync + 'static>(
    span: Span,
    flight: impl Future<Output = Result<T, ConnectionError>> + Send + 'static,
) -> Flight<T> {
    let task = tokio::spawn(flight.instrument(span));
    let landed = async move {
        task.await.unwrap_or_else(|error| {
            Err(Error::Unavailable { what: "the renewal of a credential", source: Box::new(error) }.into())
        })
    };
    landed.boxed().shared()
}

impl ConnectionParts {
    /// Renews the credential that was issued at `stale`, unless somebody else does or did.
    pub(super) async fn renew(
        &self,
        grant: &OpenGrant,
        provider: &ProviderName,
        stale: Timestamp,
    ) -> Result<Held, ConnectionError> {
        let engine = self.engine(provider)?;
        let lease_life = engine.deadline() + LEASE_MARGIN;
        let patience = self.clock.elapsed() + lease_life;
        let mut awaited = None;
        loop {
            let seen = self.load(grant, provider).await?.ok_or(ConnectionError::Missing)?;
            if seen.value.dead_since.is_some() {
                return Err(ConnectionError::Dead);
            }
            if seen.value.issued_at != stale {
                return Ok(Held::kept(&self.open(grant, &seen.value).await?));
            }
            if seen.value.is_leased(self.clock.at_least()) {
                let awaited = *awaited.get_or_insert(seen.version);
                if self.clock.elapsed() < patience {
                    tokio::time::sleep(LEASE_POLL).await;
                    continue;
                }
                if seen.version != awaited {
                    return Err(Error::contended(WHAT).into());
                }
                // The same one for as long as any lasts. It is over, and looks as if it were not because a clock was set back.
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
    ) -> Result<Held, ConnectionError> {
        let old = self.open(grant, &leased.value).await?;
        let outcome = match old.refresh_token() {
            Some(refresh) => engine.renewal(&refresh).await,
            None => Err(ProviderError::Dead { code: "no refresh token".to_owned() }),
        };
        let record = leased.value;
        match outcome {
            Ok(TokenAnswer { mut tokens, id_token }) => {
                tokens.refresh_token = tokens.refresh_token.or_else(|| old.refresh_token());
                let binding = Binding {
                    contents: Contents::Credential,
                    grant: &grant.id,
                    subject: &grant.subject,
                    provider: &record.provider,
                };
                let renewed = self.sealed(binding, &grant.vault, &tokens, record.kept_until)?;
                let kept = self.keep(renewed, Seen { value: record, version: leased.version }).await?;
                tracing::info!(outcome = "renewed", "an upstream token was renewed");
                self.hooks.tell(|| Event::Renewed(self.event(&kept)));
                Ok(Held { tokens: self.open(grant, &kept).await?.tokens(), id_token, is_new: true })
            }
            Err(error) if error.is_dead() => {
                Err(self.bury(Seen { value: record, version: leased.version }, &error).await)
            }
            Err(error) => {
                self.give_back(record, leased.version).await?;
                Err(Error::Unavailable { what: "the identity provider", source: Box::new(error) }.into())
            }
        }
    }

    /// The provider of that name. A replica that was not told of it is misconfigured; the credential is as good as before.
    pub(super) fn engine(&self, provider: &ProviderName) -> Result<&Arc<Provider>, Error> {
        let unknown = || Error::Unavailable {
            what: "the identity provider",
            source: format!("{provider} is not configured here").into(),
        };
        self.providers.get(provider).ok_or_else(unknown)
    }

    /// Notes that the provider ended a credential; what this means for who waits for it.
    pub(super) async fn bury(&self, seen: Seen<ConnectionRecord>, why: &ProviderError) -> ConnectionError {
        tracing::info!(outcome = "dead", error = %why, "the provider ended a credential");
        let mut record = seen.value;
        record.lease = None;
        record.dead_since = Some(self.clock.now());
        // Whoever was faster has written something newer: a new consent, or the end of the grant.
        match records::replace(self.store.as_ref(), &record, seen.version).await {
            Ok(Written::Done) => {
                self.hooks.tell(|| Event::Dead(self.event(&record)));
                ConnectionError::Dead
            }
            Ok(Written::Beaten) => ConnectionError::Dead,
            Err(error) => error.into(),
        }
    }

    /// Writes a renewed credential over the leased one, and returns the one that stands then.
    ///
    /// The provider has rotated its token by now, and only we hold the new one. So a store that is away is asked
    /// again while the lease lasts, and a write whose answer was lost is recognised by what it sealed, which no other
    /// write did.
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
                    Error::contended(WHAT)
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

    async fn give_back(&self, mut record: ConnectionRecord, version: Version) -> Result<(), Error> {
        record.lease = None;
        // Whoever was faster has written something newer than the end of our lease.
        let _ = records::replace(self.store.as_ref(), &record, version).await?;
        Ok(())
    }
}

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
