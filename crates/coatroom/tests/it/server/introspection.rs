//! `POST /introspect`: what resource servers beside us learn about our tokens.

use axum::{Extension, Router};
use coatroom::protocol::words::ClientSecret;
use coatroom::settings::Rate;
use coatroom::{Builder, ClientAddress, Protection, ResourceServer};
use http::{Method, Request};
use serde_json::{Value, json};

use super::browser::Browser;
use super::client::{Answer, Client, Proof, get, send};
use super::watched::Verb;
use super::world::{NOW, PORTAL, Tokens, World};

const SECRET: &str = "a-secret-of-the-api:with+signs";
const INACTIVE: &str = r#"{"active":false}"#;

fn asked(builder: Builder) -> Builder {
    let secret = ClientSecret::new(SECRET);
    builder
        .resource_server(ResourceServer::new("api", &secret).with_path("/mcp"))
        .resource_server(ResourceServer::new("other", &secret).with_path("/bound"))
}

async fn world() -> World {
    World::with(|_| (), asked).await
}

/// A resource server is a client of this one endpoint.
fn server(app: &Router, id: &str, proof: Proof) -> Client {
    Client { proof, ..Client::configured(app, id, PORTAL) }
}

fn api(app: &Router) -> Client {
    server(app, "api", Proof::Basic(SECRET.to_owned()))
}

async fn ask(server: &Client, token: &str) -> Answer {
    server.post("/introspect", &[("token", token)], &[]).await
}

// INT-01: also a client of ours is nobody here.
#[tokio::test]
async fn whoever_asks_must_authenticate() {
    let world = world().await;
    let (client, tokens) = world.signed_in("alice").await;
    let confidential =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_basic" }))
            .await;
    let wrong = |proof: fn(String) -> Proof| server(&world.app, "api", proof("wrong".to_owned()));
    let public = server(&world.app, "api", Proof::Public);
    let unknown = server(&world.app, "nobody", Proof::Basic(SECRET.to_owned()));
    for stranger in [client, confidential, wrong(Proof::Basic), wrong(Proof::Post), public, unknown] {
        let answer = ask(&stranger, &tokens.access).await;
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{stranger:?}");
        assert_eq!(answer.header("www-authenticate"), Some(r#"Basic realm="coatroom""#));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let bearer = [("authorization", format!("Bearer {}", tokens.access))];
    for headers in [&[][..], &bearer] {
        let mut request =
            Request::post("/introspect").header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = send(&world.app, request.body(format!("token={}", tokens.access).into()).unwrap()).await;
        assert_eq!(answer.error().0, 401);
    }
}

// INT-02.
#[tokio::test]
async fn the_token_comes_in_a_form_by_post() {
    let world = world().await;
    let api = api(&world.app);
    let answer = get(&world.app, "/introspect?token=x").await;
    assert_eq!((answer.error().0, answer.header("allow")), (405, Some("POST")));
    let answer = api.post("/introspect?token=x", &[("token", "x")], &[]).await;
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "not in the query");
    assert_eq!(api.post("/introspect", &[], &[]).await.error(), (400, "invalid_request".to_owned()));
    assert_eq!(api.post("/introspect", &[("token", "a"), ("token", "b")], &[]).await.error().0, 400);
    let json =
        Request::builder().method(Method::POST).uri("/introspect").header("content-type", "application/json");
    assert_eq!(send(&world.app, json.body("{}".into()).unwrap()).await.error().0, 400);
}

// INT-04, INT-06: either way of authenticating, and hints that do not matter.
#[tokio::test]
async fn a_live_token_is_described() {
    let world = world().await;
    let (client, tokens) = world.signed_in("alice").await;
    for proof in [Proof::Basic(SECRET.to_owned()), Proof::Post(SECRET.to_owned())] {
        for hint in ["", "access_token", "refresh_token", "made_up"] {
            let api = server(&world.app, "api", proof.clone());
            let answer =
                api.post("/introspect", &[("token", &tokens.access)], &[("token_type_hint", hint)]).await;
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let answer = answer.json();
            let jti = answer["jti"].as_str().unwrap().to_owned();
            assert!(!tokens.access.contains(&jti) && jti.len() > 16);
            let expected = json!({
                "active": true, "scope": "read", "client_id": client.id, "token_type": "Bearer", "sub": "demo:alice-1",
                "aud": "https://gate.example/mcp", "iss": "https://gate.example", "iat": NOW, "exp": NOW + 3600,
                "jti": jti,
            });
            assert_eq!(answer, expected);
        }
    }
}

// INT-03, INT-05: whatever the reason, the answer is the same to the byte.
#[tokio::test]
async fn what_is_not_live_or_not_meant_for_the_asker_is_inactive_and_nothing_else() {
    let world = world().await;
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let api = api(&world.app);
    let inactive = async |server: &Client, token: &str| {
        let answer = ask(server, token).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, INACTIVE), "{token}");
    };
    inactive(&api, &code).await;
    let tokens = Tokens::of(&client.redeem(&code).await);
    for token in
        ["garbage", "coat_at_AAAA", "ü", &tokens.refresh, &format!("{}x", tokens.access), &"x".repeat(10_000)]
    {
        inactive(&api, token).await;
    }
    let other = server(&world.app, "other", Proof::Basic(SECRET.to_owned()));
    inactive(&other, &tokens.access).await;
    assert_eq!(ask(&api, &tokens.access).await.json()["active"], true);
    world.advance(3600);
    inactive(&api, &tokens.access).await;
}

