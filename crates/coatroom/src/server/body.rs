//! Reading small request bodies.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::words::Params;
use http::HeaderMap;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::respond::has_media_type;

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum BodyRefusal {
    /// It is larger than the limit.
    TooLarge(usize),
    /// The client stopped sending, or the body is not what the endpoint takes.
    Unreadable(OAuthError),
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, BodyRefusal> {
    match tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyRefusal::TooLarge(limit)),
        Ok(Err(_)) | Err(_) => Err(BodyRefusal::Unreadable(OAuthError::json(
            ErrorCode::InvalidRequest,
            "the body did not arrive whole",
        ))),
    }
}

/// Reads a form of at most `limit` bytes.
pub(super) async fn form(headers: &HeaderMap, body: Body, limit: usize) -> Result<Params, BodyRefusal> {
    let invalid = |text: String| BodyRefusal::Unreadable(OAuthError::json(ErrorCode::InvalidRequest, text));
    if !has_media_type(headers, "application/x-www-form-urlencoded") {
        return Err(invalid("the body must be application/x-www-form-urlencoded".to_owned()));
    }
    let bytes = read(body, limit).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid("the body must be UTF-8".to_owned()))?;
    Params::parse(text).map_err(|refusal| invalid(refusal.to_string()))
}

impl From<BodyRefusal> for super::respond::Failure {
    fn from(refusal: BodyRefusal) -> Self {
        match refusal {
            BodyRefusal::Unreadable(error) => Self::Refused(error),
            BodyRefusal::TooLarge(limit) => Self::TooLarge(limit),
        }
    }
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
