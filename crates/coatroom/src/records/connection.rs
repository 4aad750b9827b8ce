use coatroom_protocol::words::{GrantId, ProviderName, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use super::Stored;
use crate::store::Kind;

/// A user's sealed credential at one provider, inside one grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "it is a stored form")]
pub struct ConnectionRecord {
    /// The grant.
    pub grant: GrantId,
    /// The provider.
    pub provider: ProviderName,
    /// The user: part of what the credential is sealed to.
    pub subject: Subject,
    /// The upstream tokens, sealed to the grant and under the master key.
    pub sealed: String,
    /// When the upstream access token was issued.
    pub issued_at: Timestamp,
    /// When it ends; `None` when it does not, or the provider did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Whether there is a refresh token to renew it with.
    pub renewable: bool,
    /// Who is renewing it now, which is also the intent that a crash leaves behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Since when the provider refuses the credential for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_since: Option<Timestamp>,
    /// How long the record is kept.
    pub kept_until: Timestamp,
}

/// A renewal under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "it is a stored form")]
pub struct Lease {
    /// From when on someone else may try.
    pub until: Timestamp,
}

impl ConnectionRecord {
    /// The key of a grant's connection to a provider.
    #[must_use]
    pub fn key_of(grant: &GrantId, provider: &ProviderName) -> String {
        format!("{grant}:{provider}")
    }

    /// Whether someone is renewing it.
    #[must_use]
    pub fn is_leased(&self, now: Timestamp) -> bool {
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
