//! The resource server: what protects an MCP endpoint, and what a handler behind it knows of who is calling.

mod caller;
mod verify;

pub use caller::{Caller, CallerClient, CallerParts, UpstreamCredentials, UpstreamError};
pub use verify::{VerifyError, VerifyToken};
