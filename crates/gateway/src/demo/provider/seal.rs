//! What the provider hands out: texts that carry their own claims and a MAC, so that a restart forgets none of them.
//!
//! A text is its kind's prefix, the claims as JSON, and the MAC of the claims under the kind. It proves who made it and
//! nothing else: whether the sign-in that it names still lives is the ledger's to say.

use std::time::Duration;

use coatroom::protocol::words::{
    CodeVerifier, MacKey, Scopes, Timestamp, base64url, from_base64url, same_bytes, sha256,
};
use coatroom::providers::UpstreamToken;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Claims that can be sealed: each kind has a prefix of its own, which is also the label of its MAC.
pub(super) trait Sealed: Serialize + DeserializeOwned {
    /// What a text of this kind starts with.
    const PREFIX: &'static str;

    /// Writes and signs the claims.
    fn seal(&self, key: &MacKey) -> Option<UpstreamToken> {
        let claims = serde_json::to_vec(self).ok()?;
        let tag = key.tag(Self::PREFIX, &[&claims]);
        let text = format!("{}{}.{}", Self::PREFIX, base64url(&claims), base64url(&tag));
        Some(UpstreamToken::new(text))
    }

    /// Reads a text of this kind; `None` when this provider did not write it.
    fn open(text: &str, key: &MacKey) -> Option<Self> {
        let (claims, tag) = text.strip_prefix(Self::PREFIX)?.split_once('.')?;
        let claims = from_base64url(claims)?;
        if !key.verify(Self::PREFIX, &[&claims], &from_base64url(tag)?) {
            return None;
        }
        serde_json::from_slice(&claims).ok()
    }
}

/// What an authorization code says. That it is good once is the ledger's to say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CodeClaims {
    /// The account's login.
    pub(super) login: String,
    /// What was granted.
    pub(super) scopes: Scopes,
    /// The S256 challenge of the client that asked (RFC 7636 §4.2).
    pub(super) challenge: String,
    /// Where the code was sent (RFC 6749 §4.1.3).
    pub(super) redirect_uri: String,
    /// The id of the sign-in that the code becomes.
    pub(super) sign_in: String,
    /// When it ends.
    pub(super) expires_at: Timestamp,
}

impl CodeClaims {
    /// How long a code is good.
    pub(super) const LIFE: Duration = Duration::from_mins(1);

    /// Whether the verifier proves who asked (RFC 7636 §4.6).
    pub(super) fn proven_by(&self, verifier: &CodeVerifier) -> bool {
        let proof = base64url(&sha256(verifier.expose().as_bytes()));
        same_bytes(proof.as_bytes(), self.challenge.as_bytes())
    }
}

/// What an access token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AccessClaims {
    /// The sign-in that it belongs to.
    pub(super) sign_in: String,
    /// What it allows.
    pub(super) scopes: Scopes,
    /// When it ends.
    pub(super) expires_at: Timestamp,
    /// Makes two tokens of one second differ.
    pub(super) nonce: String,
}

/// What a refresh token says. It has no end of its own: it ends when it is used, or with its sign-in.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RefreshClaims {
    /// The sign-in that it belongs to.
    pub(super) sign_in: String,
    /// How many refreshes came before.
    pub(super) generation: u64,
}

/// What the browser's cookie says: who signed in here last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BrowserClaims {
    /// The account's login.
    pub(super) login: String,
    /// When the browser is forgotten.
    pub(super) expires_at: Timestamp,
}

impl Sealed for CodeClaims {
    const PREFIX: &'static str = "demo_code_";
}

impl Sealed for AccessClaims {
    const PREFIX: &'static str = "demo_at_";
}

impl Sealed for RefreshClaims {
    const PREFIX: &'static str = "demo_rt_";
}

impl Sealed for BrowserClaims {
    const PREFIX: &'static str = "demo_browser_";
}

#[cfg(test)]
mod tests {
    use super::*;
    use coatroom::protocol::words::KeyId;

    fn key(byte: u8) -> MacKey {
        MacKey::new(KeyId::from_bytes([0; 4]), [byte; 32])
    }

    #[test]
    fn a_text_opens_only_with_its_key_and_only_as_its_kind() {
        let claims = RefreshClaims { sign_in: "s".to_owned(), generation: 3 };
        let text = claims.seal(&key(1)).unwrap();
        assert_eq!(RefreshClaims::open(text.expose(), &key(1)).unwrap().generation, 3);
        assert!(RefreshClaims::open(text.expose(), &key(2)).is_none());
        let disguised = text.expose().replace("demo_rt_", "demo_at_");
        assert!(AccessClaims::open(&disguised, &key(1)).is_none());
    }

    #[test]
    fn a_changed_text_does_not_open() {
        let claims = BrowserClaims { login: "alice".to_owned(), expires_at: Timestamp::from_unix(9) };
        let text = claims.seal(&key(1)).unwrap().expose().to_owned();
        let forged = BrowserClaims { login: "bob".to_owned(), expires_at: Timestamp::from_unix(9) };
        let forged = forged.seal(&key(2)).unwrap().expose().to_owned();
        let mixed = format!("{}.{}", forged.split_once('.').unwrap().0, text.split_once('.').unwrap().1);
        assert!(BrowserClaims::open(&mixed, &key(1)).is_none());
    }
}
