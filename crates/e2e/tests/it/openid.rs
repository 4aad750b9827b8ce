//! Signing in at OpenID providers that others wrote, in the ways in which their operators may set them up.

use std::time::{Duration, Instant};

use coatroom_e2e::evidence::{self, Secret};
use coatroom_e2e::oauth::http;
use coatroom_e2e::upstream::{Canaille, EchoServer, OidcProvider};
use coatroom_e2e::{Answer, Browser, Era, FormBrowser, Gateway, Mcp, OAuthClient, Tokens, tools};
use serde_json::{Value, json};

use crate::upstreams::configuration;

/// A gateway before a server that gets the user's own token, and the provider behind it.
struct Scene {
    gateway: Gateway,
    client: OAuthClient,
    provider: OidcProvider,
}

impl Scene {
    async fn new(registration: Value, settings: Value) -> Self {
        let port = tools::free_port();
        let provider = OidcProvider::start_with(&callback(port), registration, settings).await;
        let gateway = serve(port, &provider.configuration("corp")).await;
        Self { client: OAuthClient::connect(&gateway.mcp_url()).await, gateway, provider }
    }

    async fn call(&self, tokens: &Tokens) -> Answer {
        call(&self.gateway, tokens).await
    }
}

fn callback(port: u16) -> String {
    format!("http://localhost:{port}/callback/corp")
}

async fn serve(port: u16, section: &str) -> Gateway {
    let echo = EchoServer::start().await;
    Gateway::serve_at(port, &configuration(port, &echo, "corp", section)).await
}

async fn call(gateway: &Gateway, tokens: &Tokens) -> Answer {
    Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access).call("headers", json!({})).await
}

/// What reached the MCP server with a call.
fn headers(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text()).unwrap()
}

/// The user's own token, which a call took along.
fn bearer(answer: &Answer) -> String {
    let headers = headers(answer);
    let token = headers["authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap();
    evidence::secret(Secret::Credential, token);
    token.to_owned()
}

/// What the provider says about the owner of a token.
async fn userinfo(provider: &OidcProvider, path: &str, token: &str) -> reqwest::Response {
    http().get(format!("{}{path}", provider.issuer)).bearer_auth(token).send().await.unwrap()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(30), "waited 30 s until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

// === Canaille, of another make ===

#[tokio::test]
async fn canaille_signs_users_in_and_their_tokens_are_renewed_and_revoked() {
    let port = tools::free_port();
    let canaille = Canaille::start(&callback(port), 4).await;
    let gateway = serve(port, &canaille.provider.configuration_for("corp", "openid profile email")).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let mut both = Vec::new();
    for account in ["alice", "bob"] {
        let (pending, person) = (client.start(None), FormBrowser::new());
        let consent = person.open(&pending.url).await;
        let login = person.press(&consent, "Continue").await;
        let end = canaille.sign_in(&person, &login, account).await;
        assert!(end.text().contains("has its answer"), "{}: {}", end.url, end.text());
        let callback = client.callback(&pending).await;
        let tokens = client.redeem(&pending, &callback).await.tokens();
        let first = call(&gateway, &tokens).await;
        assert_eq!(headers(&first)["x-coatroom-user"], format!("corp:{account}"));
        assert!(
            headers(&first)["x-coatroom-email"].is_null(),
            "it does not say that the address is verified"
        );
        let said: Value =
            userinfo(&canaille.provider, "/oauth/userinfo", &bearer(&first)).await.json().await.unwrap();
        assert_eq!(said["sub"], account);
        both.push((tokens, bearer(&first)));
    }
    for (tokens, first) in &mut both {
        until("the provider's token was renewed", async || bearer(&call(&gateway, tokens).await) != *first)
            .await;
        *tokens = client.refresh(&tokens.refresh).await.tokens();
    }
    let (alice, bob) = (&both[0].0, &both[1].0);
    let last = bearer(&call(&gateway, alice).await);
    assert_eq!(client.revoke(&alice.refresh).await.status, 200);
    assert_eq!(call(&gateway, alice).await.status, 401);
    until("Canaille was told", async || {
        userinfo(&canaille.provider, "/oauth/userinfo", &last).await.status() == 401
    })
    .await;
    assert_eq!(headers(&call(&gateway, bob).await)["x-coatroom-user"], "corp:bob");
}

// === In a real browser ===

#[tokio::test]
async fn a_person_signs_in_in_chromium() {
    let scene = Scene::new(json!({}), json!({})).await;
    let browser = Browser::start().await;
    let (alice, bob) = (browser.profile().await, browser.profile().await);
    for (person, name) in [(alice, "Alice"), (bob, "Bob")] {
        let pending = scene.client.start(None);
        person.approve(&pending.url, name).await;
        let callback = scene.client.callback(&pending).await;
        let tokens = scene.client.redeem(&pending, &callback).await.tokens();
        let answer = scene.call(&tokens).await;
        assert_eq!(headers(&answer)["x-coatroom-user"], format!("corp:{}", name.to_lowercase()));
        assert_eq!(userinfo(&scene.provider, "/me", &bearer(&answer)).await.status(), 200);
    }
    browser.close().await;
}

// === Settings of `oidc-provider` ===

#[tokio::test]
async fn id_tokens_of_each_algorithm_sign_users_in() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let scene = Scene::new(json!({}), json!({ "keys": [["one", algorithm]] })).await;
        let tokens = scene.client.sign_in("Alice").await;
        let headers = headers(&scene.call(&tokens).await);
        assert_eq!(headers["x-coatroom-email"], "alice@example.com", "{algorithm}");
    }
}

