//! Sites that give each of their customers' connectors a callback of its own, below one path.
//!
//! Redirect URIs are compared exactly (OAuth 2.1 §2.3.1). Copilot Studio makes up the last segment of its callback when a
//! connector is created, after the operator registered the app. An operator's list says for which sites that segment is
//! free; none is by default (docs/decisions/0026).

use super::app_uris::{AppUris, is_plain_path};
use super::redirect_uri::{RedirectUri, RedirectUriKind, RedirectUriRefusal};

/// Path prefixes on exact https hosts, below which one segment of a redirect URI is free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedirectPrefixes(Vec<String>);

/// Why an entry cannot be on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectPrefixRefusal {
    /// It could not be registered as a redirect URI.
    #[error(transparent)]
    RedirectUri(#[from] RedirectUriRefusal),
    /// Not https on a named host with a path, or with a query, or with a slash at its end.
    #[error("a redirect prefix is https://HOST/PATH, without a query and without a slash at its end")]
    Form,
}

impl RedirectPrefixes {
    /// Reads an operator's list: `https://global.consent.azure-apim.net/redirect`.
    ///
    /// # Errors
    /// [`RedirectPrefixRefusal`] of the first entry that cannot be used.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, RedirectPrefixRefusal> {
        entries.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// The redirect URI to use when a client that registered `registered` asks for `asked`: one prefix covers both, and they
    /// differ in nothing but the one segment below it.
    ///
    /// The registered URI may be the prefix itself: that is what an operator can register before there is a connector.
    #[must_use]
    pub fn accept(&self, registered: &RedirectUri, asked: &str) -> Option<RedirectUri> {
        let below = |prefix: &str, uri: &str| {
            let segment = uri.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
            segment.is_some_and(|segment| !segment.contains('/') && is_plain_path(segment))
        };
        let covers = |prefix: &String| {
            let registered = registered.as_str();
            (registered == prefix || below(prefix, registered)) && below(prefix, asked)
        };
        if self.0.iter().any(covers) { RedirectUri::parse(asked, &AppUris::none()).ok() } else { None }
    }
}

fn entry(text: &str) -> Result<String, RedirectPrefixRefusal> {
    let uri = RedirectUri::parse(text, &AppUris::none())?;
    let path =
        text.strip_prefix("https://").and_then(|rest| rest.split_once('/')).map_or("", |(_, path)| path);
    let plain = is_plain_path(path) && !uri.has_loopback_host();
    if uri.kind() == RedirectUriKind::Web && plain {
        Ok(text.to_owned())
    } else {
        Err(RedirectPrefixRefusal::Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPILOT: &str = "https://global.consent.azure-apim.net/redirect";

    fn accept(registered: &str, asked: &str) -> Option<String> {
        let prefixes = RedirectPrefixes::parse([COPILOT]).unwrap();
        let registered = RedirectUri::parse(registered, &AppUris::none()).unwrap();
        prefixes.accept(&registered, asked).map(String::from)
    }

    #[test]
    fn a_client_of_a_listed_site_may_return_at_another_connector_of_it() {
        let asked = format!("{COPILOT}/cr1a2b-5fmcp-20server-5f0123456789abcdef");
        assert_eq!(accept(&format!("{COPILOT}/cr-other"), &asked), Some(asked.clone()));
        assert_eq!(accept(COPILOT, &asked), Some(asked));
    }

    #[test]
    fn nothing_else_is_free() {
        for asked in [
            COPILOT.to_owned(),
            format!("{COPILOT}/"),
            format!("{COPILOT}/a/b"),
            format!("{COPILOT}/.."),
            format!("{COPILOT}/%2e%2e"),
            format!("{COPILOT}/a%2fb"),
            format!("{COPILOT}/a%5cb"),
            format!("{COPILOT}/a?x=1"),
            format!("{COPILOT}/a#f"),
            format!("{COPILOT}/a@evil.example"),
            format!("{COPILOT}/*"),
            format!("{COPILOT}/ä"),
            format!("{COPILOT}/a%zz"),
            format!("{COPILOT}x/a"),
            format!("{COPILOT}.evil.example/a"),
            "https://global.consent.azure-apim.net/other/a".to_owned(),
            "https://global.consent.azure-apim.net:444/redirect/a".to_owned(),
            "https://Global.consent.azure-apim.net/redirect/a".to_owned(),
            "http://global.consent.azure-apim.net/redirect/a".to_owned(),
            "https://evil.example/redirect/a".to_owned(),
        ] {
            assert_eq!(accept(&format!("{COPILOT}/mine"), &asked), None, "{asked}");
        }
        // Who registered elsewhere gets nothing from the list.
        let asked = format!("{COPILOT}/theirs");
        for registered in
            ["https://evil.example/cb", "https://global.consent.azure-apim.net/", "http://localhost/redirect"]
        {
            assert_eq!(accept(registered, &asked), None, "{registered}");
        }
        let none = RedirectPrefixes::default();
        let registered = RedirectUri::parse(&format!("{COPILOT}/mine"), &AppUris::none()).unwrap();
        assert_eq!(none.accept(&registered, &asked), None, "the default list is empty");
    }

    #[test]
    fn a_prefix_has_an_exact_https_host_and_a_path() {
        for bad in [
            "https://h.example",
            "https://h.example/",
            "https://h.example/a/",
            "https://h.example/a?",
            "https://h.example/a//b",
            "https://h.example/a/%2e%2e",
            "https://*.example/a",
            "https://h.example/a/*",
            "http://localhost/a",
            "https://localhost/a",
            "http://h.example/a",
            "vscode://a/b",
            "https://H.example/a",
            "a",
            "",
        ] {
            assert!(RedirectPrefixes::parse([bad]).is_err(), "{bad}");
        }
        assert!(RedirectPrefixes::parse(["https://h.example/a/b"]).is_ok());
    }
}
