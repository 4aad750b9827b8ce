//! The store that several machines share when there is a PostgreSQL server: one table, and one statement for each verb.
//!
//! A statement compares and swaps by itself, so there are no transactions to hold open, and what it answered is as durable
//! as the server makes a commit. Connections are few, are made when they are needed, and are given up as soon as it is not
//! known what they are doing.

mod place;
mod pool;
mod schema;
mod session;
mod trouble;
mod verbs;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use coatroom_protocol::words::Timestamp;
use futures_util::FutureExt as _;

use self::place::Place;
use self::pool::Pool;
use super::{Kind, NewRecord, Page, Portable, Record, Store, StoreError, Version};
use crate::clock::Clock;

/// Keeps records in the table `coatroom_records` of a PostgreSQL database.
pub struct PostgresStore {
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
}

impl PostgresStore {
    /// Connects to the database at `url`, and lays out the table unless it is there. Records expire by `clock`.
    ///
    /// The form is `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with several hosts where a standby may take over; the one
    /// that can be written is used. Beside the driver's own options there are `sslmode` (`disable` or `require`; unless it
    /// is set, TLS is required of every host that is not this machine), `sslrootcert` (a file with the certificates to trust
    /// instead of the system's), `sslcert` and `sslkey` (a certificate of ours and its key) and `pool_size` (10). With TLS, certificate and host name are always verified.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the URL cannot be used, the server cannot be reached or written, or its table is
    /// that of a newer program. Its source says which, and never names the password.
    pub async fn connect(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let place = Place::parse(url)?;
        schema::prepare(&place).await?;
        Ok(Self { pool: Arc::new(Pool::new(place, Arc::clone(&clock))), clock })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        let now = self.clock.at_least();
        match self.pool.run(move |session| verbs::insert(session, record, now).boxed()).await? {
            0 => Err(StoreError::Exists),
            _ => Ok(()),
        }
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        let (key, now) = (key.to_owned(), self.clock.at_least());
        self.pool.run(move |session| verbs::get(session, kind, key, now).boxed()).await
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        let now = self.clock.at_least();
        match self.pool.run(move |session| verbs::replace(session, record, seen, now).boxed()).await? {
            0 => Err(StoreError::Changed),
            _ => Ok(()),
        }
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.pool.run(move |session| verbs::delete(session, kind, key).boxed()).await
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        let (owner, now) = (owner.to_owned(), self.clock.at_least());
        self.pool.run(move |session| verbs::list(session, kind, owner, now).boxed()).await
    }

    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut purged = 0;
        // In batches, so that no statement holds many locks or runs into the time limit.
        loop {
            let batch = self.pool.run(move |session| verbs::purge(session, now).boxed()).await?;
            purged += batch;
            if batch < verbs::PURGE_BATCH {
                return Ok(purged);
            }
        }
    }
}

#[async_trait]
impl Portable for PostgresStore {
    async fn page(&self, place: Option<&str>) -> Result<Page, StoreError> {
        let (place, now) = (place.unwrap_or_default().to_owned(), self.clock.at_least());
        self.pool.run(move |session| verbs::page(session, place, now).boxed()).await
    }

    async fn put(&self, record: Record) -> Result<(), StoreError> {
        self.pool.run(move |session| verbs::put(session, record).boxed()).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.pool.place().shown()).finish_non_exhaustive()
    }
}
