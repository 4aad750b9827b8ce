use coatroom_protocol::words::{GrantId, Resource, Scopes, Timestamp, TokenHash};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

/// An access token of ours. It is good only while its grant is active.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessTokenRecord {
    /// The token.
    pub(crate) token: TokenHash,
    /// The grant that it was issued under.
    pub(crate) grant: GrantId,
    /// Its scopes: those of the grant, or fewer.
    pub(crate) scopes: Scopes,
    /// The only resource that it is good at.
    pub(crate) resource: Resource,
    /// When it was issued.
    pub(crate) issued_at: Timestamp,
    /// From when on it is refused.
    pub(crate) ends_at: Timestamp,
    /// How long the record is kept. A token that came with a refresh is kept as long as that refresh may be repeated,
    /// because whether it was ever accepted decides what a repetition means (ARCHITECTURE.md, rule 4).
    pub(crate) kept_until: Timestamp,
    /// Whether a guard ever accepted it.
    #[serde(default)]
    pub(crate) accepted: bool,
    /// The vault key under this token.
    pub(crate) wrapped: String,
}

impl AccessTokenRecord {
    /// The key of the token with this hash.
    pub(crate) fn key_of(token: &TokenHash) -> String {
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
