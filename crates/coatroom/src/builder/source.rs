//! What a builder is given of providers and issuers: their configuration, or the finished thing.

use std::fmt;
use std::sync::Arc;

use coatroom_protocol::words::ProviderName;

use super::Builder;
use crate::issuers::{IssuerConfig, RemoteIssuer};
use crate::outbound::Outbound;
use crate::providers::{Provider, ProviderConfig};

/// A configuration, of which the builder makes what it needs, or the finished thing.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing in between")]
pub enum Source<C, M> {
    /// As it is configured.
    Configured(Box<C>),
    /// As it was made: for tests, or with an HTTP client of its own.
    Made(M),
}

impl From<ProviderConfig> for Source<ProviderConfig, Provider> {
    fn from(config: ProviderConfig) -> Self {
        Self::Configured(Box::new(config))
    }
}

impl From<Provider> for Source<ProviderConfig, Provider> {
    fn from(provider: Provider) -> Self {
        Self::Made(provider)
    }
}

impl From<IssuerConfig> for Source<IssuerConfig, RemoteIssuer> {
    fn from(config: IssuerConfig) -> Self {
        Self::Configured(Box::new(config))
    }
}

impl From<RemoteIssuer> for Source<IssuerConfig, RemoteIssuer> {
    fn from(issuer: RemoteIssuer) -> Self {
        Self::Made(issuer)
    }
}

impl<C, M> Source<C, M> {
    fn made<E: fmt::Display>(
        self,
        name: impl FnOnce(&C) -> &ProviderName,
        make: impl FnOnce(C) -> Result<M, E>,
        problems: &mut Vec<String>,
    ) -> Option<M> {
        match self {
            Self::Made(finished) => Some(finished),
            Self::Configured(config) => {
                let name = name(&config).clone();
                make(*config).map_err(|error| problems.push(format!("{name}: {error}"))).ok()
            }
        }
    }
}

impl Builder {
    /// Makes the providers and issuers that were only configured; every problem is noted.
    pub(super) fn people(
        &mut self,
        outbound: &Arc<Outbound>,
        problems: &mut Vec<String>,
    ) -> (Vec<Provider>, Vec<RemoteIssuer>) {
        let clock = &self.clock;
        let provider = |config| Provider::new(config, Arc::clone(outbound), Arc::clone(clock));
        let issuer = |config| RemoteIssuer::new(config, Arc::clone(outbound), Arc::clone(clock));
        let providers = std::mem::take(&mut self.providers).into_iter();
        let providers: Vec<Provider> =
            providers.filter_map(|source| source.made(|config| &config.name, provider, problems)).collect();
        let issuers = std::mem::take(&mut self.remote_issuers).into_iter();
        let issuers: Vec<RemoteIssuer> =
            issuers.filter_map(|source| source.made(|config| &config.name, issuer, problems)).collect();
        let mut names: Vec<&ProviderName> = Vec::new();
        for name in providers.iter().map(Provider::name).chain(issuers.iter().map(RemoteIssuer::name)) {
            if names.contains(&name) {
                problems.push(format!("{name} is set twice: nobody could tell their users apart"));
            }
            names.push(name);
        }
        (providers, issuers)
    }
}
