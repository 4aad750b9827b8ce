//! Which sign-ins live: what the provider remembers over a restart.
//!
//! A sign-in is one account's answer to one authorization request. Its refresh token is good once; a second use ends
//! the sign-in, so that a client that mishandles rotation finds out here and not at a provider that matters.
//!
//! The sign-in is also what makes its authorization code good once: the code names it, and whoever redeems the code
//! again finds it here. So an ended sign-in stays in the file, of no use to anyone, until its code has ended too.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coatroom::protocol::words::{Scopes, Timestamp};
use serde::{Deserialize, Serialize};

use super::seal::CodeClaims;
use crate::demo::disk;

/// The sign-ins by their ids, in one small file. Every change is on disk before anyone sees it.
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
    /// Whether it has ended.
    #[serde(default)]
    pub(super) ended: bool,
}

/// What became of a presented code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Its sign-in has begun.
    Started,
    /// It was redeemed before; the sign-in that came of it has ended (RFC 6749 §4.1.2).
    Replayed,
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
        self.lock().get(id).filter(|sign_in| !sign_in.ended).cloned()
    }

    /// Records the sign-in that a code names, unless it was recorded before: then the code is replayed, and it ends.
    /// Past [`MOST_SIGN_INS`] the one that was idle longest ends.
    ///
    /// # Errors
    /// When the file cannot be written; nothing has changed then.
    pub(super) fn start(&self, id: &str, sign_in: SignIn) -> io::Result<Start> {
        self.change(|sign_ins| {
            if let Some(known) = sign_ins.get_mut(id) {
                known.ended = true;
                return Start::Replayed;
            }
            let now = sign_in.used_at;
            if sign_ins.values().filter(|sign_in| !sign_in.ended).count() >= MOST_SIGN_INS {
                let living = sign_ins.values_mut().filter(|sign_in| !sign_in.ended);
                if let Some(idlest) = living.min_by_key(|sign_in| sign_in.used_at) {
                    idlest.ended = true;
                }
            }
            // A code is redeemed no later than its sign-in is last used, so a code's life after that it has ended.
            sign_ins.retain(|_, old| !old.ended || !now.has_reached(old.used_at.plus(CodeClaims::LIFE)));
            sign_ins.insert(id.to_owned(), sign_in);
            Start::Started
        })
    }

    /// Spends the refresh token of this generation, and narrows nothing: the sign-in keeps its scopes.
    ///
    /// # Errors
    /// When the file cannot be written; nothing has changed then.
    pub(super) fn turn(&self, id: &str, generation: u64, now: Timestamp) -> io::Result<Turn> {
        self.change(|sign_ins| {
            let Some(sign_in) = sign_ins.get_mut(id).filter(|sign_in| !sign_in.ended) else {
                return Turn::Unknown;
            };
            if sign_in.generation != generation {
                sign_in.ended = true;
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
            if let Some(sign_in) = sign_ins.get_mut(id) {
                sign_in.ended = true;
            }
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
            ended: false,
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
        ledger.start("new", sign_in(62)).unwrap();
        assert_eq!(ledger.lock().len(), MOST_SIGN_INS);
        assert!(ledger.find("s7").is_none());
        assert!(ledger.find("new").is_some());
    }

    #[test]
    fn a_sign_in_starts_once_however_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.json");
        let ledger = Ledger::open(path.clone()).unwrap();
        let ends: [fn(&Ledger); 3] = [
            |ledger| ledger.end("s").unwrap(),
            |ledger| assert_eq!(ledger.start("s", sign_in(1)).unwrap(), Start::Replayed),
            |ledger| assert_eq!(ledger.turn("s", 7, Timestamp::from_unix(1)).unwrap(), Turn::Replayed),
        ];
        for end in ends {
            ledger.lock().clear();
            assert_eq!(ledger.start("s", sign_in(1)).unwrap(), Start::Started);
            end(&ledger);
            assert!(ledger.find("s").is_none());
            let reopened = Ledger::open(path.clone()).unwrap();
            assert_eq!(reopened.start("s", sign_in(60)).unwrap(), Start::Replayed);
            assert!(reopened.find("s").is_none());
        }
    }

    #[test]
    fn a_young_sign_in_that_gave_way_does_not_start_again() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path().join("l.json")).unwrap();
        *ledger.lock() = (0..MOST_SIGN_INS).map(|n| (format!("s{n}"), sign_in(2))).collect();
        ledger.start("new", sign_in(3)).unwrap();
        assert!(ledger.find("s0").is_none());
        assert_eq!(ledger.start("s0", sign_in(3)).unwrap(), Start::Replayed);
    }

    #[test]
    fn an_ended_sign_in_is_forgotten_once_its_code_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path().join("l.json")).unwrap();
        ledger.start("s", sign_in(1)).unwrap();
        ledger.end("s").unwrap();
        ledger.start("t", sign_in(60)).unwrap();
        assert!(ledger.lock().contains_key("s"));
        ledger.start("u", sign_in(61)).unwrap();
        assert!(!ledger.lock().contains_key("s"));
    }

    #[test]
    fn a_change_that_cannot_be_written_did_not_happen() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path().join("missing").join("l.json")).unwrap();
        assert!(ledger.start("s", sign_in(1)).is_err());
        assert!(ledger.find("s").is_none());
    }
}
