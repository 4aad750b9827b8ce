//! The errors that leave the server, and where each may be shown.
//!
//! Each rule has its own enum of reasons for logs and tests; a `From<Reason>` beside the rule turns it into an
//! [`OAuthError`] by an exhaustive match, so that a new reason does not compile until someone decides what a client may
//! learn of it. Clients recover on exact codes only, and wipe their state on some of them.

use std::borrow::Cow;

/// An error code of OAuth and its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A parameter is missing, repeated or malformed (OAuth 2.1 §3.2.4).
    InvalidRequest,
    /// The client is unknown or failed to authenticate; clients register again on it.
    InvalidClient,
    /// The code or refresh token is not good; clients authorize again on it.
    InvalidGrant,
    /// The client may not use this grant type or response type.
    UnauthorizedClient,
    /// The grant type does not exist here.
    UnsupportedGrantType,
    /// The response type does not exist here.
    UnsupportedResponseType,
    /// A scope is unknown or beyond what was granted.
    InvalidScope,
    /// The resource is unknown or beyond what was granted (RFC 8707 §2).
    InvalidTarget,
    /// The user or the provider said no.
    AccessDenied,
    /// Something failed here (redirects cannot carry a status).
    ServerError,
    /// Something is down for the moment.
    TemporarilyUnavailable,
    /// `prompt=none` without a signed-in user (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// `prompt=none`, and nothing is approved without a click here.
    ConsentRequired,
    /// Request objects are not supported.
    RequestNotSupported,
    /// Request object references are not supported.
    RequestUriNotSupported,
    /// A redirect URI cannot be registered (RFC 7591 §3.2.2).
    InvalidRedirectUri,
    /// Other client metadata cannot be registered (RFC 7591 §3.2.2).
    InvalidClientMetadata,
    /// A token of this kind cannot be revoked (RFC 7009 §2.2.1).
    UnsupportedTokenType,
    /// The caller sent too many requests.
    SlowDown,
}

impl ErrorCode {
    /// The code as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::SlowDown => "slow_down",
        }
    }

    /// The HTTP status of a JSON answer with this code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            Self::SlowDown => 429,
            _ => 400,
        }
    }
}

/// Where an error of the authorization endpoint may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// To the person, on a page of ours: the client or its redirect URI is not known to be good.
    OnPage,
    /// To the client, by redirect: client and redirect URI were checked before.
    ByRedirect,
    /// To the client, as JSON.
    AsJson,
}

/// An error as a client may see it: a code, a description for its developer, and where it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    /// The code that the client acts on.
    code: ErrorCode,
    /// For the client's developer: printable ASCII without `"` and `\` (OAuth 2.1 §4.1.2.1).
    description: Cow<'static, str>,
    /// Where it may be shown.
    shown: Shown,
}

impl OAuthError {
    /// An error that is answered as JSON.
    #[must_use]
    pub fn json(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: plain(description.into()), shown: Shown::AsJson }
    }

    /// An error that is explained on a page, and never redirected.
    #[must_use]
    pub fn page(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: plain(description.into()), shown: Shown::OnPage }
    }

    /// An error that may be redirected to the client's checked redirect URI.
    #[must_use]
    pub fn redirect(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: plain(description.into()), shown: Shown::ByRedirect }
    }

    /// The code that the client acts on.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The description, printable ASCII without `"` and `\`.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Where the error may be shown.
    #[must_use]
    pub const fn shown(&self) -> Shown {
        self.shown
    }
}

/// Replaces what OAuth 2.1 §4.1.2.1 forbids in `error_description`.
fn plain(text: Cow<'static, str>) -> Cow<'static, str> {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    if text.chars().all(allowed) {
        return text;
    }
    let replaced = text.chars().map(|c| match c {
        '"' => '\'',
        c if allowed(c) => c,
        _ => '?',
    });
    Cow::Owned(replaced.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_keep_to_the_allowed_characters() {
        let error = OAuthError::json(ErrorCode::InvalidRequest, "a \"b\" \\ ü\n".to_owned());
        assert_eq!(error.description(), "a 'b' ? ??");
    }

    #[test]
    fn only_an_unknown_client_is_401_and_only_an_outage_is_503() {
        assert_eq!(ErrorCode::InvalidClient.status(), 401);
        assert_eq!(ErrorCode::TemporarilyUnavailable.status(), 503);
        assert_eq!(ErrorCode::InvalidGrant.status(), 400);
    }
}
