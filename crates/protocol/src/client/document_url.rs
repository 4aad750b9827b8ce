//! Client ids that are URLs of client metadata documents: which ones may be fetched at all
//! (draft-ietf-oauth-client-id-metadata-document §3).
//!
//! The rules look at the text itself. A URL is accepted only if a browser's parser finds in it what stands there, so
//! that plain string equality is equality of meaning, and nothing is ever normalised.

use std::fmt;

use url::{Host, Url};

use crate::errors::{ErrorCode, OAuthError};
use crate::words::{ClientId, is_loopback_host, is_public_address};

/// A client id that is the URL of a document, byte for byte as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientUrl {
    text: String,
    host: String,
    is_loopback: bool,
}

/// Why a client id that looks like a URL is not one that may be fetched. Shown on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientUrlRefusal {
    /// Longer than [`MAX_CLIENT_URL_LENGTH`].
    #[error("a client_id that is a URL has at most {MAX_CLIENT_URL_LENGTH} characters")]
    TooLong,
    /// Another scheme than https, or https in capitals.
    #[error("a client_id that is a URL starts with https://")]
    NotHttps,
    /// A character that no URI has, or a percent sign without two hex digits.
    #[error("a client_id that is a URL has only the characters of RFC 3986")]
    Character,
    /// A fragment.
    #[error("a client_id that is a URL has no fragment")]
    Fragment,
    /// A user name or password.
    #[error("a client_id that is a URL has no user name or password")]
    UserInfo,
    /// Nothing after the host, or a slash alone.
    #[error("a client_id that is a URL has a path")]
    NoPath,
    /// `.` or `..` as a segment, or a spelling of them.
    #[error("a client_id that is a URL has no segments of dots")]
    DotSegment,
    /// A port that belongs to another service than the web's.
    #[error("a client_id that is a URL has no port below 1024 except 443")]
    Port,
    /// A parser finds another host, port, path or query in it than stand there.
    #[error("a client_id that is a URL is written the way a browser resolves it")]
    NotCanonical,
    /// An address that is not of the public internet.
    #[error("a client_id that is a URL does not lead into a private network")]
    NotPublic,
}

impl ClientUrl {
    /// Whether a client id is meant as a URL. No configured and no registered id looks like one.
    #[must_use]
    pub fn is_meant_by(id: &ClientId) -> bool {
        let text = id.as_str().as_bytes();
        [&b"https:"[..], b"http:"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    }

    /// Reads the URL of a document: of a client, or of its keys.
    ///
    /// # Errors
    /// See [`ClientUrlRefusal`].
    pub fn parse(text: &str) -> Result<Self, ClientUrlRefusal> {
        if text.len() > MAX_CLIENT_URL_LENGTH {
            return Err(ClientUrlRefusal::TooLong);
        }
        let rest = text.strip_prefix("https://").ok_or(ClientUrlRefusal::NotHttps)?;
        check_characters(rest)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at_checked(end).ok_or(ClientUrlRefusal::Character)?;
        if authority.contains('@') {
            return Err(ClientUrlRefusal::UserInfo);
        }
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        if path.len() < 2 {
            return Err(ClientUrlRefusal::NoPath);
        }
        if path.split('/').any(is_dots) {
            return Err(ClientUrlRefusal::DotSegment);
        }
        let url = Url::parse(text).map_err(|_| ClientUrlRefusal::NotCanonical)?;
        check_read_as_written(&url, authority, (path, query))?;
        if url.port_or_known_default().is_none_or(|port| port < 1024 && port != 443) {
            return Err(ClientUrlRefusal::Port);
        }
        let host = url.host().ok_or(ClientUrlRefusal::NotCanonical)?;
        let is_loopback = is_loopback_host(&host);
        let is_private = match host {
            Host::Domain(_) => false,
            Host::Ipv4(address) => !is_public_address(address.into()),
            Host::Ipv6(address) => !is_public_address(address.into()),
        };
        // Loopback is for development; whoever fetches decides whether this is that.
        if is_private && !is_loopback {
            return Err(ClientUrlRefusal::NotPublic);
        }
        Ok(Self { text: text.to_owned(), host: host.to_string(), is_loopback })
    }

    /// The URL as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host, in ASCII form.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its host, and its port if one is written.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.text.strip_prefix("https://").unwrap_or_default();
        rest.split(['/', '?']).next().unwrap_or_default()
    }

    /// Whether the document lies at the host of this origin.
    #[must_use]
    pub fn has_host_of(&self, origin: &str) -> bool {
        Url::parse(origin).is_ok_and(|origin| origin.host_str() == Some(self.host.as_str()))
    }

