//! Every store keeps the contract, and the contract notices a store that does not.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use coatroom::clock::{Clock, ManualClock};
use coatroom::protocol::words::Timestamp;
#[cfg(all(unix, feature = "sqlite"))]
use coatroom::store::Portable;
use coatroom::store::contract::{self, Clocked};
use coatroom::store::{Kind, MemoryStore, NewRecord, Record, Store, StoreError, Version};
#[cfg(all(unix, feature = "sqlite"))]
use futures_util::future::join_all;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    let clock = manual_clock();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    contract::run(Clocked::Manual(clock), || async { store.clone() }).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.db");
    let clock = manual_clock();
    let open = || {
        let store = coatroom::store::SqliteStore::open(&path, clock.clone()).unwrap();
        std::future::ready::<Arc<dyn Store>>(Arc::new(store))
    };
    contract::run(Clocked::Manual(clock.clone()), open).await;
}

#[cfg(all(unix, feature = "sqlite"))]
#[tokio::test(flavor = "multi_thread")]
async fn records_travel_through_every_store_unchanged() {
    use coatroom::store::{PostgresStore, RedisStore, SqliteStore};

    use coatroom_servers::postgres::Postgres;
    use coatroom_servers::redis::{Cluster, Redis};
    let (clock, folder) = (manual_clock(), tempfile::tempdir().unwrap());
    let (postgres, redis, cluster) = (Postgres::start().await, Redis::start().await, Cluster::start().await);
    let stores: [Box<dyn Portable>; 6] = [
        Box::new(MemoryStore::new(clock.clone())),
        Box::new(SqliteStore::open(&folder.path().join("coatroom.db"), clock.clone()).unwrap()),
        Box::new(PostgresStore::connect(&postgres.url(), clock.clone()).await.unwrap()),
        Box::new(RedisStore::connect(&redis.url(), clock.clone()).await.unwrap()),
        Box::new(RedisStore::connect(&cluster.url(), clock.clone()).await.unwrap()),
        Box::new(MemoryStore::new(clock.clone())),
    ];
    let start = travellers(clock.now());
    for record in &start {
        stores[0].put(record.clone()).await.unwrap();
    }
    for (from, to) in stores.iter().zip(&stores[1..]) {
        // What was there before is written over.
        to.insert(NewRecord { body: "other".to_owned(), ..new(&start[0]) }).await.unwrap();
        let mut place = None;
        loop {
            let page = from.page(place.as_deref()).await.unwrap();
            for put in join_all(page.records.into_iter().map(|record| to.put(record))).await {
                put.unwrap();
            }
            place = page.next;
            if place.is_none() {
                break;
            }
        }
        join_all(start.iter().map(|record| has_arrived(to.as_ref(), record))).await;
    }
}

#[cfg(all(unix, feature = "sqlite"))]
async fn has_arrived(store: &dyn Portable, record: &Record) {
    assert_eq!(store.get(record.kind, &record.key).await.unwrap().as_ref(), Some(record), "{store:?}");
    // Its version is compared, and its owner has it.
    let stale = store.replace(new(record), Version::from_number(record.version.number() + 1)).await;
    assert!(matches!(stale, Err(StoreError::Changed)));
    if let Some(owner) = &record.owner {
        assert!(store.list(record.kind, owner).await.unwrap().contains(record), "{store:?}");
    }
}

