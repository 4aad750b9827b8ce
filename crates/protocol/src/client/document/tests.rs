use proptest::prelude::*;
use serde_json::json;

use super::super::redirect_prefixes::RedirectPrefixes;
use super::*;

const CHATGPT: &str = "https://chatgpt.com/oauth/IbUR3zxyNQ16/client.json";
const CLIENT: &str = "https://client.example/oauth/client.json";

fn check_at(url: &str, body: &Value, same_origin: bool) -> Result<ClientDocument, DocumentRefusal> {
    let body = body.to_string();
    let fetched =
        FetchedDocument { status: 200, content_type: Some("application/json"), body: body.as_bytes() };
    let rules = DocumentRules { apps: &AppUris::shipped(), same_origin };
    check_document(&ClientUrl::parse(url).unwrap(), &fetched, &rules)
}

fn document() -> Value {
    json!({ "client_id": CLIENT, "client_name": "Client", "redirect_uris": ["https://client.example/cb"] })
}

/// The verdict on a good document after members were set, or removed by null.
fn with(members: &Value) -> Result<ClientDocument, DocumentRefusal> {
    let mut document = document();
    for (name, value) in members.as_object().unwrap() {
        document[name] = value.clone();
    }
    check_at(CLIENT, &document, false)
}

fn refusal(members: &Value) -> DocumentRefusal {
    with(members).expect_err(&members.to_string())
}

fn jwks() -> Value {
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "A".repeat(43) }] })
}

fn answer(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<ClientDocument, DocumentRefusal> {
    let fetched = FetchedDocument { status, content_type, body };
    let rules = DocumentRules { apps: &AppUris::none(), same_origin: false };
    check_document(&ClientUrl::parse(CLIENT).unwrap(), &fetched, &rules)
}

#[test]
fn the_documents_of_shipped_clients_are_accepted() {
    for (name, text, redirects, public) in [
        ("claude-code", include_str!("../../../fixtures/client-documents/claude-code.json"), 2, true),
        ("claude", include_str!("../../../fixtures/client-documents/claude.json"), 2, true),
        ("chatgpt", include_str!("../../../fixtures/client-documents/chatgpt.json"), 1, false),
        ("vscode", include_str!("../../../fixtures/client-documents/vscode.json"), 6, true),
        ("codex", include_str!("../../../fixtures/client-documents/codex.json"), 2, true),
    ] {
        let body: Value = serde_json::from_str(text).unwrap();
        let checked = check_at(body["client_id"].as_str().unwrap(), &body, false);
        let client = checked.unwrap_or_else(|refusal| panic!("{name}: {refusal}")).client;
        assert_eq!(client.redirect_uris.len(), redirects, "{name}");
        assert_eq!(client.is_public(), public, "{name}");
        assert!(client.may_refresh, "{name}");
        assert!(!client.is_trusted());
    }
}

#[test]
fn claude_code_may_listen_on_any_port_of_loopback() {
    let text = include_str!("../../../fixtures/client-documents/claude-code.json");
    let body: Value = serde_json::from_str(text).unwrap();
    let client = check_at(body["client_id"].as_str().unwrap(), &body, false).unwrap().client;
    for good in
        ["http://localhost:51234/callback", "http://127.0.0.1:1/callback", "http://localhost/callback"]
    {
        assert!(client.redirect_uri(Some(good), &RedirectPrefixes::default()).is_ok(), "{good}");
    }
    for bad in ["http://[::1]:1/callback", "http://localhost:1/other", "https://claude.ai/callback"] {
        assert!(client.redirect_uri(Some(bad), &RedirectPrefixes::default()).is_err(), "{bad}");
    }
}

#[test]
fn chatgpt_may_sign_or_come_as_a_public_client() {
    let text = include_str!("../../../fixtures/client-documents/chatgpt.json");
    let body: Value = serde_json::from_str(text).unwrap();
    let ClientAuthentication::Keys(keys) = check_at(CHATGPT, &body, false).unwrap().client.authentication
    else {
        panic!("it has keys");
    };
    assert!(keys.optional);
    assert_eq!(keys.algorithm, Some(Algorithm::Rs256));
    assert!(
        matches!(keys.source, KeySource::At(url) if url.as_str() == "https://chatgpt.com/oauth/jwks.json")
    );
}

#[test]
fn only_an_answer_with_status_200_counts() {
    let body = document().to_string();
    for status in [201, 204, 206, 301, 302, 304, 307, 308, 400, 404, 500] {
        let refused = answer(status, Some("application/json"), body.as_bytes()).unwrap_err();
        assert_eq!(refused, DocumentRefusal::Status(status));
    }
    assert!(answer(200, Some("application/json"), body.as_bytes()).is_ok());
}

#[test]
fn only_media_types_of_json_count() {
    let body = document().to_string();
    for good in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/cimd+json",
        "application/a.b+json;x=y",
    ] {
        assert!(answer(200, Some(good), body.as_bytes()).is_ok(), "{good}");
    }
    for bad in [
        None,
        Some(""),
        Some("text/html"),
        Some("text/json"),
        Some("application/+json"),
        Some("text/x+json"),
        Some("application/jsonp"),
    ] {
        assert_eq!(answer(200, bad, body.as_bytes()).unwrap_err(), DocumentRefusal::MediaType, "{bad:?}");
    }
}

