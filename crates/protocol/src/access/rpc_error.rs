//! Errors as JSON-RPC 2.0 spells them on the MCP wire.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::message::Id;

/// An error code of JSON-RPC or of MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RpcCode {
    /// The body is not JSON.
    ParseError,
    /// The body is JSON, but not a message that is accepted here.
    InvalidRequest,
    /// The method does not exist in this revision of MCP.
    MethodNotFound,
    /// The parameters lack something, or something of them has the wrong type.
    InvalidParams,
    /// The server behind the guard answered what must not be passed on.
    InternalError,
    /// The server needs a capability that the client did not declare (MCP 2026-07-28).
    MissingClientCapability,
    /// The headers that mirror the body are missing, malformed or say something else (MCP 2026-07-28).
    HeaderMismatch,
    /// A revision of MCP that is not spoken here (MCP 2026-07-28).
    UnsupportedProtocolVersion,
    /// The user must open a link first (MCP 2025-11-25 alone).
    UrlElicitationRequired,
    /// What HTTP says better: authentication, policy, sessions, outages. The code is of the range that JSON-RPC
    /// leaves to servers; MCP gives it no meaning.
    Refused,
}

impl RpcCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::ParseError => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::InternalError => -32603,
            Self::HeaderMismatch => -32020,
            Self::MissingClientCapability => -32021,
            Self::UnsupportedProtocolVersion => -32022,
            Self::UrlElicitationRequired => -32042,
            Self::Refused => -32000,
        }
    }
}

/// An error that is answered to an MCP client.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcError {
    /// The code that the client acts on.
    pub code: RpcCode,
    /// For the client's developer.
    pub message: Cow<'static, str>,
    /// What the code's definition asks for, such as the supported versions.
    pub data: Option<Value>,
}

impl RpcError {
    /// An error without data.
    #[must_use]
    pub fn new(code: RpcCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The error response. The id is echoed byte for byte; an unknown one is left out, as MCP 2025-11-25 and later
    /// ask, not sent as `null`.
    #[must_use]
    pub fn to_json(&self, id: Option<&Id<'_>>) -> String {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(self.code.number()));
        error.insert("message".to_owned(), json!(self.message));
        if let Some(data) = &self.data {
            error.insert("data".to_owned(), data.clone());
        }
        let error = Value::Object(error);
        match id {
            Some(id) => format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.raw()),
            None => format!(r#"{{"jsonrpc":"2.0","error":{error}}}"#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_id_is_left_out() {
        let error = RpcError::new(RpcCode::ParseError, "no \"JSON\"");
        assert_eq!(
            error.to_json(None),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no \"JSON\""}}"#
        );
    }
}
