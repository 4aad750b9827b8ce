//! What the operator does with accounts.

use coatroom_protocol::words::{EmailAddress, Subject, Timestamp, base64url};

use super::Accounts;
use super::mail::{Mail, MailError};
use crate::entropy::draw;
use crate::error::Error;
use crate::records::{self, AccountRecord, Written};
use crate::settings::SignUp;
use crate::store::Kind;

/// A local account, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The address by which its person signs in.
    pub email: EmailAddress,
    /// Who they are to grants and logs.
    pub subject: Subject,
    /// Their name.
    pub name: Option<String>,
    /// Their roles.
    pub roles: Vec<String>,
    /// How it stands.
    pub state: AccountState,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountState {
    /// Its person has not come yet.
    Invited {
        /// From when on the link is good for nothing.
        until: Timestamp,
    },
    /// Its person can sign in.
    Active,
    /// The person has to set a password by a link that is out.
    Reset {
        /// From when on the link is good for nothing.
        until: Timestamp,
    },
    /// Nobody can sign in to it.
    Disabled {
        /// Since when.
        since: Timestamp,
    },
}

/// A link with which somebody sets their password, and what became of the mail with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Invitation {
    /// Whose it is.
    pub account: Account,
    /// Its address: whoever has it can set the password, once.
    pub link: String,
    /// From when on it is good for nothing.
    pub ends_at: Timestamp,
    /// Whether it was mailed; `None` when no mail is configured.
    pub mailed: Option<Result<(), MailError>>,
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManageError {
    /// There is one for this address.
    #[error("there is an account for this address already")]
    Exists,
    /// There is none for this address.
    #[error("there is no account for this address")]
    Unknown,
    /// Sign-up is closed.
    #[error("sign-up is closed: nobody new can be invited")]
    Closed,
    /// Something here is down.
    #[error(transparent)]
    Inside(#[from] Error),
}

impl Accounts {
    /// Makes an account that waits for its person, and a link for them.
    pub(crate) async fn invite(
        &self,
        email: &EmailAddress,
        (name, roles): (Option<String>, Vec<String>),
        write: impl FnOnce(&str) -> (String, String) + Send,
    ) -> Result<Invitation, ManageError> {
        if self.parts.settings.sign_up == SignUp::Closed {
            return Err(ManageError::Closed);
        }
        let (link, address) = self.draw_link(email)?;
        let account = AccountRecord { roles, link: Some(link), ..self.new_account(email, name)? };
        if records::insert(self.parts.store.as_ref(), &account).await? == Written::Beaten {
            return Err(ManageError::Exists);
        }
        Ok(self.hand_out(account, address, write).await)
    }

    /// Takes the password of an account away, and makes a link with which its person sets another. For somebody who was invited
    /// and has not come, a new invitation.
    pub(crate) async fn reset(
        &self,
        email: &EmailAddress,
        write: impl FnOnce(&str) -> (String, String) + Send,
    ) -> Result<Invitation, ManageError> {
        let (link, address) = self.draw_link(email)?;
        let stamp = self.draw_stamp()?;
        let changed = self.update(email, |account| {
            account.password = None;
            account.link = Some(link.clone());
            account.stamp.clone_from(&stamp);
            true
        });
        let account = changed.await?.ok_or(ManageError::Unknown)?;
        Ok(self.hand_out(account, address, write).await)
    }

    /// Lets nobody in to an account any more.
    pub(crate) async fn disable(&self, email: &EmailAddress) -> Result<Account, ManageError> {
        let (now, stamp) = (self.parts.clock.now(), self.draw_stamp()?);
        let changed = self.update(email, |account| {
            account.disabled_at.get_or_insert(now);
            account.link = None;
            account.stamp.clone_from(&stamp);
            true
        });
        changed.await?.map(|account| self.view(account)).ok_or(ManageError::Unknown)
    }

    /// Lets the person of an account in again.
    pub(crate) async fn enable(&self, email: &EmailAddress) -> Result<Account, ManageError> {
        let changed = self.update(email, |account| {
            account.disabled_at = None;
            true
        });
        changed.await?.map(|account| self.view(account)).ok_or(ManageError::Unknown)
    }

    /// Deletes an account. One that is made for the same address later is somebody else's.
    pub(crate) async fn remove(&self, email: &EmailAddress) -> Result<Account, ManageError> {
        let seen = self.load(email).await?.ok_or(ManageError::Unknown)?;
        let deleted = self.parts.store.delete(Kind::Account, email.as_str()).await;
        deleted.map_err(Error::from)?;
        Ok(self.view(seen.value))
    }

    /// Every account, by address.
    pub(crate) async fn list(&self) -> Result<Vec<Account>, Error> {
        let found = records::list::<AccountRecord>(self.parts.store.as_ref(), AccountRecord::ALL).await?;
        let mut accounts: Vec<Account> = found.into_iter().map(|seen| self.view(seen.value)).collect();
        accounts.sort_by(|one, other| one.email.cmp(&other.email));
        Ok(accounts)
    }

    /// An account without a password, whose person has not come.
    pub(super) fn new_account(
        &self,
        email: &EmailAddress,
        name: Option<String>,
    ) -> Result<AccountRecord, Error> {
        Ok(AccountRecord {
            email: email.clone(),
            id: base64url(&draw::<16>(self.parts.entropy.as_ref())?),
            name,
            roles: Vec::new(),
            password: None,
            link: None,
            created_at: self.parts.clock.now(),
            joined_at: None,
            stamp: self.draw_stamp()?,
            codes: 0,
            disabled_at: None,
        })
    }

    async fn hand_out(
        &self,
        account: AccountRecord,
        link: String,
        write: impl FnOnce(&str) -> (String, String) + Send,
    ) -> Invitation {
        let ends_at = account.link.as_ref().map_or(account.created_at, |link| link.ends_at);
        let mailed = match &self.outbox {
            None => None,
            Some(outbox) => {
                let (subject, text) = write(&link);
                Some(outbox.deliver(&Mail { to: account.email.clone(), subject, text }).await)
            }
        };
        Invitation { account: self.view(account), link, ends_at, mailed }
    }

    fn view(&self, account: AccountRecord) -> Account {
        let link_until = account.link.as_ref().map(|link| link.ends_at);
        let state = match (account.disabled_at, account.joined_at, link_until) {
            (Some(since), ..) => AccountState::Disabled { since },
            (None, None, until) => AccountState::Invited { until: until.unwrap_or(account.created_at) },
            (None, Some(_), Some(until)) => AccountState::Reset { until },
            (None, Some(_), None) => AccountState::Active,
        };
        let subject = Subject { provider: self.name().clone(), id: account.id };
        Account {
            email: account.email,
            subject,
            name: account.name,
            roles: account.roles,
            state,
            created_at: account.created_at,
        }
    }
}
