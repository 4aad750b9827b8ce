//! Codes by mail. Nothing is kept for one that is out: the browser carries it, sealed, and bound to what it is good for.
//!
//! A code is good once, in the browser and for the flow that asked for it, for as long as a flow takes. The account tells codes
//! that were out before from those after one was used, the password was set, or its person was shut out. Who guesses uses up the
//! attempts of the account.

use std::time::Duration;

use coatroom_protocol::words::{EmailAddress, Timestamp, TokenHash, same_bytes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::mail::Mail;
use super::{Accounts, Caller, Password, PasswordRefusal};
use crate::entropy::draw;
use crate::error::Error;
use crate::records::{self, AccountRecord, Written};
use crate::settings::SignUp;

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CodePurpose {
    /// To sign in.
    SignIn,
    /// To set another password.
    Reset,
    /// To make an account.
    SignUp,
}

/// What was done about a request for a code.
#[derive(Debug)]
pub(crate) enum Asked {
    /// If there is anybody to mail to, they are mailed. The form brings this text back.
    Sealed(String),
    /// Too many mails; how long to wait.
    TooMany(Duration),
}

/// What a mail is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Letter<'a> {
    /// It brings a code.
    Code(CodePurpose, &'a str),
    /// Somebody wants to make an account for an address that has one.
    HasAccount,
}

/// A code that is out.
#[derive(Serialize, Deserialize)]
struct Pending {
    purpose: CodePurpose,
    email: EmailAddress,
    code: String,
    /// As the account has it; of nothing where there is none. Of one length, so that nobody sees which.
    account: TokenHash,
    ends_at: Timestamp,
}

/// What became of a code that somebody typed.
#[derive(Debug)]
pub(crate) enum Proven {
    /// The address is theirs.
    Yes,
    /// It is not the code.
    No,
    /// Too many attempts; how long to wait.
    TooMany(Duration),
}

/// A code that came back with the form, not judged yet.
#[derive(Debug)]
pub(crate) struct ReturnedCode {
    pub(crate) purpose: CodePurpose,
    pub(crate) email: EmailAddress,
    code: String,
    account: TokenHash,
}

impl Accounts {
    /// Draws a code and mails it, if there is anybody who may have it. What is answered does not tell.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down, or no mail can be sent.
    pub(crate) async fn ask(
        &self,
        (purpose, email): (CodePurpose, &EmailAddress),
        caller: Caller<'_>,
        bound_to: &[&[u8]],
        write: impl FnOnce(Letter<'_>) -> (String, String) + Send,
    ) -> Result<Asked, Error> {
        let outbox = self.outbox.as_ref().ok_or_else(no_mail)?;
        outbox.has_room()?;
        if let Err(wait) = self.attempts.mail(email, caller, self.parts.clock.elapsed()) {
            return Ok(Asked::TooMany(wait));
        }
        let account = self.load(email).await?.map(|seen| seen.value);
        let code = self.draw_code()?;
        let nothing = TokenHash::from_bytes(draw(self.parts.entropy.as_ref())?);
        let letter = Letter::Code(purpose, &code);
        let (letter, is_sent) = match (&account, purpose) {
            (Some(account), CodePurpose::SignIn | CodePurpose::Reset) => (letter, self.lets_in(account)),
            (Some(account), CodePurpose::SignUp) => (Letter::HasAccount, account.disabled_at.is_none()),
            (None, CodePurpose::SignUp) => (letter, self.are_open()),
            (None, CodePurpose::SignIn | CodePurpose::Reset) => (letter, false),
        };
        // What nobody is sent costs as much.
        let (subject, text) = write(letter);
        let mail = Mail { to: email.clone(), subject, text };
        outbox.post(is_sent.then_some(mail))?;
        let ends_at = self.parts.clock.now().plus(CODE_LIFE);
        let account = account.as_ref().map_or(nothing, AccountRecord::codes_until_now);
        let pending = Pending { purpose, email: email.clone(), code, account, ends_at };
        Ok(Asked::Sealed(self.seal(CODE, bound_to, &pending)?))
    }

    /// What a form brought back; `None` when it is not ours, belongs elsewhere, or is too old.
    pub(crate) fn returned(&self, sealed: &str, bound_to: &[&[u8]]) -> Option<ReturnedCode> {
        let Pending { purpose, email, code, account, ends_at } = self.open(CODE, bound_to, sealed)?;
        let ended = self.parts.clock.at_least().has_reached(ends_at);
        (!ended).then_some(ReturnedCode { purpose, email, code, account })
    }

    /// Judges what somebody typed as the code.
    pub(crate) fn prove(&self, returned: &ReturnedCode, typed: &str, caller: Caller<'_>) -> Proven {
        let attempt = match self.attempts.take(&returned.email, caller, self.parts.clock.elapsed()) {
            Ok(attempt) => attempt,
            Err(wait) => return Proven::TooMany(wait),
        };
        let typed: String = typed.chars().filter(char::is_ascii_digit).collect();
        if !same_bytes(typed.as_bytes(), returned.code.as_bytes()) {
            return Proven::No;
        }
        self.attempts.give_back(&attempt);
        Proven::Yes
    }

    /// The account of an address that was proven. `None` when its person may not enter, or the code is not good for it any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn enter_by_code(
        &self,
        returned: &ReturnedCode,
    ) -> Result<Option<AccountRecord>, Error> {
        let now = self.parts.clock.now();
        self.update(&returned.email, |account| {
            let is_good = self.takes(account, returned);
            account.use_code(now);
            is_good
        })
        .await
    }

    /// Whether the code of an address that was proven is good for its account still.
    fn takes(&self, account: &AccountRecord, returned: &ReturnedCode) -> bool {
        self.lets_in(account) && account.codes_until_now() == returned.account
    }

    /// Sets the password of an account whose address was proven, and lets every browser sign in again. `None` as for
    /// [`enter_by_code`](Self::enter_by_code).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down, or too many sign in at once.
    pub(crate) async fn reset_by_code(
        &self,
        returned: &ReturnedCode,
        password: &Password,
    ) -> Result<Result<Option<AccountRecord>, PasswordRefusal>, Error> {
        let email = &returned.email;
        let seen = self.load(email).await?;
        let taken = seen.map(|seen| seen.value).filter(|account| self.takes(account, returned));
        let Some(account) = taken else { return Ok(Ok(None)) };
        let hash = match self.hash(password, email, account.name.as_deref()).await? {
            Ok(hash) => hash,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (now, stamp) = (self.parts.clock.now(), self.draw_stamp()?);
        let changed = self.update(email, |account| {
            let is_good = self.takes(account, returned);
            account.set_password(hash.clone(), stamp.clone(), now);
            is_good
        });
        Ok(Ok(changed.await?))
    }

    /// Makes an account for an address that was proven. `None` when there is one by now, or sign-up is not open any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down, or too many sign in at once.
    pub(crate) async fn sign_up(
        &self,
        email: &EmailAddress,
        name: Option<String>,
        password: &Password,
    ) -> Result<Result<Option<AccountRecord>, PasswordRefusal>, Error> {
        if self.parts.settings.sign_up != SignUp::Open {
            return Ok(Ok(None));
        }
        let hash = match self.hash(password, email, name.as_deref()).await? {
            Ok(hash) => hash,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut account = self.new_account(email, name)?;
        account.set_password(hash, self.draw_stamp()?, account.created_at);
        let written = records::insert(self.parts.store.as_ref(), &account).await?;
        Ok(Ok((written == Written::Done).then_some(account)))
    }

    pub(super) async fn hash(
        &self,
        password: &Password,
        email: &EmailAddress,
        name: Option<&str>,
    ) -> Result<Result<String, PasswordRefusal>, Error> {
        let site = self.parts.issuer.authority().to_owned();
        let known = [email.to_string(), site].into_iter().chain(name.map(str::to_owned)).collect();
        self.hasher.hash(password, known, self.parts.entropy.as_ref()).await
    }

    fn draw_code(&self) -> Result<String, Error> {
        let number = u64::from_be_bytes(draw(self.parts.entropy.as_ref())?) % CODES;
        Ok(format!("{number:0DIGITS$}"))
    }

    pub(super) fn seal(
        &self,
        purpose: &str,
        bound_to: &[&[u8]],
        value: &impl Serialize,
    ) -> Result<String, Error> {
        let keys = self.parts.keys.current();
        let entropy = self.parts.entropy.as_ref();
        Ok(self.bound(bound_to, |bound_to| keys.sealing.seal_text(entropy, purpose, bound_to, value))?)
    }

    pub(super) fn open<T: DeserializeOwned>(
        &self,
        purpose: &str,
        bound_to: &[&[u8]],
        sealed: &str,
    ) -> Option<T> {
        let keys = self.parts.keys.current();
        self.bound(bound_to, |bound_to| keys.sealing.open_text(purpose, bound_to, sealed))
    }

    fn bound<T>(&self, more: &[&[u8]], work: impl FnOnce(&[&[u8]]) -> T) -> T {
        let all: Vec<&[u8]> =
            std::iter::once(self.parts.issuer.as_str().as_bytes()).chain(more.iter().copied()).collect();
        work(&all)
    }
}

fn no_mail() -> Error {
    Error::Unavailable { what: "the mail server", source: "none is configured".into() }
}

const CODE: &str = "mail code";
/// As long as a flow takes, which ends it earlier.
const CODE_LIFE: Duration = Duration::from_mins(10);
const DIGITS: usize = 8;
const CODES: u64 = 100_000_000;
