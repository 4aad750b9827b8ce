//! Redeeming an authorization code (OAuth 2.1 §4.1.3, RFC 7636 §4.6).
//!
//! A code is used up by the compare-and-swap that makes its grant active; the loser of a race read the grant as still
//! awaiting and is refused without harm. Who first reads it as redeemed replays the code: with the right verifier that
//! revokes everything issued for it, with a wrong one it changes nothing, or anyone who saw a code could end a session.

use super::pkce::check_verifier_form;
use super::record::{AwaitingCode, Grant, GrantState};
use crate::errors::{ErrorCode, OAuthError};
use crate::words::{AuthorizationCode, ClientIdHash, CodeVerifier, Timestamp, same_bytes};

/// What a client presents to redeem a code.
#[derive(Debug, Clone, Copy)]
pub struct CodeRedemption<'a> {
    /// The code.
    pub code: &'a AuthorizationCode,
    /// The client, authenticated if it has a secret.
    pub client: ClientIdHash,
    /// The redirect URI, which OAuth 2.1 clients leave out (OAuth 2.1 §10.2).
    pub redirect_uri: Option<&'a str>,
    /// The PKCE verifier.
    pub verifier: &'a CodeVerifier,
}

/// Why a code was not redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeRefusal {
    /// No such grant, or another code than the grant's.
    #[error("the code is unknown")]
    Unknown,
    /// The code was issued to another client.
    #[error("the code belongs to another client")]
    WrongClient,
    /// The verifier does not meet the challenge.
    #[error("the verifier does not meet the challenge")]
    WrongVerifier,
    /// Not the redirect URI of the authorization request.
    #[error("the redirect URI is another one than the code was issued for")]
    WrongRedirectUri,
    /// Too late.
    #[error("the code is expired")]
    Expired,
    /// The code was redeemed before, and this is a valid repetition: the caller must revoke the grant.
    #[error("the code was redeemed before")]
    Replayed,
    /// The grant was revoked.
    #[error("the grant was revoked")]
    Revoked,
}

impl CodeRefusal {
    /// Whether everything issued for the code must be revoked.
    #[must_use]
    pub const fn revokes(self) -> bool {
        matches!(self, Self::Replayed)
    }
}

impl From<CodeRefusal> for OAuthError {
    /// One answer for all, so that a failed attempt does not tell whether the code exists.
    fn from(refusal: CodeRefusal) -> Self {
        match refusal {
            CodeRefusal::Unknown
            | CodeRefusal::WrongClient
            | CodeRefusal::WrongVerifier
            | CodeRefusal::WrongRedirectUri
            | CodeRefusal::Expired
            | CodeRefusal::Replayed
            | CodeRefusal::Revoked => Self::json(
                ErrorCode::InvalidGrant,
                "the authorization code is unknown, expired, already used, or was issued for another request",
            ),
        }
    }
}

