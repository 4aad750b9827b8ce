//! How often one address may ask.

use axum::{Extension, Router};
use coatroom::ClientAddress;
use coatroom::settings::{Rate, Rates};
use serde_json::json;

use super::browser::Browser;
use super::client::{Client, Proof};
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
