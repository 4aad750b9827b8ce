//! `POST /consent`: nobody but the person who saw the page can answer it, and the answer changes nothing that was shown.

use serde_json::json;

use super::browser::{Browser, Consent, refresh_of};
use super::client::{Client, query_of};
use super::world::{ISSUER, World};

async fn asked(world: &World, changes: &[(&str, &str)]) -> (Client, Browser, Consent) {
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let consent = browser.ask(&client.authorize_url(changes)).await;
    (client, browser, consent)
}

// CON-05: the form counts only from a page of ours.
#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let world = World::new().await;
    let (_, mut browser, consent) = asked(&world, &[]).await;
    let fields = [("flow", consent.flow.as_str()), ("choice", "demo")];
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://gate.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ] {
        let page = browser.post_consent(&fields, headers).await;
        assert_eq!((page.status.as_u16(), page.header("refresh")), (403, None), "{headers:?}");
        assert!(browser.flow_cookies().is_empty());
    }
    for headers in [&[("origin", ISSUER)][..], &[("sec-fetch-site", "same-origin")]] {
        let page = browser.clone().post_consent(&fields, headers).await;
        assert_eq!(page.status, 200, "{headers:?}");
    }
}

// CON-05, CON-08, part 3 statement 7: a flow belongs to the browser that began it.
#[tokio::test]
async fn a_flow_is_of_no_use_in_another_browser() {
    let world = World::new().await;
    let (client, browser, consent) = asked(&world, &[]).await;
    let mut nobody = Browser::new(&world.app);
    assert_eq!(nobody.press(&consent, "demo").await.status, 403);
    let mut other = Browser::new(&world.app);
    other.ask(&client.authorize_url(&[])).await;
    assert_eq!(other.press(&consent, "demo").await.status, 400);
    let mut edited = browser.clone();
    edited.cookies.insert("__Host-coatroom-browser".to_owned(), "A".repeat(43));
    assert_eq!(edited.press(&consent, "demo").await.status, 400);
}

// CON-06: what is approved is what was shown.
#[tokio::test]
async fn a_flow_that_was_changed_opens_nothing() {
    let world = World::new().await;
    let (_, mut browser, consent) = asked(&world, &[]).await;
    for at in [0, 5, 20, consent.flow.len() / 2, consent.flow.len() - 2] {
        let with = if consent.flow.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut tampered = consent.clone();
        tampered.flow.replace_range(at..=at, with);
        assert_eq!(browser.press(&tampered, "demo").await.status, 400, "byte {at}");
    }
}

// The two stages of a flow never take each other's place.
#[tokio::test]
async fn a_flow_of_one_stage_is_of_no_use_in_the_other() {
    let world = World::new().await;
    let (_, mut browser, consent) = asked(&world, &[]).await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    let name = browser.flow_cookies()[0].to_owned();
    let approved = Consent { flow: browser.cookies[&name].clone(), ..consent.clone() };
    assert_eq!(browser.press(&approved, "demo").await.status, 400);
    browser.cookies.insert(name, consent.flow.clone());
    assert_eq!(browser.open(&callback).await.status, 400);
    assert_eq!(world.store.writes(), 0);
}

// UP-01: at most ten minutes, to the second.
#[tokio::test]
async fn a_flow_ends_after_ten_minutes() {
    let world = World::new().await;
    let (_, mut browser, consent) = asked(&world, &[]).await;
    world.advance(599);
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    world.advance(1);
    assert_eq!(browser.press(&consent, "demo").await.status, 400);
    assert_eq!(browser.open(&callback).await.status, 400, "approving does not lengthen it");
    assert_eq!(world.store.writes(), 0);
}

// CON-11, AZ-19: optional scopes can be dropped; nothing can be added.
#[tokio::test]
async fn the_form_can_drop_optional_scopes_and_add_none() {
    let world = World::new().await;
    for (ticked, granted) in [
        (&["write"][..], "read write"),
        (&[], "read"),
        (&["admin", "bogus"], "read"),
        (&["write", "admin"], "read write"),
    ] {
        let (client, mut browser, consent) = asked(&world, &[("scope", "read write")]).await;
        let mut fields = vec![("flow", consent.flow.as_str()), ("choice", "demo")];
        fields.extend(ticked.iter().map(|scope| ("scope", *scope)));
        let handed = browser.post_consent(&fields, &[("origin", ISSUER)]).await;
        let callback = world.idp.sign_in(&refresh_of(&handed), "alice");
        let answer = refresh_of(&browser.open(&callback).await);
        let tokens = client.redeem(&client.answered(&answer)["code"]).await;
        assert_eq!(tokens.text("scope"), granted, "{ticked:?}");
    }
}

