//! Where records live.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use super::reader::{Found, Section};

/// Where records live.
#[derive(Debug, Clone)]
pub(crate) enum StoreLocation {
    /// In this process, gone with it.
    Memory,
    /// In a file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres(StoreUrl),
    /// In Redis or Valkey, by itself, behind Sentinels or in a cluster.
    Redis(StoreUrl),
}

/// The URL of a server, which may hold a password.
#[derive(Clone)]
pub(crate) struct StoreUrl(SecretString);

impl StoreUrl {
    /// The URL itself, for connecting.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl([redacted])")
    }
}

impl StoreLocation {
    /// Whether records end with the process.
    pub(crate) const fn is_memory(&self) -> bool {
        matches!(self, Self::Memory)
    }

    /// Whether the driver's TLS takes the process's default provider of cryptography.
    pub(crate) fn needs_default_crypto(&self) -> bool {
        matches!(self, Self::Redis(url) if url.expose().starts_with("rediss"))
    }

    /// Where the keys are unless the operator says otherwise: beside a file; in the working directory where the store is
    /// elsewhere; nowhere with a store that forgets.
    fn keys_file(&self) -> Option<PathBuf> {
        match self {
            Self::Memory => None,
            Self::Sqlite(path) => Some(path.with_file_name(KEYS_FILE)),
            Self::Postgres(_) | Self::Redis(_) => Some(PathBuf::from(KEYS_FILE)),
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let url = || StoreUrl(SecretString::from(text));
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path).into()))
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres(url())),
            Some((scheme, rest)) if REDIS.contains(&scheme) && rest.starts_with("//") => {
                Ok(Self::Redis(url()))
            }
            _ => Err(FORMS),
        }
    }
}

/// Reads where records live, and where the keys to them.
pub(super) fn read(root: &Section<'_>) -> (StoreLocation, Option<PathBuf>) {
    let found = root.found_secret("store", &[]).and_then(|Found { value, place }| {
        let text = value.expose_secret();
        if !text.contains("//") {
            root.may_quote(&place);
        }
        let parsed = StoreLocation::parse(text);
        parsed
            .map(|location| (location, place.clone()))
            .map_err(|reason| root.refuse_value("store", &place, &reason))
            .ok()
    });
    let store = match found {
        Some((StoreLocation::Sqlite(path), place)) => {
            StoreLocation::Sqlite(root.path(&Found { value: path.to_string_lossy().into_owned(), place }))
        }
        Some((location, _)) => location,
        None => StoreLocation::Sqlite(PathBuf::from("coatroom.db")),
    };
    let keys_file = root.text("keys_file").map(|found| root.path(&found)).or_else(|| store.keys_file());
    (store, keys_file)
}

const FORMS: &str = "a store is \"sqlite:FILE\", \"memory:\", \"postgres://…\", \"redis://…\", \"redis+sentinel://…\" or \
                     \"redis+cluster://…\", the Redis ones also with \"rediss\" for TLS";

const REDIS: [&str; 6] =
    ["redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"];

const KEYS_FILE: &str = "keys.toml";
