use std::time::Duration;

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
    /// How long the record is kept: a little longer than the token is good. Once it was accepted, and that decides what a repetition
    /// of the refresh means that it came with (ARCHITECTURE.md, rule 4), as long as that refresh may be repeated.
    pub(crate) kept_until: Timestamp,
    /// Whether a guard ever accepted it.
    #[serde(default)]
    pub(crate) accepted: bool,
    /// The vault key under this token.
    pub(crate) wrapped: String,
}

impl AccessTokenRecord {
    /// How long the record of a token is kept that ends then, if nothing rests on it.
    pub(crate) fn kept_at_least(ends_at: Timestamp) -> Timestamp {
        ends_at.plus(NOTING)
    }

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

/// How long it may take to note that a token was accepted, in its last second at the latest.
const NOTING: Duration = Duration::from_mins(1);
