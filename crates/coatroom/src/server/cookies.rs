//! Cookies: reading them, and writing them so that they stay with this origin.
//!
//! Over https every cookie has the `__Host-` prefix, which binds it to this host, to https and to the whole origin. On loopback
//! http, for development, prefix and `Secure` are left out.

use std::time::Duration;

use coatroom_protocol::words::Issuer;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

/// How this origin names its cookies.
#[derive(Debug, Clone, Copy)]
pub(super) struct CookieJar<'a> {
    secure: bool,
    headers: &'a HeaderMap,
}

impl<'a> CookieJar<'a> {
    /// The cookies of a request.
    pub(super) fn new(issuer: &Issuer, headers: &'a HeaderMap) -> Self {
        Self { secure: issuer.is_https(), headers }
    }

    /// The value of a cookie of ours; `name` comes without the prefix. Of several the first counts: a cookie with the prefix
    /// cannot have been planted by another host.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Every cookie of ours, names without the prefix.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let prefix = self.prefix();
        let texts = self.headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value)))
    }

    /// A cookie for the answer. `None` for the life ends it with the browser's session; a life of zero deletes it.
    pub(super) fn set(&self, name: &str, value: &str, life: Option<Duration>) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let life = life.map(|life| format!("; Max-Age={}", life.as_secs())).unwrap_or_default();
        let text = format!("{}{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{life}", self.prefix());
        HeaderValue::try_from(text).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        })
    }

    const fn prefix(&self) -> &'static str {
        if self.secure { "__Host-coatroom-" } else { "coatroom-" }
    }
}

/// Adds cookies to an answer.
pub(super) fn add(headers: &mut HeaderMap, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn over_https_only_cookies_with_the_host_prefix_count() {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let headers = headers("coatroom-a=planted; __Host-coatroom-a=ours; other=x");
        let jar = CookieJar::new(&issuer, &headers);
        assert_eq!(jar.get("a"), Some("ours"));
        let cookie = jar.set("a", "v", Some(Duration::from_secs(5))).unwrap();
        assert_eq!(cookie, "__Host-coatroom-a=v; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=5");
    }

    #[test]
    fn on_loopback_http_cookies_have_no_prefix() {
        let issuer = Issuer::parse("http://localhost:8787").unwrap();
        let headers = headers("coatroom-a=ours");
        let jar = CookieJar::new(&issuer, &headers);
        assert_eq!(jar.get("a"), Some("ours"));
        assert_eq!(jar.set("a", "v", None).unwrap(), "coatroom-a=v; Path=/; HttpOnly; SameSite=Lax");
    }
}
