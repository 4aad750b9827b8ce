//! Where users sign in: at a provider, or here.

use std::sync::Arc;

use coatroom_protocol::grant::RevokedReason;
use coatroom_protocol::words::{ProviderName, Subject};

use super::Context;
use crate::accounts::Accounts;
use crate::error::Error;
use crate::providers::Provider;
use crate::records::{self, GrantRecord};
use crate::settings::LOCAL;

/// Where users sign in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignInAt<'a> {
    /// At a provider, whose credential then belongs to the grant.
    Provider(&'a Arc<Provider>),
    /// Here, with an account of this server.
    Here(&'a Accounts),
}

impl<'a> SignInAt<'a> {
    /// The name under which its users are known.
    pub(crate) fn name(self) -> &'a ProviderName {
        match self {
            Self::Provider(provider) => provider.name(),
            Self::Here(accounts) => accounts.name(),
        }
    }

    /// What people call it; `None` where the page has a word of its own.
    pub(crate) fn label(self) -> Option<&'a str> {
        match self {
            Self::Provider(provider) => Some(provider.label()),
            Self::Here(accounts) => accounts.label(),
        }
    }
}

impl Context {
    /// Where users can sign in, in the order in which they are offered.
    pub(crate) fn sign_ins(&self) -> impl Iterator<Item = SignInAt<'_>> {
        self.providers.iter().map(SignInAt::Provider).chain(self.accounts.iter().map(SignInAt::Here))
    }

    /// Where the users known under this name sign in.
    pub(crate) fn sign_in_at(&self, name: &ProviderName) -> Option<SignInAt<'_>> {
        self.sign_ins().find(|place| place.name() == name)
    }

    /// Whether a user is known by a local account, of now or of earlier.
    pub(crate) fn is_here(&self, user: &Subject) -> bool {
        user.provider.as_str() == LOCAL && self.provider(&user.provider).is_none()
    }

    /// Revokes every grant of a user.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it is not known whether all were revoked.
    pub(crate) async fn revoke_all(&self, user: &Subject, reason: RevokedReason) -> Result<(), Error> {
        for seen in records::list::<GrantRecord>(self.store.as_ref(), &user.to_string()).await? {
            self.revoke(&seen.value.grant.id, reason).await?;
        }
        Ok(())
    }
}
