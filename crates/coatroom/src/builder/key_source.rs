//! Where the keys come from.

use std::path::PathBuf;

use coatroom_protocol::words::Timestamp;

use crate::entropy::Entropy;
use crate::vault::{KeyRing, LiveKeys};

/// Where the keys come from.
#[derive(Debug, Clone)]
pub(super) enum KeySource {
    Ring(Box<KeyRing>),
    File(PathBuf),
}

impl KeySource {
    /// The keys; a file that cannot be used is noted.
    pub(super) fn open(
        &self,
        entropy: &dyn Entropy,
        now: Timestamp,
        problems: &mut Vec<String>,
    ) -> Option<LiveKeys> {
        match self {
            Self::Ring(ring) => Some(LiveKeys::fixed(KeyRing::clone(ring))),
            Self::File(path) => {
                LiveKeys::open(path, entropy, now).map_err(|error| problems.push(error.to_string())).ok()
            }
        }
    }
}
