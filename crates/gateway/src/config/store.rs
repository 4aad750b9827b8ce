//! Where records live.

#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

use coatroom::protocol::words::Timestamp;
use coatroom::store::{StoreLocation, Synchronous};
use coatroom::vault::KeyFile;
use secrecy::{ExposeSecret as _, SecretString};

use super::problem::Place;
use super::reader::{Found, Section};

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

    /// Where the keys are unless the operator says otherwise: beside a file; in the working directory where the store is
    /// elsewhere; nowhere with a store that forgets.
    fn beside(store: &StoreLocation) -> Self {
        match store {
            StoreLocation::Memory => Self::Memory,
            StoreLocation::Sqlite(path, _) => Self::File(path.with_file_name(KEYS_FILE)),
            StoreLocation::Postgres(_) | StoreLocation::Redis(_) => Self::File(PathBuf::from(KEYS_FILE)),
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
        Some((StoreLocation::Sqlite(path, synchronous), place)) => {
            let path = root.path(&Found { value: path.to_string_lossy().into_owned(), place });
            StoreLocation::Sqlite(path, synchronous)
        }
        Some((location, _)) => location,
        None => StoreLocation::Sqlite(PathBuf::from("coatroom.db"), Synchronous::Full),
    };
    let keys = read_keys(root).unwrap_or_else(|| KeysLocation::beside(&store));
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

/// The variable with the keys themselves.
pub(crate) const KEYS: &str = "COATROOM_KEYS";

const KEYS_FILE: &str = "keys.toml";
