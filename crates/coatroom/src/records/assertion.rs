use coatroom_protocol::words::Timestamp;
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

/// A note that a client's assertion was used: it is good once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AssertionRecord {
    /// The hash of the client's id and of the assertion's own.
    pub(crate) hash: String,
    /// From when on the assertion is refused for its age.
    pub(crate) kept_until: Timestamp,
}

impl Stored for AssertionRecord {
    const KIND: Kind = Kind::Assertion;

    fn key(&self) -> String {
        self.hash.clone()
    }

    fn owner(&self) -> Option<String> {
        None
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.kept_until)
    }
}
