//! The store of tests and of `memory:`: gone with the process, bounded by nothing but purging.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use coatroom_protocol::words::Timestamp;

use super::{Kind, NewRecord, Page, Portable, Record, Store, StoreError, Version};
use crate::clock::Clock;

/// Keeps records in memory; one process alone sees them.
#[derive(Debug)]
pub struct MemoryStore {
    records: Mutex<Records>,
    clock: Arc<dyn Clock>,
}

type Records = HashMap<Kind, HashMap<String, Record>>;

impl MemoryStore {
    /// An empty store whose records expire by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { records: Mutex::default(), clock }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        // Each verb changes one entry in one step, so a panic in another thread leaves nothing half done.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_live(&self, record: &Record) -> bool {
        !is_expired(record, self.clock.at_least())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        let mut records = self.records();
        let of_kind = records.entry(record.kind).or_default();
        if of_kind.get(&record.key).is_some_and(|taken| self.is_live(taken)) {
            return Err(StoreError::Exists);
        }
        let NewRecord { kind, key, owner, expires_at, body } = record;
        of_kind.insert(key.clone(), Record { kind, key, owner, version: Version::FIRST, expires_at, body });
        Ok(())
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        let records = self.records();
        let found = records.get(&kind).and_then(|of_kind| of_kind.get(key));
        Ok(found.filter(|record| self.is_live(record)).cloned())
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        let mut records = self.records();
        let found = records.get_mut(&record.kind).and_then(|of_kind| of_kind.get_mut(&record.key));
        let current = found.filter(|current| current.version == seen && self.is_live(current));
        let current = current.ok_or(StoreError::Changed)?;
        current.version = seen.next();
        current.expires_at = record.expires_at;
        current.body = record.body;
        Ok(())
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        if let Some(of_kind) = self.records().get_mut(&kind) {
            of_kind.remove(key);
        }
        Ok(())
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        let records = self.records();
        let of_kind = records.get(&kind).into_iter().flat_map(HashMap::values);
        let live = of_kind.filter(|record| record.owner.as_deref() == Some(owner) && self.is_live(record));
        Ok(live.cloned().collect())
    }

    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut purged = 0;
        for of_kind in self.records().values_mut() {
            let before = of_kind.len();
            of_kind.retain(|_, record| !is_expired(record, now));
            purged += before - of_kind.len();
        }
        Ok(u64::try_from(purged).unwrap_or(u64::MAX))
    }
}

#[async_trait]
impl Portable for MemoryStore {
    async fn page(&self, _place: Option<&str>) -> Result<Page, StoreError> {
        let records = self.records();
        let live = records.values().flat_map(HashMap::values).filter(|record| self.is_live(record));
        Ok(Page { records: live.cloned().collect(), next: None })
    }

    async fn put(&self, record: Record) -> Result<(), StoreError> {
        self.records().entry(record.kind).or_default().insert(record.key.clone(), record);
        Ok(())
    }
}

fn is_expired(record: &Record, now: Timestamp) -> bool {
    record.expires_at.is_some_and(|expires_at| now.has_reached(expires_at))
}
