//! What a caller of a test has: upstream tokens, and data in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use coatroom_protocol::words::ProviderName;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::guard::{DataError, GrantData, KeptData, UpstreamCredentials, UpstreamError};
use crate::providers::UpstreamToken;
use crate::store::Version;

/// What the user has at one provider.
#[derive(Debug)]
pub(super) enum Upstream {
    Token(UpstreamToken),
    NotConnected,
    SignInEnded,
    Unavailable,
}

impl Upstream {
    pub(super) fn token(text: &str) -> Self {
        Self::Token(UpstreamToken::new(text))
    }
}

/// What the user has at each provider that is set.
#[derive(Debug, Default)]
pub(super) struct Upstreams(BTreeMap<ProviderName, Upstream>);

impl Upstreams {
    pub(super) fn set(&mut self, provider: ProviderName, upstream: Upstream) {
        self.0.insert(provider, upstream);
    }
}

#[async_trait]
impl UpstreamCredentials for Upstreams {
    async fn token(&self, provider: &ProviderName) -> Result<UpstreamToken, UpstreamError> {
        let named = provider.clone();
        match self.0.get(provider) {
            Some(Upstream::Token(token)) => Ok(token.clone()),
            Some(Upstream::NotConnected) => Err(UpstreamError::NotConnected { provider: named }),
            Some(Upstream::SignInEnded) => Err(UpstreamError::SignInEnded { provider: named }),
            Some(Upstream::Unavailable) => Err(UpstreamError::Unavailable(Error::Unavailable {
                what: "the provider",
                source: "the test says so".into(),
            })),
            None => Err(UpstreamError::Unknown { provider: named.as_str().to_owned() }),
        }
    }

    async fn renew(
        &self,
        provider: &ProviderName,
        _: &UpstreamToken,
    ) -> Result<UpstreamToken, UpstreamError> {
        self.token(provider).await
    }
}

/// A handler's data, while the caller lives.
#[derive(Default)]
pub(super) struct DataInMemory(Mutex<Option<(Zeroizing<String>, Version)>>);

impl DataInMemory {
    pub(super) fn of(json: String) -> Self {
        Self(Mutex::new(Some((Zeroizing::new(json), Version::FIRST))))
    }
}

#[async_trait]
impl GrantData for DataInMemory {
    async fn load(&self) -> Result<Option<KeptData>, DataError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.as_ref().map(|(json, version)| KeptData { json: json.clone(), version: *version }))
    }

    async fn keep(&self, json: Zeroizing<String>, seen: Option<Version>) -> Result<bool, DataError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().map(|(_, version)| *version) != seen {
            return Ok(false);
        }
        *kept = Some((json, seen.map_or(Version::FIRST, Version::next)));
        Ok(true)
    }
}

impl fmt::Debug for DataInMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataInMemory").finish_non_exhaustive()
    }
}
