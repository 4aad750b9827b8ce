//! The cookie that names the account after a sign-in, so that the next page can say "Continue as Alice".
//!
//! It approves nothing: every grant needs a click and goes through the provider again. It does show a person their own grants
//! and lets them end those.

use std::time::Duration;

use coatroom_protocol::words::{Subject, Timestamp, base64url, from_base64url};
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::cookies::CookieJar;
use crate::context::Context;
use crate::entropy::NoEntropy;
use crate::user::User;

/// Who signed in last in this browser.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) subject: Subject,
    pub(super) name: String,
    signed_in_at: Timestamp,
}

impl Session {
    /// The session of a request; `None` when there is none, it expired, or its provider is gone.
    pub(super) fn of(context: &Context, jar: &CookieJar<'_>) -> Option<Self> {
        let sealed = from_base64url(jar.get(NAME)?)?;
        let text =
            context.keys().sealing.open(PURPOSE, &[context.issuer.as_str().as_bytes()], &sealed).ok()?;
        let session: Self = serde_json::from_slice(&text).ok()?;
        let ended = context.clock.now().has_reached(session.signed_in_at.plus(context.settings.session_life));
        (!ended && context.provider(&session.subject.provider).is_some()).then_some(session)
    }

    /// The cookie that names a user who has just signed in.
    pub(super) fn cookie(
        context: &Context,
        jar: &CookieJar<'_>,
        user: &User,
    ) -> Result<Option<HeaderValue>, NoEntropy> {
        let name: String = user.display_name().chars().take(LONGEST_NAME).collect();
        let session = Self { subject: user.subject.clone(), name, signed_in_at: context.clock.now() };
        let text = serde_json::to_vec(&session).map_err(|_| NoEntropy)?;
        let bound_to = [context.issuer.as_str().as_bytes()];
        let sealed = context.keys().sealing.seal(context.entropy.as_ref(), PURPOSE, &bound_to, &text)?;
        Ok(jar.set(NAME, &base64url(&sealed), Some(context.settings.session_life)))
    }

    /// The cookie that ends the session in this browser.
    pub(super) fn forget(jar: &CookieJar<'_>) -> Option<HeaderValue> {
        jar.set(NAME, "", Some(Duration::ZERO))
    }
}

const PURPOSE: &str = "session";
const NAME: &str = "session";
const LONGEST_NAME: usize = 100;
