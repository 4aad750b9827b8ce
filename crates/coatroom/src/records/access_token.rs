use coatroom_protocol::words::{GrantId, Resource, Scopes, Timestamp, TokenHash};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

/// An access token of ours. It is good only while its grant is active.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "it is a stored form")]
pub struct AccessTokenRecord {
    /// The token.
    pub token: TokenHash,
    /// The grant that it was issued under.
    pub grant: GrantId,
    /// Its scopes: those of the grant, or fewer.
    pub scopes: Scopes,
    /// The only resource that it is good at.
    pub resource: Resource,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is refused.
    pub ends_at: Timestamp,
    /// How long the record is kept. A token that came with a refresh is kept as long as that refresh may be repeated, because
    /// whether it was ever accepted decides what a repetition means (ARCHITECTURE.md, rule 4).
    pub kept_until: Timestamp,
    /// Whether a guard ever accepted it.
    #[serde(default)]
    pub accepted: bool,
    /// The vault key under this token.
    pub wrapped: String,
}

impl AccessTokenRecord {
    /// The key of the token with this hash.
    #[must_use]
    pub fn key_of(token: &TokenHash) -> String {
        token.to_string()
    }
}

impl Stored for AccessTokenRecord {
    const KIND: Kind = Kind::AccessToken;

    fn key(&self) -> String {
        Self::key_of(&self.token)
    }

    fn owner(&self) -> Option<String> {
        Some(self.grant.to_string())
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.kept_until)
    }
}
