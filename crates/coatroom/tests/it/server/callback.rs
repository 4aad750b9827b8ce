//! `GET /callback/{provider}`, and the session that a sign-in leaves behind.

use std::sync::Arc;
use std::time::Duration;

use coatroom::clock::ManualClock;
use coatroom::outbound::Outbound;
use coatroom::protocol::words::{ClientSecret, ProviderName, Timestamp};
use coatroom::providers::{Provider, ProviderConfig, ProviderKind};

use super::browser::{Browser, Consent, refresh_of, way_back_of};
use super::client::{Client, query_of};
use super::idp::{Idp, Mood, refused_at};
use super::world::{NOW, World};

async fn asked(world: &World) -> (Client, Browser, Consent) {
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let consent = browser.ask(&client.authorize_url(&[])).await;
    (client, browser, consent)
}

// AZ-12, AZ-13, AZ-15, AZ-35, CON-14: the whole way.
#[tokio::test]
async fn a_sign_in_hands_a_code_to_the_client() {
    let world = World::new().await;
    let (client, mut browser, consent) = asked(&world).await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    let page = browser.open(&callback).await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.header("location").is_none());
    let query = client.answered(&refresh_of(&page));
    assert!(query["code"].starts_with("coat_ac_"));
    assert_eq!(query.len(), 3, "code, state and iss: {query:?}");
    assert!(browser.flow_cookies().is_empty());
}

// Part 3 statements 3 and 4, UP-01, UP-05: the callback belongs to one browser, one provider, one flow.
#[tokio::test]
async fn a_callback_belongs_to_one_browser_and_one_provider() {
    let world = World::new().await;
    let (client, mut browser, consent) = asked(&world).await;
    let callback = browser.approve(&world.idp, &consent, "mallory").await;
    assert_eq!(Browser::new(&world.app).open(&callback).await.status, 403, "a crafted link");
    let mut victim = Browser::new(&world.app);
    let own = victim.ask(&client.authorize_url(&[])).await;
    victim.approve(&world.idp, &own, "victim").await;
    assert_eq!(victim.open(&callback).await.status, 400, "the flow of another browser");
    let mut planted = victim.clone();
    planted.cookies.extend(
        browser.cookies.iter().filter(|(name, _)| name.contains("flow")).map(|(k, v)| (k.clone(), v.clone())),
    );
    assert_eq!(planted.open(&callback).await.status, 400, "its cookie planted as well");
    let swapped = callback.replace("/callback/demo", "/callback/other");
    assert_eq!(browser.clone().open(&swapped).await.status, 400);
    assert_eq!(browser.clone().open(&callback.replace("/demo", "/unknown")).await.status, 404);
    let flow = query_of(&callback)["state"].clone();
    assert_eq!(browser.clone().open(&callback.replace(&flow, "AAAAAAAAAAAAAAAAAAAAAA")).await.status, 400);
    assert_eq!((world.store.writes(), world.idp.exchanges()), (0, 0));
    assert_eq!(browser.open(&callback).await.status, 200);
}

// UP-01, CON-15: one flow yields one grant, also for who kept the cookies and gets a new code from the provider.
#[tokio::test]
async fn a_replayed_callback_yields_nothing() {
    let world = World::new().await;
    let (client, mut browser, consent) = asked(&world).await;
    let handed = refresh_of(&browser.press(&consent, "demo").await);
    let mut copy = browser.clone();
    let (first, second) = (world.idp.sign_in(&handed, "alice"), world.idp.sign_in(&handed, "alice"));
    let code = client.answered(&refresh_of(&browser.open(&first).await))["code"].clone();
    assert_eq!(browser.open(&first).await.status, 400, "the cookies are gone");
    let page = copy.open(&second).await;
    assert_eq!((page.status.as_u16(), page.header("refresh")), (400, None));
    assert_eq!(client.redeem(&code).await.status, 200, "the first grant stands");
}

#[tokio::test]
async fn a_flow_whose_code_was_never_redeemed_yields_no_second_grant() {
    let world = World::new().await;
    let (client, mut browser, consent) = asked(&world).await;
    let handed = refresh_of(&browser.press(&consent, "demo").await);
    let mut copy = browser.clone();
    let first = world.idp.sign_in(&handed, "alice");
    let code = client.answered(&refresh_of(&browser.open(&first).await))["code"].clone();
    world.advance(90);
    assert_eq!(client.redeem(&code).await.error().1, "invalid_grant", "the code expired");
    let page = copy.open(&world.idp.sign_in(&handed, "mallory")).await;
    assert_eq!((page.status.as_u16(), page.header("refresh")), (400, None));
}