#[tokio::test]
async fn only_providers_that_the_page_offered_can_be_chosen() {
    let world = World::new().await;
    let (_, mut browser, consent) = asked(&world, &[("resource", "https://gate.example/bound")]).await;
    for choice in ["unknown", "other", "", "DENY", "demo:", "demo:x"] {
        let page = browser.press(&consent, choice).await;
        assert_eq!((page.status.as_u16(), page.header("refresh")), (400, None), "{choice}");
    }
    assert_eq!(browser.press(&consent, "demo:other").await.status, 200);
}

// AZ-31, AZ-15: a denial is handed over with exactly these.
#[tokio::test]
async fn a_denial_goes_to_the_client() {
    let world = World::new().await;
    let (client, mut browser, consent) = asked(&world, &[]).await;
    let query = client.answered(&refresh_of(&browser.press(&consent, "deny").await));
    assert_eq!((query["error"].as_str(), query.len()), ("access_denied", 3));
    assert!(browser.flow_cookies().is_empty());
    assert_eq!(world.store.writes(), 0);
}

// UP-01, UP-02, CON-09: the way to the provider begins with the click, and every sign-in has its own secrets.
#[tokio::test]
async fn approval_sends_the_browser_to_the_provider_with_fresh_secrets() {
    let world = World::new().await;
    let (_, mut browser, consent) = asked(&world, &[]).await;
    let first = query_of(&refresh_of(&browser.press(&consent, "demo").await));
    let second = query_of(&refresh_of(&browser.press(&consent, "demo").await));
    assert_eq!(first["redirect_uri"], "https://gate.example/callback/demo");
    assert_eq!(first["client_id"], "our-id");
    assert_eq!(first["state"], second["state"], "one flow, one grant at the most");
    assert_ne!(first["code_challenge"], second["code_challenge"]);
    assert_ne!(first["state"], "the state");
    assert_eq!(browser.flow_cookies().len(), 1);
}

// ARCHITECTURE.md, "Flow": a browser keeps at most three flows; the oldest makes room.
#[tokio::test]
async fn a_browser_keeps_three_flows_and_drops_the_oldest() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let state = "x".repeat(3000);
    let mut callbacks = Vec::new();
    for _ in 0..4 {
        world.advance(1);
        // Each has two parts, so that the parts of one are dropped together.
        let consent = browser.ask(&client.authorize_url(&[("state", &state)])).await;
        callbacks.push(browser.approve(&world.idp, &consent, "alice").await);
    }
    assert_eq!(browser.flow_cookies().len(), 6);
    assert_eq!(browser.open(&callbacks[0]).await.status, 400);
    for callback in &callbacks[1..] {
        assert_eq!(browser.open(callback).await.status, 200);
    }
    assert!(browser.flow_cookies().is_empty());
}

// The same with flows that began in the same second, whose cookies come in any order.
#[tokio::test]
async fn flows_of_one_second_do_not_push_each_other_out() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let state = "x".repeat(3000);
    for _ in 0..3 {
        let consent = browser.ask(&client.authorize_url(&[("state", &state)])).await;
        browser.approve(&world.idp, &consent, "alice").await;
    }
    assert_eq!(browser.flow_cookies().len(), 6);
}

// CON-15: two clicks on one page leave one flow, whole.
#[tokio::test]
async fn a_page_that_is_sent_twice_leaves_one_flow() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let scopes = client.authorize_url(&[("state", &"x".repeat(2200)), ("scope", "read write")]);
    let consent = browser.ask(&scopes).await;
    browser.press(&consent, "demo").await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    assert_eq!(browser.open(&callback).await.status, 200);
    assert!(browser.flow_cookies().is_empty());
}

// CON-13: what a client says of itself is text.
#[tokio::test]
async fn a_clients_name_is_never_markup() {
    let world = World::new().await;
    let name = "<script>alert(1)</script>\"><b>";
    let client = Client::register_with(&world.app, json!({ "client_name": name })).await;
    let consent = Browser::new(&world.app).ask(&client.authorize_url(&[])).await;
    assert!(!consent.page.body.contains("<script>") && !consent.page.body.contains("\"><b>"));
}
