//! The cookie by which a browser is known in which somebody signed in to a local account before. It opens nothing: it gives the
//! browser an allowance of its own, so that strangers who guess cannot lock the person out.

use std::time::Duration;

use coatroom_protocol::words::{EmailAddress, base64url};
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
        let bound_to = [context.issuer.as_str().as_bytes()];
        let device: Self = context.keys().sealing.open_text(COOKIE, &bound_to, jar.get(COOKIE)?)?;
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
        let device = Self { email: email.clone(), name };
        let bound_to = [context.issuer.as_str().as_bytes()];
        let keys = context.keys();
        let sealed = keys.sealing.seal_text(context.entropy.as_ref(), COOKIE, &bound_to, &device)?;
        Ok(jar.set(COOKIE, &sealed, Some(LIFE)))
    }
}

const COOKIE: &str = "device";
const LIFE: Duration = Duration::from_hours(24 * 180);
