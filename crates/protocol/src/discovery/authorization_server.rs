//! The authorization server metadata document (RFC 8414; OpenID Connect Discovery §3).

use serde::Serialize;

use crate::jws::ALGORITHMS;
use crate::words::{Issuer, OFFLINE_ACCESS, Resource, Scope, Scopes};

/// The paths of the endpoints, all at the root, where clients of MCP 2025-03-26 look for them without metadata.
pub mod path {
    /// The authorization endpoint.
    pub const AUTHORIZE: &str = "/authorize";
    /// The token endpoint.
    pub const TOKEN: &str = "/token";
    /// The registration endpoint (RFC 7591).
    pub const REGISTER: &str = "/register";
    /// The revocation endpoint (RFC 7009).
    pub const REVOKE: &str = "/revoke";
    /// The introspection endpoint (RFC 7662).
    pub const INTROSPECT: &str = "/introspect";
    /// The public keys of signed assertions (RFC 7517 §5).
    pub const JWKS: &str = "/jwks.json";
}

/// Where the document is served, the same body at each: the form of RFC 8414 and that of OpenID Connect Discovery.
pub const METADATA_PATHS: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// What the document depends on.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a feature that is promised or not, independently")]
pub struct AuthorizationServer<'a> {
    /// The issuer.
    pub issuer: &'a Issuer,
    /// The scopes of all resources; `offline_access` is added.
    pub scopes: &'a Scopes,
    /// The MCP endpoints that it issues tokens for.
    pub resources: &'a [Resource],
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
    /// Whether other resource servers may ask about tokens (RFC 7662).
    pub introspection: bool,
    /// Whether clients may be described by a document at the URL that is their id.
    pub client_documents: bool,
    /// Whether clients may prove who they are by signed assertions.
    pub assertions: bool,
}

/// The document. Its members are those of RFC 8414 §2 and the extensions named at each.
#[derive(Debug, Clone, Serialize)]
pub struct AuthorizationServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    revocation_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint: Option<String>,
    jwks_uri: String,
    scopes_supported: Vec<String>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_signing_alg_values_supported: Option<[&'static str; ALGORITHMS.len()]>,
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint_auth_signing_alg_values_supported: Option<[&'static str; ALGORITHMS.len()]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint_auth_methods_supported: Option<[&'static str; 2]>,
    code_challenge_methods_supported: [&'static str; 1],
    /// RFC 9207 §3.
    authorization_response_iss_parameter_supported: bool,
    /// draft-ietf-oauth-client-id-metadata-document §6. Absent instead of false: some clients look for the member alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id_metadata_document_supported: Option<bool>,
    /// RFC 9728 §4.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    protected_resources: Vec<String>,
    /// Required by strict readers of the OpenID form; no ID token is ever issued here.
    subject_types_supported: [&'static str; 1],
    /// As above. RS256 is the one value that OpenID Connect Discovery §3 demands.
    id_token_signing_alg_values_supported: [&'static str; 1],
}

impl AuthorizationServer<'_> {
    /// Builds the document; equal settings give equal bytes.
    #[must_use]
    pub fn metadata(&self) -> AuthorizationServerMetadata {
        let scopes = self.scopes.iter().map(Scope::as_str);
        let mut scopes_supported: Vec<String> =
            scopes.filter(|&scope| scope != OFFLINE_ACCESS).map(str::to_owned).collect();
        scopes_supported.push(OFFLINE_ACCESS.to_owned());
        let methods = if self.assertions { ALL_METHODS } else { SECRET_METHODS };
        let algorithms = self.assertions.then_some(ALGORITHMS);
        AuthorizationServerMetadata {
            issuer: self.issuer.to_string(),
            authorization_endpoint: self.issuer.url(path::AUTHORIZE),
            token_endpoint: self.issuer.url(path::TOKEN),
            registration_endpoint: self.registration.then(|| self.issuer.url(path::REGISTER)),
            revocation_endpoint: self.issuer.url(path::REVOKE),
            introspection_endpoint: self.introspection.then(|| self.issuer.url(path::INTROSPECT)),
            jwks_uri: self.issuer.url(path::JWKS),
            scopes_supported,
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: ["authorization_code", "refresh_token"],
            token_endpoint_auth_methods_supported: methods,
            token_endpoint_auth_signing_alg_values_supported: algorithms,
            revocation_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_signing_alg_values_supported: algorithms,
            introspection_endpoint_auth_methods_supported: self.introspection.then_some(ASKING_METHODS),
            code_challenge_methods_supported: ["S256"],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: self.client_documents.then_some(true),
            protected_resources: self.resources.iter().map(ToString::to_string).collect(),
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["RS256"],
        }
    }
}

const SECRET_METHODS: &[&str] = &["none", "client_secret_basic", "client_secret_post"];

const ALL_METHODS: &[&str] = &["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

/// Of the introspection endpoint, where everybody has a secret.
const ASKING_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document(scopes: &str, resources: &[&str], all: bool) -> Value {
        let resources: Vec<_> = resources.iter().map(|text| Resource::parse(text).unwrap()).collect();
        let server = AuthorizationServer {
            issuer: &Issuer::parse("https://mcp.example.com").unwrap(),
            scopes: &scopes.parse().unwrap(),
            resources: &resources,
            registration: all,
            introspection: all,
            client_documents: all,
            assertions: all,
        };
        serde_json::to_value(server.metadata()).unwrap()
    }

    fn has_empty_array(value: &Value) -> bool {
        match value {
            Value::Array(items) => items.is_empty() || items.iter().any(has_empty_array),
            Value::Object(members) => members.values().any(has_empty_array),
            _ => false,
        }
    }

    #[test]
    fn the_whole_document_with_every_feature() {
        assert_eq!(
            document("write read", &["https://mcp.example.com/github"], true),
            json!({
                "issuer": "https://mcp.example.com",
                "authorization_endpoint": "https://mcp.example.com/authorize",
                "token_endpoint": "https://mcp.example.com/token",
                "registration_endpoint": "https://mcp.example.com/register",
                "revocation_endpoint": "https://mcp.example.com/revoke",
                "introspection_endpoint": "https://mcp.example.com/introspect",
                "jwks_uri": "https://mcp.example.com/jwks.json",
                "scopes_supported": ["read", "write", "offline_access"],
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported":
                    ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported":
                    ["ES256", "ES384", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
                "revocation_endpoint_auth_methods_supported":
                    ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
                "revocation_endpoint_auth_signing_alg_values_supported":
                    ["ES256", "ES384", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
                "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "client_id_metadata_document_supported": true,
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true,
                "protected_resources": ["https://mcp.example.com/github"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            })
        );
    }

    #[test]
    fn what_is_switched_off_is_absent_and_no_array_is_empty() {
        let document = document("", &[], false);
        for absent in [
            "registration_endpoint",
            "introspection_endpoint",
            "introspection_endpoint_auth_methods_supported",
            "dpop_signing_alg_values_supported",
            // Clients that read it try nothing else.
            "client_id_metadata_document_supported",
            "token_endpoint_auth_signing_alg_values_supported",
            "protected_resources",
        ] {
            assert!(document.get(absent).is_none(), "{absent}");
        }
        assert!(!has_empty_array(&document));
        assert_eq!(document["scopes_supported"], json!(["offline_access"]));
    }

    #[test]
    fn offline_access_is_listed_once() {
        let listed = document("offline_access read", &[], false);
        assert_eq!(listed["scopes_supported"], json!(["read", "offline_access"]));
    }
}
