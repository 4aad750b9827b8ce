//! Signing in by password, and whether a sign-in still stands.

use std::time::Duration;

use coatroom_protocol::words::{EmailAddress, Subject};

use super::{Accounts, Caller, Password};
use crate::error::Error;
use crate::records::AccountRecord;
use crate::settings::SignUp;
use crate::user::User;

/// What became of an attempt to sign in.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The person is who they say.
    In(Box<AccountRecord>),
    /// No such account, or not its password; nobody is told which.
    Refused,
    /// It is their password, and the operator does not let them in.
    Disabled,
    /// Too many attempts; how long to wait.
    TooMany(Duration),
}

impl Accounts {
    /// Signs somebody in by their password. Takes as long whether or not there is such an account.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down, or too many sign in at once.
    pub(crate) async fn enter(
        &self,
        email: &EmailAddress,
        password: &Password,
        caller: Caller<'_>,
    ) -> Result<Entry, Error> {
        let attempt = match self.attempts.take(email, caller, self.parts.clock.elapsed()) {
            Ok(attempt) => attempt,
            Err(wait) => return Ok(Entry::TooMany(wait)),
        };
        let judged = self.judge(email, password).await;
        // Nor does what was not judged count: whoever is turned away because many come must not be taken for one who guesses.
        if !matches!(judged, Ok(None)) {
            self.attempts.give_back(&attempt);
        }
        let Some(account) = judged? else {
            tracing::info!(target: "coatroom::audit", event = "sign_in.refused", "a local sign-in was refused");
            return Ok(Entry::Refused);
        };
        Ok(if account.disabled_at.is_some() { Entry::Disabled } else { Entry::In(Box::new(account)) })
    }

    /// The account of an address, if this is its password.
    async fn judge(&self, email: &EmailAddress, password: &Password) -> Result<Option<AccountRecord>, Error> {
        let account = self.load(email).await?.map(|seen| seen.value);
        let kept = account.as_ref().and_then(|account| account.password.as_deref());
        let is_right = self.hasher.verify(password, kept).await?;
        Ok(account.filter(|_| is_right))
    }

    /// The account that a sign-in of an earlier moment rests on, if it still stands: `None` once the account is gone, is somebody
    /// else's or was disabled, and once every browser is to sign in again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn standing(
        &self,
        email: &EmailAddress,
        id: &str,
        stamp: &str,
    ) -> Result<Option<AccountRecord>, Error> {
        let seen = self.load(email).await?;
        let stands = |account: &AccountRecord| account.id == id && account.stamp == stamp;
        Ok(seen.map(|seen| seen.value).filter(|account| stands(account) && self.lets_in(account)))
    }

    /// Has every browser sign in again: a session is a cookie, of which there may be a copy.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn sign_out(&self, account: &AccountRecord) -> Result<(), Error> {
        let stamp = self.draw_stamp()?;
        let signed_out = self.update(&account.email, |now| {
            let is_same = now.id == account.id;
            now.stamp.clone_from(&stamp);
            is_same
        });
        signed_out.await.map(|_| ())
    }

    /// The user of a grant as their account describes them now; `None` when it is gone or was disabled.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn user_of(&self, subject: &Subject, email: &str) -> Result<Option<User>, Error> {
        let Ok(email) = EmailAddress::parse(email) else { return Ok(None) };
        let seen = self.load(&email).await?;
        let account = seen.map(|seen| seen.value).filter(|account| account.id == subject.id);
        Ok(account.filter(|account| self.lets_in(account)).map(|account| account.user(&self.provider)))
    }

    /// Whether its person may enter at the moment, however they prove who they are.
    pub(super) fn lets_in(&self, account: &AccountRecord) -> bool {
        let is_awaited = account.joined_at.is_none() && self.parts.settings.sign_up == SignUp::Closed;
        account.disabled_at.is_none() && !is_awaited
    }

    /// The user of an account.
    pub(crate) fn user(&self, account: &AccountRecord) -> User {
        account.user(&self.provider)
    }
}
