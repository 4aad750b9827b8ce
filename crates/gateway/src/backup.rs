//! `coatroom migrate`, `backup` and `restore`: the store as a whole.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use coatroom::clock::{Clock, SystemClock};
use coatroom::store::{SqliteStore, StoreLocation};

use crate::cli::{Arrival, Copy, Settings};
use crate::config::{Config, KEYS_VARIABLE, KeysLocation};
use crate::{assemble, load, terminal};

/// Lays out the store, or brings it to the newest format.
///
/// # Errors
/// When the configuration has mistakes, or the store cannot be used.
pub(crate) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let config = load(settings)?;
    if config.store.is_memory() {
        bail!("with `store = \"memory:\"` there is nothing to lay out");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    // Opening it does all of it, under a lock where others may open it too.
    let store = assemble::store(&config.store, &clock).await?;
    drop(store);
    terminal::say("the store is of the format of this program");
    Ok(())
}

/// Copies a SQLite store.
///
/// # Errors
/// When the store is another one, cannot be read, or the copy cannot be written.
pub(crate) fn back_up(options: &Copy) -> anyhow::Result<()> {
    let config = load(&options.settings)?;
    SqliteStore::back_up(sqlite(&config)?, &options.file)?;
    terminal::say(format_args!("{} is a copy of the store", options.file.display()));
    tell_about_keys(&config);
    Ok(())
}

/// Puts a copy in the place of a SQLite store.
///
/// # Errors
/// When the store is another one, is used or has records, or the copy is damaged.
pub(crate) fn restore(options: &Arrival) -> anyhow::Result<()> {
    let config = load(&options.settings)?;
    let path = sqlite(&config)?;
    SqliteStore::restore(&options.file, path, options.over)?;
    terminal::say(format_args!("{} is what {} was", path.display(), options.file.display()));
    tell_about_keys(&config);
    Ok(())
}

/// Says what a copy of the records is worth nothing without.
pub(crate) fn tell_about_keys(config: &Config) {
    let place = match &config.keys {
        KeysLocation::Memory => return,
        KeysLocation::File(path) => path.display().to_string(),
        KeysLocation::Text(_) => KEYS_VARIABLE.to_owned(),
    };
    terminal::say(format_args!(
        "the keys in {place} are not in it: keep them too, and elsewhere; without them nothing sealed opens"
    ));
}

fn sqlite(config: &Config) -> anyhow::Result<&Path> {
    match &config.store {
        StoreLocation::Sqlite(path, _) => Ok(path),
        StoreLocation::Memory => {
            bail!("with `store = \"memory:\"` records end with the program that keeps them")
        }
        StoreLocation::Postgres(_) => bail!(
            "back up PostgreSQL with its own tools, such as pg_dump; `coatroom export` writes a portable file"
        ),
        StoreLocation::Redis(_) => {
            bail!("back up Redis with its own snapshots and log; `coatroom export` writes a portable file")
        }
    }
}
