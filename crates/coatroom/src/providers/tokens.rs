use std::fmt;

use coatroom_protocol::words::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// A token that an upstream provider issued for one user. Ours are `AccessToken`, theirs are this.
#[derive(Clone)]
pub struct UpstreamToken(SecretString);

impl UpstreamToken {
    /// Takes the token as the provider sent it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The token itself. Every place where it leaves its type is a call of this function.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamToken([redacted])")
    }
}

/// What a provider's token endpoint answered: the credential that the vault keeps.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the engine builds it, and the vault seals every field")]
pub struct UpstreamTokens {
    /// The token for the provider's API.
    pub access_token: UpstreamToken,
    /// The token that renews it. Absent when the provider gave none, or, after a renewal, when the old one stays good.
    pub refresh_token: Option<UpstreamToken>,
    /// When the access token ends; `None` when the provider did not say, or it does not end.
    pub expires_at: Option<Timestamp>,
    /// The scopes that the provider granted, space separated; empty when it did not say.
    pub scopes: String,
}
