use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The identifier of the authorization server: the bare public origin, without path and trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Issuer(String);

/// Why a public URL cannot be the issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerRefusal {
    /// Not an absolute http or https URL.
    #[error("the public URL must be an absolute URL such as https://mcp.example.com")]
    NotAbsolute,
    /// More than an origin.
    #[error("the public URL must be a bare origin: no path, query, fragment or user name")]
    NotBare,
    /// Plain http elsewhere than on loopback.
    #[error("the public URL must be https; plain http is allowed only for localhost, 127.0.0.1 and [::1]")]
    NotSecure,
}

impl Issuer {
    /// Reads the configured public URL.
    ///
    /// # Errors
    /// When it is not a bare https origin, or not http on loopback.
    pub fn parse(text: &str) -> Result<Self, IssuerRefusal> {
        let url = Url::parse(text).map_err(|_| IssuerRefusal::NotAbsolute)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(IssuerRefusal::NotAbsolute);
        }
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !bare {
            return Err(IssuerRefusal::NotBare);
        }
        if url.scheme() == "http" && !url.host().is_some_and(|host| is_loopback_host(&host)) {
            return Err(IssuerRefusal::NotSecure);
        }
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// The identifier, byte for byte as it is published.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The absolute URL of a path below the issuer; `path` starts with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether browsers reach the server over https, so that cookies may be `Secure`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether the server is reached on this machine alone.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.host().is_some_and(|host| is_loopback_host(&host)))
    }

    /// Host and port as they stand in a `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        let rest = self.0.strip_prefix("https://").or_else(|| self.0.strip_prefix("http://"));
        rest.unwrap_or("")
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a URL's host is this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
#[must_use]
pub fn is_loopback_host<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref().eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_a_bare_origin() {
        assert_eq!(Issuer::parse("https://MCP.example.com/").unwrap().as_str(), "https://mcp.example.com");
        assert_eq!(Issuer::parse("https://mcp.example.com/a"), Err(IssuerRefusal::NotBare));
        assert_eq!(Issuer::parse("https://mcp.example.com/?"), Err(IssuerRefusal::NotBare));
        assert_eq!(Issuer::parse("mcp.example.com"), Err(IssuerRefusal::NotAbsolute));
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        for good in ["http://localhost:8787", "http://127.0.0.1", "http://[::1]:1"] {
            assert!(Issuer::parse(good).is_ok(), "{good}");
        }
        for bad in ["http://mcp.example.com", "http://10.0.0.1", "http://localhost.evil.example"] {
            assert_eq!(Issuer::parse(bad), Err(IssuerRefusal::NotSecure), "{bad}");
        }
    }
}
