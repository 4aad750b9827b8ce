//! Redirect URIs: which may be registered, and which a registered one accepts at the authorization endpoint.
//!
//! OAuth 2.1 §2.3, §4.1.1 and §7.12; RFC 8252 §7. Whatever is registered reads the same to us and to a browser, so an
//! exact comparison of text is an exact comparison of meaning, and nothing is ever normalised.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use url::{Host, Url, form_urlencoded};

use super::app_uris::{AppUris, is_foreign_scheme, split_scheme};

/// A redirect URI as it was written, known to be safe to send a browser to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri {
    text: String,
    kind: RedirectUriKind,
}

/// What receives an authorization response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "callers decide about every kind")]
pub enum RedirectUriKind {
    /// A site, over https.
    Web,
    /// A program on the user's machine that listens on a port: `http://localhost`, `127.0.0.1` or `[::1]`.
    Loopback,
    /// A program that the user's system starts for a private-use scheme.
    App,
}

/// Why a redirect URI cannot be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriRefusal {
    /// Longer than [`MAX_REDIRECT_URI_LENGTH`].
    #[error("a redirect URI has at most {MAX_REDIRECT_URI_LENGTH} characters")]
    TooLong,
    /// Not a URI with a lower-case scheme and, for http and https, a host.
    #[error("a redirect URI must be absolute, with its scheme in lower case")]
    NotAbsolute,
    /// A character that no URI has: space, control, backslash, non-ASCII, or `%` without two hex digits.
    #[error("a redirect URI has only the characters of RFC 3986")]
    Character,
    /// A fragment.
    #[error("a redirect URI has no fragment")]
    Fragment,
    /// An asterisk.
    #[error("a redirect URI has no wildcard")]
    Wildcard,
    /// A user name or password.
    #[error("a redirect URI has no user name or password")]
    UserInfo,
    /// A parameter in its query that is one of the answer, which clients would then find twice.
    #[error("a redirect URI has no code, state, iss or error in its query: the answer brings them")]
    ResponseParameter,
    /// A browser would go elsewhere than the text says: dot segments, another spelling of the host, a leading zero.
    #[error("a redirect URI must be written the way a browser resolves it")]
    NotCanonical,
    /// Plain http to another machine.
    #[error("a redirect URI must be https, or http on localhost, 127.0.0.1 or [::1]")]
    NotSecure,
    /// A scheme that can never be a client's.
    #[error("the scheme of this redirect URI is never allowed")]
    ForeignScheme,
    /// A private-use scheme that is not on the operator's list.
    #[error("the private-use scheme of this redirect URI is not on this server's list")]
    SchemeNotListed,
}

impl RedirectUri {
    /// Reads a redirect URI for registration or from the operator's configuration.
    ///
    /// # Errors
    /// See [`RedirectUriRefusal`]; `apps` says which private-use schemes are let through.
    pub fn parse(text: &str, apps: &AppUris) -> Result<Self, RedirectUriRefusal> {
        let uri = Self::parse_any_app(text)?;
        match uri.kind {
            RedirectUriKind::Web | RedirectUriKind::Loopback => Ok(uri),
            RedirectUriKind::App
                if split_scheme(text).is_some_and(|(scheme, _)| apps.allow(scheme, text)) =>
            {
                Ok(uri)
            }
            RedirectUriKind::App => Err(RedirectUriRefusal::SchemeNotListed),
        }
    }

    /// The URI as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What receives the response.
    #[must_use]
    pub const fn kind(&self) -> RedirectUriKind {
        self.kind
    }

