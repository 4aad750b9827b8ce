//! What stands behind the guard: the way from a verified call to the MCP server and back.
//!
//! Messages are bytes here; policy on their content is the guard's, which also binds `Mcp-Session-Id` to the user as it
//! passes. This room knows a [`Caller`](coatroom::guard::Caller) and nothing of how it was verified.

mod alarm;
mod answer;
mod answering;
mod connect;
pub(crate) mod credential;
mod endpoint;
pub(crate) mod headers;
mod http;
mod lanes;
mod needs;
mod places;
mod pool;
mod sse;
mod upstream;
mod wallet;

pub(crate) use answer::{Failure, request_id};
pub(crate) use connect::{Connections, Wire};
pub(crate) use http::Proxy;
pub(crate) use needs::Needs;
pub(crate) use places::Places;
pub(crate) use sse::SseFront;
pub(crate) use upstream::{Transport, Upstream, Waiting};
pub(crate) use wallet::{Wallet, Wants};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
