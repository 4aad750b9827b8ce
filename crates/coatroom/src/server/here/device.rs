//! The cookie by which a browser is known in which somebody signed in to a local account before. It opens nothing: it gives the
//! browser an allowance of its own, so that strangers who guess cannot lock the person out.

use std::time::Duration;

use coatroom_protocol::words::{EmailAddress, base64url, from_base64url};
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::entropy::{NoEntropy, draw};
use crate::server::App;
use crate::server::cookies::CookieJar;

#[derive(Serialize, Deserialize)]
pub(super) struct Device {
    email: EmailAddress,
    name: String,
}

impl Device {
    /// The name of a browser that is known for an account.
    pub(super) fn of(app: &App, jar: &CookieJar<'_>, email: &EmailAddress) -> Option<String> {
        let context = &app.context;
        let sealed = from_base64url(jar.get(COOKIE)?)?;
        let bound_to = [context.issuer.as_str().as_bytes()];
        let text = context.keys().sealing.open(COOKIE, &bound_to, &sealed).ok()?;
        let device: Self = serde_json::from_slice(&text).ok()?;
        (device.email == *email).then_some(device.name)
    }

    /// The cookie that makes a browser known. One that is known keeps its name.
    pub(super) fn cookie(
        app: &App,
        jar: &CookieJar<'_>,
        email: &EmailAddress,
    ) -> Result<Option<HeaderValue>, NoEntropy> {
        let context = &app.context;
        let name = match Self::of(app, jar, email) {
            Some(name) => name,
            None => base64url(&draw::<16>(context.entropy.as_ref())?),
        };
        let text = serde_json::to_vec(&Self { email: email.clone(), name }).map_err(|_| NoEntropy)?;
        let bound_to = [context.issuer.as_str().as_bytes()];
        let sealed = context.keys().sealing.seal(context.entropy.as_ref(), COOKIE, &bound_to, &text)?;
        Ok(jar.set(COOKIE, &base64url(&sealed), Some(LIFE)))
    }
}

const COOKIE: &str = "device";
const LIFE: Duration = Duration::from_hours(24 * 180);
