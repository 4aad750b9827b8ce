//! Which server a call goes to, and what it gets with it.

use std::time::Duration;

use coatroom::guard::{Assertions, Caller, UpstreamError};
use coatroom::protocol::access::Judged;
use coatroom::protocol::words::{Issuer, ProviderName, same_bytes};
use coatroom::providers::UpstreamToken;
use http::{HeaderName, Uri};

use super::answer::Failure;
use super::credential::Template;
use super::needs::Needs;

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
    /// Which of the user's accounts its calls need.
    pub(crate) needs: Needs,
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

/// What a user has for one call.
#[derive(Debug, Default)]
pub(super) struct Wallet {
    /// The user's own tokens.
    pub(super) tokens: Tokens,
    /// What other calls need and this one does not, and is not connected.
    pub(super) left_out: Vec<ProviderName>,
}

impl Upstream {
    /// The user's own tokens that the headers need.
    ///
    /// # Errors
    /// [`Failure::NotConnected`] with everything that this call needs and that is not connected; else those of
    /// [`UpstreamError`].
    pub(super) async fn wallet(
        &self,
        caller: &Caller,
        judged: Option<&Judged<'_>>,
    ) -> Result<Wallet, Failure> {
        let mut wallet = Wallet::default();
        let mut missing = Vec::new();
        let mut seen: Vec<&ProviderName> = Vec::new();
        for provider in self.headers.iter().flat_map(|(_, template)| template.providers()) {
            if seen.contains(&provider) {
                continue;
            }
            seen.push(provider);
            match caller.credentials().token(provider).await {
                Ok(token) => wallet.tokens.push((provider.clone(), token)),
                Err(UpstreamError::NotConnected { provider }) => {
                    if self.needs.has(judged, &provider) {
                        missing.push(provider);
                    } else if self.needs.all().any(|needed| *needed == provider) {
                        wallet.left_out.push(provider);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        if missing.is_empty() { Ok(wallet) } else { Err(Failure::NotConnected(missing)) }
    }

    /// What to try after the server refused what was in `rejected`; `None` when there is nothing else.
    ///
    /// # Errors
    /// [`Failure::NotConnected`] when the user has to connect something anew, or something that was left out would probably
    /// have helped; else those of [`UpstreamError`].
    pub(super) async fn renewed(
        &self,
        caller: &Caller,
        judged: Option<&Judged<'_>>,
        rejected: &Wallet,
    ) -> Result<Option<Tokens>, Failure> {
        let mut tokens = Tokens::new();
        let mut missing = Vec::new();
        let mut is_new = false;
        for (provider, old) in &rejected.tokens {
            match caller.credentials().renew(provider, old).await {
                Ok(new) => {
                    is_new |= !same_bytes(new.expose().as_bytes(), old.expose().as_bytes());
                    tokens.push((provider.clone(), new));
                }
                Err(UpstreamError::NotConnected { provider }) if self.needs.has(judged, &provider) => {
                    missing.push(provider);
                }
                // The provider has ended it, and this call can do without.
                Err(UpstreamError::NotConnected { .. }) => is_new = true,
                Err(error) => return Err(error.into()),
            }
        }
        match (missing.is_empty(), is_new, rejected.left_out.is_empty()) {
            (false, _, _) => Err(Failure::NotConnected(missing)),
            (true, true, _) => Ok(Some(tokens)),
            (true, false, true) => Ok(None),
            (true, false, false) => Err(Failure::NotConnected(rejected.left_out.clone())),
        }
    }
}
