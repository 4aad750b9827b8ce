//! What a protected MCP endpoint decides about one request: whose it is, what it asks for, whether it may.
//!
//! [`bearer`] reads the credential (RFC 6750), [`jsonrpc`] judges the body, [`era`] compares it with the headers that
//! mirror it, and [`mirrored`] with those that mirror arguments (MCP 2026-07-28, Streamable HTTP), [`manifest`] decides which
//! scopes and roles an operation needs. Of answers, [`lists`] takes out what a caller may not use, and [`input_required`]
//! says whether they may ask for input. [`assertion`] and [`introspection`] are what servers behind and beside us learn of a
//! caller.
//! [`elicitation`] is how a client hears that its user must open a link, [`retry`] the call that it then makes again,
//! [`mod@tool_challenge`] how ChatGPT hears that it needs a token or more scopes.
//! [`remote_token`] is what a token of another issuer must say. [`one_line`] is a judged message as stdio takes it.
//! Nothing here verifies a token's signature or forwards a byte: `coatroom::guard` does, in the order that its module
//! documentation lists.

pub mod assertion;
pub mod bearer;
pub mod body_refusal;
pub mod confirmation;
mod disguise;
pub mod elicitation;
pub mod era;
pub mod input_required;
pub mod introspection;
pub mod jsonrpc;
mod line;
pub mod lists;
pub mod manifest;
pub mod message;
pub mod mirrored;
pub(crate) mod object;
pub mod pattern;
mod readings;
pub mod remote_token;
pub mod retry;
pub mod rpc_error;
mod rule;
pub mod tool_challenge;
mod walk;

pub use assertion::{ASSERTION_LIFE, ASSERTION_TYPE, Assertion};
pub use bearer::{Bearer, BearerRefusal};
pub use body_refusal::{BodyRefusal, DEEPEST, LONGEST_BATCH, Refused};
pub use confirmation::is_sender_constrained;
pub use era::{Era, EraRefusal, Field, MirrorHeaders, discovered_versions};
pub use input_required::{INPUT_REQUIRED, InputRefusal, check_input_required};
pub use introspection::{Introspection, LiveToken};
pub use jsonrpc::judge;
pub use line::one_line;
pub use lists::{LARGEST_LIST, ListKind, ListRefusal, ListsAsked};
pub use manifest::{Denial, Holder, Manifest, Reach, Unlisted, Verdict};
pub use message::{Call, Capabilities, Id, Judged, Member, Message, Meta, Target};
pub use mirrored::{LearnedTools, MirrorRefusal, Mirrored};
pub use pattern::Pattern;
pub use remote_token::{Audience, RemoteClaims, RemoteRefusal, RemoteRule};
pub use rpc_error::{RpcCode, RpcError};
pub use rule::{Authentication, Rule, RuleKind};
pub use tool_challenge::{reads_tool_challenges, tool_challenge};
