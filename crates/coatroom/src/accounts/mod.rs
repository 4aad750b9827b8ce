//! Accounts of this server itself, for people who sign in without a provider.
//!
//! An account is one record, found by its e-mail address. It is written by the operator, or, where sign-up is open, after the code
//! that was mailed came back; strangers write nothing (ARCHITECTURE.md, rule 1). Whoever asks learns nothing about whether there is
//! an account: the same pages, the same work.
//!
//! | file | what it does |
//! |---|---|
//! | `password` | which passwords are taken; hashing, a few at once |
//! | `attempts` | how often somebody may fail |
//! | `enter` | signing in by password, and whether a sign-in still stands |
//! | `codes` | codes by mail: to sign in, to set a password, to sign up |
//! | `links` | links with which a password is set once |
//! | `manage` | what the operator does |
//! | `mail`, `smtp` | what is sent |

mod attempts;
mod codes;
mod enter;
mod links;
mod mail;
mod manage;
mod password;
#[cfg(feature = "smtp")]
mod smtp;

pub(crate) use attempts::Caller;
pub(crate) use codes::{Asked, CodePurpose, Letter, Proven, ReturnedCode};
pub(crate) use enter::Entry;
pub use mail::{Mail, MailError, Mailer};
pub use manage::{Account, AccountState, Invitation, ManageError};
pub use password::{Password, PasswordRefusal};
#[cfg(feature = "smtp")]
pub use smtp::{SmtpConfigError, SmtpMailer};

use std::sync::Arc;

use coatroom_protocol::words::{EmailAddress, Issuer, ProviderName, base64url};

use self::attempts::Attempts;
use self::mail::Outbox;
use self::password::Hasher;
use crate::clock::Clock;
use crate::entropy::{Entropy, draw};
use crate::error::Error;
use crate::records::{self, AccountRecord, Seen, Written};
use crate::settings::{LOCAL, LocalAccounts, Settings, SignUp};
use crate::store::Store;
use crate::vault::LiveKeys;

/// The accounts of one server.
#[derive(Debug)]
pub(crate) struct Accounts {
    parts: AccountParts,
    provider: ProviderName,
    hasher: Hasher,
    attempts: Attempts,
    outbox: Option<Arc<Outbox>>,
}

/// What accounts are made of.
#[derive(Debug)]
pub(crate) struct AccountParts {
    pub(crate) issuer: Issuer,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<LiveKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) settings: LocalAccounts,
}

impl Accounts {
    pub(crate) fn new(
        parts: AccountParts,
        settings: &Settings,
        mailer: Option<Arc<dyn Mailer>>,
    ) -> Option<Self> {
        Some(Self {
            provider: ProviderName::parse(LOCAL)?,
            hasher: Hasher::new(),
            attempts: Attempts::new(settings),
            outbox: mailer.map(|mailer| Arc::new(Outbox::new(mailer))),
            parts,
        })
    }

    /// What stands in the place of a provider's name.
    pub(crate) const fn name(&self) -> &ProviderName {
        &self.provider
    }

    /// What the operator calls them.
    pub(crate) fn label(&self) -> Option<&str> {
        self.parts.settings.label.as_deref()
    }

    /// Whether people can be sent mail.
    pub(crate) const fn have_mail(&self) -> bool {
        self.outbox.is_some()
    }

    /// Whether whoever has an address may make an account.
    pub(crate) fn are_open(&self) -> bool {
        self.parts.settings.sign_up == SignUp::Open
    }

    /// A new stamp for an account.
    fn draw_stamp(&self) -> Result<String, Error> {
        Ok(base64url(&draw::<16>(self.parts.entropy.as_ref())?))
    }

    async fn load(&self, email: &EmailAddress) -> Result<Option<Seen<AccountRecord>>, Error> {
        records::load(self.parts.store.as_ref(), email.as_str()).await
    }

    /// Changes an account, and runs a lost race again. `None` when there is no such account, or `change` finds nothing to do.
    async fn update(
        &self,
        email: &EmailAddress,
        change: impl Fn(&mut AccountRecord) -> bool,
    ) -> Result<Option<AccountRecord>, Error> {
        for _ in 0..ATTEMPTS {
            let Some(mut seen) = self.load(email).await? else { return Ok(None) };
            if !change(&mut seen.value) {
                return Ok(None);
            }
            let store = self.parts.store.as_ref();
            if records::replace(store, &seen.value, seen.version).await? == Written::Done {
                return Ok(Some(seen.value));
            }
        }
        Err(Error::contended("the account"))
    }
}

/// How often a lost race is run again.
const ATTEMPTS: u32 = 8;
