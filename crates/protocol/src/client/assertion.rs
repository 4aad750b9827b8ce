//! `private_key_jwt`: a client signs who it is (RFC 7523 §3; OpenID Connect Core §9; OAuth 2.1 §2.4).
//!
//! The rule is pure: it takes the text, the client's keys and the time. That an assertion is used once is not decided
//! here: whoever applies the verdict records [`VerifiedAssertion::record_key`], and only after the code or token of the
//! same request was found to be live and the client's own, so that strangers leave nothing behind.

use std::time::Duration;

use serde_json::{Map, Value};

use super::record::ClientKeys;
use crate::errors::{ErrorCode, OAuthError};
use crate::jws::{Jws, JwsRefusal, KeySet};
use crate::words::{ClientAssertion, ClientId, Timestamp, base64url, sha256};

/// The value of `client_assertion_type`.
pub const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What an assertion must agree with.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedAssertion<'a> {
    /// The client that the request names.
    pub client: &'a ClientId,
    /// Our names: the issuer, and the URLs of the endpoints that may be meant. A trailing slash of the first is
    /// tolerated.
    pub audiences: &'a [&'a str],
    /// The server's clock.
    pub now: Timestamp,
}

/// A genuine assertion that was not used before as far as this rule can know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an assertion that is not recorded can be used again"]
pub struct VerifiedAssertion {
    /// The hash of the client's id and the assertion's `jti`: what must be inserted once.
    pub record_key: String,
    /// From when on the assertion is refused for its age, so that the record is of no more use.
    pub kept_until: Timestamp,
}

/// Why an assertion proves nothing. Always `invalid_client` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionRefusal {
    /// Longer than [`MAX_ASSERTION_LENGTH`].
    #[error("the client assertion has at most {MAX_ASSERTION_LENGTH} characters")]
    TooLong,
    /// Not a signed token, of an algorithm that is not accepted, or not signed by the client's key.
    #[error("the client assertion is not good: {0}")]
    Jws(#[from] JwsRefusal),
    /// Signed with another algorithm than the client registered.
    #[error("the client assertion has another algorithm than the client registered")]
    OtherAlgorithm,
    /// A token of another type, such as an ID token or an access token.
    #[error("typ of the client assertion must be JWT or client-authentication+jwt")]
    Kind,
    /// `iss` and `sub` are not the client.
    #[error("iss and sub of the client assertion must both be the client_id")]
    Subject,
    /// Meant for another server, or for several.
    #[error("aud of the client assertion must be the issuer or the URL of this endpoint, alone")]
    Audience,
    /// `exp` is missing, or a time is not a number.
    #[error("exp of the client assertion is missing, or a time in it is not a number")]
    Times,
    /// Expired.
    #[error("the client assertion has expired")]
    Expired,
    /// Good for too long.
    #[error("the client assertion is good for more than {} minutes", LONGEST_LIFE.as_secs() / 60)]
    TooLasting,
    /// Issued in the future, or not valid yet.
    #[error("the client assertion is not valid yet")]
    NotYetValid,
    /// No `jti`, or one that is too long.
    #[error("jti of the client assertion is missing, or longer than {MAX_JTI_LENGTH} characters")]
    NoId,
    /// It was used before. The caller finds that out.
    #[error("the client assertion was used before")]
    Used,
}

/// The client that an assertion claims to be: whose keys to look up. Nothing is proven yet.
#[must_use]
pub fn claimed_client(assertion: &ClientAssertion) -> Option<ClientId> {
    let text = Some(assertion.expose()).filter(|text| text.len() <= MAX_ASSERTION_LENGTH)?;
    let claims = Jws::parse(text).ok()?.unverified_claims()?;
    let subject = claims.get("sub")?.as_str().filter(|subject| !subject.is_empty())?;
    Some(ClientId::new(subject))
}

/// Verifies an assertion against `set`, the keys of the client that `keys` describes.
///
/// # Errors
/// See [`AssertionRefusal`]. On [`JwsRefusal::UnknownKey`] a newer key set may help.
pub fn check_assertion(
    assertion: &ClientAssertion,
    keys: &ClientKeys,
    set: &KeySet,
    expected: &ExpectedAssertion<'_>,
) -> Result<VerifiedAssertion, AssertionRefusal> {
    let text = assertion.expose();
    if text.len() > MAX_ASSERTION_LENGTH {
        return Err(AssertionRefusal::TooLong);
    }
    let token = Jws::parse(text)?;
    if keys.algorithm.is_some_and(|registered| registered != token.algorithm()) {
        return Err(AssertionRefusal::OtherAlgorithm);
    }
    if !token.kind().is_none_or(is_for_clients) {
        return Err(AssertionRefusal::Kind);
    }
    let claims = set.verify(&token)?;
    check_claims(&claims, expected)
}

