//! The error of everything that can fail for reasons other than a rule's refusal.

use crate::entropy::NoEntropy;
use crate::store::StoreError;

/// What went wrong inside. Never shown to a client: the edge answers 503 or 500 and logs this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store, a key or the system is down: 503 with `Retry-After`, never an accusation of the client.
    #[error("{what} is not available")]
    Unavailable {
        /// What is down.
        what: &'static str,
        /// Why, for the log.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A record that cannot be read or opened: a wrong key ring, damage, or tampering.
    #[error("a stored {what} cannot be read: {reason}")]
    Corrupt {
        /// Which kind of record.
        what: &'static str,
        /// Why, without its content.
        reason: String,
    },
}

impl Error {
    /// A record that others wrote first, again and again: trying later helps.
    pub(crate) fn contended(what: &'static str) -> Self {
        Self::Unavailable { what, source: "someone else keeps writing it".into() }
    }
}

impl From<NoEntropy> for Error {
    fn from(source: NoEntropy) -> Self {
        Self::Unavailable { what: "the source of random bytes", source: Box::new(source) }
    }
}

impl From<StoreError> for Error {
    fn from(source: StoreError) -> Self {
        Self::Unavailable { what: "the store", source: Box::new(source) }
    }
}
