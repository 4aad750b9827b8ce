//! Where records live.

use std::fmt;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

use coatroom::protocol::words::Timestamp;
use coatroom::vault::KeyFile;
use secrecy::{ExposeSecret as _, SecretString};

use super::problem::Place;
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

/// Where the keys are.
#[derive(Debug, Clone)]
pub(crate) enum KeysLocation {
    /// In this process, gone with it.
    Memory,
    /// In a file.
    File(PathBuf),
    /// In the environment: what a file would hold.
    Text(SecretString),
}

impl KeysLocation {
    /// The file, if they are in one.
    #[cfg(test)]
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Memory | Self::Text(_) => None,
        }
    }
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
    fn keys(&self) -> KeysLocation {
        match self {
            Self::Memory => KeysLocation::Memory,
            Self::Sqlite(path) => KeysLocation::File(path.with_file_name(KEYS_FILE)),
            Self::Postgres(_) | Self::Redis(_) => KeysLocation::File(PathBuf::from(KEYS_FILE)),
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
pub(super) fn read(root: &Section<'_>) -> (StoreLocation, KeysLocation) {
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
    let keys = read_keys(root).unwrap_or_else(|| store.keys());
    (store, keys)
}

/// Reads where the keys are, if that is said. A flag wins, so that keys of the environment can be changed in a file; else two places
/// are a mistake, as nobody could say which keys were meant.
fn read_keys(root: &Section<'_>) -> Option<KeysLocation> {
    let file = root.text("keys_file");
    let by_flag = file.as_ref().is_some_and(|found| matches!(found.place, Place::Flag(_)));
    let text = root.any_variable(&[KEYS.to_owned()]).filter(|_| !by_flag);
    match (file, text) {
        (None, None) => None,
        (Some(found), None) => Some(KeysLocation::File(root.path(&found))),
        (Some(file), Some(_)) => {
            let help = format!("the keys are in {KEYS} or in a file: unset one of the two");
            root.refuse(&file.place, format!("`keys_file` is set, and {KEYS} too"), Some(help));
            None
        }
        (None, Some(text)) => {
            let keys = KeyFile::from_text(&text.value).map_err(|error| error.to_string());
            // Whether they can be used is the same at all times.
            let ring = keys.and_then(|keys| keys.ring(Timestamp::from_unix(0)).map_err(str::to_owned));
            if let Err(reason) = ring {
                root.refuse(&text.place, reason, Some(format!("`coatroom keys new` makes keys for {KEYS}")));
            }
            Some(KeysLocation::Text(SecretString::from(text.value)))
        }
    }
}

const FORMS: &str = "a store is \"sqlite:FILE\", \"memory:\", \"postgres://…\", \"redis://…\", \"redis+sentinel://…\" or \
                     \"redis+cluster://…\", the Redis ones also with \"rediss\" for TLS";

const REDIS: [&str; 6] =
    ["redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"];

/// The variable with the keys themselves.
pub(crate) const KEYS: &str = "COATROOM_KEYS";

const KEYS_FILE: &str = "keys.toml";