// INT-06: it is asked anew each time.
#[tokio::test]
async fn a_revocation_is_seen_at_the_next_question() {
    let world = world().await;
    let (client, tokens) = world.signed_in("alice").await;
    let api = api(&world.app);
    assert_eq!(ask(&api, &tokens.access).await.json()["active"], true);
    client.revoke(&tokens.refresh).await;
    assert_eq!(ask(&api, &tokens.access).await.body, INACTIVE);
}

// ARCHITECTURE.md, rule 4: a server that was told so takes the token, which is as good as the guard's own yes.
#[tokio::test]
async fn a_token_that_was_described_counts_as_accepted() {
    let world = world().await;
    let (client, first) = world.signed_in("alice").await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    assert_eq!(ask(&api(&world.app), &second.access).await.json()["active"], true);
    world.noted(&second.access).await;
    world.advance(121);
    assert_eq!(client.refresh(&first.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(ask(&api(&world.app), &second.access).await.body, INACTIVE, "a replay ends the family");
}

// INT-07.
#[tokio::test]
async fn guessing_tokens_is_slow() {
    let world = World::with(|settings| settings.rates.failed_token = Some(Rate::per_minute(20)), asked).await;
    let (_, tokens) = world.signed_in("alice").await;
    let here = world.app.clone().layer(Extension(ClientAddress("192.0.2.1".parse().unwrap())));
    let there = world.app.clone().layer(Extension(ClientAddress("192.0.2.2".parse().unwrap())));
    for number in 0..20 {
        assert_eq!(ask(&api(&here), &format!("coat_at_{number}")).await.body, INACTIVE);
    }
    let answer = ask(&api(&here), "coat_at_20").await;
    assert_eq!(answer.error(), (429, "slow_down".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("3"));
    assert_eq!(ask(&api(&here), &tokens.access).await.json()["active"], true, "what is good is not guessed");
    assert_eq!(ask(&api(&there), "coat_at_21").await.body, INACTIVE, "another address is not affected");
}

#[tokio::test]
async fn an_outage_is_no_verdict() {
    let world = world().await;
    let (_, tokens) = world.signed_in("alice").await;
    world.store.break_verb(Verb::Get);
    let answer = ask(&api(&world.app), &tokens.access).await;
    assert_eq!(answer.error(), (503, "temporarily_unavailable".to_owned()));
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn it_is_there_and_advertised_only_if_somebody_may_ask() {
    let (with, without) = (world().await, World::new().await);
    let document = async |world: &World| -> Value {
        get(&world.app, "/.well-known/oauth-authorization-server").await.json()
    };
    let advertised = document(&with).await;
    assert_eq!(advertised["introspection_endpoint"], "https://gate.example/introspect");
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    assert_eq!(advertised["introspection_endpoint_auth_methods_supported"], methods);
    let silent = document(&without).await;
    assert!(silent.get("introspection_endpoint").is_none());
    assert!(silent.get("introspection_endpoint_auth_methods_supported").is_none());
    assert_eq!(ask(&api(&without.app), "x").await.status, 404);
}

#[tokio::test]
async fn a_resource_server_that_could_learn_nothing_or_everything_is_a_mistake() {
    let world = World::new().await;
    let good = ClientSecret::new(SECRET);
    let built = |server: ResourceServer| {
        coatroom::Coatroom::builder("https://gate.example")
            .store(world.store.clone())
            .keys(world.keys.clone())
            .resource(
                Protection::new("/mcp")
                    .with_name("x")
                    .with_authentication(coatroom::guard::Authentication::Off),
            )
            .resource_server(server)
            .build()
    };
    assert!(built(ResourceServer::new("api", &good).with_path("/mcp")).is_ok());
    for (bad, expected) in [
        (ResourceServer::new("api", &good), "has no path"),
        (ResourceServer::new("api", &good).with_path("/nope"), "/nope, which is not protected"),
        (ResourceServer::new("api", &ClientSecret::new("short")).with_path("/mcp"), "at least 16 bytes"),
        (ResourceServer::new("", &good).with_path("/mcp"), "needs an id"),
    ] {
        let problems = built(bad).unwrap_err().to_string();
        assert!(problems.contains(expected) && !problems.contains(SECRET), "{problems}");
    }
}
