//! Which server a call goes to, and what it gets with it.

use std::sync::Arc;
use std::time::Duration;

use coatroom::guard::Assertions;
use coatroom::protocol::words::Issuer;
use http::{HeaderName, Uri};

use super::credential::Template;
use super::places::Places;
use super::wallet::Wants;

/// An MCP server behind the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// Its name, for the log.
    pub(crate) name: String,
    /// The exact URL of its endpoint. The client's path and query stay outside: they name our resource, not its own.
    pub(crate) url: Uri,
    /// How it speaks.
    pub(crate) transport: Transport,
    /// Whether calls without a caller are forwarded. If not, such a call is a mistake in wiring and is refused.
    pub(crate) is_open: bool,
    /// What is added to each request.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// What signs who calls, where it asks for that.
    pub(crate) assertions: Option<Assertions>,
    /// What its calls get of the user's.
    pub(crate) wants: Wants,
    /// The public origin under which clients reach it.
    pub(crate) public_url: Issuer,
    /// How much and how long to wait for.
    pub(crate) waiting: Waiting,
    /// What may be under way there.
    pub(crate) places: Arc<Places>,
}

/// How a server speaks MCP over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Streamable HTTP: its URL takes everything (2025-03-26 and later).
    Streamable,
    /// HTTP+SSE: its URL opens a stream, which names another one for messages (2024-11-05).
    Sse,
}

/// How much and how long to wait for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    /// Bytes of a request body.
    pub(crate) body: usize,
    /// Until a request's body has arrived, and then until an answer to a POST or DELETE begins; a GET opens a stream
    /// that may stay silent, but that of HTTP+SSE begins, and then names its URL for messages, in this time.
    pub(crate) first_byte: Duration,
}
