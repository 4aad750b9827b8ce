//! A caller for tests, whose tokens a test can watch.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use coatroom::guard::{Caller, CallerClient, CallerParts, NoData, UpstreamCredentials, UpstreamError};
use coatroom::protocol::words::{ClientId, GrantId, ProviderName, Resource, Subject, Timestamp};
use coatroom::providers::UpstreamToken;
use coatroom::user::User;
use serde_json::json;

pub(crate) fn github() -> ProviderName {
    ProviderName::parse("github").unwrap()
}

/// Alice, whose first token is `gho_alice` and whose renewed one is `gho_alice_2`.
pub(crate) fn alice() -> Caller {
    caller(Arc::new(Wallet::default()))
}

pub(super) fn caller(credentials: Arc<dyn UpstreamCredentials>) -> Caller {
    let claims = json!({"org": {"id": 7}, "roles": ["admin", "reader"], "evil": "a\r\nx-user: root",
        "groups": ["staff", "x,admin"], "padded": " root\t"});
    Caller::new(CallerParts {
        user: User {
            email: Some("alice@example.com".to_owned()),
            email_verified: true,
            name: Some("Älice".to_owned()),
            claims: claims.as_object().cloned().unwrap(),
            ..User::new(Subject { provider: github(), id: "1".to_owned() })
        },
        client: CallerClient { id: ClientId::new("client-1"), name: None },
        grant: GrantId::from_bytes([1; 16]),
        resource: Resource::parse("https://mcp.example.com/mcp").unwrap(),
        scopes: "repos:write repos:read".parse().unwrap(),
        sender_constrained: false,
        expires_at: Timestamp::from_unix(u64::MAX),
        credentials,
        data: Arc::new(NoData),
    })
}

/// Gives `gho_alice`, and on renewal what `renewal` makes.
#[derive(Debug, Default)]
pub(super) struct Wallet {
    pub(super) renewal: Renewal,
    pub(super) renewals: Mutex<u32>,
}

/// What a renewal gives.
#[derive(Debug, Default, Clone, Copy)]
pub(super) enum Renewal {
    #[default]
    NewToken,
    SameToken,
    SignInEnded,
}

#[async_trait]
impl UpstreamCredentials for Wallet {
    async fn token(&self, _: &ProviderName) -> Result<UpstreamToken, UpstreamError> {
        Ok(UpstreamToken::new("gho_alice"))
    }

    async fn renew(
        &self,
        provider: &ProviderName,
        _: &UpstreamToken,
    ) -> Result<UpstreamToken, UpstreamError> {
        *self.renewals.lock().unwrap() += 1;
        match self.renewal {
            Renewal::NewToken => Ok(UpstreamToken::new("gho_alice_2")),
            Renewal::SameToken => Ok(UpstreamToken::new("gho_alice")),
            Renewal::SignInEnded => Err(UpstreamError::SignInEnded { provider: provider.clone() }),
        }
    }
}
