use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// The identifier of a protected MCP endpoint, as published: `https://mcp.example.com/github` (RFC 8707 §2).
///
/// Scheme and host are lower case; a bare origin has no trailing slash; there is no fragment and no query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource(String);

/// Why a text cannot identify a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceRefusal {
    /// Not an absolute http or https URL.
    #[error("a resource is an absolute http or https URL")]
    NotAbsolute,
    /// It carries a fragment.
    #[error("a resource has no fragment")]
    Fragment,
    /// It carries user information.
    #[error("a resource has no user name or password")]
    UserInfo,
}

impl Resource {
    /// Reads what a client sent as `resource` into its canonical spelling.
    ///
    /// Scheme and host may come in any case, and a bare origin may end in one slash (clients built on common URL classes
    /// add it); a path is compared as it is.
    ///
    /// # Errors
    /// When the text is not an absolute http(s) URL, or carries a fragment or user information.
    pub fn parse(text: &str) -> Result<Self, ResourceRefusal> {
        if text.contains('#') {
            return Err(ResourceRefusal::Fragment);
        }
        let url = Url::parse(text).map_err(|_| ResourceRefusal::NotAbsolute)?;
        if !matches!(url.scheme(), "https" | "http") || !text.contains("://") {
            return Err(ResourceRefusal::NotAbsolute);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ResourceRefusal::UserInfo);
        }
        let origin = url.origin().ascii_serialization();
        // The path and query as they were sent: the URL parser would resolve dots and re-encode characters.
        let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
        let tail = after_scheme.find(['/', '?', '\\']).map_or("", |at| after_scheme.get(at..).unwrap_or(""));
        let tail = if tail == "/" { "" } else { tail };
        Ok(Self(format!("{origin}{tail}")))
    }

    /// The identifier as published.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the bare origin of another resource.
    #[must_use]
    pub fn is_origin_of(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with('/')) && self.path() == "/"
    }

    /// Whether this is another resource with one slash after its path.
    #[must_use]
    pub fn is_with_slash(&self, other: &Self) -> bool {
        self.0.strip_suffix('/').is_some_and(|without| without == other.0)
    }

    /// The path of the endpoint: `/` for a bare origin.
    #[must_use]
    pub fn path(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.find('/').map_or("/", |at| after_scheme.get(at..).unwrap_or("/"))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Resource::parse(text).unwrap().to_string()
    }

    #[test]
    fn scheme_host_and_the_slash_of_a_bare_origin_are_tolerated() {
        assert_eq!(canonical("HTTPS://MCP.Example.com/"), "https://mcp.example.com");
        assert_eq!(canonical("https://mcp.example.com:443/a"), "https://mcp.example.com/a");
        assert_eq!(canonical("http://localhost:8787/mcp"), "http://localhost:8787/mcp");
    }

    #[test]
    fn a_path_is_compared_as_it_is() {
        assert_ne!(canonical("https://h.example/mcp"), canonical("https://h.example/mcp/"));
        assert_ne!(canonical("https://h.example/mcp"), canonical("https://h.example/MCP"));
        assert_ne!(canonical("https://h.example/mcp"), canonical("https://h.example/x/../mcp"));
        assert_ne!(canonical("https://h.example/mcp"), canonical("https://h.example/mcp?"));
    }

    #[test]
    fn an_origin_and_a_slash_too_many_are_recognised() {
        let resource = |text| Resource::parse(text).unwrap();
        let mcp = resource("https://h.example/mcp");
        assert!(resource("https://h.example/").is_origin_of(&mcp));
        assert!(resource("https://h.example/mcp/").is_with_slash(&mcp));
        for other in
            ["https://h.example/mcp", "https://h.example/mc", "https://h.exampl", "https://h.example/mcp/x"]
        {
            assert!(!resource(other).is_origin_of(&mcp) && !resource(other).is_with_slash(&mcp), "{other}");
        }
        assert!(!resource("https://h.example").is_origin_of(&resource("https://h.example:8443/mcp")));
        assert!(!resource("https://h.example").is_origin_of(&resource("https://h.example")));
        assert!(!resource("https://h.example/?").is_origin_of(&resource("https://h.example/?/x")));
    }

    #[test]
    fn fragments_relative_and_foreign_schemes_are_refused() {
        assert_eq!(Resource::parse("https://h.example/a#"), Err(ResourceRefusal::Fragment));
        assert_eq!(Resource::parse("https://u@h.example/a"), Err(ResourceRefusal::UserInfo));
        for bad in ["/mcp", "mcp", "ftp://h/a", "urn:x:y", "", "https:/h"] {
            assert_eq!(Resource::parse(bad), Err(ResourceRefusal::NotAbsolute), "{bad}");
        }
    }
}
