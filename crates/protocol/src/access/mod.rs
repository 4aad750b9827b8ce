//! What a protected MCP endpoint decides about one request: whose it is, what it asks for, whether it may.
//!
//! [`bearer`] reads the credential (RFC 6750), [`jsonrpc`] judges the body, [`era`] compares it with the headers that
//! mirror it (MCP 2026-07-28, Streamable HTTP), [`manifest`] decides which scopes and roles an operation needs.
//! [`elicitation`] is how a client hears that its user must open a link, [`retry`] the call that it then makes again.
//! Nothing here verifies a token or forwards a byte: `coatroom::guard` does, in the order that its module
//! documentation lists.

pub mod bearer;
pub mod elicitation;
pub mod era;
pub mod jsonrpc;
pub mod manifest;
pub mod message;
pub mod retry;
pub mod rpc_error;
mod walk;

pub use bearer::{Bearer, BearerRefusal};
pub use era::{Era, EraRefusal, Field, MirrorHeaders};
pub use jsonrpc::{BodyRefusal, Refused, judge};
pub use manifest::{Denial, Holder, Manifest, Pattern, Rule, RuleKind, Unlisted, Verdict};
pub use message::{Call, Id, Judged, Member, Message, Meta, Target};
pub use rpc_error::{RpcCode, RpcError};
