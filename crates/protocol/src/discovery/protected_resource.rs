//! The protected resource metadata document (RFC 9728): which authorization servers issue tokens for an MCP endpoint.

use serde::Serialize;

use crate::words::{OFFLINE_ACCESS, Resource, Scope, Scopes};

/// What the document depends on.
#[derive(Debug, Clone)]
pub struct ProtectedResource<'a> {
    /// The identifier of the MCP endpoint.
    pub resource: &'a Resource,
    /// The issuers whose tokens are accepted there, byte for byte as their own metadata spells them. At least one.
    pub authorization_servers: &'a [&'a str],
    /// The scopes to ask for at first, never the whole catalogue: some clients ask for all that is listed.
    pub baseline_scopes: &'a Scopes,
    /// A name to show.
    pub name: Option<&'a str>,
}

/// The document (RFC 9728 §2).
#[derive(Debug, Clone, Serialize)]
pub struct ProtectedResourceMetadata {
    resource: String,
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
}

impl ProtectedResource<'_> {
    /// Builds the document; equal settings give equal bytes. `offline_access` is left out: it is between the client and
    /// the authorization server.
    #[must_use]
    pub fn metadata(&self) -> ProtectedResourceMetadata {
        let scopes = self.baseline_scopes.iter().map(Scope::as_str);
        ProtectedResourceMetadata {
            resource: self.resource.to_string(),
            authorization_servers: self
                .authorization_servers
                .iter()
                .map(|&issuer| issuer.to_owned())
                .collect(),
            scopes_supported: scopes.filter(|&scope| scope != OFFLINE_ACCESS).map(str::to_owned).collect(),
            bearer_methods_supported: ["header"],
            resource_name: self.name.filter(|name| !name.is_empty()).map(str::to_owned),
        }
    }
}

/// The path of the document of the resource at `resource_path`: the well-known part goes between host and path, and a
/// bare slash is dropped (RFC 9728 §3.1).
#[must_use]
pub fn metadata_path(resource_path: &str) -> String {
    let path = if resource_path == "/" { "" } else { resource_path };
    format!("{WELL_KNOWN}{path}")
}

/// The absolute URL of the document of `resource`, for the `resource_metadata` of a challenge.
#[must_use]
pub fn metadata_url(resource: &Resource) -> String {
    let path = resource.path();
    let origin = resource.as_str().strip_suffix(path).unwrap_or(resource.as_str());
    format!("{origin}{}", metadata_path(path))
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_whole_document() {
        let resource = ProtectedResource {
            resource: &Resource::parse("https://mcp.example.com/github").unwrap(),
            authorization_servers: &["https://mcp.example.com", "https://idp.example/tenant/"],
            baseline_scopes: &"offline_access repos:read".parse().unwrap(),
            name: Some("GitHub"),
        };
        assert_eq!(
            serde_json::to_value(resource.metadata()).unwrap(),
            json!({
                "resource": "https://mcp.example.com/github",
                "authorization_servers": ["https://mcp.example.com", "https://idp.example/tenant/"],
                "scopes_supported": ["repos:read"],
                "bearer_methods_supported": ["header"],
                "resource_name": "GitHub",
            })
        );
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let resource = ProtectedResource {
            resource: &Resource::parse("https://mcp.example.com").unwrap(),
            authorization_servers: &["https://mcp.example.com"],
            baseline_scopes: &"offline_access".parse().unwrap(),
            name: Some(""),
        };
        let document = serde_json::to_value(resource.metadata()).unwrap();
        assert!(document.get("scopes_supported").is_none() && document.get("resource_name").is_none());
    }

    #[test]
    fn the_well_known_part_goes_between_host_and_path() {
        let url = |text| metadata_url(&Resource::parse(text).unwrap());
        assert_eq!(url("https://h.example"), "https://h.example/.well-known/oauth-protected-resource");
        assert_eq!(
            url("https://h.example/mcp"),
            "https://h.example/.well-known/oauth-protected-resource/mcp"
        );
        assert_eq!(
            url("http://localhost:8787/a/a/"),
            "http://localhost:8787/.well-known/oauth-protected-resource/a/a/"
        );
        assert_eq!(
            url("https://h.example/a/a"),
            "https://h.example/.well-known/oauth-protected-resource/a/a"
        );
        assert_eq!(metadata_path("/"), "/.well-known/oauth-protected-resource");
    }
}
