//! Which server a call goes to, and what it gets with it.

use std::time::Duration;

use coatroom::guard::{Assertions, Caller, UpstreamError};
use coatroom::protocol::words::{Issuer, ProviderName, same_bytes};
use coatroom::providers::UpstreamToken;
use http::{HeaderName, Uri};

use super::credential::Template;

/// An MCP server behind the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// Its name, for the log.
    pub(crate) name: String,
    /// The exact URL of its endpoint. The client's path and query stay outside: they name our resource, not its own.
    pub(crate) url: Uri,
    /// Whether calls without a caller are forwarded. If not, such a call is a mistake in wiring and is refused.
    pub(crate) is_open: bool,
    /// What is added to each request.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// What signs who calls, where it asks for that.
    pub(crate) assertions: Option<Assertions>,
    /// The public origin under which clients reach it.
    pub(crate) public_url: Issuer,
    /// How much and how long to wait for.
    pub(crate) waiting: Waiting,
}

/// How much and how long to wait for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    /// Bytes of a request body.
    pub(crate) body: usize,
    /// Until a request's body has arrived, and then until an answer to a POST or DELETE begins; a GET opens a stream
    /// that may stay silent.
    pub(crate) first_byte: Duration,
}

/// A user's tokens for one call, by provider.
pub(super) type Tokens = Vec<(ProviderName, UpstreamToken)>;

impl Upstream {
    /// The user's own tokens that the headers need.
    ///
    /// # Errors
    /// Those of [`Caller::upstream`].
    pub(super) async fn tokens(&self, caller: &Caller) -> Result<Tokens, UpstreamError> {
        let mut tokens = Tokens::new();
        for provider in self.headers.iter().flat_map(|(_, template)| template.providers()) {
            if !tokens.iter().any(|(name, _)| name == provider) {
                tokens.push((provider.clone(), caller.upstream(provider).await?));
            }
        }
        Ok(tokens)
    }

    /// The tokens to try after the server refused `rejected`; `None` when there are no others.
    ///
    /// # Errors
    /// Those of [`Caller::renew_upstream`].
    pub(super) async fn renewed(caller: &Caller, rejected: &Tokens) -> Result<Option<Tokens>, UpstreamError> {
        let mut tokens = Tokens::new();
        let mut is_new = false;
        for (provider, old) in rejected {
            let new = caller.renew_upstream(provider, old).await?;
            is_new |= !same_bytes(new.expose().as_bytes(), old.expose().as_bytes());
            tokens.push((provider.clone(), new));
        }
        Ok(is_new.then_some(tokens))
    }
}
