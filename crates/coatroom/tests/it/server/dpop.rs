//! Proofs of possession are not taken, and nobody is told otherwise (RFC 9449).

use axum::body::Body;
use http::Request;
use serde_json::json;

use super::browser::Browser;
use super::client::{Client, VERIFIER, form, get, send};
use super::world::World;

// DP-09: a client that relies on bound tokens is not given others in silence.
#[tokio::test]
async fn a_client_that_needs_bound_tokens_is_refused_in_words() {
    let world = World::new().await;
    let metadata = json!({ "redirect_uris": ["https://h.example/cb"], "dpop_bound_access_tokens": true });
    let answer = Client::try_register(&world.app, &metadata).await;
    assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()));
    assert!(answer.body.contains("dpop_bound_access_tokens must be absent or false"), "{}", answer.body);
    let metadata = json!({ "redirect_uris": ["https://h.example/cb"], "dpop_bound_access_tokens": false });
    assert_eq!(Client::try_register(&world.app, &metadata).await.status, 201);
}

// RFC 9449 §5: whoever sends a proof all the same learns from the token type that the token is not bound.
#[tokio::test]
async fn a_proof_is_ignored_and_the_token_says_that_it_is_a_bearer() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let body = form(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", &client.redirect),
        ("client_id", &client.id),
    ]);
    let request = Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("dpop", "not.a.proof");
    let answer = send(&world.app, request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(world.status(&answer.text("access_token")).await, 200);
    let document = get(&world.app, "/.well-known/oauth-authorization-server").await.body;
    assert!(!document.contains("dpop"), "{document}");
    let document = get(&world.app, "/.well-known/oauth-protected-resource/mcp").await.body;
    assert!(!document.contains("dpop"), "{document}");
}
