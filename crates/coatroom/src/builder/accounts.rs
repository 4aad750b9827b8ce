//! Local accounts: putting them together, and what the operator does with them.

use std::sync::Arc;

use coatroom_protocol::grant::RevokedReason;
use coatroom_protocol::words::{EmailAddress, Issuer};

use super::{Builder, Coatroom};
use crate::accounts::{Account, AccountParts, Accounts, Invitation, Mailer, ManageError};
use crate::clock::Clock;
use crate::context::Context;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::pages::Pages;
use crate::providers::Provider;
use crate::server::Letters;
use crate::settings::{LOCAL, LocalAccounts, Settings, SignUp};
use crate::store::Store;
use crate::vault::LiveKeys;

/// What a server with local accounts was given.
#[derive(Debug)]
pub(super) struct LocalParts {
    pub(super) settings: LocalAccounts,
    pub(super) mailer: Option<Arc<dyn Mailer>>,
}

impl LocalParts {
    pub(super) fn accounts(
        self,
        (issuer, store, keys): (&Issuer, &Arc<dyn Store>, &Arc<LiveKeys>),
        (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
        settings: &Settings,
    ) -> Option<Accounts> {
        let parts = AccountParts {
            issuer: issuer.clone(),
            store: Arc::clone(store),
            keys: Arc::clone(keys),
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
            settings: self.settings,
        };
        Accounts::new(parts, settings, self.mailer)
    }
}

impl Builder {
    /// Lets people sign in here, with an account of this server, beside the providers or instead of them. Their accounts are made by
    /// [`Coatroom::users`]; with a mailer they are also sent codes, with which they sign in and set passwords.
    pub fn local_accounts(mut self, settings: LocalAccounts, mailer: Option<Arc<dyn Mailer>>) -> Self {
        self.local = Some(LocalParts { settings, mailer });
        self
    }

    pub(super) fn note_wrong_accounts(&self, providers: &[Provider], problems: &mut Vec<String>) {
        let Some(local) = &self.local else { return };
        if local.settings.sign_up == SignUp::Open && local.mailer.is_none() {
            let text = "sign-up is open, and no mail can be sent: whoever signs up is mailed a code";
            problems.push(text.to_owned());
        }
        if providers.iter().any(|provider| provider.name().as_str() == LOCAL) {
            problems.push(format!("a provider is called {LOCAL}, which is what local accounts are called"));
        }
    }
}

/// What the operator does with local accounts. Every change is felt at once, by every replica.
#[derive(Debug)]
pub struct Users<'a> {
    context: &'a Context,
    accounts: &'a Accounts,
    pages: &'a Pages,
}

impl Coatroom {
    /// The local accounts; `None` when there are none here.
    #[must_use]
    pub fn users(&self) -> Option<Users<'_>> {
        let accounts = self.context.accounts.as_ref()?;
        Some(Users { context: &self.context, accounts, pages: &self.pages })
    }
}

impl Users<'_> {
    /// Makes an account, and a link with which its person sets a password within a week. They are mailed it, if there is mail.
    ///
    /// # Errors
    /// [`ManageError::Exists`], [`ManageError::Closed`]; [`ManageError::Inside`] when the store is down.
    pub async fn add(
        &self,
        email: &EmailAddress,
        name: Option<String>,
        roles: Vec<String>,
    ) -> Result<Invitation, ManageError> {
        let letters = Letters::new(self.pages);
        let invitation = self.accounts.invite(email, (name, roles), |link| letters.invitation(link)).await?;
        log(&invitation.account, "account.invited");
        Ok(invitation)
    }

    /// Every account, by address.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub async fn list(&self) -> Result<Vec<Account>, Error> {
        self.accounts.list().await
    }

    /// Takes the password of an account away and makes a link with which another is set. Whoever is signed in with the account is
    /// signed out, and every app that may act for its person has to ask again.
    ///
    /// # Errors
    /// [`ManageError::Unknown`]; [`ManageError::Inside`] when the store is down.
    pub async fn reset(&self, email: &EmailAddress) -> Result<Invitation, ManageError> {
        let letters = Letters::new(self.pages);
        let invitation = self.accounts.reset(email, |link| letters.reset(link)).await?;
        self.end(&invitation.account, "account.reset").await?;
        Ok(invitation)
    }

    /// Lets nobody in to an account any more, and ends everything that its person allowed.
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    pub async fn disable(&self, email: &EmailAddress) -> Result<Account, ManageError> {
        let account = self.accounts.disable(email).await?;
        self.end(&account, "account.disabled").await?;
        Ok(account)
    }

    /// Lets the person of an account in again. What they had allowed stays ended.
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    pub async fn enable(&self, email: &EmailAddress) -> Result<Account, ManageError> {
        let account = self.accounts.enable(email).await?;
        log(&account, "account.enabled");
        Ok(account)
    }

    /// Deletes an account, and ends everything that its person allowed. An account that is made for the same address later is a new
    /// one.
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    pub async fn remove(&self, email: &EmailAddress) -> Result<Account, ManageError> {
        let account = self.accounts.remove(email).await?;
        self.end(&account, "account.removed").await?;
        Ok(account)
    }

    /// The account is changed before its grants are listed: whoever signs in meanwhile finds it changed (`server/callback.rs`).
    async fn end(&self, account: &Account, event: &'static str) -> Result<(), ManageError> {
        log(account, event);
        Ok(self.context.revoke_all(&account.subject, RevokedReason::Operator).await?)
    }
}

fn log(account: &Account, event: &'static str) {
    tracing::info!(target: "coatroom::audit", event, subject = %account.subject, "the operator changed an account");
}
