//! What rests on a key that is about to be retired.
//!
//! What a wrapping key sealed is sealed again: its layer is the outer one, so that takes no ticket and loses nothing. What the other
//! keys made is with clients and browsers, and ends with the key, or by itself.

use std::time::Duration;

use coatroom_protocol::client;
use coatroom_protocol::grant::GrantState;
use coatroom_protocol::words::{KeyId, MacKey, MacKeys, from_base64url};
use futures_util::{StreamExt as _, stream};

use crate::clock::Clock;
use crate::entropy::{Entropy, NoEntropy};
use crate::error::Error;
use crate::records::{
    self, AccessTokenRecord, ConnectionRecord, GrantDataRecord, GrantRecord, Seen, SettingRecord, Stored,
    Written,
};
use crate::store::{Kind, Portable, Record, Store};
use crate::vault::{Binding, Contents, Exchange, KeyRing, OpenRefusal, SealingKey, TicketKind};

/// Seals again what rests on wrapping keys that are about to be retired. Programs may use the store meanwhile.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "whoever retires a key names all of it")]
pub struct SealAgain<'a> {
    /// The keys of before, with those that go.
    pub from: &'a KeyRing,
    /// The keys of after, without them.
    pub to: &'a KeyRing,
    /// Decides which renewals are under way.
    pub clock: &'a dyn Clock,
    /// Nonces.
    pub entropy: &'a dyn Entropy,
}

/// How far sealing again has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealedAgain {
    /// Records that were looked at.
    pub seen: u64,
    /// Records that were sealed again.
    pub sealed: u64,
    /// Records that opened under no key of before. They stay as they are.
    pub shut: u64,
}

impl SealAgain<'_> {
    /// Does it, and notes that the keys are retired: what still rests on them afterwards, because it was made by a program that had
    /// not noticed yet, makes its user sign in again. `progress` is told after each page.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then nothing is retired, and it may be begun again.
    pub async fn run(
        self,
        store: &dyn Portable,
        mut progress: impl FnMut(SealedAgain) + Send,
    ) -> Result<SealedAgain, Error> {
        let kept = |id: KeyId| self.to.wrapping.iter().any(|key| key.id() == id);
        let leaving: Vec<KeyId> =
            self.from.wrapping.iter().map(SealingKey::id).filter(|id| !kept(*id)).collect();
        let mut done = SealedAgain::default();
        let mut place = None;
        loop {
            let page = store.page(place.as_deref()).await?;
            let records = stream::iter(&page.records).map(|record| self.again(store, record));
            let mut outcomes = records.buffer_unordered(WRITTEN_TOGETHER);
            while let Some(outcome) = outcomes.next().await {
                done.seen += 1;
                match outcome? {
                    Outcome::Kept => {}
                    Outcome::Sealed => done.sealed += 1,
                    Outcome::Shut => done.shut += 1,
                }
            }
            progress(done);
            place = page.next;
            if place.is_none() {
                break;
            }
        }
        for key in leaving {
            // That it is noted already is as good.
            let _ = records::insert(store, &SettingRecord::retired(key)).await?;
        }
        Ok(done)
    }

    async fn again(self, store: &dyn Portable, record: &Record) -> Result<Outcome, Error> {
        match record.kind {
            Kind::Grant => self.replace::<GrantRecord>(store, record).await,
            Kind::AccessToken => self.replace::<AccessTokenRecord>(store, record).await,
            Kind::Connection => self.replace::<ConnectionRecord>(store, record).await,
            Kind::GrantData => self.replace::<GrantDataRecord>(store, record).await,
            _ => Ok(Outcome::Kept),
        }
    }

    async fn replace<T: Sealed>(self, store: &dyn Portable, record: &Record) -> Result<Outcome, Error> {
        let mut seen: Option<Seen<T>> = Some(records::read(record)?);
        let exchange = Exchange { from: &self.from.wrapping, to: &self.to.wrapping, entropy: self.entropy };
        for _ in 0..ATTEMPTS {
            let Some(Seen { mut value, version }) = seen else { return Ok(Outcome::Kept) };
            if value.is_busy(self.clock) {
                tokio::time::sleep(POLL).await;
            } else {
                match value.exchange(exchange) {
                    Ok(None) => return Ok(Outcome::Kept),
                    Ok(Some(exchanged)) => exchanged?,
                    Err(refusal) => {
                        tracing::warn!(kind = %record.kind, %refusal, "a record does not open, and stays as it is");
                        return Ok(Outcome::Shut);
                    }
                }
                if records::replace(store, &value, version).await? == Written::Done {
                    return Ok(Outcome::Sealed);
                }
            }
            seen = records::load(store, &record.key).await?;
        }
        Err(Error::contended("a record"))
    }
}

