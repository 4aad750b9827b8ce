//! The caller in handlers of rmcp (feature `rmcp`): as an argument of `#[tool]` and `#[prompt]` functions, and from a context.
//!
//! rmcp hands the parts of the HTTP request to its handlers, so what the guard put there is found again here. An error of the caller
//! becomes an [`ErrorData`] by `?`, and is noted with the call, so that the guard can answer it over HTTP.

use ::rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use ::rmcp::model::Extensions;
use ::rmcp::service::RequestContext;
use ::rmcp::{ErrorData, RoleServer};
use coatroom_protocol::access::RpcCode;
use http::request::Parts;

use super::call::{CallerError, CallerErrorKind};
use super::caller::Caller;

/// The caller, from what rmcp hands to a handler.
pub trait CallerOf {
    /// Who calls; `None` when nobody has signed in, where that is allowed.
    ///
    /// # Errors
    /// [`CallerErrorKind::Unguarded`] when no guard stands before the MCP server.
    fn caller(&self) -> Result<Option<Caller>, CallerError>;
}

impl CallerOf for Extensions {
    fn caller(&self) -> Result<Option<Caller>, CallerError> {
        parts(self).and_then(|parts| Caller::of(&parts.extensions)).map(Option::<&Caller>::cloned)
    }
}

impl CallerOf for RequestContext<RoleServer> {
    fn caller(&self) -> Result<Option<Caller>, CallerError> {
        self.extensions.caller()
    }
}

fn parts(extensions: &Extensions) -> Result<&Parts, CallerError> {
    extensions.get::<Parts>().ok_or_else(|| CallerError::new(CallerErrorKind::Unguarded, None))
}

/// Who calls, as an argument of a tool or prompt. Where nobody has signed in, the client is asked to let its user do so.
impl<C: AsRequestContext> FromContextPart<C> for Caller {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let parts = parts(&context.as_request_context().extensions)?;
        Ok(Self::signed_in(&parts.extensions)?.clone())
    }
}

/// Who calls, if anybody has signed in, as an argument of a tool or prompt.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct MaybeCaller(pub Option<Caller>);

impl<C: AsRequestContext> FromContextPart<C> for MaybeCaller {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        Ok(Self(context.as_request_context().extensions.caller()?))
    }
}

/// Lets handlers use `?`. The guard tells the client in its own way; the error itself is for clients that hear of it too late.
impl From<CallerError> for ErrorData {
    fn from(error: CallerError) -> Self {
        error.note();
        if error.answer().is_none() {
            tracing::error!(%error, "a handler failed");
            return Self::internal_error(error.to_string(), None);
        }
        Self::new(::rmcp::model::ErrorCode(RpcCode::Refused.number()), error.to_string(), None)
    }
}