/// Checks whether a client may redeem a code now, and returns what the code had to match.
///
/// # Errors
/// See [`CodeRefusal`]; only [`CodeRefusal::Replayed`] may change anything.
pub fn check_code<'a>(
    grant: &'a Grant,
    presented: &CodeRedemption<'_>,
    now: Timestamp,
) -> Result<&'a AwaitingCode, CodeRefusal> {
    let (expected, redeemed) = match &grant.state {
        GrantState::Awaiting(code) => (code, false),
        GrantState::Active(active) => (&active.redeemed, true),
        GrantState::Revoked { .. } => return Err(CodeRefusal::Revoked),
    };
    if !same_bytes(presented.code.hash().as_bytes(), expected.code.as_bytes()) {
        return Err(CodeRefusal::Unknown);
    }
    if presented.client != grant.client {
        return Err(CodeRefusal::WrongClient);
    }
    if check_verifier_form(presented.verifier).is_err() || !expected.challenge.is_met_by(presented.verifier) {
        return Err(CodeRefusal::WrongVerifier);
    }
    if presented.redirect_uri.is_some_and(|uri| uri != expected.redirect_uri) {
        return Err(CodeRefusal::WrongRedirectUri);
    }
    if redeemed {
        return Err(CodeRefusal::Replayed);
    }
    if now.has_reached(expected.expires_at) {
        return Err(CodeRefusal::Expired);
    }
    Ok(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::record::{ActiveGrant, RevokedReason};
    use crate::grant::{CodeChallenge, authorization_code};
    use crate::words::{ClientId, GrantId, ProviderName, Resource, Scopes, Subject};

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const REDIRECT: &str = "http://127.0.0.1:1234/callback";

    fn code() -> AuthorizationCode {
        authorization_code(&GrantId::from_bytes([1; 16]), &[2; 32])
    }

    fn grant() -> Grant {
        Grant {
            id: GrantId::from_bytes([1; 16]),
            subject: Subject { provider: ProviderName::parse("demo").unwrap(), id: "1".to_owned() },
            client: ClientId::new("client").hash(),
            resource: Resource::parse("https://h.example/mcp").unwrap(),
            scopes: Scopes::none(),
            created_at: Timestamp::from_unix(1000),
            state: GrantState::Awaiting(AwaitingCode {
                code: code().hash(),
                redirect_uri: REDIRECT.to_owned(),
                challenge: CodeChallenge::of(&CodeVerifier::new(VERIFIER)),
                expires_at: Timestamp::from_unix(1060),
            }),
        }
    }

    fn redeemed() -> Grant {
        let mut grant = grant();
        if let GrantState::Awaiting(code) = grant.state {
            grant.state = GrantState::Active(ActiveGrant { redeemed: code, refresh: None });
        }
        grant
    }

    /// Presents the right things, changed by `change`, at `now`.
    fn present(grant: &Grant, now: u64, change: impl Fn(&mut Presented)) -> Option<CodeRefusal> {
        let mut presented = Presented::default();
        change(&mut presented);
        let redemption = CodeRedemption {
            code: &presented.code,
            client: presented.client.hash(),
            redirect_uri: presented.redirect_uri.as_deref(),
            verifier: &CodeVerifier::new(presented.verifier.clone()),
        };
        check_code(grant, &redemption, Timestamp::from_unix(now)).err()
    }

    struct Presented {
        code: AuthorizationCode,
        client: ClientId,
        redirect_uri: Option<String>,
        verifier: String,
    }

    impl Default for Presented {
        fn default() -> Self {
            Self {
                code: code(),
                client: ClientId::new("client"),
                redirect_uri: Some(REDIRECT.to_owned()),
                verifier: VERIFIER.to_owned(),
            }
        }
    }

    #[test]
    fn the_right_client_with_the_right_verifier_redeems_in_time() {
        assert_eq!(present(&grant(), 1059, |_| ()), None);
        assert_eq!(present(&grant(), 1059, |it| it.redirect_uri = None), None);
    }

    #[test]
    fn a_code_is_refused_from_the_second_of_its_expiry_on() {
        assert_eq!(present(&grant(), 1060, |_| ()), Some(CodeRefusal::Expired));
    }

    #[test]
    fn each_binding_is_checked() {
        let other = authorization_code(&GrantId::from_bytes([1; 16]), &[3; 32]);
        assert_eq!(present(&grant(), 1000, |it| it.code = other.clone()), Some(CodeRefusal::Unknown));
        let stranger = ClientId::new("other");
        assert_eq!(
            present(&grant(), 1000, |it| it.client = stranger.clone()),
            Some(CodeRefusal::WrongClient)
        );
        let uri = Some("http://127.0.0.1:1/x".to_owned());
        assert_eq!(
            present(&grant(), 1000, |it| it.redirect_uri.clone_from(&uri)),
            Some(CodeRefusal::WrongRedirectUri)
        );
        for wrong in ["x".repeat(43), VERIFIER[..42].to_owned(), String::new()] {
            assert_eq!(
                present(&grant(), 1000, |it| it.verifier.clone_from(&wrong)),
                Some(CodeRefusal::WrongVerifier)
            );
        }
    }

    #[test]
    fn a_valid_replay_revokes_and_one_with_a_wrong_verifier_does_not() {
        let replay = present(&redeemed(), 1001, |_| ()).unwrap();
        assert!(replay.revokes());
        assert_eq!(
            present(&redeemed(), 99_999, |_| ()),
            Some(CodeRefusal::Replayed),
            "also after the code's expiry"
        );
        let guess = present(&redeemed(), 1001, |it| it.verifier = "x".repeat(43)).unwrap();
        assert!(!guess.revokes());
        let stranger = present(&redeemed(), 1001, |it| it.client = ClientId::new("other")).unwrap();
        assert!(!stranger.revokes());
    }

    #[test]
    fn a_revoked_grant_redeems_nothing() {
        let mut grant = grant();
        grant.state = GrantState::Revoked { at: Timestamp::from_unix(1), reason: RevokedReason::Client };
        assert_eq!(present(&grant, 1000, |_| ()), Some(CodeRefusal::Revoked));
    }

    #[test]
    fn all_refusals_look_alike_on_the_wire() {
        let unknown = OAuthError::from(CodeRefusal::Unknown);
        for refusal in [CodeRefusal::WrongVerifier, CodeRefusal::Expired, CodeRefusal::Replayed] {
            assert_eq!(OAuthError::from(refusal), unknown);
        }
    }
}
