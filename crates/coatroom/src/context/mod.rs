//! What every request of one server shares: its settings, store, keys, providers, resources and clients.

mod background;
mod blocks;
mod keys;
mod revocations;
mod revoke;

pub(crate) use blocks::Blocks;
pub use blocks::{Block, BlockForm};
pub(crate) use keys::agree_on_keys;
pub use revocations::Revocations;

use std::collections::HashMap;
use std::sync::{Arc, Once};

use coatroom_protocol::client::{AppUris, Client, ClientOrigin, open};
use coatroom_protocol::grant::Resources;
use coatroom_protocol::words::{ClientId, Issuer, ProviderName};

use crate::clock::Clock;
use crate::connections::Connections;
use crate::entropy::Entropy;
use crate::providers::Provider;
use crate::settings::Settings;
use crate::store::Store;
use crate::vault::KeyRing;

/// What every request of one server shares.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) issuer: Issuer,
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// In the order in which the consent page offers them.
    pub(crate) providers: Vec<Arc<Provider>>,
    pub(crate) resources: Resources,
    pub(crate) configured_clients: HashMap<ClientId, Client>,
    /// The private-use schemes that may be registered.
    pub(crate) app_uris: AppUris,
    /// Whether clients may register themselves.
    pub(crate) registration: bool,
    pub(crate) connections: Connections,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) blocks: Blocks,
    pub(crate) background: Once,
}

/// Why a client id names no client that may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientRefusal {
    /// Neither configured nor registered under a key that is known.
    #[error("the client is not registered here")]
    Unknown,
    /// An operator blocked it.
    #[error("the client was blocked by the operator")]
    Blocked,
}

impl Context {
    /// The client that this id names: configured, or described by the id itself.
    pub(crate) fn client(&self, id: &ClientId) -> Result<Client, ClientRefusal> {
        let client = match self.configured_clients.get(id) {
            Some(client) => client.clone(),
            None if self.registration => {
                open(id, &self.keys.registration).map_err(|_| ClientRefusal::Unknown)?
            }
            None => return Err(ClientRefusal::Unknown),
        };
        let registered = matches!(client.origin, ClientOrigin::Registered { .. });
        if registered && self.blocks.forbids(&client) {
            return Err(ClientRefusal::Blocked);
        }
        Ok(client)
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, name: &ProviderName) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| provider.name() == name)
    }
}
