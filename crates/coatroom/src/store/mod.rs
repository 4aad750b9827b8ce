//! Where records live: six verbs over any place that can compare and swap.
//!
//! A store knows nothing of OAuth. Everything that must happen once is an [`insert`](Store::insert) that meets
//! [`StoreError::Exists`] or a [`replace`](Store::replace) that meets [`StoreError::Changed`]; there are no
//! transactions over several records, and the order of writes makes a crash safe. Two more verbs have a default of the six:
//! [`insert_then_replace`](Store::insert_then_replace) saves a wait where a store can do both at once, and
//! [`list_page`](Store::list_page) saves reading where a store can list a part.
//!
//! A new store implements [`Store`] and passes the contract suite (`store::contract`, feature `contract`).
//! One that can be left for another, or entered from one, also implements [`Portable`].

#[cfg(feature = "contract")]
pub mod contract;
mod location;
mod memory;
mod portable;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod rest;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::sync::Arc;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
use std::time::Duration;

use async_trait::async_trait;
use coatroom_protocol::words::Timestamp;

pub use location::{NoSuchPlace, StoreLocation, Synchronous, open};
pub use memory::MemoryStore;
pub use portable::{Page, Portable};
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "redis")]
pub use redis::RedisStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// A place that keeps records.
///
/// An expired record is as good as absent for every verb, from the second of its expiry on by the store's own clock:
/// `get` and `list` leave it out, `insert` writes over it, `replace` finds [`StoreError::Changed`].
///
/// Keys, owners and bodies are any text without the character NUL (which JSON escapes, and some databases cannot keep).
/// They are compared as bytes: upper and lower case, trailing spaces and Unicode forms are all different.
///
/// A verb that was answered is seen by every verb that starts later, in this process and in others. A verb whose future
/// is dropped may still happen.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Writes a record that does not exist yet, with version 1. When this returns, the record is durable.
    /// A key that was deleted or has expired is free again, and its next record starts at version 1.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the key is taken; [`StoreError::Unavailable`] when it is not known whether it was
    /// written.
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError>;

    /// Reads a record.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError>;

    /// Replaces the body and expiry of the record that was seen at version `seen`; the new version is `seen + 1`.
    /// Kind, key and owner never change; the owner in `record` is not looked at. When this returns, the change is
    /// durable.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when the record is missing, expired or at another version;
    /// [`StoreError::Unavailable`] when it is not known whether it was written.
    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError>;

    /// Inserts a record and then replaces another one, as [`insert`](Self::insert) and [`replace`](Self::replace) do. A store that can
    /// makes one write of it, so that its caller waits once. The second is never done without the first.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the key of `new` is taken, [`StoreError::Changed`] when `record` is missing, expired or at another
    /// version: nothing was written. [`StoreError::Unavailable`] when it is not known what was written; it may be `new` alone.
    async fn insert_then_replace(
        &self,
        new: NewRecord,
        record: NewRecord,
        seen: Version,
    ) -> Result<(), StoreError> {
        let (kind, key) = (new.kind, new.key.clone());
        self.insert(new).await?;
        let replaced = self.replace(record, seen).await;
        if matches!(replaced, Err(StoreError::Changed)) {
            self.delete(kind, &key).await?;
        }
        replaced
    }

    /// Deletes a record, whatever its version. Deleting what is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError>;

    /// Lists the live records of one kind that belong to `owner`, in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError>;

    /// Lists some of what [`list`](Self::list) lists, for whoever may not need all of it; `place` is the `next` of the page before. What is
    /// written meanwhile may be missed. A store that cannot do so gives all at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn list_page(&self, kind: Kind, owner: &str, place: Option<&str>) -> Result<Page, StoreError> {
        let _ = place;
        Ok(Page { records: self.list(kind, owner).await?, next: None })
    }

    /// Deletes records that are expired at `now`, and says how many. A store whose server does so itself returns 0.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError>;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        (**self).insert(record).await
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        (**self).get(kind, key).await
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        (**self).replace(record, seen).await
    }

    async fn insert_then_replace(
        &self,
        new: NewRecord,
        record: NewRecord,
        seen: Version,
    ) -> Result<(), StoreError> {
        (**self).insert_then_replace(new, record, seen).await
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        (**self).delete(kind, key).await
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        (**self).list(kind, owner).await
    }

    async fn list_page(&self, kind: Kind, owner: &str, place: Option<&str>) -> Result<Page, StoreError> {
        (**self).list_page(kind, owner, place).await
    }

    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        (**self).purge_expired(now).await
    }
}

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A user's agreement with a client, and the life of its codes and refresh tokens.
    Grant,
    /// An access token.
    AccessToken,
    /// A sealed upstream credential of a grant.
    Connection,
    /// What handlers keep with a grant, sealed.
    GrantData,
    /// A short-lived note that a grant was revoked.
    Revocation,
    /// The last good document of a client that is described by one.
    ClientDocument,
    /// A short-lived note that a client's assertion was used.
    Assertion,
    /// What an operator decided: blocks, key check values.
    Setting,
    /// Somebody who signs in here without a provider.
    Account,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Grant,
        Self::AccessToken,
        Self::Connection,
        Self::GrantData,
        Self::Revocation,
        Self::ClientDocument,
        Self::Assertion,
        Self::Setting,
        Self::Account,
    ];

    /// The kind of this name; `None` for one that only another version of the program knows.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name under which a store keeps the kind; never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::AccessToken => "access_token",
            Self::Connection => "connection",
            Self::GrantData => "grant_data",
            Self::Revocation => "revocation",
            Self::ClientDocument => "client_document",
            Self::Assertion => "assertion",
            Self::Setting => "setting",
            Self::Account => "account",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often a record was replaced: 1 after `insert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a record that was just inserted.
    pub const FIRST: Self = Self(1);

    /// The version with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The version after one more replacement.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A record to be written.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every store and every caller names all fields")]
pub struct NewRecord {
    /// What it is.
    pub kind: Kind,
    /// Unique within its kind; the keys of secrets are hashes.
    pub key: String,
    /// Whom it belongs to, for `list`; `None` keeps it out of every list.
    pub owner: Option<String>,
    /// From when on it is as good as absent; `None` keeps it for good.
    pub expires_at: Option<Timestamp>,
    /// Versioned JSON; secrets in it are hashed or sealed.
    pub body: String,
}

/// A record as it was read.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "every store and every caller names all fields")]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Unique within its kind.
    pub key: String,
    /// Whom it belongs to.
    pub owner: Option<String>,
    /// How often it was replaced.
    pub version: Version,
    /// From when on it is as good as absent.
    pub expires_at: Option<Timestamp>,
    /// Versioned JSON.
    pub body: String,
}

impl fmt::Debug for NewRecord {
    /// Leaves the body out: it is large, and logs are no place for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRecord").field("kind", &self.kind).field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for Record {
    /// Leaves the body out: it is large, and logs are no place for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("kind", &self.kind)
            .field("key", &self.key)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key is taken.
    #[error("the record exists already")]
    Exists,
    /// Someone was faster: the record is missing or at another version.
    #[error("the record was changed by someone else")]
    Changed,
    /// The store did not answer, or refused. A write may or may not have happened.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Wraps what a driver reported.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

/// How many records of an owner one page lists: one of the newest mostly says what is asked, and each costs a read and parsing.
const LISTED_TOGETHER: usize = 8;

/// How long a caller waits for any verb. A server that is slower is as good as gone: 503 is better than a pile of requests.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
const PATIENCE: Duration = Duration::from_secs(5);
