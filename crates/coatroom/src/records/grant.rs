use std::time::Duration;

use coatroom_protocol::grant::{Grant, GrantState, RevokedReason};
use coatroom_protocol::words::{ClientId, GrantId, Scopes, Timestamp};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;
use crate::user::User;
use crate::vault::GrantVault;

/// A grant, with what belongs to it and ends with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GrantRecord {
    /// The agreement and where it is in its life.
    pub(crate) grant: Grant,
    /// From when on the record is of no more use.
    pub(crate) kept_until: Timestamp,
    /// Whether the client can use a refresh token.
    #[serde(default)]
    pub(crate) may_refresh: bool,
    /// The client's whole id, known from the redemption on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ClientId>,
    /// The name that the client gave itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_name: Option<String>,
    /// What the client's document said that an agreement rests on; `None` for a client without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_fingerprint: Option<String>,
    /// The user as the provider described them. Gone when revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<User>,
    /// The user as their provider or account describes them, where a hook made something else of it. Gone when revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) described: Option<User>,
    /// The vault. Gone when revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vault: Option<GrantVault>,
    /// The vault key under the code, then under the current refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wrapped: Option<String>,
}

impl GrantRecord {
    /// What stays of a grant when it is revoked: that it was, and nothing that opens anything.
    pub(crate) fn tombstone(&self, at: Timestamp, reason: RevokedReason) -> Self {
        Self {
            grant: Grant {
                scopes: Scopes::none(),
                state: GrantState::Revoked { at, reason },
                ..self.grant.clone()
            },
            kept_until: self.kept_until,
            may_refresh: false,
            client_id: None,
            client_name: None,
            client_fingerprint: None,
            user: None,
            described: None,
            vault: None,
            wrapped: None,
        }
    }

    /// From when on the credentials of the grant are of no more use, if it can be refreshed for `refresh_life` in all.
    pub(crate) fn connections_kept_until(&self, refresh_life: Duration) -> Timestamp {
        if self.may_refresh { self.grant.created_at.plus(refresh_life) } else { self.kept_until }
    }

    /// The key of the grant with this id.
    pub(crate) fn key_of(id: &GrantId) -> String {
        id.to_string()
    }
}

impl Stored for GrantRecord {
    const KIND: Kind = Kind::Grant;

    fn key(&self) -> String {
        Self::key_of(&self.grant.id)
    }

    fn owner(&self) -> Option<String> {
        Some(self.grant.subject.to_string())
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.kept_until)
    }
}
