//! The ring as it is at the moment: a file may be changed while the program runs, and a waiting key's time may come.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use coatroom_protocol::words::{Timestamp, sha256};

use super::key_file::KeyFile;
use super::key_ring::KeyRing;
use super::key_trouble::KeyRingError;
use super::private_file::read_private;
use crate::entropy::Entropy;

/// The ring as it is at the moment, shared by everything that makes and verifies.
pub struct LiveKeys {
    current: RwLock<Arc<KeyRing>>,
    followed: Option<Mutex<Followed>>,
}

/// Keys whose times come.
struct Followed {
    /// Where they are read from again; `None` where they never change.
    path: Option<PathBuf>,
    /// The keys, of a file when it was last good.
    file: KeyFile,
    /// What was read last, good or bad, so that a trouble is told once.
    seen: Option<[u8; 32]>,
}

impl LiveKeys {
    /// A ring that never changes.
    #[must_use]
    pub fn fixed(ring: KeyRing) -> Self {
        Self { current: RwLock::new(Arc::new(ring)), followed: None }
    }

    /// The ring of a file, which is made if there is none, and followed from now on.
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub fn open(path: &Path, entropy: &dyn Entropy, now: Timestamp) -> Result<Self, KeyRingError> {
        let file = KeyFile::open_or_create(path, entropy, now)?;
        let ring = file.ring_of(path, now)?;
        Ok(Self::following(Some(path.to_owned()), file, ring))
    }

    /// The ring of a text that holds what a file would. Nobody changes it, but the time of a waiting key comes.
    ///
    /// # Errors
    /// [`KeyRingError::Text`].
    pub fn from_text(text: &str, now: Timestamp) -> Result<Self, KeyRingError> {
        let file = KeyFile::from_text(text)?;
        let ring = file.ring(now).map_err(|reason| KeyRingError::Text { reason: reason.to_owned() })?;
        Ok(Self::following(None, file, ring))
    }

    fn following(path: Option<PathBuf>, file: KeyFile, ring: KeyRing) -> Self {
        let followed = Followed { path, file, seen: None };
        Self { current: RwLock::new(Arc::new(ring)), followed: Some(Mutex::new(followed)) }
    }

    /// The ring at the moment. What belongs together takes it once.
    #[must_use]
    pub fn current(&self) -> Arc<KeyRing> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether they may change.
    pub(crate) const fn are_followed(&self) -> bool {
        self.followed.is_some()
    }

    /// Looks at the file, if there is one, and at the time: the ring that should take the place of the current one, if there is one.
    ///
    /// # Errors
    /// [`KeyRingError`] the first time that a bad file is seen; the keys of the last good one stay.
    pub(crate) fn look(&self, now: Timestamp) -> Result<Option<KeyRing>, KeyRingError> {
        let Some(followed) = &self.followed else { return Ok(None) };
        let mut followed = followed.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = followed.reread(now).err();
        let ring = followed.file.ring(now).ok();
        drop(followed);
        let current = self.current();
        match trouble {
            Some(error) => Err(error),
            None => Ok(ring.filter(|ring| ring.checks() != current.checks())),
        }
    }

    /// Puts a ring in the place of the current one.
    pub(crate) fn put(&self, ring: KeyRing) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }
}

impl Followed {
    fn reread(&mut self, now: Timestamp) -> Result<(), KeyRingError> {
        let Some(path) = &self.path else { return Ok(()) };
        let read = read_private(path);
        let seen = match &read {
            Ok(text) => sha256(text.as_bytes()),
            Err(error) => sha256(error.to_string().as_bytes()),
        };
        if self.seen.replace(seen) == Some(seen) {
            return Ok(());
        }
        let file = KeyFile::parse(path, &read?)?;
        file.ring_of(path, now)?;
        self.file = file;
        Ok(())
    }
}

impl From<KeyRing> for LiveKeys {
    fn from(ring: KeyRing) -> Self {
        Self::fixed(ring)
    }
}

impl fmt::Debug for LiveKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveKeys").field("current", &self.current()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::super::key_file::Purpose;
    use super::super::key_ring::SigningKey;
    use super::*;
    use crate::entropy::SystemEntropy;

    fn signing(keys: &LiveKeys) -> Vec<String> {
        keys.current().signing.iter().map(|key: &SigningKey| key.id().to_string()).collect()
    }

    /// What a server does every few seconds.
    fn follow(keys: &LiveKeys, now: Timestamp) -> Result<bool, KeyRingError> {
        let ring = keys.look(now)?;
        let has_changed = ring.is_some();
        if let Some(ring) = ring {
            keys.put(ring);
        }
        Ok(has_changed)
    }

    // KEY-03: no restart.
    #[test]
    fn a_changed_file_and_a_time_that_has_come_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let start = Timestamp::from_unix(1000);
        let later = start.plus(Duration::from_mins(10));
        let keys = LiveKeys::open(&path, &SystemEntropy::new(), start).unwrap();
        let old = signing(&keys).remove(0);
        assert!(!follow(&keys, later).unwrap());

        let mut file = KeyFile::open_to_change(&path).unwrap();
        let lead = Duration::from_mins(10);
        let new = file.rotate(Purpose::Signing, lead, &SystemEntropy::new(), start).unwrap().unwrap();
        let new = new.id.to_string();
        file.write(&path).unwrap();
        assert!(follow(&keys, start).unwrap());
        assert_eq!(signing(&keys), [old.clone(), new.clone()]);
        assert!(follow(&keys, later).unwrap(), "the file is the same, the time is another");
        assert_eq!(signing(&keys), [new.clone(), old.clone()]);

        file.retire(&old, true, |_| None, later).unwrap();
        file.write(&path).unwrap();
        assert!(follow(&keys, later).unwrap());
        assert_eq!(signing(&keys), [new]);
    }

    #[test]
    fn in_a_text_the_time_of_a_waiting_key_comes_too() {
        let start = Timestamp::from_unix(1000);
        let (entropy, lead) = (SystemEntropy::new(), Duration::from_mins(10));
        let mut file = KeyFile::generate(&entropy, start).unwrap();
        let new = file.rotate(Purpose::Signing, lead, &entropy, start).unwrap().unwrap().id.to_string();
        let keys = LiveKeys::from_text(&file.expose(), start).unwrap();
        let old = signing(&keys).remove(0);
        assert!(!follow(&keys, start).unwrap());
        assert!(follow(&keys, start.plus(lead)).unwrap());
        assert_eq!(signing(&keys), [new, old]);
    }

    #[test]
    fn a_bad_file_is_told_once_and_the_last_good_keys_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let now = Timestamp::from_unix(1000);
        let keys = LiveKeys::open(&path, &SystemEntropy::new(), now).unwrap();
        let (before, good) = (keys.current().checks(), fs::read_to_string(&path).unwrap());
        for bad in ["", "signing = 1", "signing = []", &good[..good.len() / 2]] {
            fs::write(&path, bad).unwrap();
            follow(&keys, now).unwrap_err();
            assert!(!follow(&keys, now).unwrap());
            assert_eq!(keys.current().checks(), before);
        }
        fs::remove_file(&path).unwrap();
        follow(&keys, now).unwrap_err();
        assert!(!follow(&keys, now).unwrap());
        assert_eq!(keys.current().checks(), before);
    }
}
