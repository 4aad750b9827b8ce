//! Our keys: one ring per purpose, so that a purpose can be rotated and retired without the others.
//!
//! The ring lives in a file of mode 0600 that is made at the first start. In each list the first key is active, the rest still
//! verify and open. Losing the file ends every session; leaking it alone opens nothing (ARCHITECTURE.md, rule 3).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use coatroom_protocol::words::{KeyId, MacKey, MacKeys, Timestamp, base64url, from_base64url};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::seal::{SealingKey, SealingKeys};
use crate::entropy::{Entropy, NoEntropy, draw};

/// All keys of a server.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "one field per purpose; a new purpose is a breaking change")]
pub struct KeyRing {
    /// Makes and verifies the ids and secrets of registered clients.
    pub registration: MacKeys,
    /// Makes and verifies refresh tokens, and derives their successors.
    pub tickets: MacKeys,
    /// Seals what the browser carries: flows and sessions.
    pub sealing: SealingKeys,
    /// The master key: the outer layer around everything in the vault.
    pub wrapping: SealingKeys,
    /// Signs what others verify by `/jwks.json`.
    pub signing: Vec<SigningKey>,
}

/// A signing key, of which only the public half is needed so far: ECDSA on P-256 with SHA-256.
#[derive(Debug, Clone)]
pub struct SigningKey {
    id: KeyId,
    point: Vec<u8>,
}

impl SigningKey {
    /// The public half as a JWK (RFC 7517, RFC 7518 §6.2.1).
    #[must_use]
    pub fn public_jwk(&self) -> serde_json::Value {
        let coordinates = self.point.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at_checked(32).unwrap_or_default();
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
            "kid": self.id.to_string(), "x": base64url(x), "y": base64url(y),
        })
    }

    fn read(id: KeyId, pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        let point = pair.public_key().as_ref().to_vec();
        Some(Self { id, point })
    }
}

/// What the store keeps of a key, so that replicas notice when their rings disagree: its name and a value that only the key
/// gives, and that does not give the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyCheck {
    /// Purpose and key id.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: String,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The file cannot be read or made.
    #[error("the key file {path} cannot be used: {source}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is there but is not a key ring.
    #[error("the key file {path} is not a key ring: {reason}", path = path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong, without any key.
        reason: String,
    },
    /// Others could read the keys.
    #[error("the key file {path} can be read by others; run: chmod 600 {path}", path = path.display())]
    Readable {
        /// Which file.
        path: PathBuf,
    },
    /// No random bytes for new keys.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

impl KeyRing {
    /// Makes a new ring that is kept nowhere: tokens end with the process.
    ///
    /// # Errors
    /// [`NoEntropy`] when there are no random bytes.
    pub fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, NoEntropy> {
        KeyFile::generate(entropy, now)?.ring().map_err(|_| NoEntropy)
    }

    /// Reads the ring from a file, or makes the file with mode 0600 when there is none.
    ///
    /// # Errors
    /// See [`KeyRingError`]. A file that others can read is refused.
    pub fn open_or_create(path: &Path, entropy: &dyn Entropy, now: Timestamp) -> Result<Self, KeyRingError> {
        let io = |source| KeyRingError::Io { path: path.to_owned(), source };
        match fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => {
                refuse_readable(path)?;
                let form = |reason: String| KeyRingError::Form { path: path.to_owned(), reason };
                // The parser's own message would quote the line, and the line is a key.
                let file: KeyFile = toml::from_str(&text)
                    .map_err(|error| form(error.message().lines().next().unwrap_or_default().to_owned()))?;
                file.ring().map_err(|reason| form(reason.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = KeyFile::generate(entropy, now)?;
                let text = Zeroizing::new(file.text());
                match write_private(path, text.as_bytes()) {
                    // Another process was faster: its keys are the keys.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        Self::open_or_create(path, entropy, now)
                    }
                    Err(error) => Err(io(error)),
                    Ok(()) => file.ring().map_err(|_| NoEntropy.into()),
                }
            }
            Err(error) => Err(io(error)),
        }
    }

    /// The check values of every key.
    pub(crate) fn checks(&self) -> Vec<KeyCheck> {
        let macs = [("registration", &self.registration), ("tickets", &self.tickets)];
        let macs = macs
            .into_iter()
            .flat_map(|(purpose, keys)| keys.iter().map(move |key| check(purpose, key.id(), key)));
        let seals = [("sealing", &self.sealing), ("wrapping", &self.wrapping)];
        let seals = seals
            .into_iter()
            .flat_map(|(purpose, keys)| keys.iter().map(move |key| check(purpose, key.id(), &key.as_mac())));
        macs.chain(seals).collect()
    }
}

fn check(purpose: &str, id: KeyId, key: &MacKey) -> KeyCheck {
    KeyCheck {
        name: format!("key:{purpose}:{id}"),
        value: base64url(&key.tag("key check value", &[purpose.as_bytes()])),
    }
}

