//! Authenticated encryption under one of our keys.
//!
//! An envelope is `version ‖ key id ‖ nonce ‖ ciphertext`. The cipher is AES-256-GCM-SIV, which forgives a repeated nonce. The
//! associated data names the purpose and everything that the value belongs to, so a sealed value that is moved elsewhere does
//! not open.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use coatroom_protocol::words::{KeyId, MacKey, base64url, from_base64url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, NoEntropy, draw};

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenRefusal {
    /// Too short, or of another version.
    #[error("it is not a sealed value")]
    Form,
    /// Sealed under a key that was retired or never existed.
    #[error("it was sealed under the key {0}, which is not among ours")]
    UnknownKey(KeyId),
    /// Changed, or moved from where it belongs.
    #[error("it was changed, or belongs elsewhere")]
    Forged,
}

/// A secret key for sealing, of one purpose.
#[derive(Clone)]
pub struct SealingKey {
    id: KeyId,
    secret: Zeroizing<[u8; 32]>,
}

impl SealingKey {
    /// Takes the key's name and its 256 bits.
    #[must_use]
    pub fn new(id: KeyId, secret: [u8; 32]) -> Self {
        Self { id, secret: Zeroizing::new(secret) }
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The same key for check values; HMAC and the cipher share nothing but the bits.
    pub(super) fn as_mac(&self) -> MacKey {
        MacKey::new(self.id, *self.secret)
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM_SIV, self.secret.as_slice()).ok().map(LessSafeKey::new)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}, [redacted])", self.id)
    }
}

/// The sealing keys of one purpose: one that seals, and older ones that still open.
#[derive(Debug, Clone)]
pub struct SealingKeys {
    active: SealingKey,
    older: Vec<SealingKey>,
}

impl SealingKeys {
    /// A ring with one active key and older ones.
    #[must_use]
    pub const fn new(active: SealingKey, older: Vec<SealingKey>) -> Self {
        Self { active, older }
    }

