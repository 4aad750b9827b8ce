//! What happens to a presented refresh token (ARCHITECTURE.md, rule 4; OAuth 2.1 §4.3.1).
//!
//! Every use rotates the token. Clients repeat a refresh: they run in parallel, lose answers, share one credential
//! between processes. So the token that was rotated last is not at once a sign of theft:
//!
//! | presented | when | verdict |
//! |---|---|---|
//! | the current token | | rotate |
//! | the previous token | within the window | repeat: the same successor again |
//! | the previous token | later, its successor and the access tokens issued with it never used | displace: a new successor |
//! | the previous token | later, otherwise | replay |
//! | any other genuine token | | replay |
//! | a token of a generation that is yet to come | | the store was rolled back: refused, never theft |

use std::time::Duration;

use super::record::{Grant, GrantState};
use super::tickets::RefreshParts;
use crate::errors::{ErrorCode, OAuthError};
use crate::words::{ClientIdHash, Timestamp, TokenHash};

/// The settings of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshRules {
    /// How long after a rotation the old token still gets the same successor. Default 120 s.
    pub window: Duration,
    /// How often one rotation may be repeated. Default 100.
    pub most_repeats: u32,
}

impl Default for RefreshRules {
    fn default() -> Self {
        Self { window: Duration::from_mins(2), most_repeats: 100 }
    }
}

/// Whether anything that came of the last rotation was ever used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuccessorUse {
    /// An access token that was issued with the successor was accepted by a guard.
    Accepted,
    /// None of them was.
    Unused,
}

/// What to do with a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshVerdict {
    /// Make a successor with a fresh salt.
    Rotate,
    /// Answer with the same successor again, and count the repetition.
    Repeat,
    /// Make a new successor with a fresh salt; the unused one is displaced, its access tokens are deleted.
    Displace,
}

/// Why a refresh token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshRefusal {
    /// No such grant, or one that has no refresh tokens.
    #[error("the grant is unknown or has ended")]
    Unknown,
    /// The token is none of ours, and the client registered for none.
    #[error("the client is not registered for the grant type refresh_token")]
    NotRegistered,
    /// The token was issued to another client.
    #[error("the refresh token belongs to another client")]
    WrongClient,
    /// The grant was revoked.
    #[error("the grant was revoked at {}", at.unix())]
    Revoked {
        /// When.
        at: Timestamp,
    },
    /// It was not used for too long, or the grant reached its greatest age.
    #[error("the refresh token expired")]
    Expired,
    /// The token was rotated and its successor was used: the caller must revoke the grant.
    #[error("the refresh token was used again after its successor")]
    Replayed,
    /// The token is newer than the store knows: the store was set back to an older state.
    #[error("the refresh token is newer than the store")]
    RolledBack,
    /// One rotation was repeated too often.
    #[error("the refresh was repeated more than {limit} times")]
    TooManyRepeats {
        /// The limit.
        limit: u32,
    },
}

impl RefreshRefusal {
    /// Whether the grant must be revoked.
    #[must_use]
    pub const fn revokes(&self) -> bool {
        matches!(self, Self::Replayed)
    }
}

impl From<RefreshRefusal> for OAuthError {
    fn from(refusal: RefreshRefusal) -> Self {
        match refusal {
            RefreshRefusal::Unknown
            | RefreshRefusal::WrongClient
            | RefreshRefusal::Revoked { .. }
            | RefreshRefusal::Expired
            | RefreshRefusal::Replayed
            | RefreshRefusal::RolledBack => Self::json(
                ErrorCode::InvalidGrant,
                "the refresh token is unknown, expired, revoked or already used",
            ),
            RefreshRefusal::NotRegistered => Self::json(
                ErrorCode::UnauthorizedClient,
                "the client is not registered for the grant type refresh_token",
            ),
            RefreshRefusal::TooManyRepeats { limit } => Self::json(
                ErrorCode::SlowDown,
                format!(
                    "this refresh was repeated more than {limit} times; use the tokens of the first answer"
                ),
            ),
        }
    }
}

