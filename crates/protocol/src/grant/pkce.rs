//! PKCE with S256, the only method (RFC 7636; OAuth 2.1 §4.1.1 and §7.5.1).

use serde::{Deserialize, Serialize};

use crate::words::{CodeVerifier, base64url, same_bytes, sha256};

/// The challenge of an authorization request: the base64url of a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

/// Why a challenge or verifier was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PkceRefusal {
    /// No challenge at all.
    #[error("code_challenge is missing: PKCE with S256 is required")]
    ChallengeMissing,
    /// Not 43 to 128 unreserved characters.
    #[error("code_challenge must be 43 to 128 unreserved characters")]
    ChallengeForm,
    /// Another method than S256; absent means `plain` (RFC 7636 §4.3).
    #[error("code_challenge_method must be S256")]
    Method,
    /// The verifier is not 43 to 128 unreserved characters.
    #[error("code_verifier must be 43 to 128 unreserved characters")]
    VerifierForm,
}

impl CodeChallenge {
    /// Checks the challenge and its method as they stand in an authorization request.
    ///
    /// # Errors
    /// See [`PkceRefusal`]; all of them are `invalid_request`.
    pub fn check(challenge: Option<&str>, method: Option<&str>) -> Result<Self, PkceRefusal> {
        let challenge = challenge.ok_or(PkceRefusal::ChallengeMissing)?;
        if !has_verifier_form(challenge) {
            return Err(PkceRefusal::ChallengeForm);
        }
        if method != Some("S256") {
            return Err(PkceRefusal::Method);
        }
        Ok(Self(challenge.to_owned()))
    }

    /// The challenge that belongs to a verifier, for our own requests upstream.
    #[must_use]
    pub fn of(verifier: &CodeVerifier) -> Self {
        Self(base64url(&sha256(verifier.expose().as_bytes())))
    }

    /// Whether `verifier` is the one that the challenge was made of, in constant time.
    #[must_use]
    pub fn is_met_by(&self, verifier: &CodeVerifier) -> bool {
        same_bytes(self.0.as_bytes(), Self::of(verifier).0.as_bytes())
    }

    /// The challenge as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks the form of a verifier (RFC 7636 §4.1).
///
/// # Errors
/// [`PkceRefusal::VerifierForm`].
pub fn check_verifier_form(verifier: &CodeVerifier) -> Result<(), PkceRefusal> {
    if has_verifier_form(verifier.expose()) { Ok(()) } else { Err(PkceRefusal::VerifierForm) }
}

fn has_verifier_form(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_holds() {
        let challenge = CodeChallenge::check(Some(CHALLENGE), Some("S256")).unwrap();
        assert!(challenge.is_met_by(&CodeVerifier::new(VERIFIER)));
        assert!(!challenge.is_met_by(&CodeVerifier::new(CHALLENGE)));
    }

    #[test]
    fn s256_is_the_only_method_and_absent_means_plain() {
        for method in [None, Some("plain"), Some("s256"), Some("S512")] {
            assert_eq!(CodeChallenge::check(Some(CHALLENGE), method), Err(PkceRefusal::Method));
        }
    }

    #[test]
    fn a_challenge_is_43_to_128_unreserved_characters() {
        assert_eq!(CodeChallenge::check(None, Some("S256")), Err(PkceRefusal::ChallengeMissing));
        for bad in ["a".repeat(42), "a".repeat(129), format!("{}+", "a".repeat(43)), "ä".repeat(43)] {
            assert_eq!(CodeChallenge::check(Some(&bad), Some("S256")), Err(PkceRefusal::ChallengeForm));
        }
    }
}
