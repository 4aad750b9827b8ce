//! What a connection seals: the tokens of one user at one provider.

use coatroom_protocol::words::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ConnectionError, ConnectionParts, OpenGrant};
use crate::error::Error;
use crate::providers::{UpstreamToken, UpstreamTokens};
use crate::records::{ConnectionRecord, SettingRecord};
use crate::vault::{Binding, Contents, GrantVault, OpenRefusal, Sealer};

/// What is sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Credential {
    access_token: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Zeroizing<String>>,
    #[serde(default)]
    scopes: String,
}

impl Credential {
    fn of(tokens: &UpstreamTokens) -> Self {
        let text = |token: &UpstreamToken| Zeroizing::new(token.expose().to_owned());
        Self {
            access_token: text(&tokens.access_token),
            refresh_token: tokens.refresh_token.as_ref().map(text),
            scopes: tokens.scopes.clone(),
        }
    }

    fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|_| Error::Corrupt { what: "connection", reason: "it cannot be written".to_owned() })
    }

    pub(super) fn access_token(&self) -> UpstreamToken {
        UpstreamToken::new(self.access_token.as_str())
    }

    /// What was sealed, but for what renews it.
    pub(super) fn tokens(&self) -> UpstreamTokens {
        UpstreamTokens {
            access_token: self.access_token(),
            refresh_token: None,
            expires_at: None,
            scopes: self.scopes.clone(),
        }
    }

    pub(super) fn refresh_token(&self) -> Option<UpstreamToken> {
        self.refresh_token.as_ref().map(|token| UpstreamToken::new(token.as_str()))
    }
}

impl ConnectionParts {
    /// A new connection that holds `tokens`, issued now.
    pub(super) fn sealed(
        &self,
        binding: Binding<'_>,
        vault: &GrantVault,
        tokens: &UpstreamTokens,
        kept_until: Timestamp,
    ) -> Result<ConnectionRecord, Error> {
        let credential = Zeroizing::new(Credential::of(tokens).to_json()?);
        let keys = self.keys.current();
        let sealer = Sealer { master: &keys.wrapping, entropy: self.entropy.as_ref() };
        Ok(ConnectionRecord {
            grant: *binding.grant,
            provider: binding.provider.clone(),
            subject: binding.subject.clone(),
            sealed: vault.seal(sealer, binding, credential.as_bytes())?,
            issued_at: self.clock.now(),
            ends_at: tokens.expires_at,
            renewable: tokens.refresh_token.is_some(),
            lease: None,
            dead_since: None,
            kept_until,
        })
    }

    /// What the connection of a grant holds.
    ///
    /// # Errors
    /// [`ConnectionError::Dead`] when its master key was retired.
    pub(super) async fn open(
        &self,
        grant: &OpenGrant,
        record: &ConnectionRecord,
    ) -> Result<Credential, ConnectionError> {
        let corrupt = |reason: String| Error::Corrupt { what: "connection", reason };
        let binding = Binding {
            contents: Contents::Credential,
            grant: &grant.id,
            subject: &grant.subject,
            provider: &record.provider,
        };
        let opened = grant.key.open(&self.keys.current().wrapping, binding, &record.sealed);
        let opened = match opened {
            Ok(opened) => opened,
            Err(OpenRefusal::UnknownKey(key))
                if SettingRecord::is_retired(self.store.as_ref(), key).await? =>
            {
                tracing::info!(outcome = "dead", key.id = %key, "a credential was sealed under a retired key");
                return Err(ConnectionError::Dead);
            }
            Err(refusal) => return Err(corrupt(refusal.to_string()).into()),
        };
        Ok(serde_json::from_slice(&opened)
            .map_err(|_| corrupt("the sealed credential is not readable".to_owned()))?)
    }
}
