//! The cookie that names the account after a sign-in, so that the next page can say "Continue as Alice".
//!
//! It approves nothing: every grant needs a click and goes through the provider again. For a local account it stands in the
//! place of the provider's own session, and ends when the account says so. It does show a person their own grants and lets them
//! end those.

use std::time::Duration;

use coatroom_protocol::words::{EmailAddress, Subject, Timestamp};
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::cookies::CookieJar;
use super::upstream_leg::Arrival;
use crate::context::{Context, SignInAt};
use crate::entropy::NoEntropy;
use crate::error::Error;
use crate::records::AccountRecord;

/// Who signed in last in this browser.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) subject: Subject,
    pub(super) name: String,
    signed_in_at: Timestamp,
    /// What a sign-in here rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<AccountAt>,
}

/// A local account, as it was at the sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AccountAt {
    email: EmailAddress,
    stamp: String,
}

impl Session {
    /// The session of a request; `None` when there is none, it expired, its provider is gone, or its account does not stand behind
    /// it any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(super) async fn of(context: &Context, jar: &CookieJar<'_>) -> Result<Option<Self>, Error> {
        let Some(session) = Self::sealed(context, jar) else { return Ok(None) };
        Ok(match context.sign_in_at(&session.subject.provider) {
            None => None,
            Some(SignInAt::Provider(_)) => Some(session),
            Some(SignInAt::Here(_)) => session.standing(context).await?.map(|_| session),
        })
    }

    /// The local account of a request's session.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is down.
    pub(super) async fn account(
        context: &Context,
        jar: &CookieJar<'_>,
    ) -> Result<Option<AccountRecord>, Error> {
        match Self::sealed(context, jar) {
            Some(session) => session.standing(context).await,
            None => Ok(None),
        }
    }

    async fn standing(&self, context: &Context) -> Result<Option<AccountRecord>, Error> {
        match (&context.accounts, &self.account) {
            (Some(accounts), Some(AccountAt { email, stamp }))
                if self.subject.provider == *accounts.name() =>
            {
                accounts.standing(email, &self.subject.id, stamp).await
            }
            _ => Ok(None),
        }
    }

    fn sealed(context: &Context, jar: &CookieJar<'_>) -> Option<Self> {
        let bound_to = [context.issuer.as_str().as_bytes()];
        let session: Self = context.keys().sealing.open_text(PURPOSE, &bound_to, jar.get(NAME)?)?;
        let ended =
            context.clock.at_least().has_reached(session.signed_in_at.plus(context.settings.session_life));
        (!ended).then_some(session)
    }

    /// The cookie that names somebody who has just signed in.
    pub(super) fn cookie(
        context: &Context,
        jar: &CookieJar<'_>,
        arrival: &Arrival,
    ) -> Result<Option<HeaderValue>, NoEntropy> {
        let Arrival { user, account, .. } = arrival;
        let name: String = user.display_name().chars().take(LONGEST_NAME).collect();
        let account = account.as_ref();
        let account = account.map(|it| AccountAt { email: it.email.clone(), stamp: it.stamp.clone() });
        let session =
            Self { subject: user.subject.clone(), name, signed_in_at: context.clock.now(), account };
        let bound_to = [context.issuer.as_str().as_bytes()];
        let keys = context.keys();
        let sealed = keys.sealing.seal_text(context.entropy.as_ref(), PURPOSE, &bound_to, &session)?;
        Ok(jar.set(NAME, &sealed, Some(context.settings.session_life)))
    }

    /// The cookie that ends the session in this browser.
    pub(super) fn forget(jar: &CookieJar<'_>) -> Option<HeaderValue> {
        jar.set(NAME, "", Some(Duration::ZERO))
    }
}

const PURPOSE: &str = "session";
const NAME: &str = "session";
const LONGEST_NAME: usize = 100;
