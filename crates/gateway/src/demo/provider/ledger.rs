//! Which sign-ins live: what the provider remembers over a restart.
//!
//! A sign-in is one account's answer to one authorization request. Its refresh token is good once; a second use ends
//! the sign-in, so that a client that mishandles rotation finds out here and not at a provider that matters.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coatroom::protocol::words::{Scopes, Timestamp};
use serde::{Deserialize, Serialize};

use crate::demo::disk;

/// The living sign-ins by their ids, in one small file. Every change is on disk before anyone sees it.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    sign_ins: Mutex<SignIns>,
}

type SignIns = BTreeMap<String, SignIn>;

/// One account's answer to one authorization request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SignIn {
    /// The account's login.
    pub(super) login: String,
    /// What was granted.
    pub(super) scopes: Scopes,
    /// How often it was refreshed: the refresh token of this generation is the good one.
    pub(super) generation: u64,
    /// When it was last refreshed; the oldest gives way when there are too many.
    pub(super) used_at: Timestamp,
}

/// What became of a presented refresh token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It was good and is spent now: the sign-in in its new generation.
    Turned(SignIn),
    /// It was spent before; the sign-in has ended with this.
    Replayed,
    /// Its sign-in had ended before.
    Unknown,
}

impl Ledger {
    /// Opens the file; without one, nobody has signed in yet.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let sign_ins = match disk::read(&path)? {
            Some(bytes) => serde_json::from_slice(&bytes)?,
            None => SignIns::new(),
        };
        Ok(Self { path, sign_ins: Mutex::new(sign_ins) })
    }

    /// The living sign-in of this id.
    pub(super) fn find(&self, id: &str) -> Option<SignIn> {
        self.lock().get(id).cloned()
    }

    /// Records a new sign-in. Past [`MOST_SIGN_INS`] the one that was idle longest ends.
    ///
    /// # Errors
    /// When the file cannot be written; nothing has changed then.
    pub(super) fn start(&self, id: &str, sign_in: SignIn) -> io::Result<()> {
        self.change(|sign_ins| {
            if sign_ins.len() >= MOST_SIGN_INS {
                let idlest = sign_ins.iter().min_by_key(|(_, sign_in)| sign_in.used_at);
                if let Some(idlest) = idlest.map(|(id, _)| id.clone()) {
                    sign_ins.remove(&idlest);
                }
            }
            sign_ins.insert(id.to_owned(), sign_in);
        })
    }

    /// Spends the refresh token of this generation, and narrows nothing: the sign-in keeps its scopes.
    ///
    /// # Errors
    /// When the file cannot be written; nothing has changed then.
    pub(super) fn turn(&self, id: &str, generation: u64, now: Timestamp) -> io::Result<Turn> {
        self.change(|sign_ins| {
            let Some(sign_in) = sign_ins.get_mut(id) else { return Turn::Unknown };
            if sign_in.generation != generation {
                sign_ins.remove(id);
                return Turn::Replayed;
            }
            sign_in.generation = generation.saturating_add(1);
            sign_in.used_at = now;
            Turn::Turned(sign_in.clone())
        })
    }

    /// Ends a sign-in; its tokens die with it.
    ///
    /// # Errors
    /// When the file cannot be written; nothing has changed then.
    pub(super) fn end(&self, id: &str) -> io::Result<()> {
        self.change(|sign_ins| {
            sign_ins.remove(id);
        })
    }

    /// Changes a copy, writes it, and only then shows it to others.
    fn change<T>(&self, edit: impl FnOnce(&mut SignIns) -> T) -> io::Result<T> {
        let mut sign_ins = self.lock();
        let mut changed = sign_ins.clone();
        let outcome = edit(&mut changed);
        if changed != *sign_ins {
            disk::write(&self.path, &serde_json::to_vec(&changed)?)?;
            *sign_ins = changed;
        }
        Ok(outcome)
    }

    fn lock(&self) -> MutexGuard<'_, SignIns> {
        self.sign_ins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MOST_SIGN_INS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in(used_at: u64) -> SignIn {
        SignIn {
            login: "alice".to_owned(),
            scopes: "repos:read".parse().unwrap(),
            generation: 0,
            used_at: Timestamp::from_unix(used_at),
        }
    }

    #[test]
    fn a_refresh_token_is_good_once_and_its_second_use_ends_the_sign_in() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path().join("l.json")).unwrap();
        ledger.start("s", sign_in(1)).unwrap();
        let now = Timestamp::from_unix(5);
        assert!(matches!(ledger.turn("s", 0, now).unwrap(), Turn::Turned(s) if s.generation == 1));
        assert_eq!(ledger.turn("s", 0, now).unwrap(), Turn::Replayed);
        assert_eq!(ledger.turn("s", 1, now).unwrap(), Turn::Unknown);
    }

    #[test]
    fn sign_ins_survive_a_restart_with_their_generation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.json");
        let ledger = Ledger::open(path.clone()).unwrap();
        ledger.start("s", sign_in(1)).unwrap();
        ledger.turn("s", 0, Timestamp::from_unix(2)).unwrap();
        let reopened = Ledger::open(path).unwrap();
        assert_eq!(reopened.find("s").unwrap().generation, 1);
    }

    #[test]
    fn the_idlest_sign_in_gives_way_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path().join("l.json")).unwrap();
        let full = (0..MOST_SIGN_INS).map(|n| (format!("s{n}"), sign_in(if n == 7 { 1 } else { 2 })));
        *ledger.lock() = full.collect();
        ledger.start("new", sign_in(3)).unwrap();
        assert_eq!(ledger.lock().len(), MOST_SIGN_INS);
        assert!(ledger.find("s7").is_none());
        assert!(ledger.find("new").is_some());
    }

    #[test]
    fn a_change_that_cannot_be_written_did_not_happen() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path().join("missing").join("l.json")).unwrap();
        assert!(ledger.start("s", sign_in(1)).is_err());
        assert!(ledger.find("s").is_none());
    }
}
