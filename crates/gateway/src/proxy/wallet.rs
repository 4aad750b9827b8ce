//! A user's own tokens for one call: which are needed, and what happens where one is missing or refused.

use coatroom::guard::{Caller, UpstreamError};
use coatroom::protocol::access::Judged;
use coatroom::protocol::words::{ProviderName, same_bytes};
use coatroom::providers::UpstreamToken;

use super::answer::Failure;
use super::credential::Template;
use super::needs::Needs;

/// What the calls of one server get of their user's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wants {
    /// The providers whose tokens the server gets, each once.
    providers: Vec<ProviderName>,
    /// Which of the user's accounts its calls need.
    needs: Needs,
}

/// A user's tokens for one call, by provider.
pub(crate) type Tokens = Vec<(ProviderName, UpstreamToken)>;

/// What a user has for one call.
#[derive(Debug, Default)]
pub(crate) struct Wallet {
    /// The user's own tokens.
    pub(crate) tokens: Tokens,
    /// What other calls need and this one does not, and is not connected.
    pub(crate) left_out: Vec<ProviderName>,
}

impl Wants {
    /// What is in these templates, of which some calls need more than others.
    pub(crate) fn of<'a>(templates: impl IntoIterator<Item = &'a Template>, needs: Needs) -> Self {
        let mut providers: Vec<ProviderName> = Vec::new();
        for provider in templates.into_iter().flat_map(Template::providers) {
            if !providers.contains(provider) {
                providers.push(provider.clone());
            }
        }
        Self { providers, needs }
    }

    /// The user's own tokens.
    ///
    /// # Errors
    /// [`Failure::NotConnected`] with everything that this call needs and that is not connected; else those of
    /// [`UpstreamError`].
    pub(crate) async fn wallet(
        &self,
        caller: &Caller,
        judged: Option<&Judged<'_>>,
    ) -> Result<Wallet, Failure> {
        let mut wallet = Wallet::default();
        let mut missing = Vec::new();
        for provider in &self.providers {
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
    pub(crate) async fn renewed(
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