    /// Whether the response stays on the user's machine, at a port: what anyone may register, and the user alone
    /// receives.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        matches!(self.kind, RedirectUriKind::Loopback)
    }

    /// Whether the host is this machine, be it over http or https.
    pub(super) fn has_loopback_host(&self) -> bool {
        LOOPBACK_HOSTS.contains(&self.host())
    }

    /// The host as it is written; empty for a URI without an authority.
    pub(super) fn host(&self) -> &str {
        host_and_port(self.authority()).0
    }

    /// The redirect URI to use when a client asks for `asked` at the authorization endpoint; `None` when this registered
    /// URI does not accept it.
    ///
    /// The texts are equal, or both are loopback URIs that differ in nothing but the port, which a native client cannot
    /// know before it listens (RFC 8252 §7.3). `localhost`, `127.0.0.1` and `[::1]` stay distinct.
    #[must_use]
    pub fn accept(&self, asked: &str) -> Option<Self> {
        let same = self.text == asked;
        let same_but_port =
            || self.is_loopback() && loopback_without_port(&self.text) == loopback_without_port(asked);
        (same || same_but_port()).then(|| Self { text: asked.to_owned(), kind: self.kind })
    }

    /// The URI with response parameters added to the query; what the client registered there stays as it is, and the
    /// fragment stays empty (OAuth 2.1 §4.1.2).
    #[must_use]
    pub fn with_params(&self, params: &[(&str, &str)]) -> String {
        let mut target = self.text.clone();
        let mut separator = match self.text.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        for (name, value) in params {
            target.push_str(separator);
            target.extend(utf8_percent_encode(name, RESERVED));
            target.push('=');
            target.extend(utf8_percent_encode(value, RESERVED));
            separator = "&";
        }
        target
    }

    /// Reads a redirect URI whose private-use scheme, if any, was let through before.
    fn parse_any_app(text: &str) -> Result<Self, RedirectUriRefusal> {
        check_characters(text)?;
        let scheme_in_any_case = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if is_foreign_scheme(scheme_in_any_case) {
            return Err(RedirectUriRefusal::ForeignScheme);
        }
        let (scheme, _) = split_scheme(text).ok_or(RedirectUriRefusal::NotAbsolute)?;
        if authority_of(text).contains('@') {
            return Err(RedirectUriRefusal::UserInfo);
        }
        let kind = match scheme {
            "https" => RedirectUriKind::Web,
            "http" => RedirectUriKind::Loopback,
            _ => RedirectUriKind::App,
        };
        if kind != RedirectUriKind::App {
            check_read_as_written(text)?;
        }
        if kind == RedirectUriKind::Loopback && loopback_without_port(text).is_none() {
            return Err(RedirectUriRefusal::NotSecure);
        }
        let query = text.split_once('?').map_or("", |(_, query)| query);
        if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| RESPONSE_PARAMETERS.contains(&&*name)) {
            return Err(RedirectUriRefusal::ResponseParameter);
        }
        Ok(Self { text: text.to_owned(), kind })
    }

    /// Host and port as they are written; empty for a URI without an authority.
    pub(super) fn authority(&self) -> &str {
        authority_of(&self.text)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = RedirectUriRefusal;

    /// Reads what was registered before: everything is checked again except the operator's list of apps.
    fn try_from(text: String) -> Result<Self, RedirectUriRefusal> {
        Self::parse_any_app(&text)
    }
}

/// Allows the characters of RFC 3986 alone, without fragment and asterisk.
fn check_characters(text: &str) -> Result<(), RedirectUriRefusal> {
    if text.len() > MAX_REDIRECT_URI_LENGTH {
        return Err(RedirectUriRefusal::TooLong);
    }
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_hex = |offset: usize| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        match byte {
            b'#' => return Err(RedirectUriRefusal::Fragment),
            b'*' => return Err(RedirectUriRefusal::Wildcard),
            b'%' if is_hex(1) && is_hex(2) => {}
            b'%' => return Err(RedirectUriRefusal::Character),
            b if b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()+,;=".contains(b) => {}
            _ => return Err(RedirectUriRefusal::Character),
        }
    }
    Ok(())
}

