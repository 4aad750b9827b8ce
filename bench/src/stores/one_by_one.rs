//! What a store would be that commits each write by itself.

use async_trait::async_trait;
use coatroom::protocol::words::Timestamp;
use coatroom::store::{Kind, NewRecord, Record, Store, StoreError, Version};
use tokio::sync::Mutex;

/// Passes writes on one at a time, so that no two are committed together. All else is the same.
#[derive(Debug)]
pub(crate) struct OneByOne<S> {
    store: S,
    turn: Mutex<()>,
}

impl<S> OneByOne<S> {
    pub(crate) fn new(store: S) -> Self {
        Self { store, turn: Mutex::default() }
    }
}

#[async_trait]
impl<S: Store> Store for OneByOne<S> {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.store.insert(record).await
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        self.store.get(kind, key).await
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.store.replace(record, seen).await
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.store.delete(kind, key).await
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        self.store.list(kind, owner).await
    }

    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.store.purge_expired(now).await
    }
}
