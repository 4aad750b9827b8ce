//! The file that keeps the ring: mode 0600, made at the first start, changed by `rotate` and `retire` while programs run.
//!
//! In each list the newest key stands first. The active one is the first whose time has come, so a new key is known
//! everywhere, and published, before anything is made with it. Losing the file ends every session; leaking it alone opens
//! nothing (ARCHITECTURE.md, rule 3).

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coatroom_protocol::words::{KeyId, MacKey, MacKeys, Timestamp, base64url, from_base64url};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key_ring::{KeyRing, SigningKey};
use super::key_trouble::{KeyChangeRefusal, KeyRingError};
use super::private_file::{folder_of, keep_owner, read_private, sync_folder, write_partial};
use super::seal::{SealingKey, SealingKeys};
use crate::entropy::{Entropy, NoEntropy, draw};

/// What a key is for. Each purpose has keys of its own, which come and go by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a new purpose is a breaking change")]
pub enum Purpose {
    /// The ids and secrets of registered clients.
    Registration,
    /// Refresh tokens and sessions.
    Tickets,
    /// What the browser carries.
    Sealing,
    /// The outer layer around everything in the vault.
    Wrapping,
    /// Signed assertions, verified by `/jwks.json`.
    Signing,
}

/// What a key does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these three")]
pub enum KeyState {
    /// Known and published; nothing is made with it before this moment.
    Waiting(Timestamp),
    /// New values are made with it.
    Active,
    /// What it made is still good; another key took its place at this moment.
    Superseded(Timestamp),
}

/// One key of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyEntry {
    /// What it is for.
    pub purpose: Purpose,
    /// Its name.
    pub id: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it does at the moment.
    pub state: KeyState,
}

/// The keys of a file, to be changed and written again. While it is open for a change, nobody else changes the file.
#[derive(Debug)]
pub struct KeyFile {
    lists: Lists,
    /// Held as long as nobody else may change the file.
    _lock: Option<File>,
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    registration: Vec<Entry>,
    tickets: Vec<Entry>,
    sealing: Vec<Entry>,
    wrapping: Vec<Entry>,
    signing: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: KeyId,
    created_at: Timestamp,
    /// From when on it may be the active one; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active_from: Option<Timestamp>,
    secret: Zeroizing<String>,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] =
        [Self::Registration, Self::Tickets, Self::Sealing, Self::Wrapping, Self::Signing];

    /// The purpose as the file and the command line spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Tickets => "tickets",
            Self::Sealing => "sealing",
            Self::Wrapping => "wrapping",
            Self::Signing => "signing",
        }
    }

    /// What stops working without a key of this purpose that is still needed.
    const fn loss(self) -> &'static str {
        match self {
            Self::Registration => "the clients that registered under it must register again",
            Self::Tickets => "the sign-ins whose refresh tokens it made end",
            Self::Sealing => "people who are signing in begin again",
            Self::Wrapping => "who signs in at a program that has not noticed the new key signs in again",
            Self::Signing => "the last assertions that it signed are refused",
        }
    }
}

impl KeyRing {
    /// Reads the ring from a file, or makes the file with mode 0600 when there is none.
    ///
    /// # Errors
    /// See [`KeyRingError`]. A file that others can read is refused.
    pub fn open_or_create(path: &Path, entropy: &dyn Entropy, now: Timestamp) -> Result<Self, KeyRingError> {
        KeyFile::open_or_create(path, entropy, now)?.ring_of(path, now)
    }
}

