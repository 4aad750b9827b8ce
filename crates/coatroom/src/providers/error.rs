//! What can go wrong at a provider, and above all: whether the user's credential is dead.
//!
//! Only an answer of the provider that says so makes a credential dead. Silence, 5xx, 429 and every kind of nonsense
//! leave it alone, and so does a refusal of our own registration at the provider.

use crate::outbound::OutboundError;

use super::id_token::IdTokenRefusal;

/// Why a provider gave no tokens or no user. The texts are for the log: bounded, printable, without secrets that we
/// sent; they are never shown to a client or on a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The provider refused the code or the refresh token for good: only a new sign-in helps.
    #[error("the provider refused the credential for good: {code}")]
    Dead {
        /// The provider's error code, such as `invalid_grant`, with its description.
        code: String,
    },
    /// The provider refused this request; the credential may still be good.
    #[error("the provider refused: {code}")]
    Refused {
        /// The provider's error code with its description, or the status of its answer.
        code: String,
    },
    /// The provider did not answer, or answered that it cannot now: try again later.
    #[error("the provider is not available: {reason}")]
    Transient {
        /// What happened.
        reason: String,
    },
    /// The provider refuses our registration there, or its own description rules it out: the operator must act.
    #[error("the provider is not configured rightly: {reason}")]
    Misconfigured {
        /// What is wrong.
        reason: String,
    },
    /// The answer breaks the protocol.
    #[error("the provider's answer breaks the protocol: {reason}")]
    BadAnswer {
        /// How.
        reason: String,
    },
    /// The ID token was refused.
    #[error("the ID token was refused: {0}")]
    IdToken(#[from] IdTokenRefusal),
    /// The callback names another issuer than the one that the user was sent to, or none where one was promised
    /// (RFC 9207 §2.4).
    #[error("the callback's issuer is not this provider")]
    Issuer,
}

impl ProviderError {
    /// Whether the provider said that the credential will never work again.
    #[must_use]
    pub const fn is_dead(&self) -> bool {
        matches!(self, Self::Dead { .. })
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// One word for logs and metrics.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Dead { .. } => "dead",
            Self::Refused { .. } => "refused",
            Self::Transient { .. } => "transient",
            Self::Misconfigured { .. } => "misconfigured",
            Self::BadAnswer { .. } => "bad_answer",
            Self::IdToken(_) => "bad_id_token",
            Self::Issuer => "wrong_issuer",
        }
    }

    pub(crate) fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into() }
    }

    pub(crate) fn misconfigured(reason: impl Into<String>) -> Self {
        Self::Misconfigured { reason: reason.into() }
    }

    pub(crate) fn bad_answer(reason: impl Into<String>) -> Self {
        Self::BadAnswer { reason: reason.into() }
    }
}

impl From<OutboundError> for ProviderError {
    fn from(error: OutboundError) -> Self {
        let cause = std::error::Error::source(&error).map(|source| format!(": {}", deepest(source)));
        Self::transient(printable(&format!("{error}{}", cause.unwrap_or_default())))
    }
}

fn deepest<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest
}

/// A provider's text as a log may hold it: at most 200 characters of printable ASCII.
pub(crate) fn printable(text: &str) -> String {
    let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(MAX_TEXT).map(plain).collect()
}

const MAX_TEXT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_text_cannot_forge_log_lines() {
        assert_eq!(printable("a\nb\u{1b}[31m\u{2028}ü"), "a?b?[31m??");
        assert_eq!(printable(&"x".repeat(5000)).len(), MAX_TEXT);
    }
}
