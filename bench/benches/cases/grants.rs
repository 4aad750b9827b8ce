//! A grant whose refresh token was rotated a moment ago.

use coatroom::protocol::grant::{
    ActiveGrant, AwaitingCode, CodeChallenge, Grant, GrantState, PresentedRefresh, PreviousRefresh,
    RefreshParts, RefreshState, access_token, authorization_code, refresh_token,
};
use coatroom::protocol::words::{
    ClientId, CodeVerifier, GrantId, KeyId, MacKey, MacKeys, ProviderName, RefreshToken, Scopes, Subject,
    Timestamp,
};

/// The grant, and what its client has of it.
pub(crate) struct Refreshed {
    pub(crate) grant: Grant,
    pub(crate) keys: MacKeys,
    pub(crate) current: RefreshToken,
    pub(crate) previous: RefreshToken,
}

impl Refreshed {
    pub(crate) fn new() -> Self {
        let key = MacKey::new(KeyId::from_bytes([1; 4]), [2; 32]);
        let token = |generation: u8| {
            let parts = RefreshParts { grant: id(), generation: u32::from(generation) };
            refresh_token(&key, parts, &[generation; 32])
        };
        let (previous, current) = (token(1), token(2));
        let redeemed = AwaitingCode {
            code: authorization_code(&id(), &[3; 32]).hash(),
            redirect_uri: "http://127.0.0.1:49152/callback".to_owned(),
            challenge: CodeChallenge::of(&CodeVerifier::new("v".repeat(43))),
            expires_at: Timestamp::from_unix(1060),
        };
        let refresh = RefreshState {
            generation: 2,
            current: current.hash(),
            expires_at: Timestamp::from_unix(ROTATED_AT + 1_000_000),
            issued: vec![access_token(&[4; 32]).hash()],
            previous: Some(PreviousRefresh {
                token: previous.hash(),
                rotated_at: Timestamp::from_unix(ROTATED_AT),
                salt: [5; 32],
                key: key.id(),
                repeats: 0,
            }),
        };
        let grant = Grant {
            id: id(),
            subject: subject(),
            client: ClientId::new("client").hash(),
            resource: super::resource(),
            scopes: "notes:read notes:write".parse::<Scopes>().expect("scopes"),
            created_at: Timestamp::from_unix(1000),
            state: GrantState::Active(ActiveGrant { redeemed, refresh: Some(refresh) }),
        };
        Self { grant, keys: MacKeys::new(key, Vec::new()), current, previous }
    }

    /// A token of this grant, as its client presents it.
    pub(crate) fn presented(&self, token: &RefreshToken) -> PresentedRefresh {
        let generation = if token.hash() == self.current.hash() { 2 } else { 1 };
        let parts = RefreshParts { grant: self.grant.id, generation };
        PresentedRefresh { token: token.hash(), parts, client: self.grant.client }
    }
}

pub(crate) fn id() -> GrantId {
    GrantId::from_bytes([9; 16])
}

pub(crate) fn subject() -> Subject {
    Subject { provider: ProviderName::parse("demo").expect("a name"), id: "user-1".to_owned() }
}

/// When the token was rotated.
pub(crate) const ROTATED_AT: u64 = 10_000;
