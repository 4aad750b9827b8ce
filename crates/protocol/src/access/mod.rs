//! What a protected MCP endpoint decides about one request: whose it is, what it asks for, whether it may.
//!
//! [`bearer`] reads the credential (RFC 6750), [`jsonrpc`] judges the body, [`era`] compares it with the headers that
//! mirror it (MCP 2026-07-28, Streamable HTTP), [`manifest`] decides which scopes and roles an operation needs.
//! [`assertion`] and [`introspection`] are what servers behind and beside us learn of a caller.
//! Nothing here verifies a token or forwards a byte: `coatroom::guard` does, in the order that its module
//! documentation lists.

pub mod assertion;
pub mod bearer;
pub mod confirmation;
pub mod era;
pub mod introspection;
pub mod jsonrpc;
pub mod manifest;
pub mod message;
pub mod rpc_error;
mod walk;

pub use assertion::{ASSERTION_LIFE, ASSERTION_TYPE, Assertion};
pub use bearer::{Bearer, BearerRefusal};
pub use confirmation::is_sender_constrained;
pub use era::{Era, EraRefusal, Field, MirrorHeaders};
pub use introspection::{Introspection, LiveToken};
pub use jsonrpc::{BodyRefusal, Refused, judge};
pub use manifest::{Denial, Holder, Manifest, Pattern, Rule, RuleKind, Unlisted, Verdict};
pub use message::{Call, Id, Judged, Member, Message, Meta, Target};
pub use rpc_error::{RpcCode, RpcError};
