//! A grant and its states.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pkce::CodeChallenge;
use crate::words::{ClientIdHash, GrantId, KeyId, Resource, Scopes, Subject, Timestamp, TokenHash};

/// A user's agreement that one client may act for them at one resource, within some scopes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Derived from the flow's id.
    pub id: GrantId,
    /// The user.
    pub subject: Subject,
    /// The client, as the hash of its id.
    pub client: ClientIdHash,
    /// The resource that tokens of this grant are good at.
    pub resource: Resource,
    /// What the user agreed to.
    pub scopes: Scopes,
    /// When the user agreed.
    pub created_at: Timestamp,
    /// Where in its life the grant is.
    pub state: GrantState,
}

/// Where in its life a grant is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GrantState {
    /// The code was handed out and not redeemed yet.
    Awaiting(AwaitingCode),
    /// The code was redeemed; tokens are out.
    Active(ActiveGrant),
    /// Everything under it is dead.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why, for the audit log.
        reason: RevokedReason,
    },
}

/// What a redemption must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitingCode {
    /// The code.
    pub code: TokenHash,
    /// The redirect URI of the authorization request.
    pub redirect_uri: String,
    /// The PKCE challenge of the authorization request.
    pub challenge: CodeChallenge,
    /// From when on the code is refused.
    pub expires_at: Timestamp,
}

/// A grant whose tokens are out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveGrant {
    /// What the code had to match: a valid replay of it revokes the grant.
    pub redeemed: AwaitingCode,
    /// The refresh tokens; `None` for clients that cannot use one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshState>,
}

/// Which refresh token is good now, and which was good just before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshState {
    /// The generation of the current token: 0 for the first.
    pub generation: u32,
    /// The current token.
    pub current: TokenHash,
    /// When the current token expires unless it is used: idle and absolute limits together.
    pub expires_at: Timestamp,
    /// The access tokens that were issued together with the current token.
    pub issued: Vec<TokenHash>,
    /// The token that the current one came from; `None` for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousRefresh>,
}

/// The refresh token that was rotated last. The salt in it derives the current one, and is gone once that is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousRefresh {
    /// The rotated token.
    pub token: TokenHash,
    /// When it was rotated. Repeats do not move this.
    pub rotated_at: Timestamp,
    /// What the successor is derived with.
    #[serde(with = "salt_text")]
    pub salt: [u8; 32],
    /// The key that the successor is derived under.
    pub key: KeyId,
    /// How often the rotation was repeated.
    pub repeats: u32,
}

/// Why a grant was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedReason {
    /// The client asked (RFC 7009).
    Client,
    /// A redeemed code was redeemed again, with the right verifier.
    CodeReplayed,
    /// A refresh token was used again after its successor had been.
    RefreshReplayed,
    /// The identity provider ended the sign-in.
    SignInEnded,
    /// The operator retired the key that its credentials were sealed under.
    KeyRetired,
    /// The user may not enter any more: the operator's allowlist, or what the provider says of them, has changed.
    NotAllowed,
    /// The user ended it on the page with their connections.
    User,
    /// The operator ended it.
    Operator,
}

impl Grant {
    /// When the last token of this grant can have ended, so that the record is of no more use.
    #[must_use]
    pub fn ends_at(&self, access_token_life: Duration) -> Timestamp {
        match &self.state {
            GrantState::Awaiting(code) => code.expires_at,
            GrantState::Active(ActiveGrant { refresh: Some(refresh), .. }) => refresh.expires_at,
            GrantState::Active(ActiveGrant { redeemed, refresh: None }) => {
                redeemed.expires_at.plus(access_token_life)
            }
            GrantState::Revoked { at, .. } => *at,
        }
    }

    /// The state of its refresh tokens, if it is active and has any.
    #[must_use]
    pub fn refresh(&self) -> Option<&RefreshState> {
        match &self.state {
            GrantState::Active(active) => active.refresh.as_ref(),
            GrantState::Awaiting(_) | GrantState::Revoked { .. } => None,
        }
    }

    /// Whether access tokens of this grant are good.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, GrantState::Active(_))
    }
}

mod salt_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::words::{base64url, from_base64url};

    pub(super) fn serialize<S: Serializer>(salt: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url(salt))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = from_base64url(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| serde::de::Error::custom("not the base64url of a salt"))
    }
}