    /// Every key, the active one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.active).chain(&self.older)
    }

    /// Seals `plaintext`, bound to `purpose` and `bound_to`.
    ///
    /// # Errors
    /// [`NoEntropy`] when there are no random bytes for the nonce.
    pub(crate) fn seal(
        &self,
        entropy: &dyn Entropy,
        purpose: &str,
        bound_to: &[&[u8]],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, NoEntropy> {
        seal_under(&self.active, entropy, &associated_data(purpose, bound_to), plaintext)
    }

    /// Seals a value, as text that can stand in an address, a cookie or a form.
    ///
    /// # Errors
    /// [`NoEntropy`] as for [`seal`](Self::seal).
    pub(crate) fn seal_text(
        &self,
        entropy: &dyn Entropy,
        purpose: &str,
        bound_to: &[&[u8]],
        value: &impl Serialize,
    ) -> Result<String, NoEntropy> {
        // What is sealed has no maps whose keys are not text, so that it can always be written.
        let text = serde_json::to_vec(value).map_err(|_| NoEntropy)?;
        Ok(base64url(&self.seal(entropy, purpose, bound_to, &text)?))
    }

    /// Opens what [`seal_text`](Self::seal_text) made with the same purpose and binding; `None` for everything else.
    pub(crate) fn open_text<T: DeserializeOwned>(
        &self,
        purpose: &str,
        bound_to: &[&[u8]],
        text: &str,
    ) -> Option<T> {
        let opened = self.open(purpose, bound_to, &from_base64url(text)?).ok()?;
        serde_json::from_slice(&opened).ok()
    }

    /// Seals under the active key of `newer` what was sealed here. `None` when `newer` opens it as it is.
    ///
    /// # Errors
    /// [`OpenRefusal`] when it does not open here; inside `Ok`, [`NoEntropy`] as for [`seal`](Self::seal).
    pub(super) fn seal_again(
        &self,
        newer: &Self,
        entropy: &dyn Entropy,
        (purpose, bound_to): (&str, &[&[u8]]),
        envelope: &[u8],
    ) -> Result<Option<Result<Vec<u8>, NoEntropy>>, OpenRefusal> {
        let (key_id, _) = named_key(envelope).ok_or(OpenRefusal::Form)?;
        if newer.find(key_id).is_some() {
            return Ok(None);
        }
        let text = self.open(purpose, bound_to, envelope)?;
        Ok(Some(newer.seal(entropy, purpose, bound_to, &text)))
    }

    /// Whether the key is here that an envelope, as text, names. It may still not open.
    #[cfg(feature = "server")]
    pub(crate) fn knows_key_of(&self, envelope: &str) -> bool {
        let named = envelope.get(..NAMED_KEY_TEXT).and_then(from_base64url);
        named.and_then(|named| named_key(&named).map(|(id, _)| id)).is_some_and(|id| self.find(id).is_some())
    }

    fn find(&self, id: KeyId) -> Option<&SealingKey> {
        self.iter().find(|key| key.id == id)
    }

    /// Opens what [`seal`](Self::seal) made with the same purpose and binding.
    ///
    /// # Errors
    /// See [`OpenRefusal`].
    pub(crate) fn open(
        &self,
        purpose: &str,
        bound_to: &[&[u8]],
        envelope: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenRefusal> {
        let (key_id, rest) = named_key(envelope).ok_or(OpenRefusal::Form)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenRefusal::Form)?;
        let cipher = self.find(key_id).and_then(SealingKey::cipher).ok_or(OpenRefusal::UnknownKey(key_id))?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let aad = Aad::from(associated_data(purpose, bound_to));
        let length = cipher
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text)
            .map_err(|_| OpenRefusal::Forged)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

/// The key that an envelope was sealed under, and what follows its name.
fn named_key(envelope: &[u8]) -> Option<(KeyId, &[u8])> {
    let (version, rest) = envelope.split_first()?;
    let (key_id, rest) = rest.split_first_chunk::<4>()?;
    (*version == VERSION).then_some((KeyId::from_bytes(*key_id), rest))
}

fn seal_under(
    key: &SealingKey,
    entropy: &dyn Entropy,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, NoEntropy> {
    let nonce: [u8; NONCE_LEN] = draw(entropy)?;
    let cipher = key.cipher().ok_or(NoEntropy)?;
    let mut text = plaintext.to_vec();
    cipher
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut text)
        .map_err(|_| NoEntropy)?;
    Ok([&[VERSION][..], key.id.as_bytes(), &nonce, &text].concat())
}

/// Frames purpose and binding by their lengths, so that two different lists never give the same bytes.
pub(super) fn associated_data(purpose: &str, bound_to: &[&[u8]]) -> Vec<u8> {
    let mut framed = Vec::new();
    for part in std::iter::once(purpose.as_bytes()).chain(bound_to.iter().copied()) {
        framed.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        framed.extend_from_slice(part);
    }
    framed
}

/// A one-time key derived from `secret` by HKDF-SHA-256 (RFC 5869), with a salt and a framed context.
pub(super) fn derive_key(
    secret: &[u8],
    salt: &[u8; 32],
    purpose: &str,
    bound_to: &[&[u8]],
) -> Result<SealingKey, NoEntropy> {
    let context = associated_data(purpose, bound_to);
    let mut key = Zeroizing::new([0; 32]);
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
    // Fails only for results longer than 255 hashes.
    let derived =
        extracted.expand(&[&context], HKDF_SHA256).and_then(|derived| derived.fill(key.as_mut_slice()));
    derived.map_err(|_| NoEntropy)?;
    Ok(SealingKey { id: KeyId::from_bytes(*b"once"), secret: key })
}

const VERSION: u8 = 1;

/// As much of the text of an envelope as holds its version and the name of its key.
#[cfg(feature = "server")]
const NAMED_KEY_TEXT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    fn key(id: u8) -> SealingKey {
        SealingKey::new(KeyId::from_bytes([id; 4]), [id; 32])
    }

    #[test]
    fn a_sealed_value_opens_with_the_same_binding_only() {
        let keys = SealingKeys::new(key(1), Vec::new());
        let sealed = keys.seal(&SeededEntropy::new(1), "flow", &[b"a", b"b"], b"secret").unwrap();
        assert_eq!(keys.open("flow", &[b"a", b"b"], &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(keys.open("flow", &[b"ab", b""], &sealed).unwrap_err(), OpenRefusal::Forged);
        assert_eq!(keys.open("flow", &[b"a"], &sealed).unwrap_err(), OpenRefusal::Forged);
        assert_eq!(keys.open("session", &[b"a", b"b"], &sealed).unwrap_err(), OpenRefusal::Forged);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let keys = SealingKeys::new(key(1), Vec::new());
        let sealed = keys.seal(&SeededEntropy::new(1), "flow", &[], b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open("flow", &[], &changed).is_err(), "byte {at}");
        }
        assert_eq!(keys.open("flow", &[], b"").unwrap_err(), OpenRefusal::Form);
    }

    #[test]
    fn older_keys_open_and_retired_ones_do_not() {
        let old = SealingKeys::new(key(1), Vec::new());
        let sealed = old.seal(&SeededEntropy::new(1), "flow", &[], b"secret").unwrap();
        let rotated = SealingKeys::new(key(2), vec![key(1)]);
        assert!(rotated.open("flow", &[], &sealed).is_ok());
        let retired = SealingKeys::new(key(2), Vec::new());
        assert_eq!(retired.open("flow", &[], &sealed).unwrap_err(), OpenRefusal::UnknownKey(key(1).id()));
    }
}