impl KeyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`KeyRingError`]. A file that others can read is refused.
    pub fn read(path: &Path) -> Result<Self, KeyRingError> {
        Self::parse(path, &read_private(path)?)
    }

    /// Reads a file and keeps others from changing it until this value is dropped.
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub fn open_to_change(path: &Path) -> Result<Self, KeyRingError> {
        let io = |source| KeyRingError::Io { path: path.to_owned(), source };
        // The file itself is replaced by a change, so its folder is what is locked.
        let folder = File::open(folder_of(&fs::canonicalize(path).map_err(io)?)).map_err(io)?;
        folder.lock().map_err(io)?;
        Ok(Self { _lock: Some(folder), ..Self::read(path)? })
    }

    /// Puts the file in the place of the old one: whole or not at all, durable, readable by its owner only.
    ///
    /// # Errors
    /// [`KeyRingError::Io`]; the old file is then still in place.
    pub fn write(&self, path: &Path) -> Result<(), KeyRingError> {
        let io = |source| KeyRingError::Io { path: path.to_owned(), source };
        // A link keeps pointing at the file.
        let path = fs::canonicalize(path).map_err(io)?;
        let partial = write_partial(&path, self.expose().as_bytes()).map_err(io)?;
        let placed = keep_owner(&path, &partial).and_then(|()| fs::rename(&partial, &path));
        if placed.is_err() {
            fs::remove_file(&partial).ok();
        }
        placed.and_then(|()| sync_folder(&path)).map_err(io)
    }

    /// Every key, the newest of each purpose first.
    #[must_use]
    pub fn entries(&self, now: Timestamp) -> Vec<KeyEntry> {
        let of = |purpose| {
            let list = self.lists.of(purpose);
            let active = active_index(list, now);
            let state = move |index: usize| match index.cmp(&active) {
                std::cmp::Ordering::Less => {
                    KeyState::Waiting(list.get(index).and_then(|entry| entry.active_from).unwrap_or(now))
                }
                std::cmp::Ordering::Equal => KeyState::Active,
                std::cmp::Ordering::Greater => {
                    let next = list.get(index.saturating_sub(1));
                    KeyState::Superseded(next.map_or(now, |next| next.active_from.unwrap_or(next.created_at)))
                }
            };
            list.iter().enumerate().map(move |(index, entry)| KeyEntry {
                purpose,
                id: entry.id,
                created_at: entry.created_at,
                state: state(index),
            })
        };
        Purpose::ALL.into_iter().flat_map(of).collect()
    }

    /// Adds a new key, which becomes the active one after `lead`.
    ///
    /// # Errors
    /// [`KeyChangeRefusal::Waiting`] inside `Ok` when another one is still waiting; [`NoEntropy`] without random bytes.
    pub fn rotate(
        &mut self,
        purpose: Purpose,
        lead: Duration,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Result<KeyEntry, KeyChangeRefusal>, NoEntropy> {
        let waiting = self
            .entries(now)
            .into_iter()
            .find(|entry| entry.purpose == purpose && matches!(entry.state, KeyState::Waiting(_)));
        if let Some(waiting) = waiting {
            return Ok(Err(KeyChangeRefusal::Waiting(waiting.id)));
        }
        let mut entry = Entry::generate(purpose, entropy, now)?;
        let from = now.plus(lead);
        entry.active_from = Some(from);
        let state = if lead.is_zero() { KeyState::Active } else { KeyState::Waiting(from) };
        let made = KeyEntry { purpose, id: entry.id, created_at: now, state };
        self.lists.of_mut(purpose).insert(0, entry);
        Ok(Ok(made))
    }

    /// Removes a key. `in_use` says for how long after a key was superseded what it made is good; `None` is for ever.
    ///
    /// # Errors
    /// [`KeyChangeRefusal`]. With `force`, only that there is no such key, or that it is the only one.
    pub fn retire(
        &mut self,
        id: &str,
        force: bool,
        in_use: impl Fn(Purpose) -> Option<Duration>,
        now: Timestamp,
    ) -> Result<KeyEntry, KeyChangeRefusal> {
        let found = self.entries(now).into_iter().find(|entry| entry.id.to_string() == id);
        let found = found.ok_or_else(|| KeyChangeRefusal::Unknown(id.to_owned()))?;
        let list = self.lists.of_mut(found.purpose);
        if list.len() == 1 {
            return Err(KeyChangeRefusal::Only(found.id));
        }
        match found.state {
            _ if force => {}
            KeyState::Waiting(_) => {}
            KeyState::Active => return Err(KeyChangeRefusal::Active(found.id)),
            KeyState::Superseded(at) => {
                let until = in_use(found.purpose).map(|span| at.plus(span));
                if until.is_none_or(|until| !now.has_reached(until)) {
                    let until = until.map_or("further notice".to_owned(), |until| until.unix().to_string());
                    let loss = found.purpose.loss();
                    return Err(KeyChangeRefusal::InUse { id: found.id, until, loss });
                }
            }
        }
        list.retain(|entry| entry.id != found.id);
        Ok(found)
    }

    /// The same as [`ring`](Self::ring), for a file that was read from `path`.
    pub(super) fn ring_of(&self, path: &Path, now: Timestamp) -> Result<KeyRing, KeyRingError> {
        let form = |reason: &str| KeyRingError::Form { path: path.to_owned(), reason: reason.to_owned() };
        self.ring(now).map_err(form)
    }

    /// The ring as it is at `now`.
    ///
    /// # Errors
    /// What is wrong, without any key.
    pub fn ring(&self, now: Timestamp) -> Result<KeyRing, &'static str> {
        let lists = &self.lists;
        let signing = ordered(&lists.signing, now).map(|entry| {
            let pkcs8 = from_base64url(&entry.secret).map(Zeroizing::new)?;
            SigningKey::read(entry.id, &pkcs8)
        });
        let signing: Option<Vec<_>> = signing.collect();
        let signing = signing.ok_or("a signing key is not a P-256 key in PKCS #8")?;
        if signing.is_empty() {
            return Err(EMPTY);
        }
        Ok(KeyRing {
            registration: mac_keys(&lists.registration, now)?,
            tickets: mac_keys(&lists.tickets, now)?,
            sealing: sealing_keys(&lists.sealing, now)?,
            wrapping: sealing_keys(&lists.wrapping, now)?,
            signing,
        })
    }

    pub(super) fn open_or_create(
        path: &Path,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Self, KeyRingError> {
        let io = |source| KeyRingError::Io { path: path.to_owned(), source };
        match Self::read(path) {
            Err(KeyRingError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let file = Self::generate(entropy, now)?;
        let partial = write_partial(path, file.expose().as_bytes()).map_err(io)?;
        // A hard link refuses to replace a file that another process made in the meantime.
        let placed = fs::hard_link(&partial, path);
        fs::remove_file(&partial).map_err(io)?;
        match placed.and_then(|()| sync_folder(path)) {
            // Another process was faster: its keys are the keys.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
            Err(error) => Err(io(error)),
            Ok(()) => Ok(file),
        }
    }

    /// New keys, one of each purpose, that are kept nowhere yet.
    ///
    /// # Errors
    /// [`NoEntropy`] when there are no random bytes.
    pub fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, NoEntropy> {
        let one = |purpose| Ok::<_, NoEntropy>(vec![Entry::generate(purpose, entropy, now)?]);
        let lists = Lists {
            registration: one(Purpose::Registration)?,
            tickets: one(Purpose::Tickets)?,
            sealing: one(Purpose::Sealing)?,
            wrapping: one(Purpose::Wrapping)?,
            signing: one(Purpose::Signing)?,
        };
        Ok(Self { lists, _lock: None })
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, KeyRingError> {
        Self::read_text(text).map_err(|reason| KeyRingError::Form { path: path.to_owned(), reason })
    }

    /// Reads what a file would hold, or the same in base64: not every place that keeps a secret can keep lines.
    ///
    /// # Errors
    /// [`KeyRingError::Text`].
    pub fn from_text(text: &str) -> Result<Self, KeyRingError> {
        let lines = || {
            let bytes = STANDARD.decode(text.trim()).ok().map(Zeroizing::new)?;
            str::from_utf8(&bytes).ok().map(|lines| Zeroizing::new(lines.to_owned()))
        };
        let read = lines().map_or_else(|| Self::read_text(text), |lines| Self::read_text(&lines));
        read.map_err(|reason| KeyRingError::Text { reason })
    }

    fn read_text(text: &str) -> Result<Self, String> {
        // The parser's own message would quote the line, and the line is a key.
        let reason = |error: toml::de::Error| error.message().lines().next().unwrap_or_default().to_owned();
        Ok(Self { lists: toml::from_str(text).map_err(reason)?, _lock: None })
    }

    /// What the file holds: every key in the clear.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let keys = Zeroizing::new(toml::to_string(&self.lists).unwrap_or_default());
        Zeroizing::new(format!(
            "# Coatroom's keys. Keep them secret and back them up: without them every session ends.\n\n{}",
            *keys
        ))
    }
}

impl Lists {
    const fn of(&self, purpose: Purpose) -> &Vec<Entry> {
        match purpose {
            Purpose::Registration => &self.registration,
            Purpose::Tickets => &self.tickets,
            Purpose::Sealing => &self.sealing,
            Purpose::Wrapping => &self.wrapping,
            Purpose::Signing => &self.signing,
        }
    }

    const fn of_mut(&mut self, purpose: Purpose) -> &mut Vec<Entry> {
        match purpose {
            Purpose::Registration => &mut self.registration,
            Purpose::Tickets => &mut self.tickets,
            Purpose::Sealing => &mut self.sealing,
            Purpose::Wrapping => &mut self.wrapping,
            Purpose::Signing => &mut self.signing,
        }
    }
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lists([redacted])")
    }
}

impl Entry {
    fn generate(purpose: Purpose, entropy: &dyn Entropy, now: Timestamp) -> Result<Self, NoEntropy> {
        let secret = if purpose == Purpose::Signing {
            base64url(&SigningKey::generate(entropy)?)
        } else {
            base64url(&*Zeroizing::new(draw::<32>(entropy)?))
        };
        let id = KeyId::from_bytes(draw(entropy)?);
        Ok(Self { id, created_at: now, active_from: None, secret: Zeroizing::new(secret) })
    }
}

/// The first key whose time has come; if there is none, the last.
fn active_index(list: &[Entry], now: Timestamp) -> usize {
    let has_come = |entry: &Entry| entry.active_from.is_none_or(|from| now.has_reached(from));
    list.iter().position(has_come).unwrap_or(list.len().saturating_sub(1))
}

/// The active key, then the others.
fn ordered(list: &[Entry], now: Timestamp) -> impl Iterator<Item = &Entry> {
    let active = active_index(list, now);
    let others = list.iter().enumerate().filter(move |(index, _)| *index != active);
    list.get(active).into_iter().chain(others.map(|(_, entry)| entry))
}

fn symmetric(entries: &[Entry], now: Timestamp) -> Result<Vec<(KeyId, [u8; 32])>, &'static str> {
    let read = |entry: &Entry| {
        let secret = from_base64url(&entry.secret).map(Zeroizing::new)?;
        Some((entry.id, secret.as_slice().try_into().ok()?))
    };
    ordered(entries, now).map(read).collect::<Option<_>>().ok_or("a key is not 256 bits in base64url")
}