// RFC 9207 §2.4, RFC 6749 §3.1: what is said twice is said by nobody.
#[tokio::test]
async fn a_callback_that_repeats_a_parameter_is_refused() {
    let world = World::new().await;
    let (_, mut browser, consent) = asked(&world).await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    for more in ["&iss=https%3A%2F%2Fa.example&iss=https%3A%2F%2Fb.example", "&error=a&error=b", "&code=x"] {
        let page = browser.clone().open(&format!("{callback}{more}")).await;
        assert_eq!((page.status.as_u16(), page.header("refresh")), (400, None), "{more}");
    }
    assert_eq!((world.store.writes(), world.idp.exchanges()), (0, 0));
}

// UP-11: the one place that a callback leads to is the redirect URI of its flow.
#[tokio::test]
async fn a_callback_leads_to_the_client_whatever_else_its_address_says() {
    let world = World::new().await;
    let (client, mut browser, consent) = asked(&world).await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    let elsewhere = "https%3A%2F%2Fevil.example";
    let more = ["next", "redirect_uri", "return_to", "url", "continue", "RelayState"]
        .map(|name| format!("&{name}={elsewhere}"))
        .concat();
    let page = browser.open(&format!("{callback}{more}")).await;
    let query = client.answered(&refresh_of(&page));
    assert_eq!(query.len(), 3, "code, state and iss: {query:?}");
    assert!(!page.body.contains("evil.example") && page.header("location").is_none());
    for lost in [format!("/callback/demo?next={elsewhere}"), format!("/callback/demo?state=x{more}")] {
        let page = browser.open(&lost).await;
        assert_eq!(page.status, 400);
        assert!(!page.body.contains("evil.example") && page.header("refresh").is_none());
    }
}

// UP-06: what the provider said is mapped, and not repeated.
#[tokio::test]
async fn the_providers_errors_are_mapped_for_the_client() {
    let world = World::new().await;
    for (theirs, ours) in [
        ("access_denied", "access_denied"),
        // Apple's word for it.
        ("user_cancelled_authorize", "access_denied"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("server_error", "server_error"),
        ("unheard_of", "server_error"),
    ] {
        let (client, mut browser, consent) = asked(&world).await;
        let handed = refresh_of(&browser.press(&consent, "demo").await);
        let page = browser.open(&refused_at(&handed, theirs)).await;
        assert!(!page.body.contains("idp-text"));
        let query = client.answered(&refresh_of(&page));
        assert_eq!((query["error"].as_str(), query.len()), (ours, 3), "{theirs}");
        assert!(browser.flow_cookies().is_empty());
    }
    assert_eq!(world.store.writes(), 0);
}

// AZ-32, UP-14: a page explains what failed, and leads the person back to the client with the error.
#[tokio::test]
async fn a_provider_that_fails_is_explained_with_a_way_back() {
    let world = World::new().await;
    let (client, mut browser, consent) = asked(&world).await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    world.idp.set_mood(Mood::Fails(503));
    let page = browser.open(&callback).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (503, Some("5")));
    let query = client.answered(&way_back_of(&page).unwrap());
    assert_eq!(query["error"], "temporarily_unavailable");
    let (client, mut browser, consent) = asked(&world).await;
    let mut callback = browser.approve(&world.idp, &consent, "alice").await;
    callback = callback.replace("code=", "code=stolen-");
    let page = browser.open(&callback).await;
    assert_eq!(page.status, 403);
    assert_eq!(client.answered(&way_back_of(&page).unwrap())["error"], "server_error");
    assert_eq!(world.store.writes(), 0);
}

