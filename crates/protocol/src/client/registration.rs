//! Dynamic client registration without a register: the client id is the registration (RFC 7591 §3; ARCHITECTURE.md,
//! rule 1).

use std::fmt;

use serde::Serialize;

use super::client_id::{client, seal, secret_of};
use super::metadata::{AuthenticationMethod, ClientMetadata, RegistrationRefusal};
use super::record::Client;
use super::redirect_uri::RedirectUri;
use crate::words::{ClientId, ClientSecret, MacKey, MacKeys, Timestamp};

/// A client that was just registered.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The client, as [`open`](super::open) will read it out of its id.
    pub client: Client,
    /// Its secret, to be told once; `None` for a public client.
    pub client_secret: Option<ClientSecret>,
    metadata: ClientMetadata,
    issued_at: Timestamp,
}

/// The answer to a registration request (RFC 7591 §3.2.1): what is registered, which may be less than what was asked.
#[derive(Serialize)]
pub struct RegistrationAnswer<'a> {
    client_id: &'a str,
    client_id_issued_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    /// Zero: it never expires. Present whenever a secret is.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    redirect_uris: Vec<&'a str>,
    token_endpoint_auth_method: &'static str,
    grant_types: &'static [&'static str],
    response_types: [&'static str; 1],
    application_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<&'a str>,
}

/// Registers a client.
///
/// `nonce` is random, and makes equal metadata distinct clients; `now` is the server's clock. Links and the end of the
/// name are left out where the client id would be too long.
///
/// # Errors
/// [`RegistrationRefusal::TooLong`] when the redirect URIs alone do not fit.
pub fn register(
    mut metadata: ClientMetadata,
    keys: &MacKeys,
    nonce: [u8; 16],
    now: Timestamp,
) -> Result<Registration, RegistrationRefusal> {
    let key = keys.active();
    let id = fit(&mut metadata, key, &nonce, now).ok_or(RegistrationRefusal::TooLong)?;
    let is_public = metadata.method == AuthenticationMethod::None;
    let client_secret = (!is_public).then(|| secret_of(&id, key));
    let client = client(id, metadata.clone(), now, key);
    Ok(Registration { client, client_secret, metadata, issued_at: now })
}

/// Leaves out what is for show only, least useful first, until the client id is short enough.
fn fit(metadata: &mut ClientMetadata, key: &MacKey, nonce: &[u8; 16], now: Timestamp) -> Option<ClientId> {
    loop {
        if let Some(id) = seal(metadata, key, nonce, now) {
            return Some(id);
        }
        let links = &mut metadata.links;
        let optional =
            [&mut links.logo_uri, &mut links.tos_uri, &mut links.policy_uri, &mut links.client_uri];
        if let Some(link) = optional.into_iter().find(|link| link.is_some()) {
            *link = None;
        } else {
            metadata.name = Some(shortened(metadata.name.as_deref()?)).filter(|name| !name.is_empty());
        }
    }
}

/// A name without its last character.
fn shortened(name: &str) -> String {
    let mut chars = name.chars();
    chars.next_back();
    chars.as_str().trim_end().to_owned()
}

impl Registration {
    /// The body of the 201 answer.
    #[must_use]
    pub fn answer(&self) -> RegistrationAnswer<'_> {
        let ClientMetadata { method, application_type, may_refresh, name, links, .. } = &self.metadata;
        RegistrationAnswer {
            client_id: self.client.id.as_str(),
            client_id_issued_at: self.issued_at.unix(),
            client_secret: self.client_secret.as_ref().map(ClientSecret::expose),
            client_secret_expires_at: self.client_secret.as_ref().map(|_| 0),
            redirect_uris: self.client.redirect_uris.iter().map(RedirectUri::as_str).collect(),
            token_endpoint_auth_method: method.as_str(),
            grant_types: if *may_refresh {
                &["authorization_code", "refresh_token"]
            } else {
                &["authorization_code"]
            },
            response_types: ["code"],
            application_type: application_type.as_str(),
            client_name: name.as_deref(),
            client_uri: links.client_uri.as_deref(),
            logo_uri: links.logo_uri.as_deref(),
            tos_uri: links.tos_uri.as_deref(),
            policy_uri: links.policy_uri.as_deref(),
        }
    }
}

