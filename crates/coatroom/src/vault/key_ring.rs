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

    /// A new key in PKCS #8: random bits until they are a number that is a key (FIPS 186-5, A.2.2), as all but one of 2³² are.
    ///
    /// The library would first collect randomness of its own, for longer than all else takes at a first start.
    pub(super) fn generate(entropy: &dyn Entropy) -> Result<Zeroizing<Vec<u8>>, NoEntropy> {
        loop {
            let number = Zeroizing::new(draw::<32>(entropy)?);
            let pkcs8 = Zeroizing::new([PKCS8_OF_P256, number.as_slice()].concat());
            if EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).is_ok() {
                return Ok(pkcs8);
            }
        }
    }

    pub(super) fn read(id: KeyId, pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        Some(Self { id, pair: Arc::new(pair) })
    }

    fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}

/// What stands before the number of a private key on P-256 in PKCS #8, when its public key is left out (RFC 5208 §5, RFC 5915 §3).
const PKCS8_OF_P256: &[u8] = &[
    0x30, 0x41, 0x02, 0x01, 0x00, // PrivateKeyInfo, version 0
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, // id-ecPublicKey
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, // prime256v1
    0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20, // ECPrivateKey, version 1, 32 bytes
];

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

    use std::sync::Mutex;

    use super::*;
    use crate::entropy::SystemEntropy;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

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

    /// Fills with the next of these bytes.
    #[derive(Debug)]
    struct Bytes(Mutex<Vec<u8>>);

    impl Entropy for Bytes {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
            bytes.fill(self.0.lock().unwrap().pop().ok_or(NoEntropy)?);
            Ok(())
        }
    }

    #[test]
    fn a_signing_key_is_the_first_number_that_is_one_and_its_public_half_verifies() {
        let pkcs8 = SigningKey::generate(&Bytes(Mutex::new(vec![9, 7, 0xff, 0]))).unwrap();
        assert!(pkcs8.ends_with(&[7; 32]), "neither zero nor what the order of the curve is below");
        let key = SigningKey::read(KeyId::from_bytes([1; 4]), &pkcs8).unwrap();
        let signature = key.sign(b"message").unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point());
        public.verify(b"message", &signature).unwrap();
        assert!(public.verify(b"massage", &signature).is_err());
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
