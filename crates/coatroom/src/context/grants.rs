//! Which apps may act for a user, for that user and for the operator.

use coatroom_protocol::grant::{GrantState, RevokedReason};
use coatroom_protocol::words::{ClientId, GrantId, ProviderName, Resource, Scopes, Subject, Timestamp};

use super::Context;
use crate::error::Error;
use crate::records::{self, AccessTokenRecord, ConnectionRecord, GrantRecord};

/// A grant whose tokens are out: that an app may act for a user at one resource.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GrantSummary {
    /// Its id, which stands in the audit log.
    pub id: GrantId,
    /// The app's client id.
    pub client_id: Option<ClientId>,
    /// The name that the app gave itself.
    pub client_name: Option<String>,
    /// Where the authorization response went.
    pub redirect_uri: String,
    /// Where its tokens are good.
    pub resource: Resource,
    /// What the user agreed to.
    pub scopes: Scopes,
    /// The accounts beyond the one of the sign-in that the user connected for it.
    pub connected: Vec<ProviderName>,
    /// When the user agreed.
    pub created_at: Timestamp,
    /// When its last access token was issued: the app was active then, and not for longer than such a token lives after.
    pub last_token_at: Timestamp,
}

impl Context {
    /// The grants of a user whose tokens are out, the one that was used last first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn grants_of(&self, user: &Subject) -> Result<Vec<GrantSummary>, Error> {
        let store = self.store.as_ref();
        let mut found = Vec::new();
        for seen in records::list::<GrantRecord>(store, &user.to_string()).await? {
            let GrantRecord { grant, client_id, client_name, .. } = seen.value;
            let GrantState::Active(active) = grant.state else { continue };
            let tokens = records::list::<AccessTokenRecord>(store, &grant.id.to_string()).await?;
            let connections = records::list::<ConnectionRecord>(store, &grant.id.to_string()).await?;
            let further = connections.into_iter().map(|seen| seen.value).filter(|it| it.dead_since.is_none());
            let further = further.map(|it| it.provider).filter(|provider| *provider != user.provider);
            let issued = tokens.iter().map(|token| token.value.issued_at);
            let rotated =
                active.refresh.and_then(|refresh| refresh.previous).map(|previous| previous.rotated_at);
            found.push(GrantSummary {
                id: grant.id,
                client_id,
                client_name,
                redirect_uri: active.redeemed.redirect_uri,
                resource: grant.resource,
                scopes: grant.scopes,
                connected: further.collect(),
                created_at: grant.created_at,
                last_token_at: issued.chain(rotated).max().unwrap_or(grant.created_at),
            });
        }
        found.sort_by_key(|grant| std::cmp::Reverse(grant.last_token_at));
        Ok(found)
    }

    /// Revokes a grant if it is this user's. `false` when it is not, or there is none.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub(crate) async fn revoke_of(
        &self,
        user: &Subject,
        id: &GrantId,
        reason: RevokedReason,
    ) -> Result<bool, Error> {
        let key = GrantRecord::key_of(id);
        let seen = records::load::<GrantRecord>(self.store.as_ref(), &key).await?;
        if seen.is_none_or(|seen| seen.value.grant.subject != *user) {
            return Ok(false);
        }
        self.revoke(id, reason).await?;
        Ok(true)
    }
}
