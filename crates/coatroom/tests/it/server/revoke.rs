//! `POST /revoke`, and how soon it is felt.

use serde_json::json;

use super::browser::Browser;
use super::client::{Client, Proof};
use super::idp::Mood;
use super::world::World;

// REV-01, REV-05, REV-07: whichever token is given back, the whole grant ends, at once.
#[tokio::test]
async fn giving_back_either_token_ends_the_grant_at_once() {
    let world = World::new().await;
    for hint in ["", "access_token", "refresh_token", "made_up"] {
        for gives_refresh in [true, false] {
            let (client, tokens) = world.signed_in("alice").await;
            assert_eq!(world.status(&tokens.access).await, 200, "it is remembered now");
            let token = if gives_refresh { &tokens.refresh } else { &tokens.access };
            let answer = client.post("/revoke", &[("token", token)], &[("token_type_hint", hint)]).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(world.status(&tokens.access).await, 401, "felt by the guard without a pause");
            let refused = client.refresh(&tokens.refresh).await;
            assert_eq!(refused.error(), (400, "invalid_grant".to_owned()));
            assert_eq!(client.revoke(token).await.status, 200, "REV-02: once more does no harm");
        }
    }
}

// REV-02.
#[tokio::test]
async fn what_is_unknown_is_revoked_already() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    for token in ["garbage", "coat_at_AAAA", "coat_rt_AAAA", "ü"] {
        assert_eq!(client.revoke(token).await.status, 200, "{token}");
    }
    assert_eq!(world.store.writes(), 0);
}

// REV-03, REV-06.
#[tokio::test]
async fn a_client_says_who_it_is_and_what_it_gives_back() {
    let world = World::new().await;
    let client =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_post" }))
            .await;
    let missing = client.post("/revoke", &[], &[]).await;
    assert_eq!(missing.error(), (400, "invalid_request".to_owned()));
    let unauthenticated = Client { proof: Proof::Public, ..client.clone() }.revoke("x").await;
    assert_eq!(unauthenticated.error(), (401, "invalid_client".to_owned()));
    let nobody = client.post("/revoke", &[("token", "x")], &[("client_id", ""), ("client_secret", "")]).await;
    assert_eq!(nobody.error(), (401, "invalid_client".to_owned()));
}

// REV-04: another client's token is none of its business, and it does not learn that there is one.
#[tokio::test]
async fn a_client_cannot_revoke_what_is_not_its_own() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    let stranger = Client::register(&world.app).await;
    for token in [&tokens.access, &tokens.refresh] {
        assert_eq!(stranger.revoke(token).await.status, 200);
    }
    assert_eq!(world.status(&tokens.access).await, 200);
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

// Part 3 statement 5: what ends for one user and client goes on for the others.
#[tokio::test]
async fn a_revocation_ends_one_grant_and_no_other() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let alice = world.sign_in_to(&client, "alice").await;
    let bob = world.sign_in_to(&client, "bob").await;
    let second = world.sign_in_to(&client, "alice").await;
    client.revoke(&alice.refresh).await;
    assert_eq!(world.status(&alice.access).await, 401);
    for tokens in [bob, second] {
        assert_eq!(world.status(&tokens.access).await, 200);
    }
}

// A code that was never redeemed dies with its grant as well: nothing of a revoked grant can be redeemed.
#[tokio::test]
async fn a_code_of_a_revoked_grant_redeems_nothing() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let tokens = client.redeem(&code).await;
    client.revoke(&tokens.text("access_token")).await;
    assert_eq!(client.redeem(&code).await.error(), (400, "invalid_grant".to_owned()));
}

// Who disconnects expects that the provider is told too. Either token opens the vault a last time.
#[tokio::test]
async fn a_client_that_gives_its_token_back_has_the_provider_told() {
    let world = World::new().await;
    for kind in ["access", "refresh"] {
        let (client, tokens) = world.signed_in("alice").await;
        let upstream = world.idp.issued().last().unwrap().clone();
        let told = world.idp.revoked().len();
        client.revoke(if kind == "access" { &tokens.access } else { &tokens.refresh }).await;
        while world.idp.revoked().len() == told {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.idp.revoked().last(), Some(&upstream), "its refresh token, by the {kind} token");
    }
}

#[tokio::test]
async fn a_provider_that_does_not_listen_keeps_no_grant_alive() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    world.idp.set_mood(Mood::Fails(503));
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    assert_eq!(world.status(&tokens.access).await, 401);
}
