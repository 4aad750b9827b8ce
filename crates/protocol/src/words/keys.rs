use std::fmt;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::text::{base64url, from_base64url};

/// Names one key of a ring, so that a value says which key made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Takes the four bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = from_base64url(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not the base64url of a key id"))
    }
}

/// A secret key for HMAC-SHA-256, of one purpose.
#[derive(Clone)]
pub struct MacKey {
    id: KeyId,
    secret: Zeroizing<[u8; 32]>,
}

impl MacKey {
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

    /// The HMAC of `parts` under `label`.
    ///
    /// Label and parts are framed by their lengths, so two different lists never give the same input. Tags of different
    /// labels are independent: what serves as a MAC under one label may serve as a secret under another.
    #[must_use]
    pub fn tag(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let tag = self.context(label, parts).sign();
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        out
    }

    /// Whether `tag` is the HMAC of `parts` under `label`, in constant time.
    #[must_use]
    pub fn verify(&self, label: &str, parts: &[&[u8]], tag: &[u8]) -> bool {
        super::text::same_bytes(&self.tag(label, parts), tag)
    }

    fn context(&self, label: &str, parts: &[&[u8]]) -> hmac::Context {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_slice());
        let mut context = hmac::Context::with_key(&key);
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        context
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacKey({}, [redacted])", self.id)
    }
}

/// The keys of one purpose: one that makes new values, and older ones that still verify.
#[derive(Debug, Clone)]
pub struct MacKeys {
    active: MacKey,
    older: Vec<MacKey>,
}

impl MacKeys {
    /// A ring with one active key and older ones.
    #[must_use]
    pub const fn new(active: MacKey, older: Vec<MacKey>) -> Self {
        Self { active, older }
    }

    /// The key that makes new values.
    #[must_use]
    pub const fn active(&self) -> &MacKey {
        &self.active
    }

    /// The key of this name; `None` when it was retired or never existed.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&MacKey> {
        self.iter().find(|key| key.id == id)
    }

    /// Every key, the active one first.
    pub fn iter(&self) -> impl Iterator<Item = &MacKey> {
        std::iter::once(&self.active).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_framed_and_labels_are_apart() {
        let key = MacKey::new(KeyId::from_bytes([0; 4]), [7; 32]);
        assert_ne!(key.tag("a", &[b"bc"]), key.tag("a", &[b"b", b"c"]));
        assert_ne!(key.tag("a", &[b"bc"]), key.tag("ab", &[b"c"]));
        assert!(key.verify("a", &[b"bc"], &key.tag("a", &[b"bc"])));
        assert!(!key.verify("a", &[b"bc"], &key.tag("a", &[b"bd"])));
    }

    #[test]
    fn debug_never_shows_a_key() {
        let key = MacKey::new(KeyId::from_bytes([0; 4]), [7; 32]);
        assert_eq!(format!("{key:?}"), "MacKey(AAAAAA, [redacted])");
    }
}
