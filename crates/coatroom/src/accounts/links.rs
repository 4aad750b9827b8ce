//! Links with which a password is set, once: what the operator hands to somebody.
//!
//! A link is sealed, so that it says nothing of anybody, and its secret must be the one whose hash the account keeps: a newer link,
//! a password and the end of the account each make it worthless. Opening its page changes nothing; mail programs open links too.

use std::time::Duration;

use coatroom_protocol::words::{EmailAddress, TokenHash, base64url, sha256};
use serde::{Deserialize, Serialize};

use super::{Accounts, Password, PasswordRefusal};
use crate::entropy::draw;
use crate::error::Error;
use crate::records::{AccountRecord, PasswordLink};

/// What a link carries.
#[derive(Serialize, Deserialize)]
struct Carried {
    email: EmailAddress,
    secret: String,
}

impl Accounts {
    /// The account whose password a link sets; `None` when the link is not good any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(crate) async fn linked(&self, link: &str) -> Result<Option<AccountRecord>, Error> {
        let Some(Carried { email, secret }) = self.open(LINK, &[], link) else { return Ok(None) };
        let seen = self.load(&email).await?;
        Ok(seen.map(|seen| seen.value).filter(|account| self.opens(account, &secret)))
    }

    /// Sets a password by a link. `None` when the link is not good any more. Every browser has to sign in again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down, or too many sign in at once.
    pub(crate) async fn set_by_link(
        &self,
        link: &str,
        password: &Password,
    ) -> Result<Result<Option<AccountRecord>, PasswordRefusal>, Error> {
        let Some(Carried { email, secret }) = self.open(LINK, &[], link) else { return Ok(Ok(None)) };
        let seen = self.load(&email).await?;
        // Nobody who holds no good link makes us compute.
        let Some(account) = seen.map(|seen| seen.value).filter(|account| self.opens(account, &secret)) else {
            return Ok(Ok(None));
        };
        let hash = match self.hash(password, &email, account.name.as_deref()).await? {
            Ok(hash) => hash,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (now, stamp) = (self.parts.clock.now(), self.draw_stamp()?);
        let changed = self.update(&email, |account| {
            let is_good = self.opens(account, &secret);
            account.set_password(hash.clone(), stamp.clone(), now);
            is_good
        });
        Ok(Ok(changed.await?))
    }

    /// Draws the secret of a new link for an account: what to keep of it, and its address.
    pub(super) fn draw_link(&self, email: &EmailAddress) -> Result<(PasswordLink, String), Error> {
        let secret = base64url(&draw::<32>(self.parts.entropy.as_ref())?);
        let kept = PasswordLink {
            secret: TokenHash::from_bytes(sha256(secret.as_bytes())),
            ends_at: self.parts.clock.now().plus(LINK_LIFE),
        };
        let sealed = self.seal(LINK, &[], &Carried { email: email.clone(), secret })?;
        Ok((kept, self.parts.issuer.url(&format!("{PASSWORD_PATH}/{sealed}"))))
    }

    fn opens(&self, account: &AccountRecord, secret: &str) -> bool {
        let presented = TokenHash::from_bytes(sha256(secret.as_bytes()));
        let now = self.parts.clock.at_least();
        let link = account.link.as_ref().filter(|link| !now.has_reached(link.ends_at));
        self.lets_in(account) && link.is_some_and(|link| link.secret == presented)
    }
}

const LINK: &str = "password link";
/// Below it are the links.
const PASSWORD_PATH: &str = "/password";
const LINK_LIFE: Duration = Duration::from_hours(24 * 7);
