//! Why a body is not forwarded, and what its client hears of that.

use super::message::Id;
use super::rpc_error::{RpcCode, RpcError};

/// Why a body is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum BodyRefusal {
    /// Bytes that are not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// A byte order mark, which some parsers skip.
    #[error("the body starts with a byte order mark")]
    ByteOrderMark,
    /// Not exactly one JSON value.
    #[error("the body is not one JSON value, or a number in it is out of range")]
    NotJson,
    /// Nested more than [`DEEPEST`] levels.
    #[error("the body is nested more than {DEEPEST} levels deep")]
    TooDeep,
    /// An object with the same key twice, of which parsers take the first or the last.
    #[error("an object of the body has the same key twice")]
    DuplicateKey,
    /// A key that lenient parsers take for a name of the protocol.
    #[error("a key of the message is a protocol name in disguise")]
    DisguisedKey,
    /// A method that lenient servers take for one of those that something is decided about.
    #[error("the method is one of MCP in disguise")]
    DisguisedMethod,
    /// Neither a request, nor a notification, nor a response of JSON-RPC 2.0.
    #[error("the body is not a JSON-RPC 2.0 message")]
    NotAMessage,
    /// An id that is not a string or number, or a very long one.
    #[error("the id is not a short string or a number")]
    BadId,
    /// `params` that is not an object.
    #[error("params is not an object")]
    ParamsNotAnObject,
    /// A method without the parameter that says what it is applied to, so that policy could not be decided.
    #[error("params lacks the name, uri or taskId that the method needs")]
    NoTarget,
    /// A method, name or URI with control characters.
    #[error("the method or its name or uri has control characters")]
    ControlCharacter,
    /// A batch without messages.
    #[error("the batch is empty")]
    EmptyBatch,
    /// A batch of more than [`LONGEST_BATCH`] messages.
    #[error("the batch has more than {LONGEST_BATCH} messages")]
    BatchTooLong,
    /// A batch with two requests of the same id, so that nobody can tell which of them an answer is for.
    #[error("two requests of the batch have the same id")]
    RepeatedId,
}

/// A refused body, with the id of its request where that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: BodyRefusal,
    /// What the error response echoes.
    pub id: Option<Id<'static>>,
}

impl From<BodyRefusal> for Refused {
    fn from(reason: BodyRefusal) -> Self {
        Self { reason, id: None }
    }
}

impl From<BodyRefusal> for RpcError {
    fn from(refusal: BodyRefusal) -> Self {
        let code = match refusal {
            BodyRefusal::NotUtf8 | BodyRefusal::ByteOrderMark | BodyRefusal::NotJson => RpcCode::ParseError,
            BodyRefusal::TooDeep
            | BodyRefusal::DuplicateKey
            | BodyRefusal::DisguisedKey
            | BodyRefusal::DisguisedMethod
            | BodyRefusal::NotAMessage
            | BodyRefusal::BadId
            | BodyRefusal::EmptyBatch
            | BodyRefusal::BatchTooLong
            | BodyRefusal::RepeatedId => RpcCode::InvalidRequest,
            BodyRefusal::ParamsNotAnObject | BodyRefusal::NoTarget | BodyRefusal::ControlCharacter => {
                RpcCode::InvalidParams
            }
        };
        Self::new(code, refusal.to_string())
    }
}

/// Objects and arrays may be nested this deep, the outermost counted.
pub const DEEPEST: u8 = 64;

/// A batch may have this many messages.
pub const LONGEST_BATCH: usize = 100;
