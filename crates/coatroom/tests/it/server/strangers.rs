//! ARCHITECTURE.md, rule 1: nothing is kept for a stranger.

use serde_json::json;

use super::browser::Browser;
use super::client::Client;
use super::world::{ISSUER, World};

#[tokio::test]
async fn a_thousand_strangers_leave_the_store_as_it_was() {
    let world = World::new().await;
    let metadata =
        json!({ "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none" });
    let mut callback = None;
    for round in 0..1000 {
        assert_eq!(Client::try_register(&world.app, &metadata).await.status, 201);
        let client = Client::configured(&world.app, "portal", super::world::PORTAL);
        let mut browser = Browser::new(&world.app);
        let consent = browser.ask(&client.authorize_url(&[])).await;
        let fields = [("flow", "garbage"), ("choice", "demo")];
        assert_eq!(browser.post_consent(&fields, &[("origin", ISSUER)]).await.status, 400);
        assert_eq!(browser.post_consent(&fields, &[]).await.status, 403);
        assert_eq!(browser.open("/callback/demo?code=x&state=AAAAAAAAAAAAAAAAAAAAAA").await.status, 400);
        assert_eq!(client.redeem(&format!("coat_ac_{round}")).await.status, 400);
        assert_eq!(client.refresh("coat_rt_garbage").await.status, 400);
        assert_eq!(client.revoke("coat_at_garbage").await.status, 200);
        // Approving alone keeps nothing either: only a sign-in does.
        if round % 20 == 0 {
            let approved = browser.approve(&world.idp, &consent, "alice").await;
            callback.get_or_insert((browser, approved));
        }
    }
    assert_eq!(world.status("coat_at_garbage").await, 401);
    assert_eq!(world.store.writes(), 0);
    let (mut browser, approved) = callback.unwrap();
    assert_eq!(browser.open(&approved).await.status, 200);
    assert!(world.store.writes() > 0, "the counting counts");
}