/// Where an ID token leaves out what the user endpoint tells, that is asked; and the secret goes where the provider takes it.
#[tokio::test]
async fn a_thin_id_token_and_either_way_of_sending_the_secret_sign_users_in() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let registration = json!({ "token_endpoint_auth_method": method });
        let scene = Scene::new(registration, json!({ "thin": true, "clientAuth": [method] })).await;
        let tokens = scene.client.sign_in("Bob").await;
        let headers = headers(&scene.call(&tokens).await);
        assert_eq!(headers["x-coatroom-user"], "corp:bob", "{method}");
        assert_eq!(headers["x-coatroom-email"], "bob@example.com", "{method}");
        let asked = scene.provider.change(json!({})).await;
        assert_eq!(asked["/me"], 1, "{method}: {asked}");
    }
}

#[tokio::test]
async fn who_signs_in_after_the_provider_changed_its_keys_is_let_in() {
    let scene = Scene::new(json!({}), json!({})).await;
    let before = scene.client.sign_in("Alice").await;
    scene.provider.change(json!({ "keys": [["two", "RS256"], ["one", "RS256"]] })).await;
    let after = scene.client.sign_in("Bob").await;
    let asked = scene.provider.change(json!({})).await;
    assert_eq!(asked["/jwks"], 2, "the first keys, and once more for the key that was new: {asked}");
    scene.client.sign_in("Alice").await;
    let asked = scene.provider.change(json!({})).await;
    assert_eq!(asked["/jwks"], 2, "the new key is known by now: {asked}");
    for (tokens, user) in [(&before, "corp:alice"), (&after, "corp:bob")] {
        assert_eq!(headers(&scene.call(tokens).await)["x-coatroom-user"], user);
    }
}

/// The provider forgets no refresh token, but rotates each that is used, and an answer that does not come is not a refusal.
#[tokio::test]
async fn a_provider_that_is_away_and_starts_anew_loses_nobody() {
    let scene = Scene::new(json!({}), json!({ "accessSeconds": 2 })).await;
    let (alice, bob) = (scene.client.sign_in("Alice").await, scene.client.sign_in("Bob").await);
    let before = bearer(&scene.call(&alice).await);
    until("a token was renewed", async || bearer(&scene.call(&alice).await) != before).await;
    let known = bearer(&scene.call(&alice).await);

    scene.provider.change(json!({ "down": true })).await;
    until("the token cannot be renewed", async || scene.call(&alice).await.status == 503).await;
    assert_eq!(scene.call(&bob).await.status, 503, "nobody is accused of an outage");
    scene.provider.change(json!({ "down": false })).await;
    until("the token is renewed", async || scene.call(&alice).await.status == 200).await;
    let renewed = scene.call(&alice).await;
    assert_ne!(bearer(&renewed), known);
    assert_eq!(userinfo(&scene.provider, "/me", &bearer(&renewed)).await.status(), 200);
    until("so is the other's", async || scene.call(&bob).await.status == 200).await;
    let refreshed = scene.client.refresh(&alice.refresh).await.tokens();
    assert_eq!(headers(&scene.call(&refreshed).await)["x-coatroom-user"], "corp:alice");
}
