//! Telling providers that a grant has ended. It takes a ticket: without one the credential cannot be opened.

use std::sync::Arc;

use super::{ConnectionError, Connections, OpenGrant, WHAT};
use crate::error::Error;
use crate::providers::{Provider, UpstreamToken};
use crate::records::{self, ConnectionRecord};

/// A credential of a grant that is about to end.
#[derive(Debug)]
pub(crate) struct Farewell {
    provider: Arc<Provider>,
    access: UpstreamToken,
    refresh: Option<UpstreamToken>,
}

impl Connections {
    /// The credentials of a grant that is about to end; afterwards nothing opens them any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down, or a credential does not open.
    pub(crate) async fn farewells(&self, grant: &OpenGrant) -> Result<Vec<Farewell>, Error> {
        let parts = &self.parts;
        let mut farewells = Vec::new();
        let owner = grant.id.to_string();
        for seen in records::list::<ConnectionRecord>(parts.store.as_ref(), &owner).await? {
            let provider = parts.providers.get(&seen.value.provider);
            let Some(provider) = provider.filter(|_| seen.value.dead_since.is_none()) else { continue };
            let credential = match parts.open(grant, &seen.value).await {
                Ok(credential) => credential,
                Err(ConnectionError::Unavailable(error)) => {
                    return Err(Error::Unavailable { what: WHAT, source: Box::new(error) });
                }
                Err(ConnectionError::Missing | ConnectionError::Dead) => continue,
            };
            farewells.push(Farewell {
                provider: Arc::clone(provider),
                access: credential.access_token(),
                refresh: credential.refresh_token(),
            });
        }
        Ok(farewells)
    }
}

impl Farewell {
    /// Tells the provider. One that does not listen changes nothing: the grant has ended here.
    pub(crate) async fn say(self) {
        if let Err(error) = self.provider.revoke(&self.access, self.refresh.as_ref()).await {
            tracing::warn!(provider.name = %self.provider.name(), %error, "a provider was not told that a grant ended");
        }
    }
}
