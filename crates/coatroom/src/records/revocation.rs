use coatroom_protocol::words::{GrantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

/// A short-lived note that a grant was revoked, for the replicas that did not do it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "it is a stored form")]
pub struct RevocationRecord {
    /// The grant.
    pub grant: GrantId,
    /// How long the note is kept.
    pub kept_until: Timestamp,
}

impl RevocationRecord {
    /// All notes belong to one owner, so that one list finds them.
    pub const OWNER: &'static str = "revocations";
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
