//! Carrying records from one store to another.

use async_trait::async_trait;

use super::{Record, Store, StoreError};

/// A store whose records can be carried into another one.
///
/// Nobody should write to either store meanwhile: a record that changes under way is carried as it was before or after.
#[async_trait]
pub trait Portable: Store {
    /// Reads some of the live records: the first ones, or those after `place`. A record may be read twice, and is never
    /// left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], also for a record of a kind that this program does not know.
    async fn page(&self, place: Option<&str>) -> Result<Page, StoreError>;

    /// Writes a record as it was read, with its version and owner, over what has its key. When this returns, the record
    /// is durable.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn put(&self, record: Record) -> Result<(), StoreError>;
}

/// Some of the records of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every store names all fields")]
pub struct Page {
    /// The records; there may be none although more follow.
    pub records: Vec<Record>,
    /// Where the next page begins, in words of the store's own; `None` when this is the last one.
    pub next: Option<String>,
}
