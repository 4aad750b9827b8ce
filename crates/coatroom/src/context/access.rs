//! Finding the access token that somebody presents: the token's record and its grant, two reads, and nothing else.
//!
//! The guard does it for calls, the introspection endpoint for other resource servers.

use std::sync::Arc;

use coatroom_protocol::words::{AccessToken, Resource, Scopes, Timestamp};

use super::Context;
use crate::error::Error;
use crate::records::{self, AccessTokenRecord, GrantRecord, Seen, Stored as _, Written};
use crate::store::Kind;

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
            let until = decides_until(&access.value, &grant);
            tokio::spawn(note_acceptance(Arc::clone(self), access.clone(), until));
        }
        Ok(Ok(LiveAccess { access: access.value, grant }))
    }

    /// The scopes of a token, with everything that they imply.
    pub(crate) fn effective_scopes(&self, access: &AccessTokenRecord) -> Scopes {
        let resource = self.resources.get(&access.resource);
        resource.map_or_else(|| access.scopes.clone(), |resource| resource.scopes.expand(&access.scopes))
    }
}

/// Until when it decides anything that the token was accepted: from now on a repetition of the refresh that it came with means something
/// else (ARCHITECTURE.md, rule 4). `None` for a token that came with a code, or with a refresh whose successor was used.
fn decides_until(access: &AccessTokenRecord, grant: &GrantRecord) -> Option<Timestamp> {
    let refresh = grant.grant.refresh()?;
    let decides = refresh.previous.is_some() && refresh.issued.contains(&access.token);
    decides.then_some(refresh.expires_at)
}

/// Notes, off the hot path, that the token was accepted, and keeps that for as long as it decides anything. It is written once.
///
/// What was kept of older tokens for the same reason decides nothing any more, and goes.
async fn note_acceptance(context: Arc<Context>, access: Seen<AccessTokenRecord>, until: Option<Timestamp>) {
    let Seen { mut value, version } = access;
    value.accepted = true;
    value.kept_until = until.map_or(value.kept_until, |until| until.max(value.kept_until));
    let store = context.store.as_ref();
    let noted = async {
        // Someone faster noted it, or it was displaced.
        if records::replace(store, &value, version).await? == Written::Beaten || until.is_none() {
            return Ok(());
        }
        for older in records::list::<AccessTokenRecord>(store, &value.grant.to_string()).await? {
            if older.value.issued_at < value.issued_at {
                let_go(&context, older).await?;
            }
        }
        Ok::<(), Error>(())
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, "it was not noted that an access token was accepted");
    }
}

/// Keeps the record of a token no longer than the token is good.
async fn let_go(context: &Context, mut seen: Seen<AccessTokenRecord>) -> Result<(), Error> {
    let store = context.store.as_ref();
    let kept_until = AccessTokenRecord::kept_at_least(seen.value.ends_at);
    if context.clock.at_least().has_reached(kept_until) {
        store.delete(Kind::AccessToken, &seen.value.key()).await?;
    } else if seen.value.kept_until > kept_until {
        seen.value.kept_until = kept_until;
        // Someone faster lets it go as well, or notes something that decides nothing any more; then it goes with the next token.
        let _ = records::replace(store, &seen.value, seen.version).await?;
    }
    Ok(())
}
