//! Authorization codes of the provider: in memory, good once, for a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coatroom::protocol::words::{CodeVerifier, Scopes, Timestamp, TokenHash, base64url, same_bytes, sha256};

/// The codes that were handed out and have not ended yet, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Codes(Mutex<HashMap<TokenHash, Code>>);

/// What a code stands for.
#[derive(Debug, Clone)]
pub(super) struct Code {
    /// The account's login.
    pub(super) login: String,
    /// What was granted.
    pub(super) scopes: Scopes,
    /// The S256 challenge of the client that asked (RFC 7636 §4.2).
    pub(super) challenge: String,
    /// The id of the sign-in that the code becomes.
    pub(super) sign_in: String,
    /// When it ends.
    pub(super) expires_at: Timestamp,
    /// Whether it was redeemed.
    pub(super) redeemed: bool,
}

/// Why a code was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CodeRefusal {
    /// It was never handed out, or has ended.
    Unknown,
    /// The verifier does not prove who asked; nothing has changed.
    Verifier,
    /// It was redeemed before; the sign-in that came of it must end (RFC 6749 §4.1.2).
    Replayed {
        /// That sign-in.
        sign_in: String,
    },
}

impl Codes {
    /// How long a code is good.
    pub(super) const LIFE: Duration = Duration::from_mins(1);

    /// Keeps a new code. Ended ones go; when there are too many, so do all that were redeemed, then all.
    pub(super) fn keep(&self, hash: TokenHash, code: Code, now: Timestamp) {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, code| !now.has_reached(code.expires_at));
        if codes.len() >= MOST_CODES {
            codes.retain(|_, code| !code.redeemed);
        }
        if codes.len() >= MOST_CODES {
            codes.clear();
        }
        codes.insert(hash, code);
    }

    /// Redeems a code, once.
    ///
    /// # Errors
    /// [`CodeRefusal`] says why not. A wrong verifier leaves the code as it was.
    pub(super) fn redeem(
        &self,
        hash: &TokenHash,
        verifier: &CodeVerifier,
        now: Timestamp,
    ) -> Result<Code, CodeRefusal> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let code = codes.get_mut(hash).filter(|code| !now.has_reached(code.expires_at));
        let code = code.ok_or(CodeRefusal::Unknown)?;
        let proof = base64url(&sha256(verifier.expose().as_bytes()));
        if !same_bytes(proof.as_bytes(), code.challenge.as_bytes()) {
            return Err(CodeRefusal::Verifier);
        }
        if code.redeemed {
            return Err(CodeRefusal::Replayed { sign_in: code.sign_in.clone() });
        }
        code.redeemed = true;
        Ok(code.clone())
    }
}

const MOST_CODES: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

    fn hash(n: usize) -> TokenHash {
        TokenHash::from_bytes(sha256(&n.to_be_bytes()))
    }

    fn code(issued_at: u64) -> Code {
        Code {
            login: "alice".to_owned(),
            scopes: Scopes::none(),
            challenge: base64url(&sha256(VERIFIER.as_bytes())),
            sign_in: "s".to_owned(),
            expires_at: Timestamp::from_unix(issued_at).plus(Codes::LIFE),
            redeemed: false,
        }
    }

    fn redeem(codes: &Codes, verifier: &str, now: u64) -> Result<(), CodeRefusal> {
        codes.redeem(&hash(1), &CodeVerifier::new(verifier), Timestamp::from_unix(now)).map(|_| ())
    }

    #[test]
    fn a_code_is_good_once_and_its_replay_names_the_sign_in() {
        let codes = Codes::default();
        codes.keep(hash(1), code(100), Timestamp::from_unix(100));
        assert_eq!(redeem(&codes, VERIFIER, 101), Ok(()));
        assert_eq!(redeem(&codes, VERIFIER, 102), Err(CodeRefusal::Replayed { sign_in: "s".to_owned() }));
    }

    #[test]
    fn a_wrong_verifier_changes_nothing() {
        let codes = Codes::default();
        codes.keep(hash(1), code(100), Timestamp::from_unix(100));
        assert_eq!(redeem(&codes, "guess", 101), Err(CodeRefusal::Verifier));
        assert_eq!(redeem(&codes, VERIFIER, 101), Ok(()));
        assert_eq!(
            redeem(&codes, "guess", 102),
            Err(CodeRefusal::Verifier),
            "nor does it after the redemption"
        );
    }

    #[test]
    fn a_code_older_than_a_minute_is_unknown() {
        let codes = Codes::default();
        codes.keep(hash(1), code(100), Timestamp::from_unix(100));
        assert_eq!(redeem(&codes, VERIFIER, 160), Err(CodeRefusal::Unknown));
    }

    #[test]
    fn codes_never_pile_up() {
        let codes = Codes::default();
        for n in 0..=MOST_CODES {
            codes.keep(hash(n), code(100), Timestamp::from_unix(100));
        }
        assert!(codes.0.lock().unwrap().len() <= MOST_CODES);
    }
}
