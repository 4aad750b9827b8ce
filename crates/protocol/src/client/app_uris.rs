//! Which private-use schemes may receive an authorization response (RFC 8252 §7.1).
//!
//! MCP asks for https or loopback redirect URIs. Some widely used native clients register a private-use scheme all the
//! same, and refusing one URI of their set locks them out, so an operator's list says which are let through.

/// The private-use redirect URIs that are let through.
///
/// An entry is one of these:
/// * a whole URI, compared exactly;
/// * a URI that ends in `/`, which lets every plain path below it through;
/// * a URI that ends in `?`, which lets any query through;
/// * a scheme followed by its colon, which lets every URI of it through. An app acts on other links than its callback too,
///   so this says that nothing bad can come of any link that the app knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppUris(Vec<String>);

/// Why an entry cannot be on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppUriRefusal {
    /// Not a scheme with its colon, and not a URI.
    #[error(
        "{entry:?} is neither a whole URI such as \"myapp://oauth/callback\" nor a scheme such as \"myapp:\""
    )]
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
        self.0.iter().any(|entry| {
            let rest = || uri.strip_prefix(entry.as_str());
            match entry.chars().next_back() {
                Some(':') => entry.strip_suffix(':') == Some(scheme),
                Some('/') => rest().is_some_and(is_plain_path),
                Some('?') => rest().is_some(),
                _ => entry == uri,
            }
        })
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

/// Whether what follows an entry stays below it: segments that are neither empty nor dots, and no way of writing a dot, a
/// slash or a backslash that somebody could resolve later.
pub(super) fn is_plain_path(rest: &str) -> bool {
    let hidden = ["%2e", "%2f", "%5c"].iter().any(|code| rest.to_ascii_lowercase().contains(code));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%');
    let segment = |text: &str| !matches!(text, "" | "." | "..") && text.bytes().all(plain);
    !hidden && rest.split('/').all(segment)
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

/// What is let through unless the operator says otherwise: the callbacks that shipped MCP clients register, and no other
/// link of theirs. Editors install extensions and servers by links of their own scheme.
pub const SHIPPED_APP_URIS: &[&str] = &[
    // Cursor; older releases have one path per server.
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "cursor://anysphere.cursor-retrieval/oauth/",
    // Claude's desktop app, and the target of its https callbacks.
    "claude://claude.ai/mcp-auth-callback/",
    // Cline, in whichever editor it runs; one path per server.
    "vscode://saoudrizwan.claude-dev/mcp-auth/callback/",
    "vscode-insiders://saoudrizwan.claude-dev/mcp-auth/callback/",
    "cursor://saoudrizwan.claude-dev/mcp-auth/callback/",
    "windsurf://saoudrizwan.claude-dev/mcp-auth/callback/",
    // Codex in the ChatGPT desktop app.
    "codex://connector/oauth_callback",
    // Raycast; the query names the extension.
    "com.raycast:/oauth?",
    "raycast://oauth?",
    // Warp.
    "warp://mcp/oauth2callback",
    // The desktop app of the MCPJam inspector.
    "mcpjam://oauth/callback",
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
    fn what_ends_in_a_slash_lets_plain_paths_below_it_through_and_what_ends_in_a_question_mark_any_query() {
        let list = AppUris::parse(["vscode://a.b/callback/", "com.raycast:/oauth?"]).unwrap();
        for good in [
            "vscode://a.b/callback/1",
            "vscode://a.b/callback/user-1%20x/done",
            "vscode://a.b/callback/.hidden",
        ] {
            assert!(list.allow("vscode", good), "{good}");
        }
        for bad in [
            "vscode://a.b/callback/",
            "vscode://a.b/callback",
            "vscode://a.b/callback//x",
            "vscode://a.b/callback/../install",
            "vscode://a.b/callback/./x",
            "vscode://a.b/callback/%2e%2E/install",
            "vscode://a.b/callback/x%2f..",
            "vscode://a.b/callback/x%5C..",
            "vscode://a.b/callback/x?install=1",
            "vscode://a.b/callback/x;y",
            "vscode://a.b.c/callback/x",
        ] {
            assert!(!list.allow("vscode", bad), "{bad}");
        }
        assert!(list.allow("com.raycast", "com.raycast:/oauth?package_name=Extension"));
        assert!(!list.allow("com.raycast", "com.raycast:/oauth"));
        assert!(!list.allow("com.raycast", "com.raycast:/other?package_name=Extension"));
    }

    // An editor installs what a link of its own scheme says, after one click.
    #[test]
    fn no_shipped_entry_lets_a_link_through_that_is_no_callback() {
        let list = AppUris::shipped();
        for bad in [
            "cursor://anysphere.cursor-deeplink/mcp/install?name=x&config=y",
            "cursor://anysphere.cursor-mcp/oauth/callback?x=1",
            "cursor://anysphere.cursor-retrieval/oauth/../x",
            "vscode:mcp/install",
            "vscode:extension/evil.extension",
            "vscode://file/etc/passwd",
            "vscode://saoudrizwan.claude-dev/task?prompt=x",
            "vscode-insiders://any.extension/callback",
            "windsurf://windsurf-mcp-registry?serverName=x",
            "claude://claude.ai/new?q=x",
            "claude://cowork/x",
            "codex://new?prompt=x",
            "raycast://extensions/evil/x",
            "warp://action/new_tab",
        ] {
            let (scheme, _) = split_scheme(bad).unwrap();
            assert!(!list.allow(scheme, bad), "{bad}");
        }
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
