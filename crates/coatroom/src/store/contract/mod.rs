//! What every store promises, as checks that the author of a store calls from one test.
//!
//! ```
//! # use std::sync::Arc;
//! # use coatroom::clock::ManualClock;
//! # use coatroom::protocol::words::Timestamp;
//! use coatroom::store::contract::{self, Clocked};
//! use coatroom::store::{MemoryStore, Store};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_800_000_000)));
//! let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
//! contract::run(Clocked::Manual(clock), || async { Arc::clone(&store) }).await;
//! # });
//! ```

#![expect(clippy::panic, reason = "a check fails by a panic that says which promise was broken")]

mod both;
mod contents;
mod expiry;
mod lists;
mod once;
mod reopen;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use coatroom_protocol::words::{Timestamp, base64url};
use futures_util::future::{BoxFuture, join_all};

use super::{Kind, NewRecord, Record, Store, StoreError};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::entropy::{SystemEntropy, draw};

/// By whose clock the store lets records expire.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Clocked {
    /// The store was given this clock, and the suite moves it.
    Manual(Arc<ManualClock>),
    /// The store's server tells the time, which the machine's clock agrees with to a second. The suite waits, about
    /// ten seconds in all, and does not check the exact second.
    Real,
}

/// Checks every promise of [`Store`].
///
/// `open` opens the store, each time a new handle to the same records: as another replica while a handle is open, as
/// the same server after a restart when all were dropped. A store that lives in one handle alone answers with that.
/// Nobody else may use the records meanwhile; what an earlier run left behind does no harm.
///
/// Call it on Tokio's multi-threaded runtime, so that the racers really race.
///
/// # Panics
/// At the first promise that the store does not keep; the message says which.
pub async fn run<O, F>(clock: Clocked, open: O)
where
    O: Fn() -> F,
    F: Future<Output = Arc<dyn Store>>,
{
    let session = match draw::<9>(&SystemEntropy::new()) {
        Ok(bytes) => base64url(&bytes),
        Err(error) => broken("the suite can make keys of its own", error),
    };
    let trial = Trial { store: open().await, replica: open().await, clock: clock.clone(), session };
    once::check(&trial).await;
    both::check(&trial).await;
    contents::check(&trial).await;
    lists::check(&trial).await;
    expiry::check(&trial).await;

    let left = reopen::leave_records(&trial).await;
    let Trial { store, replica, session, .. } = trial;
    drop((store, replica));
    let trial = Trial { store: open().await, replica: open().await, clock, session };
    reopen::records_are_still_there(&trial, left).await;
}

/// A store under trial.
struct Trial {
    store: Arc<dyn Store>,
    /// Another handle to the same records.
    replica: Arc<dyn Store>,
    clock: Clocked,
    /// Begins every key and owner, so that what an earlier run left behind is not met.
    session: String,
}

impl Trial {
    /// A key or an owner of this run.
    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.session)
    }

    /// A record that nobody owns and that never expires.
    fn record(&self, name: &str) -> NewRecord {
        NewRecord {
            kind: Kind::Grant,
            key: self.name(name),
            owner: None,
            expires_at: None,
            body: format!(r#"{{"v":1,"name":"{name}"}}"#),
        }
    }

    /// A record that expires after [`Clocked::lifetime`], and when it does.
    fn mortal(&self, name: &str) -> (NewRecord, Timestamp) {
        let expires_at = self.clock.now().plus(self.clock.lifetime());
        (NewRecord { expires_at: Some(expires_at), ..self.record(name) }, expires_at)
    }

    async fn insert(&self, record: &NewRecord, promise: &str) {
        kept(self.store.insert(record.clone()).await, promise);
    }

    async fn get(&self, record: &NewRecord, promise: &str) -> Option<Record> {
        kept(self.store.get(record.kind, &record.key).await, promise)
    }

    async fn live(&self, record: &NewRecord, promise: &str) -> Record {
        match self.get(record, promise).await {
            Some(found) => found,
            None => broken(promise, "the record is absent"),
        }
    }
}

impl Clocked {
    fn now(&self) -> Timestamp {
        match self {
            Self::Manual(clock) => clock.now(),
            Self::Real => SystemClock::new().now(),
        }
    }

    /// How long a record lives whose expiry is waited for.
    const fn lifetime(&self) -> Duration {
        match self {
            Self::Manual(_) => Duration::from_mins(1),
            Self::Real => Duration::from_secs(4),
        }
    }

    /// Returns when it is `time`; for a real clock, when every machine agrees that it is past.
    async fn reach(&self, time: Timestamp) {
        match self {
            Self::Manual(clock) => clock.advance(time.since(clock.now())),
            Self::Real => {
                while !self.now().has_reached(time.plus(Duration::from_secs(2))) {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Runs checks that wait: all at once where waiting costs time, one by one where they share a clock that they move.
    async fn run(&self, checks: Vec<BoxFuture<'_, ()>>) {
        match self {
            Self::Manual(_) => {
                for check in checks {
                    check.await;
                }
            }
            Self::Real => drop(join_all(checks).await),
        }
    }
}

/// The answer of a verb that must succeed.
#[track_caller]
fn kept<T>(answer: Result<T, StoreError>, promise: &str) -> T {
    answer.unwrap_or_else(|error| broken(promise, error))
}

/// The answer of a verb that must meet [`StoreError::Exists`].
#[track_caller]
fn meets_exists(answer: Result<(), StoreError>, promise: &str) {
    match answer {
        Err(StoreError::Exists) => {}
        Err(error) => broken(promise, error),
        Ok(()) => broken(promise, "it succeeded"),
    }
}

/// The answer of a verb that must meet [`StoreError::Changed`].
#[track_caller]
fn meets_changed(answer: Result<(), StoreError>, promise: &str) {
    match answer {
        Err(StoreError::Changed) => {}
        Err(error) => broken(promise, error),
        Ok(()) => broken(promise, "it succeeded"),
    }
}

#[track_caller]
fn is_absent(found: Option<Record>, promise: &str) {
    if let Some(found) = found {
        broken(promise, format!("found {found:?}"));
    }
}

/// What was read must be what was written, in every field.
#[track_caller]
fn agrees(found: &Record, written: &NewRecord, version: u64, promise: &str) {
    let as_written = found.kind == written.kind
        && found.key == written.key
        && found.owner == written.owner
        && found.expires_at == written.expires_at
        && found.body == written.body;
    if !as_written || found.version.number() != version {
        broken(promise, format!("wrote {written:?} for version {version}, read {found:?}"));
    }
}

#[track_caller]
fn broken(promise: &str, but: impl Display) -> ! {
    panic!("the store breaks its contract: {promise}, but {but}")
}