/// Allows a web address only if a browser's parser finds in it the host, port, path and query that stand in the text.
fn check_read_as_written(text: &str) -> Result<(), RedirectUriRefusal> {
    let url = Url::parse(text).map_err(|_| RedirectUriRefusal::NotAbsolute)?;
    let (host, port) = host_and_port(authority_of(text));
    let port_as_written = match port {
        None => url.port().is_none(),
        Some(digits) => read_port(digits).is_some_and(|port| url.port_or_known_default() == Some(port)),
    };
    let path_and_query = text.get(authority_end(text)..).unwrap_or_default();
    let (path, query) = match path_and_query.split_once('?') {
        None => (path_and_query, None),
        Some((path, query)) => (path, Some(query)),
    };
    let path_as_written = url.path() == if path.is_empty() { "/" } else { path };
    let host_as_written =
        url.host_str() == Some(host) && !matches!(url.host(), Some(Host::Domain("")) | None);
    if host_as_written && port_as_written && path_as_written && url.query() == query {
        Ok(())
    } else {
        Err(RedirectUriRefusal::NotCanonical)
    }
}

/// Splits a loopback URI into its host and what follows the port; `None` for any other text.
fn loopback_without_port(text: &str) -> Option<(&'static str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at_checked(end)?;
    let (host, port) = host_and_port(authority);
    if let Some(digits) = port {
        read_port(digits)?;
    }
    let host = LOOPBACK_HOSTS.iter().find(|known| **known == host)?;
    Some((host, path_and_query))
}

