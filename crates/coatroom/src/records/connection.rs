use coatroom_protocol::words::{GrantId, ProviderName, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

/// A user's sealed credential at one provider, inside one grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ConnectionRecord {
    /// The grant.
    pub(crate) grant: GrantId,
    /// The provider.
    pub(crate) provider: ProviderName,
    /// The user: part of what the credential is sealed to.
    pub(crate) subject: Subject,
    /// The upstream tokens, sealed to the grant and under the master key.
    pub(crate) sealed: String,
    /// When the upstream access token was issued.
    pub(crate) issued_at: Timestamp,
    /// When it ends; `None` when it does not, or the provider did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ends_at: Option<Timestamp>,
    /// Whether there is a refresh token to renew it with.
    pub(crate) renewable: bool,
    /// Who is renewing it now, which is also the intent that a crash leaves behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lease: Option<Lease>,
    /// Since when the provider refuses the credential for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_since: Option<Timestamp>,
    /// How long the record is kept.
    pub(crate) kept_until: Timestamp,
}

/// A renewal under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// From when on someone else may try.
    pub(crate) until: Timestamp,
}

impl ConnectionRecord {
    /// The key of a grant's connection to a provider.
    pub(crate) fn key_of(grant: &GrantId, provider: &ProviderName) -> String {
        format!("{grant}:{provider}")
    }

    /// Whether someone is renewing it.
    pub(crate) fn is_leased(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| !now.has_reached(lease.until))
    }
}

impl Stored for ConnectionRecord {
    const KIND: Kind = Kind::Connection;

    fn key(&self) -> String {
        Self::key_of(&self.grant, &self.provider)
    }

    fn owner(&self) -> Option<String> {
        Some(self.grant.to_string())
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.kept_until)
    }
}
