//! A sign-in at a provider becomes a connection of a grant.

use coatroom_protocol::words::{GrantId, ProviderName, Subject, Timestamp};

use super::freshness::{Freshness, freshness};
use super::{Connections, WHAT};
use crate::error::Error;
use crate::providers::UpstreamTokens;
use crate::records::{self, ConnectionRecord, Written};
use crate::store::{Kind, Version};
use crate::vault::{Binding, Contents, GrantVault};

/// A credential that was just obtained.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FreshConnection<'a> {
    /// Where it was obtained.
    pub(crate) provider: &'a ProviderName,
    /// The credential.
    pub(crate) tokens: &'a UpstreamTokens,
    /// How long the connection is kept.
    pub(crate) kept_until: Timestamp,
}

/// Where a grant's connection to a provider belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// There is a connection that may still be good.
    Taken,
    /// There is none, or a dead one at this version.
    Free(Option<Version>),
}

impl Connections {
    /// Whether a grant has a connection to a provider.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn slot(&self, grant: &GrantId, provider: &ProviderName) -> Result<Slot, Error> {
        let key = ConnectionRecord::key_of(grant, provider);
        let seen = records::load::<ConnectionRecord>(self.parts.store.as_ref(), &key).await?;
        let now = self.parts.clock.at_least();
        Ok(match seen {
            None => Slot::Free(None),
            Some(seen) if freshness(&seen.value, now) == Freshness::Dead => Slot::Free(Some(seen.version)),
            Some(_) => Slot::Taken,
        })
    }

    /// Seals tokens into a slot that was seen free. Needs no ticket. Of several who saw it so, one succeeds.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn fill(
        &self,
        free: Option<Version>,
        binding: Binding<'_>,
        vault: &GrantVault,
        fresh: FreshConnection<'_>,
    ) -> Result<Written, Error> {
        let record = self.parts.sealed(binding, vault, fresh.tokens, fresh.kept_until)?;
        let store = self.parts.store.as_ref();
        match free {
            None => records::insert(store, &record).await,
            Some(version) => records::replace(store, &record, version).await,
        }
    }

    /// Deletes the connection of a grant that has ended.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn forget(&self, grant: &GrantId, provider: &ProviderName) -> Result<(), Error> {
        let key = ConnectionRecord::key_of(grant, provider);
        Ok(self.parts.store.delete(Kind::Connection, &key).await?)
    }

    /// Seals the tokens of a sign-in into a connection of a grant, replacing an earlier one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn connect(
        &self,
        grant: &GrantId,
        subject: &Subject,
        vault: &GrantVault,
        fresh: FreshConnection<'_>,
    ) -> Result<(), Error> {
        let binding = Binding { contents: Contents::Credential, grant, subject, provider: fresh.provider };
        let mut record = self.parts.sealed(binding, vault, fresh.tokens, fresh.kept_until)?;
        let store = self.parts.store.as_ref();
        for _ in 0..ATTEMPTS {
            if records::insert(store, &record).await? == Written::Done {
                return Ok(());
            }
            let key = ConnectionRecord::key_of(grant, fresh.provider);
            if let Some(seen) = records::load::<ConnectionRecord>(store, &key).await? {
                record.kept_until = record.kept_until.max(seen.value.kept_until);
                if records::replace(store, &record, seen.version).await? == Written::Done {
                    return Ok(());
                }
            }
        }
        Err(Error::contended(WHAT))
    }
}

/// How often a lost race is run again.
const ATTEMPTS: u32 = 8;