#[test]
fn a_document_is_one_object_without_a_second_reading() {
    let twice = format!(r#"{{"client_id":"https://other.example/c",{}"#, &document().to_string()[1..]);
    let truncated = document().to_string().replace('}', "");
    for (body, expected) in [
        ("[]", JsonRefusal::NotAnObject),
        ("<!doctype html>", JsonRefusal::NotJson),
        (&truncated, JsonRefusal::NotJson),
        (&twice, JsonRefusal::Repeated),
    ] {
        let refused = answer(200, Some("application/json"), body.as_bytes()).unwrap_err();
        assert_eq!(refused, DocumentRefusal::Body(expected), "{body}");
    }
}

#[test]
fn its_client_id_is_exactly_its_url() {
    for other in [
        json!("https://client.example:443/oauth/client.json"),
        json!("https://CLIENT.example/oauth/client.json"),
        json!("https://client.example/oauth/client.json?"),
        json!(""),
        Value::Null,
    ] {
        assert_eq!(refusal(&json!({ "client_id": other })), DocumentRefusal::OtherClient, "{other}");
    }
    assert!(check_at("https://client.example:443/oauth/client.json", &document(), false).is_err());
    assert_eq!(with(&json!({})).unwrap().client.id.as_str(), CLIENT);
}

#[test]
fn name_and_redirect_uris_are_required() {
    for nameless in [Value::Null, json!(""), json!(" \u{200b}\n")] {
        assert_eq!(refusal(&json!({ "client_name": nameless })), DocumentRefusal::NoName);
    }
    for none in [Value::Null, json!([])] {
        let expected = DocumentRefusal::Member(RegistrationRefusal::NoRedirectUri);
        assert_eq!(refusal(&json!({ "redirect_uris": none })), expected);
    }
    for bad in ["http://evil.example/cb", "javascript:alert(1)", "https://client.example/cb#f"] {
        let refused = refusal(&json!({ "redirect_uris": ["https://client.example/cb", bad] }));
        assert!(matches!(refused, DocumentRefusal::Member(RegistrationRefusal::RedirectUri(_))), "{bad}");
    }
}

#[test]
fn secrets_and_private_keys_are_refused() {
    for name in ["client_secret", "client_secret_expires_at", "client_secret_x"] {
        assert_eq!(refusal(&json!({ name: "x" })), DocumentRefusal::Secret, "{name}");
    }
    for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt"] {
        let refused = refusal(&json!({ "token_endpoint_auth_method": method }));
        assert_eq!(refused, DocumentRefusal::SharedSecret, "{method}");
    }
    let mut private = jwks();
    private["keys"][0]["d"] = json!("x");
    for method in [json!("private_key_jwt"), json!("none"), Value::Null] {
        let refused = refusal(&json!({ "jwks": private, "token_endpoint_auth_method": method }));
        assert_eq!(refused, DocumentRefusal::Member(RegistrationRefusal::PrivateKey));
    }
    let both = json!({ "jwks": jwks(), "jwks_uri": "https://client.example/jwks.json" });
    assert_eq!(refusal(&both), DocumentRefusal::Member(RegistrationRefusal::TwoKeySets));
}

