//! Why keys cannot be used, or are not changed. No message shows a key.

use std::io;
use std::path::PathBuf;

use coatroom_protocol::words::KeyId;

use crate::entropy::NoEntropy;

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
    /// A text that was given is not a key ring.
    #[error("the keys are not a key ring: {reason}")]
    Text {
        /// What is wrong, without any key.
        reason: String,
    },
    /// No random bytes for new keys.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// Why a key is not added or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyChangeRefusal {
    /// Another new key of that purpose is not active yet.
    #[error("the key {0} of the same purpose is still waiting for its time; retire it first, or wait")]
    Waiting(KeyId),
    /// No key has this id.
    #[error("there is no key {0}")]
    Unknown(String),
    /// The purpose would be without a key.
    #[error("{0} is the only key of its purpose; rotate first")]
    Only(KeyId),
    /// New values are made with it.
    #[error("{0} is the active key; rotate first, or force it")]
    Active(KeyId),
    /// Something that it made may still be in use.
    #[error("what {id} made is in use until {until}; wait, or force it: {loss}")]
    InUse {
        /// The key.
        id: KeyId,
        /// Seconds since 1970, or that nobody can tell.
        until: String,
        /// What stops working when it is forced.
        loss: &'static str,
    },
}
