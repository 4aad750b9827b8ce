//! How often one address may ask.

use axum::body::Body;
use axum::{Extension, Router};
use coatroom::ClientAddress;
use coatroom::settings::{Rate, Rates};
use http::Request;
use serde_json::json;

use super::browser::Browser;
use super::client::{Client, Proof, get, send};
use super::world::{PORTAL, World};

/// The routes, as a client at this address reaches them.
fn from(world: &World, address: &str) -> Router {
    world.app.clone().layer(Extension(ClientAddress(address.parse().unwrap())))
}

async fn registers(app: &Router) -> u16 {
    Client::try_register(app, &json!({ "redirect_uris": ["https://h.example/cb"] })).await.status.as_u16()
}

// DCR-22: a burst is answered with 429, in a form that clients in browsers can read, and passes.
#[tokio::test]
async fn an_address_registers_sixty_times_a_minute() {
    let world = World::new().await;
    let here = from(&world, "192.0.2.1");
    for _ in 0..60 {
        assert_eq!(registers(&here).await, 201);
    }
    let answer = Client::try_register(&here, &json!({})).await;
    assert_eq!(answer.error(), (429, "slow_down".to_owned()));
    assert_eq!((answer.header("retry-after"), answer.header("cache-control")), (Some("1"), Some("no-store")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(registers(&from(&world, "192.0.2.2")).await, 201, "another address is not affected");
    let client = Client::configured(&here, "portal", PORTAL);
    assert_eq!(client.refresh("x").await.status, 400, "nor is another door");
    world.advance(1);
    assert_eq!(registers(&here).await, 201);
    assert_eq!(registers(&here).await, 429);
}

// AZ-41: people read a page, whichever of the pages they ask for.
#[tokio::test]
async fn a_person_who_asks_too_often_reads_a_page() {
    let world = World::with_settings(|settings| {
        settings.rates.authorize = Some(Rate::per_minute(3));
    })
    .await;
    let here = from(&world, "2001:db8::1");
    let client = Client::configured(&here, "portal", PORTAL);
    // All of one /64 are one caller.
    let mut browser = Browser::new(&from(&world, "2001:db8::2"));
    for _ in 0..3 {
        assert_eq!(browser.open(&client.authorize_url(&[])).await.status, 200);
    }
    let mut browser = Browser::new(&here);
    for address in [client.authorize_url(&[]), "/callback/demo?state=x".to_owned()] {
        let page = browser.open(&address).await;
        assert_eq!((page.status.as_u16(), page.header("retry-after")), (429, Some("20")));
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
    }
    assert_eq!(browser.open("/").await.status, 200, "what costs nothing is not limited");
    assert_eq!(browser.open("/.well-known/oauth-authorization-server").await.status, 200);
}

// TOK-10: guessing a secret is slow, also when the guess is right.
#[tokio::test]
async fn failed_authentications_are_limited_by_address_and_client() {
    let world = World::new().await;
    let here = from(&world, "192.0.2.1");
    let client =
        Client::register_with(&here, json!({ "token_endpoint_auth_method": "client_secret_post" })).await;
    let guess = Client { proof: Proof::Post("guess".to_owned()), ..client.clone() };
    for _ in 0..30 {
        assert_eq!(guess.redeem("x").await.status, 401);
    }
    assert_eq!(guess.redeem("x").await.error(), (429, "slow_down".to_owned()));
    assert_eq!(guess.revoke("x").await.status, 429);
    assert_eq!(client.redeem("x").await.status, 429, "the answer does not tell whether it was right");
    assert_eq!(client.at(&from(&world, "192.0.2.2")).redeem("x").await.status, 400);
    // A client that fails without pause locks out itself, and nobody else behind its address.
    assert_eq!(Client::register(&here).await.redeem("x").await.status, 400);
    world.advance(2);
    assert_eq!(client.redeem("x").await.status, 400);
    // What is authenticated and refused for other reasons costs nothing here.
    let unknown = Client::configured(&here, "unknown", PORTAL);
    for _ in 0..40 {
        assert_eq!(client.redeem("x").await.status, 400);
        assert_eq!(unknown.redeem("x").await.status, 401);
    }
}

// Also what is the same for everybody: a program reads JSON, a person a page.
#[tokio::test]
async fn documents_and_whatever_is_not_here_are_limited_by_address() {
    let world = World::with_settings(|settings| {
        settings.rates.discovery = Some(Rate::per_minute(4));
    })
    .await;
    let here = from(&world, "192.0.2.1");
    for path in ["/.well-known/oauth-authorization-server", "/jwks.json", "/", "/nope"] {
        assert!(get(&here, path).await.status.as_u16() != 429, "{path}");
    }
    for path in ["/.well-known/oauth-protected-resource/mcp", "/jwks.json", "/nope", "/"] {
        let answer = get(&here, path).await;
        assert_eq!(answer.error(), (429, "slow_down".to_owned()), "{path}");
        assert_eq!(answer.header("retry-after"), Some("15"));
    }
    let request = Request::get("/").header("accept", "text/html,*/*;q=0.8");
    let page = send(&here, request.body(Body::empty()).unwrap()).await;
    assert!(page.status == 429 && page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    assert_eq!(registers(&here).await, 201, "another door");
    assert_eq!(get(&from(&world, "192.0.2.2"), "/jwks.json").await.status, 200);
}

#[tokio::test]
async fn a_long_query_is_refused_before_it_is_read() {
    let world = World::new().await;
    let query = "x".repeat(16 * 1024);
    for (path, is_page) in [("/authorize", true), ("/callback/demo", true), ("/jwks.json", false)] {
        let answer = get(&world.app, &format!("{path}?{query}x")).await;
        assert_eq!(answer.status, 414, "{path}");
        let kind = if is_page { "text/html" } else { "application/json" };
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}");
        assert!(answer.body.contains("16384 bytes"), "{path}: {}", answer.body);
        assert_ne!(get(&world.app, &format!("{path}?{query}")).await.status, 414, "{path}");
    }
}

// Counts and lengths are named with their limits.
#[tokio::test]
async fn forms_are_limited_in_number_and_length() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let names: Vec<String> = (0..101).map(|number| format!("p{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let long = "x".repeat(16 * 1024 + 1);
    for (params, words) in [
        (many, "at most 100 parameters"),
        (vec![("code", long.as_str())], "the parameter code is longer than 16384 bytes"),
    ] {
        for path in ["/token", "/revoke"] {
            let answer = client.post(path, &params, &[]).await;
            assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{path}");
            assert!(answer.body.contains(words), "{}", answer.body);
        }
    }
    let huge = "x".repeat(64 * 1024);
    let answer = client.post("/token", &[("code", huge.as_str())], &[]).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("65536 bytes"), "{}", answer.body);
}

#[tokio::test]
async fn this_machine_is_limited_only_if_a_setting_says_so() {
    for limited in [false, true] {
        let world = World::with_settings(|settings| {
            settings.limit_loopback = limited;
            settings.rates.register = Some(Rate::per_minute(1));
        })
        .await;
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.2"] {
            let here = from(&world, address);
            registers(&here).await;
            assert_eq!(registers(&here).await, if limited { 429 } else { 201 }, "{address}");
        }
    }
}

#[tokio::test]
async fn limits_can_be_switched_off_and_need_an_address() {
    let world = World::with_settings(|settings| settings.rates = Rates::none()).await;
    let here = from(&world, "192.0.2.1");
    for _ in 0..100 {
        assert_eq!(registers(&here).await, 201);
    }
    let world = World::new().await;
    for _ in 0..100 {
        assert_eq!(registers(&world.app).await, 201);
    }
}
