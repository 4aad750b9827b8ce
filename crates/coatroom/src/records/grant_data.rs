use coatroom_protocol::words::{GrantId, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;
use crate::vault::{Binding, Contents};

/// What handlers keep with a grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GrantDataRecord {
    /// The grant.
    pub(crate) grant: GrantId,
    /// The user: part of what the data is sealed to.
    pub(crate) subject: Subject,
    /// Their JSON, sealed to the grant and under the master key.
    pub(crate) sealed: String,
    /// How long the record is kept.
    pub(crate) kept_until: Timestamp,
}

impl GrantDataRecord {
    /// The key of a grant's data.
    pub(crate) fn key_of(grant: &GrantId) -> String {
        grant.to_string()
    }

    /// What the data of a grant is sealed to.
    pub(crate) const fn binding_of<'a>(grant: &'a GrantId, subject: &'a Subject) -> Binding<'a> {
        Binding { contents: Contents::Data, grant, subject, provider: &subject.provider }
    }

    /// What the data is sealed to.
    pub(crate) const fn binding(&self) -> Binding<'_> {
        Self::binding_of(&self.grant, &self.subject)
    }
}

impl Stored for GrantDataRecord {
    const KIND: Kind = Kind::GrantData;

    fn key(&self) -> String {
        Self::key_of(&self.grant)
    }

    fn owner(&self) -> Option<String> {
        Some(self.grant.to_string())
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.kept_until)
    }
}
