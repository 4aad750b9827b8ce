use coatroom_protocol::words::{GrantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

/// A short-lived note that a grant was revoked, for the replicas that did not do it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RevocationRecord {
    /// The grant.
    pub(crate) grant: GrantId,
    /// How long the note is kept.
    pub(crate) kept_until: Timestamp,
}

impl RevocationRecord {
    /// All notes belong to one owner, so that one list finds them.
    pub(crate) const OWNER: &'static str = "revocations";
}

impl Stored for RevocationRecord {
    const KIND: Kind = Kind::Revocation;

    fn key(&self) -> String {
        self.grant.to_string()
    }

    fn owner(&self) -> Option<String> {
        Some(Self::OWNER.to_owned())
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.kept_until)
    }
}
