//! What the guard asks of whoever knows the tokens.

use std::fmt;

use async_trait::async_trait;
use coatroom_protocol::words::{AccessToken, Resource};

use super::caller::Caller;
use crate::error::Error;

/// Verifies access tokens: our own from the store, or another issuer's by its keys.
#[async_trait]
pub trait VerifyToken: Send + Sync + fmt::Debug {
    /// Verifies a token for one protected resource.
    ///
    /// # Errors
    /// [`VerifyError::Refused`] is answered with 401 `invalid_token`, [`VerifyError::NotAllowed`] with 403,
    /// [`VerifyError::Unavailable`] with 503.
    async fn verify(&self, token: &AccessToken, resource: &Resource) -> Result<Caller, VerifyError>;
}

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is not good here: unknown, expired, revoked, or for another resource. The text is for the log.
    #[error("the token was refused: {0}")]
    Refused(&'static str),
    /// The token is good, and its user may not enter: signing in again as the same would not help.
    #[error("the user of the token may not enter")]
    NotAllowed,
    /// Nobody can tell at the moment.
    #[error(transparent)]
    Unavailable(#[from] Error),
}
