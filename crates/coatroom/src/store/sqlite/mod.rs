//! The embedded store: one SQLite file, durable to the last answered write unless the operator asks for less, and nothing to run
//! beside it.
//!
//! One thread writes. It commits everything that waits in one transaction and answers only then, so that many callers
//! share the cost of one flush to the disk. Reads go to a few read-only connections, which in WAL mode wait for nobody.
//! Several processes of one machine may share the file; compare and swap holds between them.
//!
//! Back up a file in use with [`SqliteStore::back_up`]; a plain copy would miss what is still in `FILE-wal`.

mod backup;
mod file;
mod readers;
mod trouble;
mod verbs;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use coatroom_protocol::words::Timestamp;

use self::file::{BUSY_PAUSE, DatabaseFile};
use self::readers::Readers;
use self::verbs::Write;
use self::writer::Writer;
use super::{Kind, NewRecord, Page, Portable, Record, Store, StoreError, Synchronous, Version};
use crate::clock::Clock;

/// Keeps records in one SQLite file.
///
/// Dropping it writes what still waits, ends its threads and closes the file; that blocks for as long as one commit.
pub struct SqliteStore {
    file: Arc<DatabaseFile>,
    // Dropped in this order: the last connection to close must be able to write, since it folds the log into the file.
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the database at `path`, or creates it with mode 0600 in a folder that exists. Records expire by `clock`.
    ///
    /// Blocks on the disk, so that what is wrong with the file is known at start. The verbs need a Tokio runtime with
    /// timers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be created, opened or written, is no database of this program,
    /// or was written by a newer one. Its source names the path.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_with(path, Synchronous::Full, clock)
    }

    /// The same, and says what an answered write survives.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        path: &Path,
        synchronous: Synchronous,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let file = Arc::new(DatabaseFile::create(path, synchronous)?);
        let readers = Readers::start(&file, &clock)?;
        let writer = Writer::start(Arc::clone(&file), clock)?;
        Ok(Self { file, readers, writer })
    }

    /// Writes a copy of the database at `path`, as it is at one moment, to the new file `copy` with mode 0600. Programs that
    /// use the database go on meanwhile. Blocks until the copy is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no database of this program, the copy exists, or it cannot be written; then
    /// nothing is left of it.
    pub fn back_up(path: &Path, copy: &Path) -> Result<(), StoreError> {
        Ok(backup::back_up(path, copy)?)
    }

    /// Puts a copy of the database `copy` in the place of the one at `path`. Blocks until it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when `copy` is no sound database of this program, when there is a database at `path` with
    /// records and `over` is false, or when a program uses it; then it is left as it is.
    pub fn restore(copy: &Path, path: &Path, over: bool) -> Result<(), StoreError> {
        Ok(backup::restore(copy, path, over)?)
    }

    /// Hands a write to the writer, and waits until it is durable or refused.
    async fn write(&self, write: Write) -> Result<u64, StoreError> {
        self.writer.write(write).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        self.write(Write::Insert(record)).await.map(drop)
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        let key = key.to_owned();
        Ok(self.readers.read(move |connection, now| verbs::get(connection, kind, &key, now)).await?)
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        self.write(Write::Replace(record, seen)).await.map(drop)
    }

    async fn insert_then_replace(
        &self,
        new: NewRecord,
        record: NewRecord,
        seen: Version,
    ) -> Result<(), StoreError> {
        self.write(Write::InsertThenReplace(Box::new((new, record)), seen)).await.map(drop)
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        self.write(Write::Delete(kind, key.to_owned())).await.map(drop)
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        let owner = owner.to_owned();
        Ok(self.readers.read(move |connection, now| verbs::list(connection, kind, &owner, now)).await?)
    }

    async fn list_page(&self, kind: Kind, owner: &str, place: Option<&str>) -> Result<Page, StoreError> {
        let (owner, place) = (owner.to_owned(), place.map(str::to_owned));
        let query =
            move |connection: &_, now| verbs::list_page(connection, (kind, &owner), place.as_deref(), now);
        Ok(self.readers.read(query).await?)
    }

    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut purged = 0;
        // In batches, so that other writes never wait for more than one of them.
        loop {
            let batch = self.write(Write::Purge(now)).await?;
            purged += batch;
            if batch < verbs::PURGE_BATCH {
                return Ok(purged);
            }
            // Other processes look at the lock now and then, and find it free in between.
            tokio::time::sleep(2 * BUSY_PAUSE).await;
        }
    }
}

#[async_trait]
impl Portable for SqliteStore {
    async fn page(&self, place: Option<&str>) -> Result<Page, StoreError> {
        let place = place.unwrap_or_default().to_owned();
        Ok(self.readers.read(move |connection, now| verbs::page(connection, &place, now)).await?)
    }

    async fn put(&self, record: Record) -> Result<(), StoreError> {
        self.write(Write::Put(record)).await.map(drop)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.file.path()).finish_non_exhaustive()
    }
}
