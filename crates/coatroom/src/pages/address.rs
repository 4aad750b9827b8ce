use std::fmt;

use coatroom_protocol::words::is_loopback_host;
use url::Url;

/// An address to which the browser may be sent back, with or without an answer in it.
///
/// Only the form is checked here, so that a link or a `Refresh` header with it can do nothing but lead there. Whether
/// the address belongs to the client was decided before.
#[derive(Clone, PartialEq, Eq)]
pub struct ReturnAddress {
    uri: String,
    place: Place,
}

/// Who receives what is sent to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A website, by its host in ASCII form.
    Website { host: String },
    /// Some program on the person's own computer, by the host under which it listens.
    ThisComputer { host: String },
    /// The program that opens links of this scheme.
    App { scheme: String },
}

impl ReturnAddress {
    /// Takes an absolute URI of visible ASCII characters.
    ///
    /// `None` for anything else, and for schemes that show or run their own content (`javascript:`, `data:` …).
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let url = Url::parse(uri).ok()?;
        let place = match (url.scheme(), url.host()) {
            ("http" | "https", Some(host)) if is_loopback_host(&host) => {
                Place::ThisComputer { host: host.to_string() }
            }
            ("http" | "https", Some(host)) => Place::Website { host: host.to_string() },
            (scheme, _) if OWN_CONTENT.contains(&scheme) => return None,
            (scheme, _) => Place::App { scheme: scheme.to_owned() },
        };
        Some(Self { uri: uri.to_owned(), place })
    }

    /// The address, byte for byte as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// What to call the receiver: the host, or the scheme with its colon.
    #[must_use]
    pub fn receiver(&self) -> String {
        match &self.place {
            Place::Website { host } | Place::ThisComputer { host } => host.clone(),
            Place::App { scheme } => format!("{scheme}:"),
        }
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the host has letters beyond ASCII, so that it may look like another one.
    pub(super) fn has_foreign_letters(&self) -> bool {
        match &self.place {
            Place::Website { host } => has_foreign_letters(host),
            Place::ThisComputer { .. } | Place::App { .. } => false,
        }
    }
}

/// Whether a host in ASCII form stands for letters beyond ASCII.
pub(super) fn has_foreign_letters(host: &str) -> bool {
    host.split('.').any(|label| label.starts_with("xn--"))
}

impl fmt::Debug for ReturnAddress {
    /// The receiver only: the rest may carry a code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReturnAddress({})", self.receiver())
    }
}

const OWN_CONTENT: [&str; 9] =
    ["about", "blob", "data", "file", "filesystem", "http", "https", "javascript", "vbscript"];

#[cfg(test)]
mod tests {
    use super::*;

    fn place(uri: &str) -> Option<Place> {
        ReturnAddress::parse(uri).map(|address| address.place)
    }

    #[test]
    fn websites_loopback_and_app_links_are_told_apart() {
        let website = |host: &str| Some(Place::Website { host: host.to_owned() });
        let computer = |host: &str| Some(Place::ThisComputer { host: host.to_owned() });
        assert_eq!(place("https://Claude.ai:444/api?x=1"), website("claude.ai"));
        assert_eq!(place("https://localhost.evil.example/"), website("localhost.evil.example"));
        assert_eq!(place("http://localhost:33418/"), computer("localhost"));
        assert_eq!(place("http://127.0.0.1:1/cb"), computer("127.0.0.1"));
        assert_eq!(place("http://[::1]:1/cb"), computer("[::1]"));
        let app = Some(Place::App { scheme: "cursor".to_owned() });
        assert_eq!(place("cursor://anysphere.cursor-mcp/oauth/callback"), app);
    }

    #[test]
    fn the_user_part_of_an_address_never_passes_for_its_host() {
        assert_eq!(
            ReturnAddress::parse("https://claude.ai@evil.example/").unwrap().receiver(),
            "evil.example"
        );
    }

    #[test]
    fn links_that_would_run_or_show_their_own_content_are_refused() {
        for bad in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "about:blank",
        ] {
            assert_eq!(ReturnAddress::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_cannot_break_out_of_a_header() {
        for bad in [
            "https://a.example/\r\nSet-Cookie: x=1",
            "https://a.example/\tb",
            "https://ä.example/",
            "/cb",
            "",
        ] {
            assert_eq!(ReturnAddress::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hosts_with_foreign_letters_are_noticed() {
        assert!(ReturnAddress::parse("https://www.xn--clude-3ve.example/cb").unwrap().has_foreign_letters());
        assert!(!ReturnAddress::parse("https://claude.ai/xn--cb").unwrap().has_foreign_letters());
    }

    #[test]
    fn debug_shows_no_code() {
        let address = ReturnAddress::parse("https://claude.ai/cb?code=canary").unwrap();
        assert_eq!(format!("{address:?}"), "ReturnAddress(claude.ai)");
    }
}
