//! Reading small request bodies.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::words::{Params, ParamsRefusal};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum BodyRefusal {
    /// It is larger than the limit.
    TooLarge(usize),
    /// The client stopped sending, or the body is not what the endpoint takes.
    Unreadable(OAuthError),
}

/// Reads a body of at most `limit` bytes. One that says how large it is need not be sent to be refused.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, BodyRefusal> {
    if usize::try_from(body.size_hint().lower()).map_or(true, |least| least > limit) {
        return Err(BodyRefusal::TooLarge(limit));
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyRefusal::TooLarge(limit)),
        Ok(Err(_)) | Err(_) => Err(BodyRefusal::Unreadable(OAuthError::json(
            ErrorCode::InvalidRequest,
            "the body did not arrive whole",
        ))),
    }
}

/// Refuses parameters in the address, which others log (OAuth 2.1 §3.2).
pub(super) fn refuse_query(uri: &Uri) -> Result<(), OAuthError> {
    if uri.query().is_none_or(str::is_empty) {
        return Ok(());
    }
    Err(OAuthError::json(ErrorCode::InvalidRequest, "parameters belong in the body, not in the query"))
}

/// Reads a form of at most `limit` bytes.
pub(super) async fn form(headers: &HeaderMap, body: Body, limit: usize) -> Result<Params, BodyRefusal> {
    let invalid = |text: String| BodyRefusal::Unreadable(OAuthError::json(ErrorCode::InvalidRequest, text));
    if !has_media_type(headers, "application/x-www-form-urlencoded") {
        return Err(invalid(
            "the body must be application/x-www-form-urlencoded, and not compressed".to_owned(),
        ));
    }
    let bytes = read(body, limit).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid("the body must be UTF-8".to_owned()))?;
    Params::parse(text).map_err(|refusal| invalid(refusal.to_string()))
}

/// Reads the parameters of a request that a client posts: a form in which nothing is said twice.
pub(super) async fn parameters(headers: &HeaderMap, body: Body, limit: usize) -> Result<Params, BodyRefusal> {
    let params = form(headers, body, limit).await?;
    let refused = |refusal: ParamsRefusal| {
        BodyRefusal::Unreadable(OAuthError::json(ErrorCode::InvalidRequest, refusal.to_string()))
    };
    params.check_repeats().map_err(refused)?;
    Ok(params)
}

/// A parameter that must be there.
pub(super) fn required<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, OAuthError> {
    let missing = || OAuthError::json(ErrorCode::InvalidRequest, format!("{name} is missing"));
    // Repeats were refused before.
    params.one(name).ok().flatten().ok_or_else(missing)
}

impl From<BodyRefusal> for super::respond::Failure {
    fn from(refusal: BodyRefusal) -> Self {
        match refusal {
            BodyRefusal::Unreadable(error) => Self::Refused(error),
            BodyRefusal::TooLarge(limit) => Self::TooLarge(ErrorCode::InvalidRequest, limit),
        }
    }
}

/// Whether the body of a request is of this media type, whatever its parameters, and is sent as it is. Of two media types nobody
/// knows which one others read.
pub(super) fn has_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let value = value.to_str().unwrap_or_default();
    let is_expected = value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected);
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    is_expected && headers.get_all(CONTENT_ENCODING).iter().all(is_plain)
}

/// How long a body may take to arrive. Strangers send these, and each one holds a connection.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_arrives_holds_nothing_for_long() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
        let read = tokio::time::timeout(Duration::from_mins(1), read(body, 100)).await;
        assert!(matches!(read, Ok(Err(BodyRefusal::Unreadable(_)))), "{read:?}");
    }
}
