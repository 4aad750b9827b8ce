//! Reads a provider's metadata (RFC 8414, OpenID Connect Discovery 1.0).

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::config::{ClientAuth, UrlRefusal, append, is_loopback, secure_url};
use super::error::{ProviderError, printable};
use super::preset::Endpoints;

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: Option<String>,
    revocation_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where the metadata of `issuer` may be: OpenID's address first, then RFC 8414's, whose well-known part stands before
/// the path.
pub(super) fn metadata_urls(issuer: &str) -> Result<[Url; 2], UrlRefusal> {
    let openid = append(issuer, "/.well-known/openid-configuration")?;
    let url = secure_url(issuer)?;
    let path = url.path().trim_end_matches('/');
    let oauth =
        format!("{}/.well-known/oauth-authorization-server{path}", url.origin().ascii_serialization());
    Ok([openid, secure_url(&oauth)?])
}

/// The endpoints that the metadata of `issuer` names.
///
/// The document must be this issuer's, byte for byte, so that one provider cannot speak for another. Where it does not
/// promise PKCE with S256, a stolen code would be good at this provider, so it is refused unless `assume_pkce`. The
/// operator's `client_auth` goes before what it says.
pub(super) fn read_metadata(
    document: &Value,
    issuer: &str,
    assume_pkce: bool,
    client_auth: Option<ClientAuth>,
) -> Result<Endpoints, ProviderError> {
    let metadata = Metadata::deserialize(document)
        .map_err(|error| ProviderError::bad_answer(printable(&format!("metadata: {error}"))))?;
    if metadata.issuer != issuer {
        let found = printable(&metadata.issuer);
        return Err(ProviderError::misconfigured(format!("the metadata found is of the issuer {found}")));
    }
    let methods = metadata.code_challenge_methods_supported.unwrap_or_default();
    if !assume_pkce && !methods.iter().any(|method| method == "S256") {
        return Err(ProviderError::misconfigured("the metadata does not promise PKCE with S256"));
    }
    let local = Url::parse(issuer).is_ok_and(|url| is_loopback(&url));
    let url = |name: &str, text: &str| {
        let url = secure_url(text)
            .map_err(|refusal| ProviderError::misconfigured(format!("{name} in the metadata {refusal}")))?;
        // Metadata from afar must not make us call what listens on this machine.
        if is_loopback(&url) && !local {
            return Err(ProviderError::misconfigured(format!("{name} in the metadata is on loopback")));
        }
        Ok(url)
    };
    let optional = |name: &str, text: Option<String>| text.map(|text| url(name, &text)).transpose();
    Ok(Endpoints {
        issuer: Some(metadata.issuer),
        callback_names_issuer: metadata.authorization_response_iss_parameter_supported,
        authorize: url("authorization_endpoint", &metadata.authorization_endpoint)?,
        token: url("token_endpoint", &metadata.token_endpoint)?,
        user: optional("userinfo_endpoint", metadata.userinfo_endpoint)?,
        keys: optional("jwks_uri", metadata.jwks_uri)?,
        revoke: optional("revocation_endpoint", metadata.revocation_endpoint)?,
        client_auth: client_auth
            .unwrap_or_else(|| negotiate(metadata.token_endpoint_auth_methods_supported.as_deref())),
    })
}

/// Basic unless only the body is offered; Basic is also what silence means (RFC 8414 §2).
fn negotiate(offered: Option<&[String]>) -> ClientAuth {
    let offers = |method: &str| offered.is_some_and(|all| all.iter().any(|one| one == method));
    if offers("client_secret_post") && !offers("client_secret_basic") {
        ClientAuth::Body
    } else {
        ClientAuth::Basic
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://idp.example/tenant";

    fn with(member: &str, value: Value) -> Value {
        let mut metadata = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example/a",
            "token_endpoint": "https://idp.example/t",
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        metadata[member] = value;
        metadata
    }

    fn outcome(member: &str, value: Value) -> &'static str {
        read_metadata(&with(member, value), ISSUER, false, None)
            .map_or_else(|error| error.outcome(), |_| "ok")
    }

    #[test]
    fn the_well_known_part_stands_after_the_path_or_before_it() {
        let [openid, oauth] = metadata_urls("https://idp.example/tenant/").unwrap();
        assert_eq!(openid.as_str(), "https://idp.example/tenant/.well-known/openid-configuration");
        assert_eq!(oauth.as_str(), "https://idp.example/.well-known/oauth-authorization-server/tenant");
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        assert_eq!(outcome("issuer", json!(ISSUER)), "ok");
        for other in
            ["https://idp.example/tenant/", "https://IDP.example/tenant", "https://idp.example:443/tenant"]
        {
            assert_eq!(outcome("issuer", json!(other)), "misconfigured", "{other}");
        }
    }

    #[test]
    fn a_provider_that_does_not_promise_pkce_is_refused_unless_configured() {
        for silent in [json!(null), json!([]), json!(["plain"])] {
            let metadata = with("code_challenge_methods_supported", silent);
            assert!(read_metadata(&metadata, ISSUER, false, None).is_err());
            assert!(read_metadata(&metadata, ISSUER, true, None).is_ok());
        }
    }

    #[test]
    fn metadata_from_afar_names_no_address_of_this_machine() {
        for url in
            ["http://127.0.0.1:8080/t", "https://localhost/t", "https://[::1]/t", "http://idp.example/t"]
        {
            assert_eq!(outcome("token_endpoint", json!(url)), "misconfigured", "{url}");
            assert_eq!(outcome("jwks_uri", json!(url)), "misconfigured", "{url}");
        }
    }

    #[test]
    fn client_authentication_is_negotiated() {
        let negotiated = |offered: Value| {
            let metadata = with("token_endpoint_auth_methods_supported", offered);
            read_metadata(&metadata, ISSUER, false, None).unwrap().client_auth
        };
        assert_eq!(negotiated(json!(null)), ClientAuth::Basic);
        assert_eq!(negotiated(json!(["client_secret_post", "client_secret_basic"])), ClientAuth::Basic);
        assert_eq!(negotiated(json!(["private_key_jwt", "client_secret_post"])), ClientAuth::Body);
    }
}