/// Notes that a wrapping key is gone for good, though its ring is not there any more to seal again what rests on it.
/// `Ok(false)`: this store was never used with such a key.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn give_up_key(store: &dyn Store, id: &str) -> Result<bool, Error> {
    let Some(id) = from_base64url(id).and_then(|bytes| bytes.try_into().ok()) else { return Ok(false) };
    let id = KeyId::from_bytes(id);
    let known = records::load::<SettingRecord>(store, &format!("key:wrapping:{id}")).await?.is_some();
    if known {
        let _ = records::insert(store, &SettingRecord::retired(id)).await?;
    }
    Ok(known)
}

/// How many grants are live whose clients registered under `key`, and would have to register again without it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn grants_of_clients_under(store: &dyn Portable, key: &MacKey) -> Result<u64, Error> {
    let keys = MacKeys::new(key.clone(), Vec::new());
    let (mut count, mut place) = (0, None);
    loop {
        let page = store.page(place.as_deref()).await?;
        for record in page.records.iter().filter(|record| record.kind == Kind::Grant) {
            let grant = records::read::<GrantRecord>(record)?.value;
            let client = grant.client_id.filter(|_| grant.grant.is_active());
            count += u64::from(client.is_some_and(|id| client::open(&id, &keys).is_ok()));
        }
        place = page.next;
        if place.is_none() {
            return Ok(count);
        }
    }
}

enum Outcome {
    Kept,
    Sealed,
    Shut,
}

/// A record with an outer layer.
trait Sealed: Stored + Send {
    /// Whether somebody compares what is sealed with what was: a renewal under way, which would take ours for a new consent.
    fn is_busy(&self, _clock: &dyn Clock) -> bool {
        false
    }

    /// Exchanges the layer; `None` when there is none of the old keys.
    fn exchange(&mut self, exchange: Exchange<'_>) -> Result<Option<Result<(), NoEntropy>>, OpenRefusal>;
}

/// Puts what was exchanged in its place.
fn put(place: &mut String, exchanged: Option<Result<String, NoEntropy>>) -> Option<Result<(), NoEntropy>> {
    exchanged.map(|exchanged| exchanged.map(|sealed| *place = sealed))
}

impl Sealed for GrantRecord {
    fn exchange(&mut self, exchange: Exchange<'_>) -> Result<Option<Result<(), NoEntropy>>, OpenRefusal> {
        let Some(wrapped) = &mut self.wrapped else { return Ok(None) };
        let ticket = match self.grant.state {
            GrantState::Awaiting(_) => TicketKind::Code,
            GrantState::Active(_) => TicketKind::Refresh,
            GrantState::Revoked { .. } => return Ok(None),
        };
        let exchanged = exchange.wrap(&self.grant.id, ticket, wrapped)?;
        Ok(put(wrapped, exchanged))
    }
}

impl Sealed for AccessTokenRecord {
    fn exchange(&mut self, exchange: Exchange<'_>) -> Result<Option<Result<(), NoEntropy>>, OpenRefusal> {
        let exchanged = exchange.wrap(&self.grant, TicketKind::Access, &self.wrapped)?;
        Ok(put(&mut self.wrapped, exchanged))
    }
}

impl Sealed for ConnectionRecord {
    fn is_busy(&self, clock: &dyn Clock) -> bool {
        self.is_leased(clock.at_least())
    }

    fn exchange(&mut self, exchange: Exchange<'_>) -> Result<Option<Result<(), NoEntropy>>, OpenRefusal> {
        let (grant, subject, provider) = (&self.grant, &self.subject, &self.provider);
        let binding = Binding { contents: Contents::Credential, grant, subject, provider };
        let exchanged = exchange.sealed(binding, &self.sealed)?;
        Ok(put(&mut self.sealed, exchanged))
    }
}

impl Sealed for GrantDataRecord {
    fn exchange(&mut self, exchange: Exchange<'_>) -> Result<Option<Result<(), NoEntropy>>, OpenRefusal> {
        let exchanged = exchange.sealed(self.binding(), &self.sealed)?;
        Ok(put(&mut self.sealed, exchanged))
    }
}

/// How many records are written at once; a store commits together what comes together.
const WRITTEN_TOGETHER: usize = 64;

/// How often a record is looked at again that somebody else writes, or renews.
const ATTEMPTS: u32 = 600;

/// How long a renewal is given before its record is looked at again; all attempts together are a minute.
const POLL: Duration = Duration::from_millis(100);
