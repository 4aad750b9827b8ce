//! How axum's handlers get the caller: as an argument.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use coatroom_protocol::access::Era;
use http::Extensions;
use http::request::Parts;

use super::call::{Call, CallerError, CallerErrorKind};
use super::caller::Caller;

impl Caller {
    /// The caller of a request that passed a guard; `None` when nobody has signed in, where that is allowed.
    ///
    /// # Errors
    /// [`CallerErrorKind::Unguarded`] when the request passed no guard, so that nobody mistakes it for an anonymous one.
    pub fn of(extensions: &Extensions) -> Result<Option<&Self>, CallerError> {
        let caller = extensions.get::<Self>();
        if caller.is_none() && extensions.get::<Era>().is_none() {
            return Err(CallerError::new(CallerErrorKind::Unguarded, None));
        }
        Ok(caller)
    }

    /// The caller of a request that passed a guard.
    ///
    /// # Errors
    /// [`CallerErrorKind::Anonymous`] when nobody has signed in, and [`CallerErrorKind::Unguarded`] as above.
    pub fn signed_in(extensions: &Extensions) -> Result<&Self, CallerError> {
        let anonymous = || CallerError::new(CallerErrorKind::Anonymous, Call::of(extensions));
        Self::of(extensions)?.ok_or_else(anonymous)
    }
}

/// Who calls, in an axum handler. Where nobody has signed in, the client is asked to let its user do so.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = CallerError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CallerError> {
        Self::signed_in(&parts.extensions).cloned()
    }
}

/// Who calls, if anybody has signed in.
impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = CallerError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, CallerError> {
        Self::of(&parts.extensions).map(Option::<&Self>::cloned)
    }
}
