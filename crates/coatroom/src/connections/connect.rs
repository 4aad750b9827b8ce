//! A sign-in at a provider becomes a connection of a grant.

use coatroom_protocol::words::{GrantId, ProviderName, Subject, Timestamp};

use super::{Connections, WHAT};
use crate::error::Error;
use crate::providers::UpstreamTokens;
use crate::records::{self, ConnectionRecord, Written};
use crate::vault::{Binding, GrantVault};

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

impl Connections {
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
        let binding = Binding { grant, subject, provider: fresh.provider };
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