/// The file: a list of keys per purpose, the active one first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    registration: Vec<KeyEntry>,
    tickets: Vec<KeyEntry>,
    sealing: Vec<KeyEntry>,
    wrapping: Vec<KeyEntry>,
    signing: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: KeyId,
    created_at: Timestamp,
    secret: Zeroizing<String>,
}

impl KeyFile {
    fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, NoEntropy> {
        let symmetric = || -> Result<Vec<KeyEntry>, NoEntropy> {
            let secret = Zeroizing::new(base64url(&*Zeroizing::new(draw::<32>(entropy)?)));
            Ok(vec![KeyEntry { id: KeyId::from_bytes(draw(entropy)?), created_at: now, secret }])
        };
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| NoEntropy)?;
        let signing = KeyEntry {
            id: KeyId::from_bytes(draw(entropy)?),
            created_at: now,
            secret: Zeroizing::new(base64url(pkcs8.as_ref())),
        };
        Ok(Self {
            registration: symmetric()?,
            tickets: symmetric()?,
            sealing: symmetric()?,
            wrapping: symmetric()?,
            signing: vec![signing],
        })
    }

    fn text(&self) -> String {
        let keys = toml::to_string(self).unwrap_or_default();
        format!(
            "# Coatroom's keys. Keep this file secret and back it up: without it every session ends.\n\n{keys}"
        )
    }

    fn ring(&self) -> Result<KeyRing, &'static str> {
        let signing = self.signing.iter().map(|entry| {
            let pkcs8 = from_base64url(&entry.secret).map(Zeroizing::new)?;
            SigningKey::read(entry.id, &pkcs8)
        });
        Ok(KeyRing {
            registration: mac_keys(&self.registration)?,
            tickets: mac_keys(&self.tickets)?,
            sealing: sealing_keys(&self.sealing)?,
            wrapping: sealing_keys(&self.wrapping)?,
            signing: signing.collect::<Option<_>>().ok_or("a signing key is not a P-256 key in PKCS #8")?,
        })
    }
}

fn symmetric(entries: &[KeyEntry]) -> Result<Vec<(KeyId, [u8; 32])>, &'static str> {
    let read = |entry: &KeyEntry| {
        let secret = from_base64url(&entry.secret).map(Zeroizing::new)?;
        Some((entry.id, secret.as_slice().try_into().ok()?))
    };
    entries.iter().map(read).collect::<Option<_>>().ok_or("a key is not 256 bits in base64url")
}

fn mac_keys(entries: &[KeyEntry]) -> Result<MacKeys, &'static str> {
    let mut keys = symmetric(entries)?.into_iter().map(|(id, secret)| MacKey::new(id, secret));
    let active = keys.next().ok_or(EMPTY)?;
    Ok(MacKeys::new(active, keys.collect()))
}

fn sealing_keys(entries: &[KeyEntry]) -> Result<SealingKeys, &'static str> {
    let mut keys = symmetric(entries)?.into_iter().map(|(id, secret)| SealingKey::new(id, secret));
    let active = keys.next().ok_or(EMPTY)?;
    Ok(SealingKeys::new(active, keys.collect()))
}

/// Writes a new file that only its owner can read, whole or not at all, and makes it durable.
fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.new", std::process::id()));
    let partial = PathBuf::from(partial);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    // A hard link refuses to replace a file that another process made in the meantime.
    let placed = written.and_then(|()| fs::hard_link(&partial, path));
    fs::remove_file(&partial)?;
    placed?;
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

#[cfg(unix)]
fn refuse_readable(path: &Path) -> Result<(), KeyRingError> {
    use std::os::unix::fs::PermissionsExt as _;

    let metadata = fs::metadata(path).map_err(|source| KeyRingError::Io { path: path.to_owned(), source })?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyRingError::Readable { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable(_: &Path) -> Result<(), KeyRingError> {
    Ok(())
}

const EMPTY: &str = "every purpose needs at least one key";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn open(path: &Path) -> Result<KeyRing, KeyRingError> {
        KeyRing::open_or_create(path, &SystemEntropy::new(), Timestamp::from_unix(1000))
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
    }

    #[test]
    fn the_published_key_has_public_members_only() {
        let ring = KeyRing::generate(&SystemEntropy::new(), Timestamp::from_unix(1)).unwrap();
        let jwk = ring.signing[0].public_jwk();
        assert_eq!(from_base64url(jwk["x"].as_str().unwrap()).unwrap().len(), 32);
        assert_eq!(from_base64url(jwk["y"].as_str().unwrap()).unwrap().len(), 32);
        assert!(jwk.get("d").is_none());
    }

    #[test]
    fn keys_of_different_purposes_have_different_check_values() {
        let ring = KeyRing::generate(&SystemEntropy::new(), Timestamp::from_unix(1)).unwrap();
        let mut values: Vec<_> = ring.checks().into_iter().map(|check| check.value).collect();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 4);
    }
}
