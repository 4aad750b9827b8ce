//! Where a store is, in one line of text, and opening it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(any(feature = "postgres", feature = "redis"))]
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use super::{MemoryStore, Portable, StoreError};
use crate::clock::{Clock, SystemClock};

/// Opens the store at a place such as `sqlite:coatroom.db`, `postgres://…`, `redis://…` or `memory:`, and lays it out if it is new.
/// [`PostgresStore`](super::PostgresStore::connect) and [`RedisStore`](super::RedisStore::connect) say what their URLs can hold.
///
/// # Errors
/// [`StoreError::Unavailable`] when it is no such place, this program was built without that kind of store, or it cannot be used. Its
/// source says which, and never names a password.
pub async fn open(place: &str) -> Result<Arc<dyn Portable>, StoreError> {
    let location = StoreLocation::parse(place).map_err(StoreError::unavailable)?;
    location.open(Arc::new(SystemClock::new())).await
}

/// Where records live.
#[derive(Clone)]
#[expect(clippy::exhaustive_enums, reason = "what can be done with a store depends on which it is")]
pub enum StoreLocation {
    /// In this process, gone with it.
    Memory,
    /// In a file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database, at a URL that may hold a password.
    Postgres(SecretString),
    /// In Redis or Valkey, by itself, behind Sentinels or in a cluster, at a URL that may hold a password.
    Redis(SecretString),
}

impl StoreLocation {
    /// Reads a place.
    ///
    /// # Errors
    /// [`NoSuchPlace`], without what was read.
    pub fn parse(text: &str) -> Result<Self, NoSuchPlace> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path).into()))
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(text.into()))
            }
            Some((scheme, rest)) if REDIS.contains(&scheme) && rest.starts_with("//") => {
                Ok(Self::Redis(text.into()))
            }
            _ => Err(NoSuchPlace),
        }
    }

    /// Whether records end with the process.
    #[must_use]
    pub const fn is_memory(&self) -> bool {
        matches!(self, Self::Memory)
    }

    /// Opens it, and lays it out if it is new. Records expire by `clock`.
    ///
    /// # Errors
    /// As [`open`].
    #[cfg_attr(
        not(any(feature = "postgres", feature = "redis")),
        expect(clippy::unused_async, reason = "stores elsewhere are connected to")
    )]
    pub async fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Portable>, StoreError> {
        match self {
            Self::Memory => Ok(Arc::new(MemoryStore::new(clock))),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(Arc::new(super::SqliteStore::open(path, clock)?)),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => {
                Ok(Arc::new(super::PostgresStore::connect(url.expose_secret(), clock).await?))
            }
            #[cfg(feature = "redis")]
            Self::Redis(url) => Ok(Arc::new(super::RedisStore::connect(url.expose_secret(), clock).await?)),
            #[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "redis")))]
            _ => Err(StoreError::unavailable(NotBuilt { feature: self.feature() })),
        }
    }

    #[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "redis")))]
    const fn feature(&self) -> &'static str {
        match self {
            Self::Memory => "default",
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
        }
    }
}

impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres([redacted])"),
            Self::Redis(_) => f.write_str("Redis([redacted])"),
        }
    }
}

/// This is no place of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a store is \"sqlite:FILE\", \"memory:\", \"postgres://…\", \"redis://…\", \"redis+sentinel://…\" or \
     \"redis+cluster://…\", the Redis ones also with \"rediss\" for TLS"
)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing in it")]
pub struct NoSuchPlace;

/// A kind of store that this program does not have.
#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "redis")))]
#[derive(Debug, thiserror::Error)]
#[error("this program was built without that store: enable the feature `{feature}` of the crate `coatroom`")]
struct NotBuilt {
    feature: &'static str,
}

const REDIS: [&str; 6] =
    ["redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"];