fn mac_keys(entries: &[Entry], now: Timestamp) -> Result<MacKeys, &'static str> {
    let mut keys = symmetric(entries, now)?.into_iter().map(|(id, secret)| MacKey::new(id, secret));
    let active = keys.next().ok_or(EMPTY)?;
    Ok(MacKeys::new(active, keys.collect()))
}

fn sealing_keys(entries: &[Entry], now: Timestamp) -> Result<SealingKeys, &'static str> {
    let mut keys = symmetric(entries, now)?.into_iter().map(|(id, secret)| SealingKey::new(id, secret));
    let active = keys.next().ok_or(EMPTY)?;
    Ok(SealingKeys::new(active, keys.collect()))
}

const EMPTY: &str = "every purpose needs at least one key";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const START: u64 = 1000;
    const LEAD: Duration = Duration::from_mins(10);

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(START + seconds)
    }

    fn open(path: &Path) -> Result<KeyRing, KeyRingError> {
        KeyRing::open_or_create(path, &SystemEntropy::new(), at(0))
    }

    fn rotated(file: &mut KeyFile, purpose: Purpose, now: Timestamp) -> KeyId {
        file.rotate(purpose, LEAD, &SystemEntropy::new(), now).unwrap().unwrap().id
    }

    fn signing(file: &KeyFile, now: Timestamp) -> Vec<KeyId> {
        file.ring(now).unwrap().signing.iter().map(SigningKey::id).collect()
    }

    #[test]
    fn the_first_start_makes_a_file_that_later_starts_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let first = open(&path).unwrap();
        assert_eq!(open(&path).unwrap().checks(), first.checks());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file stays behind");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file_and_a_readable_one_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        KeyFile::open_to_change(&path).unwrap().write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(open(&path), Err(KeyRingError::Readable { .. })));
    }

    #[test]
    fn a_broken_file_is_refused_without_showing_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        open(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let secret = text.split("secret = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        fs::write(&path, text.replace(&secret, &format!("{secret}!"))).unwrap();
        let message = open(&path).unwrap_err().to_string();
        assert!(message.contains("not a key ring") && !message.contains(&secret), "{message}");
        assert!(
            !format!("{:?}", KeyFile::generate(&SystemEntropy::new(), at(0)).unwrap()).contains(&secret[..8])
        );
    }

    // KEY-03: known and published first, then used, then kept.
    #[test]
    fn a_new_key_is_known_before_it_is_active_and_the_old_one_stays() {
        for purpose in Purpose::ALL {
            let mut file = KeyFile::generate(&SystemEntropy::new(), at(0)).unwrap();
            let old = file.entries(at(0)).into_iter().find(|entry| entry.purpose == purpose).unwrap().id;
            let new = rotated(&mut file, purpose, at(0));
            let states = |now| {
                let of = |entry: KeyEntry| (entry.purpose == purpose).then_some((entry.id, entry.state));
                file.entries(now).into_iter().filter_map(of).collect::<Vec<_>>()
            };
            assert_eq!(states(at(599)), [(new, KeyState::Waiting(at(600))), (old, KeyState::Active)]);
            assert_eq!(states(at(600)), [(new, KeyState::Active), (old, KeyState::Superseded(at(600)))]);
        }
        let mut file = KeyFile::generate(&SystemEntropy::new(), at(0)).unwrap();
        let old = signing(&file, at(0))[0];
        let new = rotated(&mut file, Purpose::Signing, at(0));
        assert_eq!(signing(&file, at(599)), [old, new]);
        assert_eq!(signing(&file, at(600)), [new, old]);
        file.rotate(Purpose::Signing, LEAD, &SystemEntropy::new(), at(599)).unwrap().unwrap_err();
    }

    #[test]
    fn a_key_is_retired_when_nothing_that_it_made_is_in_use() {
        let in_use = |purpose| (purpose != Purpose::Registration).then_some(Duration::from_mins(2));
        let mut file = KeyFile::generate(&SystemEntropy::new(), at(0)).unwrap();
        for purpose in [Purpose::Signing, Purpose::Registration] {
            let old = file.entries(at(0)).into_iter().find(|entry| entry.purpose == purpose).unwrap().id;
            let id = old.to_string();
            assert_eq!(file.retire(&id, true, in_use, at(0)), Err(KeyChangeRefusal::Only(old)));
            rotated(&mut file, purpose, at(0));
            assert_eq!(file.retire(&id, false, in_use, at(599)), Err(KeyChangeRefusal::Active(old)));
            let refusal = file.retire(&id, false, in_use, at(719)).unwrap_err();
            assert!(matches!(refusal, KeyChangeRefusal::InUse { .. }), "{refusal}");
            let force = purpose == Purpose::Registration;
            assert_eq!(file.retire(&id, false, in_use, at(720)).is_err(), force, "clients last for ever");
            file.retire(&id, true, in_use, at(720)).map_or_else(|_| assert!(!force), |_| assert!(force));
        }
        assert_eq!(
            file.retire("AAAAAA", true, in_use, at(0)),
            Err(KeyChangeRefusal::Unknown("AAAAAA".to_owned()))
        );
    }

    // KEY-06: whatever is waiting takes its place before its time.
    #[test]
    fn a_removed_key_is_gone_at_once() {
        let mut file = KeyFile::generate(&SystemEntropy::new(), at(0)).unwrap();
        let old = signing(&file, at(0))[0];
        let new = rotated(&mut file, Purpose::Signing, at(0));
        file.retire(&old.to_string(), true, |_| None, at(1)).unwrap();
        assert_eq!(signing(&file, at(1)), [new]);
    }

    // KEY-01: messages about bad keys show nothing of them.
    #[test]
    fn a_text_is_read_as_the_file_is_also_in_base64_and_never_repeated() {
        let file = KeyFile::generate(&SystemEntropy::new(), at(0)).unwrap();
        let (text, checks) = (file.expose(), file.ring(at(0)).unwrap().checks());
        for form in
            [text.to_string(), STANDARD.encode(text.as_bytes()), STANDARD.encode(text.as_bytes()) + "\n"]
        {
            assert_eq!(KeyFile::from_text(&form).unwrap().ring(at(0)).unwrap().checks(), checks);
        }
        let secret = &file.lists.tickets[0].secret;
        let without_lines = text.replace('\n', " ");
        let half = text.replace(secret.as_str(), &format!("{}\nx", secret.as_str()));
        for bad in ["", secret.as_str(), &without_lines, &half, &STANDARD.encode(&half)] {
            let message = KeyFile::from_text(bad).unwrap_err().to_string();
            assert!(message.starts_with("the keys are not a key ring: "), "{message}");
            assert!(!message.contains(&secret[..8]), "{message}");
        }
    }

    #[test]
    fn a_change_is_written_whole_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        open(&path).unwrap();
        let mut file = KeyFile::open_to_change(&path).unwrap();
        let new = rotated(&mut file, Purpose::Tickets, at(0));
        file.write(&path).unwrap();
        let ring = KeyFile::read(&path).unwrap().ring(at(600)).unwrap();
        assert_eq!(ring.tickets.active().id(), new);
        assert_eq!(ring.tickets.iter().count(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
