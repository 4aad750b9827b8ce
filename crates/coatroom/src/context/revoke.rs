//! Ending a grant: one `replace` by a tombstone, and everything under it is dead.

use std::time::Duration;

use coatroom_protocol::grant::{GrantState, RevokedReason};
use coatroom_protocol::words::GrantId;

use super::Context;
use crate::error::Error;
use crate::hooks::{Event, GrantEnded};
use crate::records::{
    self, AccessTokenRecord, ConnectionRecord, GrantDataRecord, GrantRecord, RevocationRecord, Seen,
    SettingRecord, Stored, Written,
};
use crate::store::StoreError;
use crate::vault::OpenRefusal;

impl Context {
    /// Revokes a grant. Doing so again does no harm.
    ///
    /// When this returns, no code, token or vault of the grant is good any more; deleting the rest is cleanup.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it is not known whether the grant was revoked.
    pub(crate) async fn revoke(&self, id: &GrantId, reason: RevokedReason) -> Result<(), Error> {
        let now = self.clock.now();
        for _ in 0..ATTEMPTS {
            let Some(seen) =
                records::load::<GrantRecord>(self.store.as_ref(), &GrantRecord::key_of(id)).await?
            else {
                return Ok(());
            };
            let revoked = matches!(seen.value.grant.state, GrantState::Revoked { .. });
            let tombstone = seen.value.tombstone(now, reason);
            if revoked
                || records::replace(self.store.as_ref(), &tombstone, seen.version).await? == Written::Done
            {
                if !revoked {
                    self.tell_of_the_end(id, reason, &seen.value);
                }
                return self.after_revoking(id, reason, &seen).await;
            }
        }
        Err(Error::contended("the grant"))
    }

    /// Ends a grant whose vault does not open because its key was retired: nobody can open it any more, so its user must sign in
    /// again, and be asked to. Says whether it was so.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn end_if_retired(&self, id: &GrantId, refusal: OpenRefusal) -> Result<bool, Error> {
        let OpenRefusal::UnknownKey(key) = refusal else { return Ok(false) };
        let is_retired = SettingRecord::is_retired(self.store.as_ref(), key).await?;
        if is_retired {
            self.revoke(id, RevokedReason::KeyRetired).await?;
        }
        Ok(is_retired)
    }

    fn tell_of_the_end(&self, id: &GrantId, reason: RevokedReason, record: &GrantRecord) {
        self.hooks.tell(|| {
            Event::Ended(GrantEnded {
                grant: *id,
                subject: record.grant.subject.clone(),
                resource: record.grant.resource.clone(),
                reason,
                at: self.clock.now(),
            })
        });
    }

    async fn after_revoking(
        &self,
        id: &GrantId,
        reason: RevokedReason,
        seen: &Seen<GrantRecord>,
    ) -> Result<(), Error> {
        self.revocations.announce(*id, self.clock.elapsed());
        let note = RevocationRecord { grant: *id, kept_until: self.clock.now().plus(NOTE_LIFE) };
        let _ = records::insert(self.store.as_ref(), &note).await?;
        tracing::info!(
            target: "coatroom::audit",
            event = "grant.revoked",
            grant.id = %id,
            subject = %seen.value.grant.subject,
            reason = ?reason,
            "a grant was revoked"
        );
        self.sweep::<AccessTokenRecord>(id).await;
        self.sweep::<ConnectionRecord>(id).await;
        self.sweep::<GrantDataRecord>(id).await;
        Ok(())
    }

    /// Deletes what a revoked grant leaves behind. What stays because the store fails opens nothing, and expires.
    async fn sweep<T: Stored>(&self, id: &GrantId) {
        let swept = async {
            for record in self.store.list(T::KIND, &id.to_string()).await? {
                self.store.delete(T::KIND, &record.key).await?;
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = swept.await {
            tracing::warn!(grant.id = %id, %error, "the remains of a revoked grant were not deleted");
        }
    }
}

/// How often a lost race is run again.
const ATTEMPTS: u32 = 16;

/// How long other replicas can read that a grant was revoked.
const NOTE_LIFE: Duration = Duration::from_mins(10);
