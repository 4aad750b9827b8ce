//! The store that several machines share when there is a Redis or Valkey server: one alone, one that Sentinels watch, or a
//! cluster.
//!
//! A record is one hash, so that it lives on one node, and a script on that node compares and swaps. What an owner has is a
//! sorted set of its own, perhaps on another node: it is written before the record, and entries without a record are not
//! looked at. The server drops what is expired; what counts is the caller's clock, as in every store.

mod advice;
mod layout;
mod link;
mod marks;
mod pages;
mod place;
mod trouble;
mod verbs;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use coatroom_protocol::words::Timestamp;
use tokio::time::timeout;

use self::link::Link;
use self::place::Place;
use self::trouble::Trouble;
use super::{Kind, NewRecord, PATIENCE, Page, Portable, Record, Store, StoreError, Version};
use crate::clock::Clock;

/// Keeps records in Redis or Valkey, under keys that start with `coatroom:`.
pub struct RedisStore {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
}

impl RedisStore {
    /// Connects to the server, or servers, at `url`. Records expire by `clock`.
    ///
    /// The forms are `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `redis+cluster://HOST:PORT,HOST:PORT`, and
    /// `redis+sentinel://HOST:PORT,HOST:PORT/NAME/DATABASE` with the addresses of the Sentinels and the name of what they
    /// watch. With `rediss` in the place of `redis` every connection is TLS, and certificates and host names are verified.
    /// Options are `ssl_ca_certs` (a file with the certificates to trust instead of the system's), `ssl_certfile` and
    /// `ssl_keyfile` (a certificate of ours and its key), `sentinel_username` and `sentinel_password`.
    ///
    /// TLS to Redis takes the process's default provider of cryptography. Where a program has installed none, this installs
    /// `rustls::crypto::aws_lc_rs`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the URL cannot be used, no server can be reached, or its records are those of a newer
    /// program. Its source says which, and never names a password.
    pub async fn connect(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let link = Arc::new(Link::new(Place::parse(url)?, Arc::clone(&clock))?);
        let opening = async {
            link.claim().await?;
            advice::give(&link).await;
            Ok(())
        };
        timeout(PATIENCE, opening).await.unwrap_or_else(|_| Err(Trouble::Slow { place: link.shown() }))?;
        Ok(Self { link, clock })
    }

    /// Runs one verb to its end, also when its caller leaves: half of it would leave more dangling entries than needed.
    async fn run<T, F>(&self, verb: impl FnOnce(Arc<Link>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        let (verb, place) = (verb(Arc::clone(&self.link)), self.link.shown());
        let work = tokio::spawn(timeout(PATIENCE, verb));
        let answer = work.await.unwrap_or(Ok(Err(Trouble::GivenUp)));
        Ok(answer.unwrap_or(Err(Trouble::Slow { place }))?)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        let now = self.clock.at_least();
        let was_free = self.run(|link| async move { verbs::insert(&link, record, now).await }).await?;
        if was_free { Ok(()) } else { Err(StoreError::Exists) }
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        let (key, now) = (key.to_owned(), self.clock.at_least());
        self.run(|link| async move { verbs::get(&link, kind, key, now).await }).await
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        let now = self.clock.at_least();
        let was_current =
            self.run(|link| async move { verbs::replace(&link, record, seen, now).await }).await?;
        if was_current { Ok(()) } else { Err(StoreError::Changed) }
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.run(|link| async move { verbs::delete(&link, kind, &key).await }).await
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        let (owner, now) = (owner.to_owned(), self.clock.at_least());
        self.run(|link| async move { verbs::list(&link, kind, &owner, now).await }).await
    }

    /// Does nothing: the server drops what is expired.
    async fn purge_expired(&self, _now: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Portable for RedisStore {
    async fn page(&self, place: Option<&str>) -> Result<Page, StoreError> {
        let (place, now) = (place.unwrap_or_default().to_owned(), self.clock.at_least());
        self.run(|link| async move { pages::page(&link, &place, now).await }).await
    }

    async fn put(&self, record: Record) -> Result<(), StoreError> {
        let now = self.clock.at_least();
        self.run(|link| async move { verbs::put(&link, record, now).await }).await
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("place", &self.link.shown()).finish_non_exhaustive()
    }
}
