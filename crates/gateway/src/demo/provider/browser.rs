//! The browser at the sign-in page: who signed in with it last, and whether a form really came from our page.

use std::time::Duration;

use coatroom::protocol::words::Timestamp;
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderValue};

use super::Provider;
use super::seal::{BrowserClaims, Sealed as _};
use crate::demo::PROVIDER_PATH;
use crate::demo::accounts::Account;

impl Provider {
    /// The account that signed in last with this browser.
    pub(super) fn remembered(&self, headers: &HeaderMap) -> Option<&'static Account> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, text) = pairs.find(|(name, _)| *name == COOKIE_NAME)?;
        let claims = BrowserClaims::open(text, &self.key)?;
        let live = !self.sources.clock.now().has_reached(claims.expires_at);
        Account::find(&claims.login).filter(|_| live)
    }

    /// The cookie that makes this browser remember the account.
    pub(super) fn remember(&self, account: &Account) -> Option<HeaderValue> {
        let expires_at: Timestamp = self.sources.clock.now().plus(REMEMBERED_FOR);
        let text = BrowserClaims { login: account.login.to_owned(), expires_at }.seal(&self.key)?;
        let secure = if self.origin.is_https() { "; Secure" } else { "" };
        let life = REMEMBERED_FOR.as_secs();
        let text = text.expose();
        let cookie = format!(
            "{COOKIE_NAME}={text}; Path={PROVIDER_PATH}; Max-Age={life}; HttpOnly; SameSite=Lax{secure}"
        );
        HeaderValue::from_str(&cookie).ok()
    }

    /// Whether a form was sent by a page of this origin. A browser says so itself, in one header or the other.
    pub(super) fn sent_by_our_page(&self, headers: &HeaderMap) -> bool {
        match (headers.get("sec-fetch-site"), headers.get(ORIGIN)) {
            (Some(site), _) => site.as_bytes() == b"same-origin",
            (None, Some(origin)) => origin.as_bytes() == self.origin.as_str().as_bytes(),
            (None, None) => false,
        }
    }
}

const COOKIE_NAME: &str = "coatroom_demo_browser";
const REMEMBERED_FOR: Duration = Duration::from_hours(30 * 24);
