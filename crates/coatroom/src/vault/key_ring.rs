//! Our keys: one ring per purpose, so that a purpose can be rotated and retired without the others.
//!
//! In each list the first key is active, the rest still verify and open. Where a ring is kept is for `key_file` to say.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use coatroom_protocol::words::{KeyId, MacKey, MacKeys, Timestamp, base64url, sha256};
use zeroize::Zeroizing;

use super::key_file::KeyFile;
use super::seal::SealingKeys;
use crate::entropy::{Entropy, NoEntropy};

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

/// A signing key: ECDSA on P-256 with SHA-256, `ES256` in RFC 7518 §3.4.
#[derive(Clone)]
pub struct SigningKey {
    id: KeyId,
    pair: Arc<EcdsaKeyPair>,
}

impl SigningKey {
    /// The key's name, `kid` on the wire.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The public half as a JWK (RFC 7517, RFC 7518 §6.2.1).
    #[must_use]
    pub fn public_jwk(&self) -> serde_json::Value {
        let coordinates = self.point().get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at_checked(32).unwrap_or_default();
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
            "kid": self.id.to_string(), "x": base64url(x), "y": base64url(y),
        })
    }

    /// Signs `message`: `r ‖ s`, as JWS has it (RFC 7518 §3.4).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, NoEntropy> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| NoEntropy)?;
        Ok(signature.as_ref().to_vec())
    }

    /// A new key in PKCS #8.
    pub(super) fn generate() -> Result<Zeroizing<Vec<u8>>, NoEntropy> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(Zeroizing::new(pkcs8.map_err(|_| NoEntropy)?.as_ref().to_vec()))
    }

    pub(super) fn read(id: KeyId, pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        Some(Self { id, pair: Arc::new(pair) })
    }

    fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, [redacted])", self.id)
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

impl KeyRing {
    /// Makes a new ring that is kept nowhere: tokens end with the process.
    ///
    /// # Errors
    /// [`NoEntropy`] when there are no random bytes.
    pub fn generate(entropy: &dyn Entropy, now: Timestamp) -> Result<Self, NoEntropy> {
        KeyFile::generate(entropy, now)?.ring(now).map_err(|_| NoEntropy)
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
        let signing = self.signing.iter().map(|key| KeyCheck {
            name: format!("key:signing:{}", key.id()),
            value: base64url(&sha256(key.point())),
        });
        macs.chain(seals).chain(signing).collect()
    }
}

fn check(purpose: &str, id: KeyId, key: &MacKey) -> KeyCheck {
    KeyCheck {
        name: format!("key:{purpose}:{id}"),
        value: base64url(&key.tag("key check value", &[purpose.as_bytes()])),
    }
}

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::from_base64url;

    use super::*;
    use crate::entropy::SystemEntropy;

    fn ring() -> KeyRing {
        KeyRing::generate(&SystemEntropy::new(), Timestamp::from_unix(1)).unwrap()
    }

    #[test]
    fn the_published_key_has_public_members_only() {
        let ring = ring();
        let jwk = ring.signing[0].public_jwk();
        assert_eq!(from_base64url(jwk["x"].as_str().unwrap()).unwrap().len(), 32);
        assert_eq!(from_base64url(jwk["y"].as_str().unwrap()).unwrap().len(), 32);
        assert!(jwk.get("d").is_none());
    }

    #[test]
    fn a_signing_key_never_shows_its_secret() {
        let key = ring().signing[0].clone();
        assert_eq!(format!("{key:?}"), format!("SigningKey({}, [redacted])", key.id()));
    }

    #[test]
    fn keys_of_different_purposes_have_different_check_values() {
        let mut values: Vec<_> = ring().checks().into_iter().map(|check| check.value).collect();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 5);
    }
}