/// The text between `scheme://` and the path; empty when there is none.
fn authority_of(text: &str) -> &str {
    let Some((_, rest)) = text.split_once(':') else { return "" };
    let Some(rest) = rest.strip_prefix("//") else { return "" };
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// Where scheme and authority end and the path begins.
fn authority_end(text: &str) -> usize {
    let scheme = text.find(':').map_or(0, |colon| colon + 1);
    let has_authority = text.get(scheme..).is_some_and(|rest| rest.starts_with("//"));
    if has_authority { scheme + 2 + authority_of(text).len() } else { scheme }
}

/// Splits an authority into its host, brackets included, and the text after the port's colon.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Reads a port in its one spelling: decimal digits without a leading zero.
fn read_port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// The most characters that a redirect URI may have.
pub const MAX_REDIRECT_URI_LENGTH: usize = 1000;

/// What an authorization response says (RFC 6749 §4.1.2, RFC 9207 §2), each of it once (RFC 6749 §3.1).
const RESPONSE_PARAMETERS: [&str; 6] = ["code", "state", "iss", "error", "error_description", "error_uri"];

pub(super) const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Everything but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text, &AppUris::shipped()).unwrap_or_else(|refusal| panic!("{text}: {refusal}"))
    }

    fn refusal(text: &str) -> RedirectUriRefusal {
        RedirectUri::parse(text, &AppUris::shipped()).expect_err(text)
    }

    #[test]
    fn what_shipped_clients_register_is_accepted() {
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
            "claude://claude.ai/mcp-auth-callback/sdk",
            "https://chatgpt.com/connector/oauth/abc_DEF-123",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "cursor://anysphere.cursor-retrieval/oauth/user-1/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
            "https://vscode.dev/redirect",
            "https://insiders.vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1",
            "http://127.0.0.1:33418/",
            "http://localhost:33418",
            "vscode://saoudrizwan.claude-dev/mcp-auth/callback/1",
            "http://127.0.0.1:6276/oauth/callback",
            "http://[::1]:19876/cb",
            "https://global.consent.azure-apim.net/redirect/tool-1",
            "https://raycast.com/redirect?packageName=Extension",
            "com.raycast:/oauth?package_name=Extension",
            "raycast://oauth?package_name=Extension",
            "warp://mcp/oauth2callback",
            "codex://connector/oauth_callback",
            "mcpjam://oauth/callback",
        ] {
            assert_eq!(uri(good).as_str(), good);
        }
    }

    #[test]
    fn only_https_and_http_on_loopback_may_be_registered() {
        for bad in [
            "http://evil.example/cb",
            "http://127.0.0.2/cb",
            "http://10.0.0.1/cb",
            "http://localhost.evil.example/",
        ] {
            assert_eq!(refusal(bad), RedirectUriRefusal::NotSecure, "{bad}");
        }
        for bad in ["/cb", "cb", "", "//host/cb", "HTTPS://host/cb", "://x", "https:"] {
            assert_eq!(refusal(bad), RedirectUriRefusal::NotAbsolute, "{bad}");
        }
    }

    #[test]
    fn schemes_that_run_or_read_are_refused_in_any_case_of_letters() {
        for scheme in ["javascript", "data", "file", "vbscript", "blob", "about", "JavaScript", "DATA"] {
            assert_eq!(refusal(&format!("{scheme}:x")), RedirectUriRefusal::ForeignScheme, "{scheme}");
            assert_eq!(
                refusal(&format!("{scheme}://localhost/x")),
                RedirectUriRefusal::ForeignScheme,
                "{scheme}"
            );
        }
    }

    #[test]
    fn a_private_use_scheme_needs_to_be_listed() {
        assert_eq!(refusal("myapp:/cb"), RedirectUriRefusal::SchemeNotListed);
        assert_eq!(refusal("com.example.app:/cb"), RedirectUriRefusal::SchemeNotListed);
        let listed = AppUris::parse(["com.example.app:"]).unwrap();
        assert!(RedirectUri::parse("com.example.app:/cb", &listed).is_ok());
        assert!(
            RedirectUri::parse("cursor://anysphere.cursor-mcp/oauth/callback", &AppUris::none()).is_err()
        );
    }

    #[test]
    fn fragments_wildcards_user_names_and_foreign_characters_are_refused() {
        assert_eq!(refusal("https://h.example/cb#f"), RedirectUriRefusal::Fragment);
        assert_eq!(refusal("https://h.example/cb#"), RedirectUriRefusal::Fragment);
        assert_eq!(refusal("https://*.example/cb"), RedirectUriRefusal::Wildcard);
        assert_eq!(refusal("https://h.example/*"), RedirectUriRefusal::Wildcard);
        for bad in ["https://u@h.example/", "https://u:p@h.example/", "https://@h.example/", "vscode://u@h/"]
        {
            assert_eq!(refusal(bad), RedirectUriRefusal::UserInfo, "{bad}");
        }
        for bad in [
            "https://h.example/a b",
            "https://h.example\\@evil.example/",
            "https://h.example/\tcb",
            "https://h.example/cb\n",
            "https://h.example/%zz",
            "https://h.example/%4",
            "https://bücher.example/cb",
            "https://h.example/\u{0}",
            "https://h.example/\"",
        ] {
            assert_eq!(refusal(bad), RedirectUriRefusal::Character, "{bad:?}");
        }
    }

    // AZ-13: whoever reads the first of two values would read the registrant's.
    #[test]
    fn what_the_answer_says_stands_in_no_query() {
        for name in ["code", "state", "iss", "error", "error_description", "error_uri", "c%6Fde", "x=1&iss"] {
            for base in [
                "https://h.example/cb",
                "http://127.0.0.1/cb",
                "cursor://anysphere.cursor-mcp/oauth/callback",
            ] {
                let bad = format!("{base}?{name}=1");
                assert_eq!(refusal(&bad), RedirectUriRefusal::ResponseParameter, "{bad}");
            }
        }
        for good in ["https://h.example/code?Code=1&my_state=2&x=code", "https://h.example/cb?error_text"] {
            assert_eq!(uri(good).as_str(), good);
        }
    }

    #[test]
    fn what_a_browser_reads_differently_is_refused() {
        for bad in [
            "https://h.example/a/../b",
            "https://h.example/./b",
            "https://h.example/%2e%2e/b",
            "https://H.example/cb",
            "https://ex%61mple.com/cb",
            "https://h.example:0443/cb",
            "https://h.example:/cb",
            "https:///h.example/cb",
            "http://127.1/cb",
            "http://2130706433/cb",
            "http://0x7f.0.0.1/cb",
            "http://LOCALHOST/cb",
            "http://[0:0:0:0:0:0:0:1]/cb",
            "http://[::ffff:127.0.0.1]/cb",
        ] {
            assert!(
                matches!(refusal(bad), RedirectUriRefusal::NotCanonical | RedirectUriRefusal::NotSecure),
                "{bad}: {:?}",
                refusal(bad)
            );
        }
        assert_eq!(refusal(&format!("https://h.example/{}", "a".repeat(1000))), RedirectUriRefusal::TooLong);
    }

    #[test]
    fn a_web_address_is_compared_exactly() {
        let registered = uri("https://h.example/cb?a=1");
        assert_eq!(registered.accept("https://h.example/cb?a=1"), Some(registered.clone()));
        for asked in [
            "https://h.example/cb",
            "https://h.example/cb?a=1&b=2",
            "https://h.example/cb/?a=1",
            "https://h.example/CB?a=1",
            "https://h.example:443/cb?a=1",
            "https://h.example:8443/cb?a=1",
            "https://sub.h.example/cb?a=1",
            "https://h.example/%63b?a=1",
            "https://h.example/x/../cb?a=1",
            "https://h.example/cb?a=1#",
            "https://h.example/cb?a=1\n",
            " https://h.example/cb?a=1",
            "http://h.example/cb?a=1",
            "",
        ] {
            assert_eq!(registered.accept(asked), None, "{asked:?}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_uri_is_free() {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            for registered in [format!("http://{host}/cb"), format!("http://{host}:33418/cb")] {
                let registered = uri(&registered);
                for asked in [
                    format!("http://{host}:1/cb"),
                    format!("http://{host}:65535/cb"),
                    format!("http://{host}/cb"),
                ] {
                    assert_eq!(
                        registered.accept(&asked).as_ref().map(RedirectUri::as_str),
                        Some(asked.as_str())
                    );
                }
                for asked in [
                    format!("https://{host}:1/cb"),
                    format!("http://{host}:65536/cb"),
                    format!("http://{host}:01/cb"),
                    format!("http://{host}:+1/cb"),
                    format!("http://{host}:/cb"),
                    format!("http://{host}:1/cb/"),
                    format!("http://{host}:1/CB"),
                    format!("http://{host}:1/c%62"),
                    format!("http://{host}:1/cb?x"),
                    format!("http://{host}:1@evil.example/cb"),
                    format!("http://{host}:1\\@evil.example/cb"),
                    format!("http://evil.example:1@{host}/cb"),
                    format!("http://{host}.evil.example:1/cb"),
                    format!("http://{host}:1:2/cb"),
                    format!("http://{host}:1/./cb"),
                    format!("http://{host}:1\t/cb"),
                    format!("http://{host}:1/cb#x"),
                    format!("http:/{host}:1/cb"),
                ] {
                    assert_eq!(registered.accept(&asked), None, "{asked:?}");
                }
            }
        }
    }

    #[test]
    fn the_three_loopback_hosts_are_distinct_and_a_slash_counts() {
        assert_eq!(uri("http://localhost/cb").accept("http://127.0.0.1:5/cb"), None);
        assert_eq!(uri("http://127.0.0.1/cb").accept("http://[::1]:5/cb"), None);
        assert!(uri("http://127.0.0.1/").accept("http://127.0.0.1:40001/").is_some());
        assert!(uri("http://127.0.0.1").accept("http://127.0.0.1:40001").is_some());
        assert_eq!(uri("http://127.0.0.1/").accept("http://127.0.0.1:40001"), None);
    }

    #[test]
    fn an_https_loopback_or_app_uri_has_no_free_port() {
        assert_eq!(uri("https://localhost/cb").accept("https://localhost:5/cb"), None);
        let listed = AppUris::parse(["vscode:"]).unwrap();
        let app = RedirectUri::parse("vscode://localhost/cb", &listed).unwrap();
        assert_eq!(app.accept("vscode://localhost:5/cb"), None);
    }

    #[test]
    fn response_parameters_join_the_registered_query() {
        let params = [("code", "c"), ("state", "a b&c=#ü\n")];
        let added = "code=c&state=a%20b%26c%3D%23%C3%BC%0A";
        for (registered, target) in [
            ("https://h.example/cb", "https://h.example/cb?"),
            ("https://h.example/cb?", "https://h.example/cb?"),
            ("https://h.example/cb?a=1", "https://h.example/cb?a=1&"),
            ("https://h.example/cb?a=1&", "https://h.example/cb?a=1&"),
            ("com.raycast:/oauth?p=x", "com.raycast:/oauth?p=x&"),
        ] {
            assert_eq!(uri(registered).with_params(&params), format!("{target}{added}"));
        }
    }

    /// What a browser makes of a URI, the port left out.
    fn without_port(text: &str) -> Option<Url> {
        let mut url = Url::parse(text).ok()?;
        url.set_port(None).ok()?;
        Some(url)
    }

    fn registrable() -> impl Strategy<Value = String> {
        let host = prop::sample::select(vec![
            "http://localhost",
            "http://127.0.0.1",
            "http://[::1]",
            "https://h.example",
            "https://localhost",
        ]);
        (host, prop::option::of(0..=u16::MAX), "(/[a-z%2f.]{0,4}){0,2}(\\?[a-z=&]{0,4})?").prop_map(
            |(host, port, tail)| {
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{host}{port}{tail}")
            },
        )
    }

    /// A URI with a few characters replaced by what tricks parsers.
    fn tampered() -> impl Strategy<Value = String> {
        let trick = prop::sample::select(vec![
            "@",
            ":",
            "/",
            "\\",
            "?",
            "#",
            "%",
            ".",
            "..",
            "\t",
            "\n",
            "0",
            "1",
            "[",
            "]",
            "evil.example",
            "localhost",
            "",
        ]);
        (registrable(), prop::collection::vec((0_usize..40, 0_usize..3, trick), 1..3)).prop_map(
            |(mut text, edits)| {
                for (at, length, with) in edits {
                    let start = at.min(text.len());
                    let end = (start + length).min(text.len());
                    text.replace_range(start..end, with);
                }
                text
            },
        )
    }

    proptest! {
        #[test]
        fn nothing_is_accepted_but_the_same_text_or_another_loopback_port(
            registered in registrable(), asked in prop_oneof![registrable(), tampered(), any::<String>()],
        ) {
            let Ok(registered) = RedirectUri::parse(&registered, &AppUris::none()) else { return Ok(()) };
            prop_assert!(registered.accept(registered.as_str()).is_some());
            if registered.accept(&asked).is_some() && asked != registered.as_str() {
                prop_assert!(registered.is_loopback());
                prop_assert_eq!(without_port(&asked), without_port(registered.as_str()));
            }
        }

        #[test]
        fn whatever_is_accepted_could_itself_be_registered(registered in registrable(), port in 0..=u16::MAX, asked in tampered()) {
            let Ok(registered) = RedirectUri::parse(&registered, &AppUris::none()) else { return Ok(()) };
            if let Some((host, tail)) = loopback_without_port(registered.as_str()) {
                let asked = format!("http://{host}:{port}{tail}");
                prop_assert!(registered.accept(&asked).is_some());
            }
            if let Some(accepted) = registered.accept(&asked) {
                prop_assert_eq!(RedirectUri::parse(&asked, &AppUris::none()), Ok(accepted));
            }
        }

        #[test]
        fn any_text_is_read_without_panic_and_prints_back(text in prop_oneof![any::<String>(), tampered()]) {
            if let Ok(uri) = RedirectUri::parse(&text, &AppUris::shipped()) {
                prop_assert_eq!(uri.as_str(), text.as_str());
                prop_assert!(uri.as_str().is_ascii());
                prop_assert_eq!(RedirectUri::try_from(text), Ok(uri));
            }
        }

        #[test]
        fn added_parameters_are_read_back_by_the_client(registered in registrable(), state in any::<String>()) {
            let Ok(registered) = RedirectUri::parse(&registered, &AppUris::none()) else { return Ok(()) };
            let target = Url::parse(&registered.with_params(&[("state", &state)])).unwrap();
            let read: Vec<_> = target.query_pairs().filter(|(name, _)| name == "state").collect();
            prop_assert_eq!(read, [("state".into(), state.into())]);
            prop_assert!(target.fragment().is_none());
            prop_assert!(target.as_str().starts_with(Url::parse(registered.as_str()).unwrap().as_str()));
        }
    }
}
