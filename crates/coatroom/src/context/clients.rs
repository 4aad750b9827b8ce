//! Which client an id means, and whether it may act.

use coatroom_protocol::client::{Client, ClientOrigin, open};
use coatroom_protocol::words::ClientId;

use super::Context;

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
                open(id, &self.keys().registration).map_err(|_| ClientRefusal::Unknown)?
            }
            None => return Err(ClientRefusal::Unknown),
        };
        let registered = matches!(client.origin, ClientOrigin::Registered { .. });
        if registered && self.blocks.forbids(&client) {
            return Err(ClientRefusal::Blocked);
        }
        Ok(client)
    }

    /// Whether the operator blocked the client of a live token. One that is not known any more is not blocked for that.
    pub(crate) fn is_blocked(&self, id: &ClientId) -> bool {
        !self.blocks.is_empty() && self.client(id).is_err_and(|refusal| refusal == ClientRefusal::Blocked)
    }
}