/// Records of every kind, more than a page holds, with odd texts.
#[cfg(all(unix, feature = "sqlite"))]
fn travellers(now: Timestamp) -> Vec<Record> {
    let record = |number: u64| Record {
        kind: Kind::ALL[usize::try_from(number).unwrap() % Kind::ALL.len()],
        key: format!("{number}:{{key}} ż"),
        owner: (!number.is_multiple_of(3)).then(|| format!("owner-{}", number % 5)),
        version: Version::from_number(1 + number % 4),
        expires_at: (!number.is_multiple_of(4)).then(|| now.plus(Duration::from_secs(60 + number))),
        body: format!(r#"{{"v":1,"text":"\u0000 {number}\n"}}"#),
    };
    (0..600).map(record).collect()
}

#[cfg(all(unix, feature = "sqlite"))]
fn new(record: &Record) -> NewRecord {
    let Record { kind, key, owner, expires_at, body, .. } = record.clone();
    NewRecord { kind, key, owner, expires_at, body }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_notices_each_broken_promise() {
    let expected = [
        (Fault::InsertOverwrites, "a second insert of the same key"),
        (Fault::ReplaceIgnoresVersion, "any but the current version"),
        (Fault::ReplaceRaces, "of 32 replacements"),
        (Fault::ReplaceChangesOwner, "keeps the owner"),
        (Fault::LeavesWhatItInserted, "an insert is taken back"),
        (Fault::ListIgnoresKind, "a list holds the owner's records of that kind"),
        (Fault::ExpiresASecondLate, "until the second of its expiry"),
        (Fault::PurgesNothing, "a purge deletes what is expired"),
        (Fault::PurgesEverything, "a purge deletes what is expired"),
        (Fault::Forgets, "opened again"),
    ];
    for (fault, promise) in expected {
        let message = broken_promise(fault).await;
        assert!(message.contains(promise), "{fault:?} was noticed as: {message}");
    }
}

/// Runs the contract over a store with a fault, and returns the message with which it fails.
async fn broken_promise(fault: Fault) -> String {
    let run = tokio::spawn(async move {
        let clock = manual_clock();
        let store = Arc::new(FaultyStore::new(fault, clock.clone()));
        let opened = AtomicU64::new(0);
        let open = || {
            let forgets = matches!(fault, Fault::Forgets) && opened.fetch_add(1, Ordering::Relaxed) >= 2;
            let fresh = || Arc::new(FaultyStore::new(fault, clock.clone()));
            std::future::ready::<Arc<dyn Store>>(if forgets { fresh() } else { store.clone() })
        };
        contract::run(Clocked::Manual(clock.clone()), open).await;
    });
    let Err(failed) = run.await else { panic!("{fault:?} was not noticed") };
    match failed.into_panic().downcast::<String>() {
        Ok(message) => *message,
        Err(other) => resume_unwind(other),
    }
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    InsertOverwrites,
    ReplaceIgnoresVersion,
    ReplaceRaces,
    ReplaceChangesOwner,
    LeavesWhatItInserted,
    ListIgnoresKind,
    ExpiresASecondLate,
    PurgesNothing,
    PurgesEverything,
    Forgets,
}

/// A store that breaks one promise.
#[derive(Debug)]
struct FaultyStore {
    inner: MemoryStore,
    fault: Fault,
}

impl FaultyStore {
    fn new(fault: Fault, clock: Arc<ManualClock>) -> Self {
        let clock: Arc<dyn Clock> = match fault {
            Fault::ExpiresASecondLate => Arc::new(SlowClock(clock)),
            _ => clock,
        };
        Self { inner: MemoryStore::new(clock), fault }
    }

    async fn current(&self, record: &NewRecord) -> Result<Record, StoreError> {
        self.inner.get(record.kind, &record.key).await?.ok_or(StoreError::Changed)
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        if matches!(self.fault, Fault::InsertOverwrites) {
            self.inner.delete(record.kind, &record.key).await?;
        }
        self.inner.insert(record).await
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        self.inner.get(kind, key).await
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        match self.fault {
            Fault::ReplaceIgnoresVersion => {
                let current = self.current(&record).await?;
                self.inner.replace(record, current.version).await
            }
            Fault::ReplaceRaces => {
                if self.current(&record).await?.version != seen {
                    return Err(StoreError::Changed);
                }
                tokio::task::yield_now().await;
                let current = self.current(&record).await?;
                self.inner.replace(record, current.version).await
            }
            Fault::ReplaceChangesOwner => {
                let current = self.current(&record).await?;
                self.inner.replace(record.clone(), seen).await?;
                self.inner.delete(record.kind, &record.key).await?;
                self.inner.insert(record.clone()).await?;
                for version in 1..=current.version.number() {
                    self.inner.replace(record.clone(), Version::from_number(version)).await?;
                }
                Ok(())
            }
            _ => self.inner.replace(record, seen).await,
        }
    }

    async fn insert_then_replace(
        &self,
        new: NewRecord,
        record: NewRecord,
        seen: Version,
    ) -> Result<(), StoreError> {
        if matches!(self.fault, Fault::LeavesWhatItInserted) {
            self.inner.insert(new).await?;
            return self.inner.replace(record, seen).await;
        }
        self.inner.insert_then_replace(new, record, seen).await
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        self.inner.delete(kind, key).await
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        let mut listed = self.inner.list(kind, owner).await?;
        if matches!(self.fault, Fault::ListIgnoresKind) {
            listed.extend(self.inner.list(Kind::Connection, owner).await?);
        }
        Ok(listed)
    }

    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        match self.fault {
            Fault::PurgesNothing => Ok(3),
            Fault::PurgesEverything => self.inner.purge_expired(Timestamp::from_unix(u64::MAX)).await,
            _ => self.inner.purge_expired(now).await,
        }
    }
}

/// A clock that is a second behind.
#[derive(Debug)]
struct SlowClock(Arc<ManualClock>);

impl Clock for SlowClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.now().unix() - 1)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) fn manual_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_unix(1_800_000_000)))
}
