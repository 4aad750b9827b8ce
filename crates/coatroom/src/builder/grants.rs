//! What the operator does with grants.

use coatroom_protocol::grant::RevokedReason;
use coatroom_protocol::words::{GrantId, Subject};

use super::Coatroom;
use crate::context::GrantSummary;
use crate::error::Error;

impl Coatroom {
    /// Which apps may act for a user, the one that was used last first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub async fn grants_of(&self, user: &Subject) -> Result<Vec<GrantSummary>, Error> {
        self.context.grants_of(user).await
    }

    /// Deletes what has expired and returns how many records that were: grants, tokens, connections and what handlers kept with them. It goes by itself,
    /// every ten minutes, once the server was [started](Self::start) or has answered a request; what has expired counts as gone before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down; what was deleted before stays deleted.
    pub async fn purge_expired(&self) -> Result<u64, Error> {
        Ok(self.context.store.purge_expired(self.context.clock.at_least()).await?)
    }

    /// Ends one of a user's grants: everything under it is dead when this returns. `false` when the user has no such grant.
    /// Without a token of the app the provider cannot be told: it goes on listing this server.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it is not known whether the grant was revoked.
    pub async fn revoke_grant(&self, user: &Subject, grant: &GrantId) -> Result<bool, Error> {
        self.context.revoke_of(user, grant, RevokedReason::Operator).await
    }
}
