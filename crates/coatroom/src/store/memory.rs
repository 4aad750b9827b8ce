//! The store of tests and of `memory:`: gone with the process, bounded by nothing but purging.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use coatroom_protocol::words::Timestamp;

use super::{Kind, LISTED_TOGETHER, NewRecord, Page, Portable, Record, Store, StoreError, Version};
use crate::clock::Clock;

/// Keeps records in memory; one process alone sees them.
#[derive(Debug)]
pub struct MemoryStore {
    records: Mutex<HashMap<Kind, OfKind>>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// An empty store whose records expire by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { records: Mutex::default(), clock }
    }

    fn records(&self) -> MutexGuard<'_, HashMap<Kind, OfKind>> {
        // Nothing that a verb does between its first change and its last can panic, so another thread finds nothing half done.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_live(&self, record: &Record) -> bool {
        !is_expired(record, self.clock.at_least())
    }

    /// The record at a version, if it is live.
    fn seen<'a>(
        &self,
        records: &'a mut HashMap<Kind, OfKind>,
        record: &NewRecord,
        seen: Version,
    ) -> Result<&'a mut Record, StoreError> {
        let found = records.get_mut(&record.kind).and_then(|of_kind| of_kind.records.get_mut(&record.key));
        found.filter(|found| found.version == seen && self.is_live(found)).ok_or(StoreError::Changed)
    }

    /// The records of a kind, if the key is free among them.
    fn free<'a>(
        &self,
        records: &'a mut HashMap<Kind, OfKind>,
        record: &NewRecord,
    ) -> Result<&'a mut OfKind, StoreError> {
        let of_kind = records.entry(record.kind).or_default();
        let is_taken = of_kind.records.get(&record.key).is_some_and(|taken| self.is_live(taken));
        if is_taken { Err(StoreError::Exists) } else { Ok(of_kind) }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        self.free(&mut self.records(), &record)?.put(first(record));
        Ok(())
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        let records = self.records();
        let found = records.get(&kind).and_then(|of_kind| of_kind.records.get(key));
        Ok(found.filter(|record| self.is_live(record)).cloned())
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        change(self.seen(&mut self.records(), &record, seen)?, record);
        Ok(())
    }

    async fn insert_then_replace(
        &self,
        new: NewRecord,
        record: NewRecord,
        seen: Version,
    ) -> Result<(), StoreError> {
        let mut records = self.records();
        self.free(&mut records, &new)?;
        change(self.seen(&mut records, &record, seen)?, record);
        self.free(&mut records, &new)?.put(first(new));
        Ok(())
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        if let Some(of_kind) = self.records().get_mut(&kind) {
            of_kind.remove(key);
        }
        Ok(())
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        let (records, now) = (self.records(), self.clock.at_least());
        let theirs = records.get(&kind).into_iter().flat_map(|of_kind| of_kind.owned_by(owner, ""));
        Ok(theirs.filter(|record| !is_expired(record, now)).cloned().collect())
    }

    async fn list_page(&self, kind: Kind, owner: &str, place: Option<&str>) -> Result<Page, StoreError> {
        let (records, now) = (self.records(), self.clock.at_least());
        let place = place.unwrap_or_default();
        let theirs = records.get(&kind).into_iter().flat_map(|of_kind| of_kind.owned_by(owner, place));
        let mut page: Vec<Record> =
            theirs.filter(|record| !is_expired(record, now)).take(LISTED_TOGETHER + 1).cloned().collect();
        let next = page.get(LISTED_TOGETHER).map(|first| first.key.clone());
        page.truncate(LISTED_TOGETHER);
        Ok(Page { records: page, next })
    }

    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut purged = 0;
        for of_kind in self.records().values_mut() {
            let expired = of_kind.records.values().filter(|record| is_expired(record, now));
            let expired: Vec<String> = expired.map(|record| record.key.clone()).collect();
            purged += expired.len();
            for key in &expired {
                of_kind.remove(key);
            }
        }
        Ok(u64::try_from(purged).unwrap_or(u64::MAX))
    }
}

/// The records of one kind.
#[derive(Debug, Default)]
struct OfKind {
    records: HashMap<String, Record>,
    /// Owner and key of each record that somebody owns.
    owned: BTreeSet<(String, String)>,
}

impl OfKind {
    /// Puts a record in the place of whatever has its key.
    fn put(&mut self, record: Record) {
        self.remove(&record.key);
        if let Some(owner) = &record.owner {
            self.owned.insert((owner.clone(), record.key.clone()));
        }
        self.records.insert(record.key.clone(), record);
    }

    fn remove(&mut self, key: &str) {
        if let Some(Record { owner: Some(owner), key, .. }) = self.records.remove(key) {
            self.owned.remove(&(owner, key));
        }
    }

    /// From a key on.
    fn owned_by(&self, owner: &str, key: &str) -> impl Iterator<Item = &Record> {
        let from_there_on = self.owned.range((owner.to_owned(), key.to_owned())..);
        let keys = from_there_on.take_while(move |(of, _)| of == owner);
        keys.filter_map(|(_, key)| self.records.get(key))
    }
}

#[async_trait]
impl Portable for MemoryStore {
    async fn page(&self, _place: Option<&str>) -> Result<Page, StoreError> {
        let records = self.records();
        let live = records.values().flat_map(|of_kind| of_kind.records.values());
        let live = live.filter(|record| self.is_live(record));
        Ok(Page { records: live.cloned().collect(), next: None })
    }

    async fn put(&self, record: Record) -> Result<(), StoreError> {
        self.records().entry(record.kind).or_default().put(record);
        Ok(())
    }
}

fn first(record: NewRecord) -> Record {
    let NewRecord { kind, key, owner, expires_at, body } = record;
    Record { kind, key, owner, version: Version::FIRST, expires_at, body }
}

fn change(current: &mut Record, record: NewRecord) {
    current.version = current.version.next();
    current.expires_at = record.expires_at;
    current.body = record.body;
}

fn is_expired(record: &Record, now: Timestamp) -> bool {
    record.expires_at.is_some_and(|expires_at| now.has_reached(expires_at))
}
