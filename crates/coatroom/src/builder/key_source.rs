//! Where the keys come from.

use std::path::PathBuf;

use coatroom_protocol::words::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::Builder;
use crate::entropy::Entropy;
use crate::vault::{KeyRing, LiveKeys};

/// Where the keys come from.
#[derive(Debug, Clone)]
pub(super) enum KeySource {
    Ring(Box<KeyRing>),
    File(PathBuf),
    Text(SecretString),
}

impl Builder {
    /// The keys as the text of a [key file](Self::key_file), or the same in base64: where there is no place for a file, such
    /// as from the environment of a container. Keys that are still waiting become active at their time.
    pub fn key_text(mut self, text: impl Into<String>) -> Self {
        self.keys = KeySource::Text(SecretString::from(text.into()));
        self
    }
}

impl KeySource {
    /// The keys; what cannot be used is noted.
    pub(super) fn open(
        &self,
        entropy: &dyn Entropy,
        now: Timestamp,
        problems: &mut Vec<String>,
    ) -> Option<LiveKeys> {
        let opened = match self {
            Self::Ring(ring) => Ok(LiveKeys::fixed(KeyRing::clone(ring))),
            Self::File(path) => LiveKeys::open(path, entropy, now),
            Self::Text(text) => LiveKeys::from_text(text.expose_secret(), now),
        };
        opened.map_err(|error| problems.push(error.to_string())).ok()
    }
}