// DESIGN: the session names the account and approves nothing. AZ-26, AZ-29, CON-09, DCR-30, part 3 statements 1 and 5.
#[tokio::test]
async fn a_known_person_is_greeted_and_still_asked() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let consent = browser.ask(&client.authorize_url(&[])).await;
    assert!(!consent.page.body.contains("Continue as"));
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    let code = client.answered(&refresh_of(&browser.open(&callback).await))["code"].clone();
    client.redeem(&code).await;

    let second = Client::register(&world.app).await;
    let consent = browser.ask(&second.authorize_url(&[("scope", "read write")])).await;
    assert!(
        consent.page.body.contains("alice") && consent.page.body.contains("Continue as"),
        "{}",
        consent.page.body
    );
    assert_eq!(consent.buttons(), ["demo", "demo:other", "other", "deny"]);
    let handed = query_of(&refresh_of(&browser.press(&consent, "demo:other").await));
    assert_eq!(handed["prompt"], "select_account");
    let silent = browser.open(&second.authorize_url(&[("prompt", "none")])).await;
    assert_eq!(second.answered(silent.header("location").unwrap())["error"], "consent_required");
    let again = browser.ask(&second.authorize_url(&[("prompt", "login")])).await;
    assert!(!again.page.body.contains("Continue as"));
    let handed = query_of(&refresh_of(&browser.press(&again, "demo").await));
    assert_eq!(handed["prompt"], "login");

    // What the same client was granted before is told apart from what is new.
    let step_up = browser.ask(&client.authorize_url(&[("scope", "read write")])).await;
    assert!(step_up.page.body.contains(r#"id="before""#));
    assert!(!consent.page.body.contains(r#"id="before""#), "another client was granted nothing");

    world.advance(8 * 3600);
    let late = browser.ask(&second.authorize_url(&[])).await;
    assert!(!late.page.body.contains("Continue as"));
}

/// A provider that posts its callbacks, with a key that was made for tests and is used nowhere.
fn apple(idp: &Idp) -> Provider {
    let name = ProviderName::parse("apple").unwrap();
    let mut config = ProviderConfig::new(name, ProviderKind::Apple, "our-id");
    config.base_url = Some(idp.base.clone());
    config.team_id = Some("TEAM123456".to_owned());
    config.key_id = Some("KEY1234567".to_owned());
    config.private_key = Some(ClientSecret::new(KEY));
    config.deadline = Duration::from_secs(1);
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOW)));
    Provider::new(config, Arc::new(Outbound::new()), clock).unwrap()
}

// Cookies that are SameSite=Lax stay at home when another site posts, so the answer comes back once more by GET.
#[tokio::test]
async fn a_posted_callback_leads_to_the_same_address_by_get() {
    let idp = Idp::start().await;
    let world = World::with(|_| (), |builder| builder.provider(apple(&idp))).await;
    let (_, mut browser, consent) = asked(&world).await;
    let away = refresh_of(&browser.press(&consent, "apple").await);
    let state = query_of(&away)["state"].clone();
    assert_eq!(query_of(&away)["response_mode"], "form_post");
    let user = r#"{"name":{"firstName":"Alice"}}"#;
    let posted = [
        ("state", state.as_str()),
        ("code", "c"),
        ("user", user),
        ("id_token", "x"),
        ("next", "https://evil.example"),
    ];
    // The post of another site brings no cookie.
    let answer = Browser::new(&world.app).post("/callback/apple", &posted, &[("origin", &idp.base)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (303, Some("no-store")));
    assert!(answer.header("set-cookie").is_none());
    let address = answer.header("location").unwrap().to_owned();
    assert!(address.starts_with("https://gate.example/callback/apple?"), "{address}");
    let query = query_of(&address);
    assert_eq!((query["state"].as_str(), query["user"].as_str(), query.len()), (state.as_str(), user, 3));
    assert_eq!((world.store.writes(), idp.arrivals()), (0, 0));
    // It is worth nothing in another browser, and in its own it goes as far as the provider.
    assert_eq!(Browser::new(&world.app).open(&address).await.status, 403);
    let page = browser.open(&address).await;
    assert!(way_back_of(&page).is_some_and(|back| back.contains("error=server_error")), "{page:?}");
}

#[tokio::test]
async fn a_posted_callback_that_is_unclear_is_refused() {
    let idp = Idp::start().await;
    let world = World::with(|_| (), |builder| builder.provider(apple(&idp))).await;
    let mut browser = Browser::new(&world.app);
    let twice = [("state", "a"), ("state", "b"), ("code", "c")];
    assert_eq!(browser.post("/callback/apple", &twice, &[]).await.status, 400);
    let long = "x".repeat(3000);
    let answer = browser.post("/callback/apple", &[("state", "a"), ("user", &long)], &[]).await;
    assert_eq!(answer.header("location"), Some("https://gate.example/callback/apple?state=a"));
    let huge = "x".repeat(100_000);
    assert_eq!(browser.post("/callback/apple", &[("state", &huge)], &[]).await.status, 400);
    assert_eq!(browser.post("/callback/demo", &[("state", "a")], &[]).await.status, 405);
}

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjnh3W9YdtZ2cw6hu\nxJ9J8qpKwN1xaKnMAmD78PLbcd+hRANCAAS3qVv3sq0+QtWo+ZNZmKJb1gItysVu\nlHTHW8fNuMgHyn2cVB57NSCD0PTKb4XDqWTnvWtFEub+Gltl+VjeWXgb\n-----END PRIVATE KEY-----\n";
