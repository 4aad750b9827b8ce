//! Whether this replica has the keys of the others, by what the store keeps about them (ARCHITECTURE.md,
//! "Registration").
//!
//! A ring may gain and lose keys while replicas are replaced one by one, but it always shares a key of each purpose
//! with the ring before it. One that does not is the ring of another server, or of a file that was lost and made
//! anew: it opens nothing that is in the store.
//!
//! While the program runs it follows its key file, so that keys come and go without a restart. A ring that does not agree
//! with the store is not taken over.

use std::collections::BTreeSet;
use std::sync::Weak;

use super::Context;
use crate::error::Error;
use crate::records::{self, SettingRecord, Written};
use crate::store::Store;
use crate::vault::{KeyCheck, KeyRing};

/// Makes sure that this ring and the ones of other replicas agree.
///
/// # Errors
/// [`Error::Corrupt`] when a key of the same name has another value elsewhere, or when the ring shares no key of some
/// purpose with the one that was used last: the replicas would refuse each other's tokens.
pub async fn agree_on_keys(store: &dyn Store, keys: &KeyRing) -> Result<(), Error> {
    let checks = keys.checks();
    agree_on_ring(store, &checks).await?;
    for check in checks {
        let record = SettingRecord { name: check.name, value: check.value };
        if records::insert(store, &record).await? == Written::Beaten {
            let known = records::load::<SettingRecord>(store, &record.name).await?;
            if known.is_some_and(|known| known.value != record) {
                return Err(disagree(format!(
                    "{} has another value in the store than in this key file",
                    record.name
                )));
            }
        }
    }
    Ok(())
}

impl Context {
    /// Looks whether the key file has other keys now, or a waiting key's time has come.
    async fn follow_keys(&self, refused: &mut Option<Vec<KeyCheck>>) {
        let ring = match self.keys.look(self.clock.at_least()) {
            Ok(None) => return,
            Ok(Some(ring)) => ring,
            Err(error) => {
                tracing::error!(%error, "the key file was changed and cannot be used; the keys of before stay in use");
                return;
            }
        };
        if refused.as_ref() == Some(&ring.checks()) {
            return;
        }
        // What is published needs nobody's agreement, and a key that leaked must go at once, also while the store is away.
        let current = self.keys();
        self.keys.put(KeyRing { signing: ring.signing.clone(), ..KeyRing::clone(&current) });
        match agree_on_keys(self.store.as_ref(), &ring).await {
            Ok(()) => {
                self.keys.put(ring);
                tracing::info!("the keys were changed");
            }
            Err(error @ Error::Corrupt { .. }) => {
                *refused = Some(ring.checks());
                tracing::error!(%error, "the key file was changed and does not agree with the store; the keys of before stay in use");
            }
            Err(error) => {
                tracing::warn!(%error, "the key file was changed, and the store cannot say whether it agrees");
            }
        }
    }
}

/// Follows the key file until the server is gone.
pub(super) async fn follow(context: Weak<Context>) {
    let mut refused = None;
    loop {
        let Some(context) = context.upgrade() else { return };
        if !context.keys.are_followed() {
            return;
        }
        context.follow_keys(&mut refused).await;
        let pause = context.settings.key_poll;
        drop(context);
        tokio::time::sleep(pause).await;
    }
}

/// Compares the names of the keys with those of the ring that was used last, and leaves ours in their place.
async fn agree_on_ring(store: &dyn Store, checks: &[KeyCheck]) -> Result<(), Error> {
    let ours: BTreeSet<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    let names: Vec<&str> = ours.iter().copied().collect();
    let record = SettingRecord { name: RING.to_owned(), value: names.join(" ") };
    for _ in 0..ATTEMPTS {
        let Some(last) = records::load::<SettingRecord>(store, RING).await? else {
            if records::insert(store, &record).await? == Written::Done {
                return Ok(());
            }
            continue;
        };
        let theirs: BTreeSet<&str> = last.value.value.split(' ').collect();
        let shared: BTreeSet<&str> = ours.intersection(&theirs).copied().map(purpose).collect();
        let used: BTreeSet<&str> = theirs.iter().copied().map(purpose).collect();
        let is_lone = |purpose: &&str| used.contains(purpose) && !shared.contains(purpose);
        if let Some(lone) = ours.iter().map(|name| purpose(name)).find(is_lone) {
            return Err(disagree(format!(
                "it has no {lone} in common with the key file that this store was used with; use that file, or an empty store"
            )));
        }
        if ours == theirs || records::replace(store, &record, last.version).await? == Written::Done {
            return Ok(());
        }
    }
    Err(Error::Unavailable { what: "the store", source: "other replicas keep writing their keys".into() })
}

/// What a key is for: its name without its id.
fn purpose(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(purpose, _)| purpose)
}

fn disagree(reason: String) -> Error {
    Error::Corrupt { what: "key ring", reason }
}

/// The name of the record that holds the names of the keys that were used last.
const RING: &str = "key-ring";

/// How often a lost race is run again.
const ATTEMPTS: u32 = 8;