/// Whether a `typ` may stand on a client assertion. The prefix `application/` may be written (RFC 7515 §4.1.9).
fn is_for_clients(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "client-authentication+jwt")
}

fn check_claims(
    claims: &Map<String, Value>,
    expected: &ExpectedAssertion<'_>,
) -> Result<VerifiedAssertion, AssertionRefusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let client = expected.client.as_str();
    if text("iss") != Some(client) || text("sub") != Some(client) {
        return Err(AssertionRefusal::Subject);
    }
    let audience = match claims.get("aud") {
        Some(Value::String(one)) => Some(one.as_str()),
        Some(Value::Array(all)) => all.first().filter(|_| all.len() == 1).and_then(Value::as_str),
        _ => None,
    };
    if !audience.is_some_and(|audience| is_ours(audience, expected.audiences)) {
        return Err(AssertionRefusal::Audience);
    }
    let expires_at = check_times(claims, expected.now)?;
    let id = text("jti").filter(|id| !id.is_empty() && id.len() <= MAX_JTI_LENGTH);
    let id = id.ok_or(AssertionRefusal::NoId)?;
    let record_key = base64url(&sha256(&[client.as_bytes(), b"\0", id.as_bytes()].concat()));
    Ok(VerifiedAssertion { record_key, kept_until: expires_at.plus(SKEW) })
}

/// Whether an audience is one of ours. The issuer is a bare origin, and some clients write its slash.
fn is_ours(audience: &str, ours: &[&str]) -> bool {
    let issuer = ours.first().copied();
    ours.contains(&audience) || audience.strip_suffix('/').is_some_and(|bare| Some(bare) == issuer)
}

/// The time at which the assertion ends.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, AssertionRefusal> {
    let time = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => numeric_date(value).map(Some).ok_or(AssertionRefusal::Times),
    };
    let expires_at = time("exp")?.ok_or(AssertionRefusal::Times)?;
    if now.has_reached(expires_at.plus(SKEW)) {
        return Err(AssertionRefusal::Expired);
    }
    let latest = now.plus(SKEW);
    if expires_at > latest.plus(LONGEST_LIFE) {
        return Err(AssertionRefusal::TooLasting);
    }
    for name in ["iat", "nbf"] {
        if time(name)?.is_some_and(|time| time > latest) {
            return Err(AssertionRefusal::NotYetValid);
        }
    }
    Ok(expires_at)
}

/// A NumericDate (RFC 7519 §2); parts of a second are cut off.
fn numeric_date(value: &Value) -> Option<Timestamp> {
    let number = value.as_number()?.to_string();
    let (seconds, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let is_plain = fraction.bytes().all(|digit| digit.is_ascii_digit());
    if is_plain { seconds.parse().ok().map(Timestamp::from_unix) } else { None }
}

impl From<AssertionRefusal> for OAuthError {
    fn from(refusal: AssertionRefusal) -> Self {
        match refusal {
            AssertionRefusal::TooLong
            | AssertionRefusal::Jws(_)
            | AssertionRefusal::OtherAlgorithm
            | AssertionRefusal::Kind
            | AssertionRefusal::Subject
            | AssertionRefusal::Audience
            | AssertionRefusal::Times
            | AssertionRefusal::Expired
            | AssertionRefusal::TooLasting
            | AssertionRefusal::NotYetValid
            | AssertionRefusal::NoId
            | AssertionRefusal::Used => Self::json(ErrorCode::InvalidClient, refusal.to_string()),
        }
    }
}

/// The most characters of an assertion that are looked at.
pub const MAX_ASSERTION_LENGTH: usize = 8192;

/// The most characters of a `jti`.
pub const MAX_JTI_LENGTH: usize = 512;

/// What the client's clock may differ from ours.
const SKEW: Duration = Duration::from_mins(1);

/// How far ahead an assertion may end.
const LONGEST_LIFE: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests;
