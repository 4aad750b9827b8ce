//! Guards of what takes the tokens of a remote issuer.

use std::sync::Arc;

use coatroom_protocol::words::Resource;

use super::assembled::REMEMBERED_TOKENS;
use super::{Coatroom, Protection};
use crate::context::{RemoteResource, Revocations};
use crate::guard::{GuardBuilder, GuardLayer, Remembered, RemoteTokens};

impl Coatroom {
    pub(super) fn remote(&self, id: &Resource) -> Option<&RemoteResource> {
        self.context.remote.iter().find(|resource| resource.id == *id)
    }

    /// Starts a guard that needs nothing of the store: what it learns of a token stands in the token, and nobody revokes it here.
    pub(super) fn remote_guard(&self, remote: &RemoteResource, protection: &Protection) -> GuardBuilder {
        let clock = Arc::clone(&self.context.clock);
        let tokens = RemoteTokens::new(remote.issuer.clone(), protection.scopes.clone(), Arc::clone(&clock));
        let keep = self.context.settings.remembered;
        let verify = Remembered::new(Arc::new(tokens), Arc::clone(&clock), keep, REMEMBERED_TOKENS);
        GuardLayer::builder(remote.id.clone(), Arc::new(verify))
            .with_scopes(protection.scopes.clone())
            .with_baseline(remote.baseline.clone())
            .with_revocations(Arc::new(Revocations::new()), clock)
    }

    /// Starts a guard for our own tokens.
    pub(super) fn own_guard(&self, id: Resource, protection: &Protection) -> GuardBuilder {
        let guard = GuardLayer::builder(id, Arc::<Remembered>::clone(&self.verify))
            .with_scopes(protection.scopes.clone())
            .with_revocations(Arc::clone(&self.context.revocations), Arc::clone(&self.context.clock));
        #[cfg(feature = "server")]
        let guard = guard.with_connecting(crate::guard::Connecting::new(
            Arc::clone(&self.context),
            !protection.connects.is_empty(),
        ));
        guard
    }
}
