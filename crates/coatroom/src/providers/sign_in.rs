//! What a sign-in is asked with, and what it yields.

use std::fmt;

use coatroom_protocol::words::CodeVerifier;

use super::tokens::UpstreamTokens;
use crate::user::User;

/// What the provider's authorization endpoint is asked for one sign-in.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the caller must decide about every part")]
pub struct UpstreamAuthorization<'a> {
    /// Comes back with the callback, unchanged.
    pub state: &'a str,
    /// What the ID token must repeat. Every sign-in has one; it is left out where there is no ID token.
    pub nonce: Option<&'a str>,
    /// The S256 challenge of the code verifier (RFC 7636 §4.2).
    pub code_challenge: &'a str,
    /// Our callback, as registered at the provider.
    pub redirect_uri: &'a str,
    /// What the provider should show.
    pub prompt: Option<UpstreamPrompt>,
    /// The account that the user probably wants.
    pub login_hint: Option<&'a str>,
}

/// What a provider should show at a sign-in; left out where the provider does not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamPrompt {
    /// Sign in anew.
    Login,
    /// Choose among accounts.
    SelectAccount,
    /// Nothing: fail rather than ask.
    None,
}

impl UpstreamPrompt {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::SelectAccount => "select_account",
            Self::None => "none",
        }
    }
}

/// What a callback brought, and what was kept for it.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the caller must decide about every part")]
pub struct CodeExchange<'a> {
    /// The code.
    pub code: &'a str,
    /// The verifier whose challenge was sent.
    pub code_verifier: &'a CodeVerifier,
    /// The callback that was sent.
    pub redirect_uri: &'a str,
    /// The nonce that was sent.
    pub nonce: Option<&'a str>,
    /// The callback's `iss` (RFC 9207).
    pub iss: Option<&'a str>,
    /// What a posted callback said about the user beside the code; Apple tells the name there alone.
    pub user: Option<&'a str>,
}

/// A user who has signed in.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the engine builds it")]
pub struct SignedIn {
    /// Who they are.
    pub user: User,
    /// Their tokens for the provider's API.
    pub tokens: UpstreamTokens,
}

/// Whether a provider knows that a token is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeOutcome {
    /// It was told.
    Told,
    /// It cannot be told, or is configured not to be: it still lists us.
    NotOffered,
}

impl fmt::Debug for UpstreamAuthorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamAuthorization").field("prompt", &self.prompt).finish_non_exhaustive()
    }
}

impl fmt::Debug for CodeExchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeExchange").field("iss", &self.iss).finish_non_exhaustive()
    }
}
