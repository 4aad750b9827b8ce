//! Finding the access token that somebody presents: the token's record and its grant, two reads, and nothing else.
//!
//! The guard does it for calls, the introspection endpoint for other resource servers.

use std::sync::Arc;

use coatroom_protocol::words::{AccessToken, Resource, Scopes};

use super::Context;
use crate::error::Error;
use crate::records::{self, AccessTokenRecord, GrantRecord, Seen};

/// A token that is live at the moment.
#[derive(Debug)]
pub(crate) struct LiveAccess {
    pub(crate) access: AccessTokenRecord,
    pub(crate) grant: GrantRecord,
}

/// Why a token is not good, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessRefusal {
    Unknown,
    Expired,
    OtherResource,
    NoGrant,
    GrantEnded,
    Blocked,
}

impl AccessRefusal {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "it is unknown",
            Self::Expired => "it expired",
            Self::OtherResource => "it was issued for another resource",
            Self::NoGrant => "its grant has ended",
            Self::GrantEnded => "its grant is not active",
            Self::Blocked => "its client was blocked",
        }
    }
}

impl Context {
    /// Finds a token that is good at one of the resources that `is_meant` names, and notes that it was accepted.
    ///
    /// # Errors
    /// The outer one when nobody can tell at the moment: the store is down, or revocations cannot be read.
    pub(crate) async fn live_access(
        self: &Arc<Self>,
        token: &AccessToken,
        is_meant: impl Fn(&Resource) -> bool + Send,
    ) -> Result<Result<LiveAccess, AccessRefusal>, Error> {
        self.start_background();
        if self.revocations.is_blind() {
            let source = "revocations cannot be read".into();
            return Err(Error::Unavailable { what: "the store", source });
        }
        let store = self.store.as_ref();
        let key = AccessTokenRecord::key_of(&token.hash());
        let Some(access) = records::load::<AccessTokenRecord>(store, &key).await? else {
            return Ok(Err(AccessRefusal::Unknown));
        };
        if self.clock.at_least().has_reached(access.value.ends_at) {
            return Ok(Err(AccessRefusal::Expired));
        }
        if !is_meant(&access.value.resource) {
            return Ok(Err(AccessRefusal::OtherResource));
        }
        let grant = records::load::<GrantRecord>(store, &GrantRecord::key_of(&access.value.grant)).await?;
        let Some(Seen { value: grant, .. }) = grant else { return Ok(Err(AccessRefusal::NoGrant)) };
        if !grant.grant.is_active() {
            return Ok(Err(AccessRefusal::GrantEnded));
        }
        self.blocks.know(store).await?;
        if grant.client_id.as_ref().is_some_and(|client| self.is_blocked(client, &grant.grant)) {
            return Ok(Err(AccessRefusal::Blocked));
        }
        if !access.value.accepted {
            mark_accepted(Arc::clone(self), access.clone());
        }
        Ok(Ok(LiveAccess { access: access.value, grant }))
    }

    /// The scopes of a token, with everything that they imply.
    pub(crate) fn effective_scopes(&self, access: &AccessTokenRecord) -> Scopes {
        let resource = self.resources.get(&access.resource);
        resource.map_or_else(|| access.scopes.clone(), |resource| resource.scopes.expand(&access.scopes))
    }
}

/// Notes, off the hot path, that the token was accepted: from now on a repetition of the refresh that it came with means something
/// else (ARCHITECTURE.md, rule 4). It is written once.
fn mark_accepted(context: Arc<Context>, access: Seen<AccessTokenRecord>) {
    tokio::spawn(async move {
        let Seen { mut value, version } = access;
        value.accepted = true;
        // Someone faster marked it, settled it or deleted it; a settled token is marked at its next use.
        if let Err(error) = records::replace(context.store.as_ref(), &value, version).await {
            tracing::warn!(%error, "an access token was not marked as accepted");
        }
    });
}