#[test]
fn the_authentication_method_is_none_unless_the_document_says_otherwise() {
    let keys = |members: &Value| match with(members).unwrap().client.authentication {
        ClientAuthentication::Keys(keys) => Some(keys.optional),
        ClientAuthentication::None => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(keys(&json!({})), None);
    assert_eq!(keys(&json!({ "jwks": jwks() })), None);
    assert_eq!(keys(&json!({ "token_endpoint_auth_method": "none", "jwks": jwks() })), None);
    let signs = json!("private_key_jwt");
    assert_eq!(keys(&json!({ "token_endpoint_auth_method": signs, "jwks": jwks() })), Some(false));
    let lists = |list: Value| json!({ "token_endpoint_auth_method": signs, "jwks": jwks(), "token_endpoint_auth_methods_supported": list });
    assert_eq!(keys(&lists(json!(["private_key_jwt"]))), Some(false));
    assert_eq!(keys(&lists(json!(["none", "private_key_jwt"]))), Some(true));
    assert_eq!(
        keys(&json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"], "jwks": jwks() })),
        Some(false)
    );
    assert_eq!(keys(&json!({ "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"] })), None);
    assert_eq!(refusal(&json!({ "token_endpoint_auth_method": signs })), DocumentRefusal::NoKeys);
    assert_eq!(
        refusal(&json!({ "token_endpoint_auth_method": signs, "jwks": { "keys": [] } })),
        DocumentRefusal::NoKeys
    );
    for other in ["tls_client_auth", "None", "attest_jwt_client_auth"] {
        let refused = refusal(&json!({ "token_endpoint_auth_method": other }));
        assert_eq!(refused, DocumentRefusal::AuthenticationMethod, "{other}");
    }
    for alg in ["none", "HS256", "RS1"] {
        let signs = json!({ "token_endpoint_auth_method": signs, "jwks": jwks(), "token_endpoint_auth_signing_alg": alg });
        assert_eq!(refusal(&signs), DocumentRefusal::Algorithm, "{alg}");
    }
}

#[test]
fn the_address_of_keys_is_a_public_https_url() {
    let at = |address: &str| {
        refusal(&json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": address }))
    };
    for bad in [
        "http://client.example/k",
        "https://169.254.169.254/k",
        "https://10.0.0.1/k",
        "https://[fd00::1]/k",
        "https://client.example/a/../k",
        "https://client.example/k#f",
        "https://client.example",
    ] {
        assert!(matches!(at(bad), DocumentRefusal::KeySetAddress(_)), "{bad}");
    }
}

#[test]
fn grants_and_response_types_are_intersected() {
    let grants =
        |grants: Value| with(&json!({ "grant_types": grants })).map(|checked| checked.client.may_refresh);
    assert_eq!(grants(json!(["authorization_code", "refresh_token", "implicit", "password", "x"])), Ok(true));
    assert_eq!(grants(json!([])), Ok(false));
    assert_eq!(grants(json!(["client_credentials"])), Err(DocumentRefusal::NoCodeGrant));
    assert!(with(&json!({ "response_types": ["code", "id_token", "token"] })).is_ok());
    assert_eq!(refusal(&json!({ "response_types": ["token"] })), DocumentRefusal::NoCodeResponse);
}

#[test]
fn unknown_members_and_types_of_application_do_not_matter() {
    let plain = with(&json!({})).unwrap();
    let more = json!({ "foo": { "bar": [] }, "application_type": "web", "software_statement": "x" });
    assert_eq!(with(&more).unwrap(), plain);
    let loopback = json!({ "application_type": "web", "redirect_uris": ["http://localhost/cb"] });
    assert!(with(&loopback).is_ok());
    assert_eq!(
        with(&json!({ "logo_uri": "http://client.example/l.png" })).unwrap().client.links.logo_uri,
        None
    );
    let script = json!({ "logo_uri": "javascript:alert(1)" });
    assert_eq!(refusal(&script), DocumentRefusal::Member(RegistrationRefusal::Link { name: "logo_uri" }));
}

#[test]
fn a_private_use_scheme_that_is_not_listed_is_left_out_while_something_remains() {
    let some = json!({ "redirect_uris": ["myapp:/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost/cb"] });
    assert_eq!(with(&some).unwrap().client.redirect_uris.len(), 2);
    let none = refusal(&json!({ "redirect_uris": ["myapp:/cb"] }));
    assert_eq!(none, DocumentRefusal::Member(RedirectUriRefusal::SchemeNotListed.into()));
}

#[test]
fn the_same_origin_rule_keeps_answers_at_the_documents_host_or_on_the_users_machine() {
    let verdict = |uris: Value| {
        let mut document = document();
        document["redirect_uris"] = uris;
        check_at(CLIENT, &document, true).map(|_| ())
    };
    assert_eq!(verdict(json!(["https://client.example/a", "http://localhost/cb"])), Ok(()));
    for foreign in [
        "https://other.example/cb",
        "https://client.example:8443/cb",
        "https://client.example.evil.example/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ] {
        let refused = verdict(json!(["http://localhost/cb", foreign]));
        assert_eq!(refused, Err(DocumentRefusal::ForeignRedirect), "{foreign}");
    }
}

#[test]
fn a_change_of_redirect_uris_keys_or_name_makes_it_another_document() {
    let plain = with(&json!({})).unwrap().fingerprint;
    for same in [json!({ "client_uri": "https://client.example/" }), json!({ "contacts": ["x"] })] {
        assert_eq!(with(&same).unwrap().fingerprint, plain);
    }
    for other in [
        json!({ "client_name": "Other" }),
        json!({ "redirect_uris": ["https://client.example/cb2"] }),
        json!({ "jwks": jwks() }),
        json!({ "jwks_uri": "https://client.example/k" }),
    ] {
        assert_ne!(with(&other).unwrap().fingerprint, plain, "{other}");
    }
    let reordered = |uris: Value| with(&json!({ "redirect_uris": uris })).unwrap().fingerprint;
    let (a, b) = ("https://client.example/a", "https://client.example/b");
    assert_eq!(reordered(json!([a, b])), reordered(json!([b, a])));
}

#[test]
fn no_refusal_repeats_what_the_document_says() {
    let canary = "canary-7f3a";
    let bodies = [
        json!({ "client_id": canary }),
        json!({ "client_id": CLIENT, "client_name": { "x": canary } }),
        json!({ "client_id": CLIENT, "client_name": "n", "redirect_uris": [format!("http://{canary}/")] }),
        json!({ "client_id": CLIENT, "client_name": "n", "redirect_uris": ["https://client.example/"], "logo_uri": format!("javascript:{canary}") }),
        json!({ "client_id": CLIENT, "client_name": "n", "redirect_uris": ["https://client.example/"], "token_endpoint_auth_method": canary }),
        json!({ "client_id": CLIENT, "client_name": "n", "redirect_uris": ["https://client.example/"], "scope": format!("\"{canary}") }),
    ];
    for body in bodies {
        let refused = check_at(CLIENT, &body, false).unwrap_err();
        assert!(!refused.to_string().contains(canary), "{refused}");
    }
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(body in any::<Vec<u8>>(), kind in any::<String>(), member in "[a-z_]{0,20}", value in any::<String>()) {
        let _ = answer(200, Some(&kind), &body);
        let _ = answer(200, Some("application/json"), &body);
        let _ = with(&json!({ member: value }));
    }
}