    /// Whether the document lies at this origin, however its port is written.
    #[must_use]
    pub fn is_at(&self, origin: &str) -> bool {
        let both = (Url::parse(origin), Url::parse(&self.text));
        matches!(both, (Ok(origin), Ok(own)) if origin.origin() == own.origin())
    }

    /// Whether the host is this machine by its name: `localhost` or an address of loopback.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

impl fmt::Display for ClientUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Allows the characters of RFC 3986 alone.
fn check_characters(text: &str) -> Result<(), ClientUrlRefusal> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_hex = |offset: usize| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        match byte {
            b'#' => return Err(ClientUrlRefusal::Fragment),
            b'%' if is_hex(1) && is_hex(2) => {}
            b if b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=".contains(b) => {}
            _ => return Err(ClientUrlRefusal::Character),
        }
    }
    Ok(())
}

/// Whether a segment is `.` or `..` in any spelling that a parser knows.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    matches!(plain.as_str(), "." | "..")
}

/// The parser's host, port and path are those of the text. A port may be written even if it is the usual one.
fn check_read_as_written(
    url: &Url,
    authority: &str,
    path_and_query: (&str, Option<&str>),
) -> Result<(), ClientUrlRefusal> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_as_written = match port {
        None => url.port().is_none(),
        Some(digits) => {
            let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
            plain && digits.parse().ok() == url.port_or_known_default()
        }
    };
    // A root label or an empty one has another owner's certificate, or none.
    let has_plain_labels = host.starts_with('[') || !host.split('.').any(str::is_empty);
    let as_written = url.host_str() == Some(host)
        && port_as_written
        && has_plain_labels
        && (url.path(), url.query()) == path_and_query;
    if as_written { Ok(()) } else { Err(ClientUrlRefusal::NotCanonical) }
}

impl From<ClientUrlRefusal> for OAuthError {
    /// For the token endpoint. The authorization endpoint shows it on a page.
    fn from(refusal: ClientUrlRefusal) -> Self {
        match refusal {
            ClientUrlRefusal::TooLong
            | ClientUrlRefusal::NotHttps
            | ClientUrlRefusal::Character
            | ClientUrlRefusal::Fragment
            | ClientUrlRefusal::UserInfo
            | ClientUrlRefusal::NoPath
            | ClientUrlRefusal::DotSegment
            | ClientUrlRefusal::Port
            | ClientUrlRefusal::NotCanonical
            | ClientUrlRefusal::NotPublic => Self::json(ErrorCode::InvalidClient, refusal.to_string()),
        }
    }
}