/// Decides what happens to a refresh token whose MAC was found genuine.
///
/// `token` is its hash and `parts` what it says of itself; `successor` is asked only when the answer depends on
/// whether the last rotation was ever used.
///
/// # Errors
/// See [`RefreshRefusal`]; only [`RefreshRefusal::Replayed`] may change anything.
pub fn decide_refresh(
    grant: &Grant,
    presented: &PresentedRefresh,
    successor: SuccessorUse,
    rules: &RefreshRules,
    now: Timestamp,
) -> Result<RefreshVerdict, RefreshRefusal> {
    let active = match &grant.state {
        GrantState::Active(active) => active,
        GrantState::Awaiting(_) => return Err(RefreshRefusal::Unknown),
        GrantState::Revoked { at, .. } => return Err(RefreshRefusal::Revoked { at: *at }),
    };
    let refresh = active.refresh.as_ref().ok_or(RefreshRefusal::Unknown)?;
    if presented.client != grant.client {
        return Err(RefreshRefusal::WrongClient);
    }
    if presented.parts.generation > refresh.generation {
        return Err(RefreshRefusal::RolledBack);
    }
    if now.has_reached(refresh.expires_at) {
        return Err(RefreshRefusal::Expired);
    }
    if presented.token == refresh.current {
        return Ok(RefreshVerdict::Rotate);
    }
    let previous = refresh.previous.as_ref().filter(|previous| previous.token == presented.token);
    let Some(previous) = previous else { return Err(RefreshRefusal::Replayed) };
    if now.since(previous.rotated_at) < rules.window {
        if previous.repeats >= rules.most_repeats {
            return Err(RefreshRefusal::TooManyRepeats { limit: rules.most_repeats });
        }
        return Ok(RefreshVerdict::Repeat);
    }
    match successor {
        SuccessorUse::Unused => Ok(RefreshVerdict::Displace),
        SuccessorUse::Accepted => Err(RefreshRefusal::Replayed),
    }
}

