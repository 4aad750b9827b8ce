//! What does not exist here is neither promised nor half done, and what is no access token of ours opens nothing.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request};
use serde_json::{Value, json};

use super::browser::Browser;
use super::client::{Client, Proof, VERIFIER, form, get, send};
use super::world::{ISSUER, World};

fn has_none_of(document: &Value, members: &[&str]) {
    for member in members {
        assert!(document.get(member).is_none(), "{member}: {document}");
    }
}

// ASM-23 to ASM-25, PRM-19, DCM-01, OID-01, AZ-39, DP-05: a client that believes a promise does not fall back.
#[tokio::test]
async fn what_is_not_built_is_not_promised() {
    let world = World::new().await;
    has_none_of(
        &get(&world.app, "/.well-known/oauth-authorization-server").await.json(),
        &[
            "pushed_authorization_request_endpoint",
            "require_pushed_authorization_requests",
            "dpop_signing_alg_values_supported",
            "authorization_grant_profiles_supported",
            "userinfo_endpoint",
            "end_session_endpoint",
            "device_authorization_endpoint",
            "signed_metadata",
        ],
    );
    has_none_of(
        &get(&world.app, "/.well-known/oauth-protected-resource/mcp").await.json(),
        &[
            "dpop_signing_alg_values_supported",
            "dpop_bound_access_tokens_required",
            "jwks_uri",
            "resource_documentation",
            "resource_policy_uri",
            "signed_metadata",
        ],
    );
    let metadata = json!({ "redirect_uris": ["https://h.example/cb"], "dpop_bound_access_tokens": false });
    let registered = Client::try_register(&world.app, &metadata).await;
    assert_eq!(registered.status, 201);
    has_none_of(
        &registered.json(),
        &["registration_client_uri", "registration_access_token", "dpop_bound_access_tokens"],
    );
}

// AZ-39, DCM-02 to DCM-05, DCR-29, OID-01, OID-02, OID-05: a clean miss, with a token or without.
#[tokio::test]
async fn endpoints_that_are_not_built_are_clean_misses() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    let registration = format!("/register/{}", client.id);
    for path in ["/par", "/userinfo", "/sse", "/mcp/sse", "/messages", "/device_authorization", &registration]
    {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            for authorization in ["", &format!("Bearer {}", tokens.access)] {
                let request = Request::builder().method(method.clone()).uri(path);
                let request = request.header("authorization", authorization).body(Body::empty()).unwrap();
                let answer = send(&world.app, request).await;
                assert_eq!(answer.error(), (404, "not_found".to_owned()), "{method} {path}");
            }
        }
    }
    assert_eq!(world.status(&tokens.access).await, 200);
}

// AZ-40, DP-01, DP-08 to DP-10: a proof of possession is not understood, and so ignored (OAuth 2.1 §3.1); the answer says that the
// token is a bearer token.
#[tokio::test]
async fn a_proof_of_possession_is_ignored_and_the_answer_says_bearer() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let address = client.authorize_url(&[("dpop_jkt", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")]);
    let answer = Browser::new(&world.app).allow(&world.idp, &address, "alice").await;
    let code = &client.answered(&answer)["code"];
    let redeem = form(&[
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("client_id", &client.id),
    ]);
    let request = Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("dpop", "not.a.proof");
    let answer = send(&world.app, request.body(Body::from(redeem)).unwrap()).await;
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(world.status(&answer.text("access_token")).await, 200);
}

// DCR-27: there are no initial access tokens; whoever sends one registers as everybody does.
#[tokio::test]
async fn an_initial_access_token_is_ignored() {
    let world = World::new().await;
    for authorization in ["Bearer anything", "Basic YTpi", ""] {
        let request = Request::post("/register")
            .header("content-type", "application/json")
            .header("authorization", authorization);
        let body = json!({ "redirect_uris": ["https://h.example/cb"] }).to_string();
        let answer = send(&world.app, request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, 201, "{authorization}");
    }
}

/// A JWT with a made-up signature.
fn jwt(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode([7; 64]))
}

// RS-03, RS-13, RS-14, RS-29, PRM-18, OID-04, TP-02: our access tokens are opaque and ours alone, so no JWT is one, whoever signed it
// and whatever it says of times and audiences; nor is anything else that a client, a user or an upstream may hold.
#[tokio::test]
async fn nothing_but_an_access_token_of_ours_opens_the_door() {
    let world = World::new().await;
    let confidential =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_post" }))
            .await;
    let Proof::Post(secret) = confidential.proof.clone() else { panic!() };
    let (client, tokens) = world.signed_in("alice").await;
    let mut browser = Browser::new(&world.app);
    let code = browser.code(&world.idp, &client, "alice").await;
    let claims = json!({
        "iss": ISSUER, "sub": "demo:alice-1", "aud": format!("{ISSUER}/mcp"), "client_id": client.id, "scope": "read",
        "exp": super::world::NOW + 600, "nbf": super::world::NOW + 30, "iat": super::world::NOW, "jti": "1",
    });
    let foreign = json!({ "iss": "https://other.example", "aud": format!("{ISSUER}/mcp"), "exp": super::world::NOW + 600 });
    let kid = get(&world.app, "/jwks.json").await.json()["keys"][0]["kid"].clone();
    let mut others = vec![tokens.refresh, client.id.clone(), secret, code];
    others.extend(world.idp.issued());
    others.extend(browser.cookies.into_values());
    for header in [
        json!({ "typ": "at+jwt", "alg": "ES256", "kid": kid }),
        json!({ "typ": "at+jwt", "alg": "none" }),
        json!({ "typ": "at+jwt", "alg": "HS256", "kid": kid }),
        json!({ "typ": "JWT", "alg": "RS256" }),
        json!({ "typ": "oauth-id-jag+jwt", "alg": "ES256", "kid": kid }),
        json!({ "typ": "client-authentication+jwt", "alg": "ES256", "kid": kid }),
        json!({ "typ": "at+jwt", "alg": "ES256", "jwk": { "kty": "EC" }, "jku": "https://evil.example/" }),
    ] {
        others.extend([jwt(&header, &claims), jwt(&header, &foreign)]);
    }
    assert!(others.len() > 20);
    for token in others {
        assert_eq!(world.status(&token).await, 401, "{token}");
    }
    assert_eq!(world.status(&tokens.access).await, 200);
}
