//! The grants that stores are filled with: made once, since that takes longer than writing them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use async_trait::async_trait;
use coatroom::clock::{Clock as _, SystemClock};
use coatroom::entropy::SystemEntropy;
use coatroom::protocol::words::{ClientId, Timestamp};
use coatroom::store::{Kind, NewRecord, Record, Store, StoreError, Version};
use coatroom::vault::KeyRing;

use super::server::Server;
use super::work;

/// Grants, the keys that they were made with, and the client that has them.
pub(crate) struct Minted {
    pub(crate) keys: KeyRing,
    pub(crate) client: ClientId,
    records: Vec<Record>,
    /// How many records so many grants have, from few to many.
    lengths: Vec<(u64, usize)>,
}

impl Minted {
    /// Makes as many grants as the largest of the sizes says.
    pub(crate) async fn new(sizes: &[u64]) -> Result<Self> {
        let keys = KeyRing::generate(&SystemEntropy::new(), SystemClock::new().now())?;
        let catch = Arc::new(Catch::default());
        let server = Server::over(Arc::clone(&catch) as Arc<dyn Store>, &keys, None).await?;
        let mut sizes = sizes.to_vec();
        sizes.sort_unstable();
        let (mut made, mut lengths) = (0, Vec::new());
        for size in sizes {
            work::insert(&server, made..size, MINTERS).await?;
            made = size;
            lengths.push((size, catch.records().len()));
        }
        let records = std::mem::take(&mut *catch.records());
        Ok(Self { keys, client: server.client().clone(), records, lengths })
    }

    /// The records of the first grants.
    pub(crate) fn records(&self, grants: u64) -> &[Record] {
        let length = self.lengths.iter().find(|(size, _)| *size == grants).map_or(0, |(_, length)| *length);
        &self.records[..length]
    }
}

/// Keeps what is inserted for others, and finds nothing.
#[derive(Debug, Default)]
struct Catch(Mutex<Vec<Record>>);

impl Catch {
    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Catch {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        let NewRecord { kind, key, owner, expires_at, body } = record;
        if matches!(kind, Kind::Grant | Kind::Connection | Kind::AccessToken) {
            self.records().push(Record { kind, key, owner, version: Version::FIRST, expires_at, body });
        }
        Ok(())
    }

    async fn get(&self, _: Kind, _: &str) -> Result<Option<Record>, StoreError> {
        Ok(None)
    }

    async fn replace(&self, _: NewRecord, _: Version) -> Result<(), StoreError> {
        Err(StoreError::Changed)
    }

    async fn delete(&self, _: Kind, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, _: Kind, _: &str) -> Result<Vec<Record>, StoreError> {
        Ok(Vec::new())
    }

    async fn purge_expired(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

const MINTERS: u64 = 8;