/// A genuine refresh token as a client presented it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresentedRefresh {
    /// Its hash.
    pub token: TokenHash,
    /// What it says of itself.
    pub parts: RefreshParts,
    /// The client, authenticated if it has a secret.
    pub client: ClientIdHash,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::grant::CodeChallenge;
    use crate::grant::record::{ActiveGrant, AwaitingCode, PreviousRefresh, RefreshState, RevokedReason};
    use crate::words::{ClientId, CodeVerifier, GrantId, KeyId, ProviderName, Resource, Scopes, Subject};

    const ROTATED_AT: u64 = 10_000;

    fn hash(byte: u8) -> TokenHash {
        TokenHash::from_bytes([byte; 32])
    }

    /// A grant at generation 2: token 2 is current, token 1 was rotated at `ROTATED_AT`, token 0 before.
    fn grant() -> Grant {
        Grant {
            id: GrantId::from_bytes([1; 16]),
            subject: Subject { provider: ProviderName::parse("demo").unwrap(), id: "1".to_owned() },
            client: ClientId::new("client").hash(),
            resource: Resource::parse("https://h.example/mcp").unwrap(),
            scopes: Scopes::none(),
            created_at: Timestamp::from_unix(1000),
            state: GrantState::Active(ActiveGrant {
                redeemed: AwaitingCode {
                    code: hash(200),
                    redirect_uri: String::new(),
                    challenge: CodeChallenge::of(&CodeVerifier::new("v")),
                    expires_at: Timestamp::from_unix(1060),
                },
                refresh: Some(RefreshState {
                    generation: 2,
                    current: hash(2),
                    expires_at: Timestamp::from_unix(100_000),
                    issued: Vec::new(),
                    previous: Some(PreviousRefresh {
                        token: hash(1),
                        rotated_at: Timestamp::from_unix(ROTATED_AT),
                        salt: [0; 32],
                        key: KeyId::from_bytes([0; 4]),
                        repeats: 0,
                    }),
                }),
            }),
        }
    }

    fn present(generation: u8) -> PresentedRefresh {
        PresentedRefresh {
            token: hash(generation),
            parts: RefreshParts { grant: GrantId::from_bytes([1; 16]), generation: u32::from(generation) },
            client: ClientId::new("client").hash(),
        }
    }

    fn decide(generation: u8, successor: SuccessorUse, after: u64) -> Result<RefreshVerdict, RefreshRefusal> {
        let now = Timestamp::from_unix(ROTATED_AT + after);
        decide_refresh(&grant(), &present(generation), successor, &RefreshRules::default(), now)
    }

    #[test]
    fn the_current_token_is_rotated() {
        assert_eq!(decide(2, SuccessorUse::Accepted, 0), Ok(RefreshVerdict::Rotate));
    }

    #[test]
    fn within_the_window_the_old_token_gets_the_same_successor() {
        assert_eq!(decide(1, SuccessorUse::Unused, 0), Ok(RefreshVerdict::Repeat));
        assert_eq!(decide(1, SuccessorUse::Accepted, 119), Ok(RefreshVerdict::Repeat));
    }

    #[test]
    fn later_an_unused_successor_is_displaced_and_a_used_one_means_replay() {
        assert_eq!(decide(1, SuccessorUse::Unused, 120), Ok(RefreshVerdict::Displace));
        assert_eq!(decide(1, SuccessorUse::Unused, 50_000), Ok(RefreshVerdict::Displace));
        assert_eq!(decide(1, SuccessorUse::Accepted, 120), Err(RefreshRefusal::Replayed));
    }

    #[test]
    fn a_token_whose_successor_was_presented_is_a_replay_even_within_the_window() {
        assert_eq!(decide(0, SuccessorUse::Unused, 0), Err(RefreshRefusal::Replayed));
        assert!(RefreshRefusal::Replayed.revokes());
    }

    #[test]
    fn a_displaced_sibling_is_a_replay() {
        let mut sibling = present(2);
        sibling.token = hash(99);
        let now = Timestamp::from_unix(ROTATED_AT);
        let verdict = decide_refresh(&grant(), &sibling, SuccessorUse::Unused, &RefreshRules::default(), now);
        assert_eq!(verdict, Err(RefreshRefusal::Replayed));
    }

    #[test]
    fn a_store_that_was_set_back_is_never_theft() {
        let refusal = decide(3, SuccessorUse::Unused, 0).unwrap_err();
        assert_eq!(refusal, RefreshRefusal::RolledBack);
        assert!(!refusal.revokes());
    }

    #[test]
    fn another_client_changes_nothing() {
        let mut stranger = present(0);
        stranger.client = ClientId::new("other").hash();
        let now = Timestamp::from_unix(ROTATED_AT);
        let refusal =
            decide_refresh(&grant(), &stranger, SuccessorUse::Unused, &RefreshRules::default(), now)
                .unwrap_err();
        assert_eq!(refusal, RefreshRefusal::WrongClient);
        assert!(!refusal.revokes());
    }

    #[test]
    fn repeats_are_capped_without_ending_the_session() {
        let mut grant = grant();
        if let GrantState::Active(ActiveGrant { refresh: Some(refresh), .. }) = &mut grant.state {
            refresh.previous.as_mut().unwrap().repeats = 100;
        }
        let now = Timestamp::from_unix(ROTATED_AT);
        let refusal =
            decide_refresh(&grant, &present(1), SuccessorUse::Unused, &RefreshRules::default(), now)
                .unwrap_err();
        assert_eq!(refusal, RefreshRefusal::TooManyRepeats { limit: 100 });
        assert_eq!(OAuthError::from(refusal).code(), ErrorCode::SlowDown);
    }

    #[test]
    fn an_idle_token_expires_and_a_revoked_grant_stays_revoked() {
        assert_eq!(decide(2, SuccessorUse::Unused, 90_000), Err(RefreshRefusal::Expired));
        let mut grant = grant();
        grant.state = GrantState::Revoked { at: Timestamp::from_unix(1), reason: RevokedReason::Client };
        let now = Timestamp::from_unix(ROTATED_AT);
        let refusal =
            decide_refresh(&grant, &present(2), SuccessorUse::Unused, &RefreshRules::default(), now);
        assert!(matches!(refusal, Err(RefreshRefusal::Revoked { .. })));
    }

    proptest! {
        /// Nothing but the current token is ever rotated, whatever the time and the successor's use.
        #[test]
        fn only_the_current_token_rotates(generation in 0_u8..5, after in 0_u64..200_000, used: bool) {
            let successor = if used { SuccessorUse::Accepted } else { SuccessorUse::Unused };
            if decide(generation, successor, after) == Ok(RefreshVerdict::Rotate) {
                prop_assert_eq!(generation, 2);
            }
        }

        /// Only a genuine, older token of the right client can revoke.
        #[test]
        fn a_refusal_revokes_only_for_older_tokens(generation in 0_u8..5, after in 0_u64..200_000, used: bool) {
            let successor = if used { SuccessorUse::Accepted } else { SuccessorUse::Unused };
            if let Err(refusal) = decide(generation, successor, after) && refusal.revokes() {
                prop_assert!(generation < 2);
            }
        }
    }
}
