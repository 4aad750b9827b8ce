//! Where records live.

use std::path::PathBuf;

use coatroom::store::StoreLocation;
use secrecy::ExposeSecret as _;

use super::reader::{Found, Section};

/// Where the keys are unless the operator says otherwise: beside a file; in the working directory where the store is elsewhere;
/// nowhere with a store that forgets.
fn default_keys_file(store: &StoreLocation) -> Option<PathBuf> {
    match store {
        StoreLocation::Memory => None,
        StoreLocation::Sqlite(path) => Some(path.with_file_name(KEYS_FILE)),
        StoreLocation::Postgres(_) | StoreLocation::Redis(_) => Some(PathBuf::from(KEYS_FILE)),
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
    let keys_file =
        root.text("keys_file").map(|found| root.path(&found)).or_else(|| default_keys_file(&store));
    (store, keys_file)
}

const KEYS_FILE: &str = "keys.toml";