impl fmt::Debug for RegistrationAnswer<'_> {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrationAnswer").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::app_uris::AppUris;
    use super::super::client_id::{MAX_CLIENT_ID_LENGTH, open};
    use super::super::metadata::RegistrationRequest;
    use super::*;
    use crate::words::KeyId;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn keys() -> MacKeys {
        MacKeys::new(MacKey::new(KeyId::from_bytes([1; 4]), [1; 32]), Vec::new())
    }

    fn try_registered(body: &Value) -> Result<Registration, RegistrationRefusal> {
        let request = RegistrationRequest::parse(body.to_string().as_bytes())?;
        register(request.check(&AppUris::shipped())?, &keys(), [3; 16], NOW)
    }

    fn registered(body: &Value) -> Registration {
        try_registered(body).unwrap()
    }

    fn answer(body: &Value) -> Value {
        serde_json::to_value(registered(body).answer()).unwrap()
    }

    #[test]
    fn the_answer_echoes_what_is_registered() {
        let mut answer = answer(&json!({
            "redirect_uris": ["http://localhost:8787/callback"],
            "client_name": " My\u{202e} client ",
            "client_uri": "http://not-https.example",
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "response_types": ["code", "id_token"],
            "token_endpoint_auth_method": "none",
            "scope": "write read",
            "foo": "bar",
        }));
        let id = answer.as_object_mut().unwrap().remove("client_id").unwrap();
        assert!(id.as_str().unwrap().starts_with("coat_ci_"));
        assert_eq!(
            answer,
            json!({
                "client_id_issued_at": 1_800_000_000,
                "redirect_uris": ["http://localhost:8787/callback"],
                "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "application_type": "native",
                "client_name": "My client",
            })
        );
    }

    #[test]
    fn a_secret_is_issued_exactly_to_who_asks_or_leaves_the_method_out() {
        let secret = |method: Value| {
            let answer = answer(&json!({
                "redirect_uris": ["https://h.example/cb"], "token_endpoint_auth_method": method,
            }));
            let method = answer["token_endpoint_auth_method"].as_str().unwrap().to_owned();
            (
                method,
                answer.get("client_secret").is_some(),
                answer.get("client_secret_expires_at") == Some(&json!(0)),
            )
        };
        assert_eq!(secret(json!("none")), ("none".to_owned(), false, false));
        assert_eq!(secret(json!("client_secret_post")), ("client_secret_post".to_owned(), true, true));
        assert_eq!(secret(Value::Null), ("client_secret_basic".to_owned(), true, true));
    }

    #[test]
    fn equal_metadata_never_gives_equal_ids_or_secrets() {
        let body = json!({ "redirect_uris": ["https://h.example/cb"] }).to_string();
        let metadata = RegistrationRequest::parse(body.as_bytes()).unwrap().check(&AppUris::none()).unwrap();
        let one = register(metadata.clone(), &keys(), [1; 16], NOW).unwrap();
        let other = register(metadata, &keys(), [2; 16], NOW).unwrap();
        assert_ne!(one.client.id, other.client.id);
        assert_ne!(one.client_secret.unwrap().hash(), other.client_secret.unwrap().hash());
    }

    #[test]
    fn the_longest_real_registrations_fit_with_their_names_and_links() {
        let scope = "offline_access repos:read repos:write issues:read issues:write pulls:read pulls:write";
        let sets = [
            (
                "Cursor",
                json!([
                    "cursor://anysphere.cursor-mcp/oauth/callback",
                    "https://www.cursor.com/agents/mcp/oauth/callback",
                    "http://localhost:8787/callback",
                ]),
            ),
            (
                "Visual Studio Code - Insiders",
                json!([
                    "https://insiders.vscode.dev/redirect",
                    "https://vscode.dev/redirect",
                    "http://localhost/",
                    "http://127.0.0.1/",
                    "http://localhost:33418/",
                    "http://127.0.0.1:33418/",
                ]),
            ),
            (
                "Claude",
                json!([
                    "https://claude.ai/api/mcp/auth_callback",
                    "https://claude.com/api/mcp/auth_callback"
                ]),
            ),
            ("Codex", json!(["http://127.0.0.1:51234/callback", "http://localhost:51234/callback"])),
            (
                "MCP CLI Proxy",
                json!(["http://localhost:19876/oauth/callback", "http://127.0.0.1:6276/oauth/callback"]),
            ),
            ("ChatGPT", json!(["https://chatgpt.com/connector/oauth/0123456789abcdef0123456789abcdef"])),
            (
                "Copilot Studio",
                json!([
                    "https://global.consent.azure-apim.net/redirect/cr1a2b-5fmcp-20server-5f0123456789abcdef0123456789"
                ]),
            ),
        ];
        for (name, uris) in sets {
            let answer = answer(&json!({
                "client_name": name, "redirect_uris": uris, "client_uri": "https://client.example/about",
                "logo_uri": "https://client.example/logo.png", "scope": scope, "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"],
            }));
            assert_eq!(answer["redirect_uris"], uris, "{name}");
            assert_eq!(answer["client_name"], name);
            assert!(answer.get("client_uri").is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_for_show_gives_way_before_what_counts() {
        let link = format!("https://h.example/{}", "l".repeat(150));
        let body = |uris: usize| {
            let uris: Vec<_> = (0..uris).map(|n| format!("https://h.example/callback/{n:012}")).collect();
            json!({
                "redirect_uris": uris, "client_name": "n".repeat(80),
                "client_uri": link, "logo_uri": link, "tos_uri": link, "policy_uri": link,
            })
        };
        let few = answer(&body(1));
        assert_eq!(few["client_uri"], link);
        assert!(few.get("logo_uri").is_none() && few["client_name"].as_str().unwrap().len() == 80);
        let many = answer(&body(9));
        assert_eq!(many["redirect_uris"].as_array().unwrap().len(), 9);
        assert!(many.get("client_uri").is_none());
        assert!(many["client_name"].as_str().unwrap().len() < 80);
        let refusal = try_registered(&body(12)).unwrap_err();
        assert_eq!(refusal, RegistrationRefusal::TooLong);
        assert!(refusal.to_string().contains("700 characters"));
    }

    #[test]
    fn debug_never_shows_the_secret() {
        let registration = registered(&json!({ "redirect_uris": ["https://h.example/cb"] }));
        let secret = registration.client_secret.clone().unwrap();
        assert!(!format!("{registration:?} {:?}", registration.answer()).contains(secret.expose()));
    }

    proptest! {
        #[test]
        fn a_registered_client_is_what_its_id_says(
            path in "[a-z]{0,300}", name in any::<String>(), link in "[a-z]{0,150}", basic in any::<bool>(),
        ) {
            let body = json!({
                "redirect_uris": [format!("https://h.example/{path}")], "client_name": name,
                "client_uri": format!("https://h.example/{link}"),
                "token_endpoint_auth_method": if basic { "client_secret_basic" } else { "none" },
            });
            let registration = registered(&body);
            prop_assert!(registration.client.id.as_str().len() <= MAX_CLIENT_ID_LENGTH);
            prop_assert_eq!(open(&registration.client.id, &keys()), Ok(registration.client));
        }
    }
}
