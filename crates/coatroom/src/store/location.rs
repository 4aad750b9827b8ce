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
    /// In a file, which is flushed to the disk so often.
    Sqlite(PathBuf, Synchronous),
    /// In a PostgreSQL database, at a URL that may hold a password.
    Postgres(SecretString),
    /// In Redis or Valkey, by itself, behind Sentinels or in a cluster, at a URL that may hold a password.
    Redis(SecretString),
}

impl StoreLocation {
    /// Reads a place.
    ///
    /// # Errors
    /// [`NoSuchPlace`], without what was read of it.
    pub fn parse(text: &str) -> Result<Self, NoSuchPlace> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", place)) => {
                let (path, options) = place.split_once('?').unwrap_or((place, ""));
                let path = path.strip_prefix("//").unwrap_or(path);
                let synchronous = Synchronous::read(options).ok_or(NoSuchPlace::SqliteOption)?;
                if path.is_empty() {
                    Err(NoSuchPlace::Form)
                } else {
                    Ok(Self::Sqlite(path.into(), synchronous))
                }
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(text.into()))
            }
            Some((scheme, rest)) if REDIS.contains(&scheme) && rest.starts_with("//") => {
                Ok(Self::Redis(text.into()))
            }
            _ => Err(NoSuchPlace::Form),
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
            Self::Sqlite(path, synchronous) => {
                Ok(Arc::new(super::SqliteStore::open_with(path, *synchronous, clock)?))
            }
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
            Self::Sqlite(..) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
        }
    }
}

impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Sqlite(path, synchronous) => {
                f.debug_tuple("Sqlite").field(path).field(synchronous).finish()
            }
            Self::Postgres(_) => f.write_str("Postgres([redacted])"),
            Self::Redis(_) => f.write_str("Redis([redacted])"),
        }
    }
}

/// What an answered write to a file survives: SQLite's `synchronous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "each further one would be less safe")]
pub enum Synchronous {
    /// The machine losing its power: every commit is flushed to the disk.
    #[default]
    Full,
    /// The program's end, in whatever way. When the machine loses its power or its kernel stops, the answers of the last moments may
    /// be gone, and the file is as it was before them.
    Normal,
}

impl Synchronous {
    /// What the options of a place say.
    fn read(options: &str) -> Option<Self> {
        match options {
            "" | "synchronous=full" => Some(Self::Full),
            "synchronous=normal" => Some(Self::Normal),
            _ => None,
        }
    }

    #[cfg(feature = "sqlite")]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
        }
    }
}

/// This is no place of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSuchPlace {
    /// It does not begin like one.
    #[error(
        "a store is \"sqlite:FILE\", \"memory:\", \"postgres://…\", \"redis://…\", \"redis+sentinel://…\" or \
         \"redis+cluster://…\", the Redis ones also with \"rediss\" for TLS"
    )]
    Form,
    /// A file is followed by something that is no option.
    #[error(
        "all that may follow \"sqlite:FILE\" is \"?synchronous=full\", the default, or \"?synchronous=normal\""
    )]
    SqliteOption,
}

/// A kind of store that this program does not have.
#[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "redis")))]
#[derive(Debug, thiserror::Error)]
#[error("this program was built without that store: enable the feature `{feature}` of the crate `coatroom`")]
struct NotBuilt {
    feature: &'static str,
}

const REDIS: [&str; 6] =
    ["redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_say_how_it_is_flushed_and_nothing_else() {
        let parsed = |text| match StoreLocation::parse(text) {
            Ok(StoreLocation::Sqlite(path, synchronous)) => Ok((path, synchronous)),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal),
        };
        for text in ["sqlite:a.db", "sqlite://a.db", "sqlite:a.db?", "sqlite:a.db?synchronous=full"] {
            assert_eq!(parsed(text), Ok(("a.db".into(), Synchronous::Full)), "{text}");
        }
        assert_eq!(parsed("sqlite:/a/b.db?synchronous=normal"), Ok(("/a/b.db".into(), Synchronous::Normal)));
        for text in [
            "sqlite:a.db?synchronous=off",
            "sqlite:a.db?synchronous=NORMAL",
            "sqlite:a.db?synchronous=normal&mode=ro",
            "sqlite:a.db?mode=ro",
            "sqlite:a.db?synchronous",
        ] {
            assert_eq!(parsed(text), Err(NoSuchPlace::SqliteOption), "{text}");
        }
        assert_eq!(parsed("sqlite:"), Err(NoSuchPlace::Form));
        assert_eq!(parsed("sqlite:?synchronous=normal"), Err(NoSuchPlace::Form));
    }

    #[test]
    fn whoever_asks_for_less_than_there_is_reads_what_there_is() {
        let said = NoSuchPlace::SqliteOption.to_string();
        assert!(said.contains("synchronous=full") && said.contains("synchronous=normal"), "{said}");
    }
}