/// The most characters that the URL of a document may have.
pub const MAX_CLIENT_URL_LENGTH: usize = 700;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> ClientUrlRefusal {
        ClientUrl::parse(text).expect_err(text)
    }

    #[test]
    fn what_shipped_clients_use_is_accepted_as_it_is_written() {
        for good in [
            "https://claude.ai/oauth/claude-code-client-metadata",
            "https://claude.ai/oauth/mcp-oauth-client-metadata",
            "https://chatgpt.com/oauth/IbUR3zxyNQ16/client.json",
            "https://vscode.dev/oauth/client-metadata.json",
            "https://client.example:8443/c",
            "https://client.example:443/c",
            "https://client.example/c?v=1",
            "https://client.example/c%20d/",
            "https://8.8.8.8/c",
            "https://[2606:4700::1111]:8443/c",
            "https://xn--clude-3ve.example/c",
            "https://client.example/...",
            "https://client.example/c'?",
        ] {
            let url = ClientUrl::parse(good).unwrap_or_else(|refusal| panic!("{good}: {refusal}"));
            assert_eq!(url.as_str(), good);
        }
    }

    #[test]
    fn each_rule_of_the_url_refuses() {
        use ClientUrlRefusal as R;
        for (bad, expected) in [
            ("http://h.example/c", R::NotHttps),
            ("HTTPS://h.example/c", R::NotHttps),
            ("ftp://h.example/c", R::NotHttps),
            ("https:/h.example/c", R::NotHttps),
            ("https://h.example", R::NoPath),
            ("https://h.example/", R::NoPath),
            ("https://h.example?x=/c", R::NoPath),
            ("https://h.example/c#x", R::Fragment),
            ("https://h.example/c#", R::Fragment),
            ("https://u@h.example/c", R::UserInfo),
            ("https://u:p@h.example/c", R::UserInfo),
            ("https://@h.example/c", R::UserInfo),
            ("https://h.example/a/../b", R::DotSegment),
            ("https://h.example/./b", R::DotSegment),
            ("https://h.example/b/..", R::DotSegment),
            ("https://h.example/a/%2e%2E/b", R::DotSegment),
            ("https://h.example/a/.%2e/b", R::DotSegment),
            ("https://h.example/%2E", R::DotSegment),
            ("https://h.example/a b", R::Character),
            ("https://h.example/a\\b", R::Character),
            ("https://h.example/a\n", R::Character),
            ("https://h\u{e4}.example/a", R::Character),
            ("https://h.example/%zz", R::Character),
            ("https://H.example/c", R::NotCanonical),
            // A browser sends `%27` for it, and only in a query.
            ("https://h.example/c?'", R::NotCanonical),
            ("https://h.example:0443/c", R::NotCanonical),
            ("https://h.example:/c", R::NotCanonical),
            ("https://h.example:99999/c", R::NotCanonical),
            ("https://h.example./c", R::NotCanonical),
            ("https:///c", R::NotCanonical),
            ("https://h%2eexample/c", R::NotCanonical),
            ("https://h.example:25/c", R::Port),
            ("https://h.example:80/c", R::Port),
            ("https://10.0.0.1/c", R::NotPublic),
            ("https://169.254.169.254/latest/meta-data", R::NotPublic),
            ("https://[fd00::1]/c", R::NotPublic),
            ("https://[::ffff:a00:1]/c", R::NotPublic),
            ("https://[64:ff9b::a00:1]/c", R::NotPublic),
            ("https://0.0.0.0/c", R::NotPublic),
        ] {
            assert_eq!(refusal(bad), expected, "{bad}");
            assert_eq!(OAuthError::from(refusal(bad)).code(), ErrorCode::InvalidClient);
        }
        assert_eq!(refusal(&format!("https://h.example/{}", "c".repeat(700))), R::TooLong);
    }

    #[test]
    fn other_spellings_of_an_address_are_left_to_the_parser_and_refused() {
        for bad in [
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "0x7f000001",
            "10.1",
            "[0:0:0:0:0:0:0:1]",
            "127.0.0.1.",
        ] {
            assert_eq!(refusal(&format!("https://{bad}/c")), ClientUrlRefusal::NotCanonical, "{bad}");
        }
    }

    #[test]
    fn loopback_is_told_apart() {
        for loopback in ["https://localhost/c", "https://127.0.0.1:8443/c", "https://[::1]/c"] {
            assert!(ClientUrl::parse(loopback).unwrap().is_loopback(), "{loopback}");
        }
        assert!(!ClientUrl::parse("https://localhost.example/c").unwrap().is_loopback());
    }

    #[test]
    fn a_url_is_known_by_its_scheme() {
        for (id, meant) in
            [("https://h/c", true), ("HTTP:x", true), ("portal", false), ("coat_ci_x", false), ("", false)]
        {
            assert_eq!(ClientUrl::is_meant_by(&ClientId::new(id)), meant, "{id}");
        }
    }

    #[test]
    fn host_and_authority_are_what_is_written() {
        let url = ClientUrl::parse("https://client.example:8443/c?x=/y").unwrap();
        assert_eq!((url.host(), url.authority()), ("client.example", "client.example:8443"));
    }

    #[test]
    fn an_origin_is_recognised_however_its_port_is_written() {
        for own in ["https://gate.example/c", "https://gate.example:443/c"] {
            assert!(ClientUrl::parse(own).unwrap().is_at("https://gate.example"), "{own}");
        }
        let other = ClientUrl::parse("https://gate.example:8443/c").unwrap();
        assert!(!other.is_at("https://gate.example") && other.has_host_of("https://gate.example"));
        assert!(!other.has_host_of("https://gate.example.evil.example"));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_read_back_unchanged(text in "https://[a-z0-9.:\\[\\]@%-]{0,12}/[a-zA-Z0-9.%/?&=-]{0,20}") {
            if let Ok(url) = ClientUrl::parse(&text) {
                let parsed = Url::parse(&text).unwrap();
                prop_assert_eq!(parsed.host_str(), Some(url.host()));
                prop_assert!(!parsed.path().split('/').any(is_dots));
                // A default port alone is not written back.
                prop_assert!(parsed.as_str() == text || text.contains(":443/"), "{} {}", parsed, text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = ClientUrl::parse(&text);
            let _ = ClientUrl::parse(&format!("https://{text}"));
        }
    }
}
