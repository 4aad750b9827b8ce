//! The credential of a request: the `Authorization` header and nothing else (RFC 6750 §2.1, OAuth 2.1 §5.1.1).
//!
//! A token in the query or in a form body is never read.

use std::borrow::Cow;

use crate::errors::{ErrorCode, OAuthError};
use crate::words::AccessToken;

/// What a request says about who sends it.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum Bearer {
    /// No `Authorization` header at all.
    Anonymous,
    /// One well-formed bearer token; nobody has verified it yet.
    Token(AccessToken),
}

/// Why the `Authorization` headers of a request cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum BearerRefusal {
    /// More than one `Authorization` header.
    #[error("more than one Authorization header")]
    Repeated,
    /// A bearer credential that is not one token.
    #[error("the Authorization header is not 'Bearer' and one token")]
    Malformed,
    /// Another scheme, such as Basic: there is no credential that could be verified here.
    #[error("this resource takes bearer tokens only")]
    OtherScheme,
    /// A token that is longer than any token of ours or of an issuer that we know.
    #[error("the token is too long")]
    TooLong,
}

impl Bearer {
    /// Reads the values of all `Authorization` headers of a request.
    ///
    /// The scheme is compared without case, and any number of spaces may follow it (RFC 9110 §11.4). The token has the
    /// characters of `b64token`; whether it is one of ours is for the verifier to say.
    ///
    /// # Errors
    /// [`BearerRefusal`]; RFC 6750 §3.1 asks for 400 `invalid_request` when the header is malformed or repeated.
    pub fn read<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, BearerRefusal> {
        let mut values = values.into_iter();
        let Some(value) = values.next() else { return Ok(Self::Anonymous) };
        if values.next().is_some() {
            return Err(BearerRefusal::Repeated);
        }
        let value = std::str::from_utf8(value).map_err(|_| BearerRefusal::Malformed)?;
        let value = value.trim_matches([' ', '\t']);
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.is_empty() {
            return Err(BearerRefusal::Malformed);
        }
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(BearerRefusal::OtherScheme);
        }
        let token = rest.trim_start_matches(' ');
        if token.len() > LONGEST {
            return Err(BearerRefusal::TooLong);
        }
        if !is_b64token(token) {
            return Err(BearerRefusal::Malformed);
        }
        Ok(Self::Token(AccessToken::new(token)))
    }
}

impl BearerRefusal {
    /// Whether the request carries no credential of a kind that is taken here, so that 401 without an error code is the
    /// answer; everything else is 400 `invalid_request`.
    #[must_use]
    pub const fn is_unauthenticated(self) -> bool {
        match self {
            Self::OtherScheme => true,
            Self::Repeated | Self::Malformed | Self::TooLong => false,
        }
    }
}

impl From<BearerRefusal> for OAuthError {
    fn from(refusal: BearerRefusal) -> Self {
        let description = match refusal {
            BearerRefusal::Repeated => "the request has more than one Authorization header",
            BearerRefusal::Malformed => "the Authorization header is not 'Bearer' and one token",
            BearerRefusal::OtherScheme => "this resource takes bearer tokens only",
            BearerRefusal::TooLong => "the token is too long",
        };
        Self::json(ErrorCode::InvalidRequest, Cow::Borrowed(description))
    }
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1).
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !body.is_empty() && body.bytes().all(plain)
}

/// Tokens of other issuers can carry many claims; ours are far shorter.
const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, BearerRefusal> {
        Bearer::read(values.iter().map(|value| value.as_bytes())).map(|bearer| match bearer {
            Bearer::Anonymous => None,
            Bearer::Token(token) => Some(token.expose().to_owned()),
        })
    }

    // RS-01
    #[test]
    fn only_the_absence_of_the_header_is_anonymous() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[""]), Err(BearerRefusal::Malformed));
        assert_eq!(read(&["  "]), Err(BearerRefusal::Malformed));
    }

    #[test]
    fn the_scheme_has_no_case_and_spaces_are_tolerated() {
        for good in
            ["Bearer coat_at_abc", "bearer coat_at_abc", "BEARER   coat_at_abc", " Bearer coat_at_abc "]
        {
            assert_eq!(read(&[good]), Ok(Some("coat_at_abc".to_owned())), "{good}");
        }
    }

    #[test]
    fn any_b64token_may_be_verified() {
        assert_eq!(read(&["Bearer aZ0-._~+/=="]), Ok(Some("aZ0-._~+/==".to_owned())));
    }

    // RS-04
    #[test]
    fn a_malformed_or_repeated_header_is_an_invalid_request() {
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer =",
            "Bearer a=b",
            "Bearer\ta",
            "Bearer ä",
        ] {
            let refusal = read(&[bad]).unwrap_err();
            assert!(
                refusal == BearerRefusal::Malformed || refusal == BearerRefusal::OtherScheme,
                "{bad}: {refusal:?}"
            );
        }
        assert_eq!(read(&["Bearer a b"]), Err(BearerRefusal::Malformed));
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(BearerRefusal::Repeated));
        assert_eq!(read(&["Bearer a", "Basic b"]), Err(BearerRefusal::Repeated));
        assert_eq!(read(&[&format!("Bearer {}", "a".repeat(LONGEST + 1))]), Err(BearerRefusal::TooLong));
        assert_eq!(OAuthError::from(BearerRefusal::Repeated).code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn another_scheme_is_no_credential_here() {
        for other in ["Basic dXNlcjpwYXNz", "DPoP abc", "BearerX abc"] {
            assert_eq!(read(&[other]), Err(BearerRefusal::OtherScheme), "{other}");
        }
        assert!(BearerRefusal::OtherScheme.is_unauthenticated());
        assert!(!BearerRefusal::Malformed.is_unauthenticated());
    }

    proptest! {
        #[test]
        fn no_header_value_panics(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Bearer::read([value.as_slice()]);
        }
    }
}
