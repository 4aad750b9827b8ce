//! Which private-use schemes may receive an authorization response (RFC 8252 §7.1).
//!
//! MCP asks for https or loopback redirect URIs. Some widely used native clients register a private-use scheme all the
//! same, and refusing one URI of their set locks them out, so an operator's list says which are let through.

/// The private-use redirect URIs that are let through.
///
/// An entry is a whole URI, compared exactly, or a scheme followed by its colon, which lets every URI of it through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppUris(Vec<String>);

/// Why an entry cannot be on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppUriRefusal {
    /// Not a scheme with its colon, and not a URI.
    #[error("{entry:?} is neither a scheme such as \"vscode:\" nor a whole URI in lower-case scheme")]
    NotAUri {
        /// The entry.
        entry: String,
    },
    /// A scheme that is never a private-use scheme of an app.
    #[error("{entry:?} can never be allowed: the scheme belongs to the web or to the system")]
    NotPrivateUse {
        /// The entry.
        entry: String,
    },
}

impl AppUris {
    /// Lets no private-use scheme through.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Lets [`SHIPPED_APP_URIS`] through.
    #[must_use]
    pub fn shipped() -> Self {
        Self(SHIPPED_APP_URIS.iter().map(|&entry| entry.to_owned()).collect())
    }

    /// Reads an operator's list.
    ///
    /// # Errors
    /// Naming the first entry that is not a private-use scheme or URI.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, AppUriRefusal> {
        entries.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `uri`, whose scheme is `scheme`, is let through.
    pub(super) fn allow(&self, scheme: &str, uri: &str) -> bool {
        self.0.iter().any(|entry| entry == uri || entry.strip_suffix(':') == Some(scheme))
    }
}

impl Default for AppUris {
    fn default() -> Self {
        Self::shipped()
    }
}

fn entry(text: &str) -> Result<String, AppUriRefusal> {
    let Some((scheme, _)) = split_scheme(text) else {
        return Err(AppUriRefusal::NotAUri { entry: text.to_owned() });
    };
    if is_foreign_scheme(scheme) || matches!(scheme, "http" | "https") {
        return Err(AppUriRefusal::NotPrivateUse { entry: text.to_owned() });
    }
    Ok(text.to_owned())
}

/// Splits a URI after its scheme; `None` unless it starts with a lower-case scheme (RFC 3986 §3.1) and a colon.
pub(super) fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.');
    let starts_well = scheme.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    (starts_well && scheme.bytes().all(allowed)).then_some((scheme, rest))
}

/// Whether a browser or the system runs, reads or dials what a URI of this scheme says, in any case of letters.
#[must_use]
pub(super) fn is_foreign_scheme(scheme: &str) -> bool {
    FOREIGN_SCHEMES.iter().any(|foreign| foreign.eq_ignore_ascii_case(scheme))
}

/// What is let through unless the operator says otherwise: the callbacks that shipped MCP clients register.
pub const SHIPPED_APP_URIS: &[&str] = &[
    // Cursor registers cursor://anysphere.cursor-mcp/oauth/callback; older releases one path per user, and extensions
    // that run in it their own authority.
    "cursor:",
    // Extensions of Visual Studio Code and of its forks, each under its own authority.
    "vscode:",
    "vscode-insiders:",
    "windsurf:",
    // Claude's desktop app: claude://claude.ai/mcp-auth-callback/sdk, and the target of its https callbacks.
    "claude:",
    // Raycast: com.raycast:/oauth and raycast://oauth, with the extension's name in the query.
    "com.raycast:",
    "raycast:",
    // Warp.
    "warp://mcp/oauth2callback",
];

/// Schemes that no list lets through.
const FOREIGN_SCHEMES: &[&str] = &[
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "content",
    "data",
    "edge",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "moz-extension",
    "ms-msdt",
    "resource",
    "search-ms",
    "sms",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_lets_all_of_it_through_and_a_uri_itself_alone() {
        let list = AppUris::parse(["vscode:", "warp://mcp/oauth2callback"]).unwrap();
        assert!(list.allow("vscode", "vscode://any.extension/callback"));
        assert!(list.allow("warp", "warp://mcp/oauth2callback"));
        assert!(!list.allow("warp", "warp://mcp/oauth2callback/more"));
        assert!(!list.allow("vscodex", "vscodex://any.extension/callback"));
        assert!(!AppUris::none().allow("vscode", "vscode://any.extension/callback"));
    }

    #[test]
    fn the_shipped_list_is_one_that_an_operator_could_write() {
        assert_eq!(AppUris::parse(SHIPPED_APP_URIS.iter().copied()), Ok(AppUris::shipped()));
    }

    #[test]
    fn schemes_of_the_web_and_the_system_are_never_listed() {
        for bad in
            ["javascript:", "data:", "file:", "https:", "http://localhost/", "vbscript:x", "blob:", "about:"]
        {
            let refusal = AppUris::parse([bad]).unwrap_err();
            assert_eq!(refusal, AppUriRefusal::NotPrivateUse { entry: bad.to_owned() });
        }
        for bad in ["vscode", "", ":", "VSCODE:", "1x:", "a b:"] {
            assert!(matches!(AppUris::parse([bad]), Err(AppUriRefusal::NotAUri { .. })), "{bad}");
        }
    }
}
