//! `POST /token` with a refresh token: ARCHITECTURE.md, rule 4, row by row.

use std::time::Duration;

use coatroom::protocol::words::RefreshToken;
use coatroom::store::{Kind, Store as _};
use futures_util::future::join_all;
use serde_json::json;

use super::browser::Browser;
use super::client::{Answer, Client};
use super::idp::Mood;
use super::world::{Tokens, World};

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

fn pair(answer: &Answer) -> (String, String) {
    let Tokens { access, refresh } = Tokens::of(answer);
    (access, refresh)
}

/// The body of the grant's record.
async fn grant(world: &World, access: &str) -> String {
    let id = world.grant_of(access).await;
    world.store.get(Kind::Grant, &id).await.unwrap().unwrap().body
}

// TOK-40, TOK-03: every use rotates; the older access token stays good until its own end.
#[tokio::test]
async fn every_use_rotates_the_token() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    let third = Tokens::of(&client.refresh(&second.refresh).await);
    assert!(first.refresh != second.refresh && second.refresh != third.refresh);
    for token in [&first.access, &second.access, &third.access] {
        let (status, told) = world.call(token).await;
        assert_eq!((status, &told["user"]), (200, &json!("demo:alice-1")));
        assert_eq!(world.idp.owner_of(told["upstream"].as_str().unwrap()).as_deref(), Some("alice"));
    }
}

// TOK-43: what clients that run in parallel do.
#[tokio::test]
async fn thirty_two_parallel_refreshes_agree() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let answers = join_all((0..32).map(|_| client.refresh(&first.refresh))).await;
    let pairs: Vec<_> = answers.iter().map(pair).collect();
    assert!(pairs.iter().all(|answer| answer == &pairs[0]), "{pairs:?}");
    assert!(answers.iter().all(|answer| answer.json()["expires_in"] == 3600));
    let id = world.grant_of(&first.access).await;
    let records = world.store.list(Kind::AccessToken, &id).await.unwrap();
    assert_eq!(records.len(), 2, "the losers of the race took back what they wrote");
    assert_eq!(world.status(&pairs[0].0).await, 200);
    assert_eq!(client.refresh(&pairs[0].1).await.status, 200);
}

// TOK-43, TOK-44: within the window the same successor; a repetition does not lengthen the window.
#[tokio::test]
async fn within_the_window_a_repetition_gets_the_same_answer() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let rotated = client.refresh(&first.refresh).await;
    for age in [60, 119] {
        world.advance(if age == 60 { 60 } else { 59 });
        let repeated = client.refresh(&first.refresh).await;
        assert_eq!(pair(&repeated), pair(&rotated));
        assert_eq!(repeated.json()["expires_in"], 3600 - age, "the token is as old as it is");
    }
    world.advance(1);
    let displacing = client.refresh(&first.refresh).await;
    assert_ne!(pair(&displacing), pair(&rotated), "120 s after the rotation, not after its repetition");
}

// TOK-43: an answer that was lost strands nobody, and what nobody used is dead.
#[tokio::test]
async fn after_the_window_an_unused_successor_is_displaced() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let lost = Tokens::of(&client.refresh(&first.refresh).await);
    world.advance(120);
    let found = Tokens::of(&client.refresh(&first.refresh).await);
    assert_eq!(world.status(&lost.access).await, 401, "the displaced access token");
    assert_eq!(world.call(&found.access).await.1["user"], "demo:alice-1");
    assert_eq!(client.refresh(&lost.refresh).await.error(), invalid_grant(), "the displaced one is a replay");
    assert_eq!(world.status(&found.access).await, 401);
    assert_eq!(client.refresh(&found.refresh).await.error(), invalid_grant());
}

#[tokio::test]
async fn answers_may_be_lost_again_and_again() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    for _ in 0..3 {
        world.advance(600);
        client.refresh(&first.refresh).await;
    }
    world.advance(600);
    let found = Tokens::of(&client.refresh(&first.refresh).await);
    assert_eq!(world.status(&found.access).await, 200);
    assert_eq!(client.refresh(&found.refresh).await.status, 200);
}

// The window counts from the displacement as from any rotation.
#[tokio::test]
async fn a_displacement_can_be_repeated_too() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    client.refresh(&first.refresh).await;
    world.advance(500);
    let answers = join_all((0..8).map(|_| client.refresh(&first.refresh))).await;
    let pairs: Vec<_> = answers.iter().map(pair).collect();
    assert!(pairs.iter().all(|answer| answer == &pairs[0]));
    assert_eq!(world.status(&pairs[0].0).await, 200);
}

// TOK-42: once an access token of the successor was accepted, the old token is a replay.
#[tokio::test]
async fn after_the_window_a_used_successor_makes_the_old_token_a_replay() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    assert_eq!(world.status(&second.access).await, 200);
    world.noted(&second.access).await;
    assert_eq!(pair(&client.refresh(&first.refresh).await), (second.access.clone(), second.refresh.clone()));
    // Also when that access token itself ended long ago.
    world.advance(7200);
    assert_eq!(client.refresh(&first.refresh).await.error(), invalid_grant());
    assert_eq!(client.refresh(&second.refresh).await.error(), invalid_grant(), "the family is revoked");
    assert_eq!(world.status(&second.access).await, 401);
}

// The same when the accepted token came from a repetition that asked for fewer scopes.
#[tokio::test]
async fn every_access_token_of_the_successor_counts_as_its_use() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let address = client.authorize_url(&[("scope", "read write")]);
    let answer = Browser::new(&world.app).allow(&world.idp, &address, "alice").await;
    let first = Tokens::of(&client.redeem(&client.answered(&answer)["code"]).await);
    client.refresh(&first.refresh).await;
    let narrowed = Tokens::of(&client.refresh_with(&first.refresh, &[("scope", "read")]).await);
    assert_eq!(world.status(&narrowed.access).await, 200);
    world.noted(&narrowed.access).await;
    world.advance(120);
    assert_eq!(client.refresh(&first.refresh).await.error(), invalid_grant());
    assert_eq!(world.status(&narrowed.access).await, 401);
}

// TOK-42: a token whose successor was presented is a replay at once, within the window too.
#[tokio::test]
async fn a_token_from_before_the_last_is_a_replay() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    let third = Tokens::of(&client.refresh(&second.refresh).await);
    assert_eq!(client.refresh(&first.refresh).await.error(), invalid_grant());
    assert_eq!(client.refresh(&third.refresh).await.error(), invalid_grant());
    for token in [&first.access, &second.access, &third.access] {
        assert_eq!(world.status(token).await, 401);
    }
}

#[tokio::test]
async fn a_setting_refuses_a_replay_without_revoking() {
    let world = World::with_settings(|settings| settings.replay_revokes = false).await;
    let (client, first) = world.signed_in("alice").await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    let third = Tokens::of(&client.refresh(&second.refresh).await);
    assert_eq!(client.refresh(&first.refresh).await.error(), invalid_grant());
    assert_eq!(world.status(&third.access).await, 200);
    assert_eq!(client.refresh(&third.refresh).await.status, 200);
}

// TOK-41, TOK-44: another client changes nothing, whichever token it found.
#[tokio::test]
async fn another_client_changes_nothing() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let stranger = Client::register(&world.app).await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    for token in [&first.refresh, &second.refresh] {
        assert_eq!(stranger.refresh(token).await.error(), invalid_grant());
    }
    world.advance(600);
    assert_eq!(stranger.refresh(&first.refresh).await.error(), invalid_grant());
    assert_eq!(world.status(&second.access).await, 200);
    assert_eq!(client.refresh(&second.refresh).await.status, 200);
}

// A token that we did not make changes nothing, or anyone could end a session by guessing.
#[tokio::test]
async fn a_forged_token_changes_nothing() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    let with = if second.refresh.ends_with('A') { "B" } else { "A" };
    for at in [10, 30, 40, 60, 90] {
        let mut forged = second.refresh.clone();
        let with = if &forged[at..=at] == with { "C" } else { with };
        forged.replace_range(at..=at, with);
        assert_eq!(client.refresh(&forged).await.error(), invalid_grant(), "{at}");
    }
    assert_eq!(client.refresh("garbage").await.error(), invalid_grant());
    assert_eq!(client.refresh(&second.refresh).await.status, 200);
}

// TOK-45, TOK-47.
#[tokio::test]
async fn a_narrowed_token_does_not_shrink_the_grant() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let address = client.authorize_url(&[("scope", "read write")]);
    let answer = Browser::new(&world.app).allow(&world.idp, &address, "alice").await;
    let first = Tokens::of(&client.redeem(&client.answered(&answer)["code"]).await);
    let narrowed = client.refresh_with(&first.refresh, &[("scope", "read offline_access")]).await;
    assert_eq!(narrowed.text("scope"), "read");
    assert_eq!(world.call(&narrowed.text("access_token")).await.1["scopes"], "read");
    let next = narrowed.text("refresh_token");
    let wider = client.refresh_with(&next, &[("scope", "read admin")]).await;
    assert_eq!(wider.error(), (400, "invalid_scope".to_owned()));
    assert_eq!(client.refresh(&next).await.text("scope"), "read write", "a refusal used nothing up");
}

// TOK-46, TOK-15.
#[tokio::test]
async fn a_refresh_stays_at_its_resource() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    for foreign in ["https://gate.example/bound", "https://other.example/", "relative"] {
        let answer = client.refresh_with(&first.refresh, &[("resource", foreign)]).await;
        assert_eq!(answer.error(), (400, "invalid_target".to_owned()), "{foreign}");
    }
    let answer = client.refresh_with(&first.refresh, &[("resource", "https://gate.example/mcp")]).await;
    assert_eq!(answer.status, 200);
}

// TOK-48: thirty days without use, to the second.
#[tokio::test]
async fn an_unused_token_ends_after_thirty_days() {
    let day = 24 * 3600;
    let world = World::new().await;
    world.idp.set_token_life(365 * 24 * 3600);
    let (client, first) = world.signed_in("alice").await;
    world.advance(30 * day - 1);
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    world.advance(30 * day);
    assert_eq!(client.refresh(&second.refresh).await.error(), invalid_grant());
}

// TOK-48: a hundred and eighty days in all, whatever the use.
#[tokio::test]
async fn a_grant_ends_after_a_hundred_and_eighty_days() {
    let day = 24 * 3600;
    let world = World::new().await;
    world.idp.set_token_life(365 * 24 * 3600);
    let (client, mut tokens) = world.signed_in("alice").await;
    for _ in 0..8 {
        world.advance(20 * day);
        tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    }
    world.advance(20 * day - 1);
    tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(world.status(&tokens.access).await, 200);
    world.advance(1);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), invalid_grant());
    assert_eq!(world.status(&tokens.access).await, 401);
}

// ARCHITECTURE.md, "Refresh tokens": a restored backup is no theft.
#[tokio::test]
async fn a_store_that_was_set_back_refuses_without_revoking() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let id = world.grant_of(&first.access).await;
    let older = world.store.get(Kind::Grant, &id).await.unwrap().unwrap();
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    let third = Tokens::of(&client.refresh(&second.refresh).await);
    world.store.restore(older).await;
    assert_eq!(client.refresh(&third.refresh).await.error(), invalid_grant());
    assert_eq!(client.refresh(&first.refresh).await.status, 200, "the grant lives");
}

// TOK-44: repetitions are counted and capped, without ending the session.
#[tokio::test]
async fn repetitions_are_capped_with_429() {
    let world = World::with_settings(|settings| settings.refresh.most_repeats = 3).await;
    let (client, first) = world.signed_in("alice").await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    for _ in 0..3 {
        assert_eq!(client.refresh(&first.refresh).await.status, 200);
    }
    let capped = client.refresh(&first.refresh).await;
    assert_eq!(capped.error(), (429, "slow_down".to_owned()));
    assert!(capped.header("retry-after").is_some());
    assert_eq!(client.refresh(&second.refresh).await.status, 200);
}

// TOK-43: repetitions add no records.
#[tokio::test]
async fn repetitions_add_no_records() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let id = world.grant_of(&first.access).await;
    client.refresh(&first.refresh).await;
    let before = world.store.list(Kind::AccessToken, &id).await.unwrap().len();
    for _ in 0..5 {
        client.refresh(&first.refresh).await;
    }
    assert_eq!(world.store.list(Kind::AccessToken, &id).await.unwrap().len(), before);
}

// The record of an access token goes with the token, once it does not matter any more whether that was ever used.
#[tokio::test]
async fn records_of_older_tokens_do_not_pile_up() {
    let world = World::new().await;
    world.idp.set_token_life(365 * 24 * 3600);
    let (client, mut tokens) = world.signed_in("alice").await;
    let id = world.grant_of(&tokens.access).await;
    for _ in 0..5 {
        world.advance(7200);
        tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
        assert_eq!(world.store.list(Kind::AccessToken, &id).await.unwrap().len(), 1);
    }
}

// That a token was accepted is remembered for as long as its refresh may be repeated, and no longer.
#[tokio::test]
async fn records_of_used_tokens_do_not_pile_up() {
    let world = World::new().await;
    world.idp.set_token_life(365 * 24 * 3600);
    let (client, mut tokens) = world.signed_in("alice").await;
    let id = world.grant_of(&tokens.access).await;
    let kept = async || world.store.list(Kind::AccessToken, &id).await.unwrap().len();
    for _ in 0..5 {
        world.advance(7200);
        tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
        assert_eq!(world.status(&tokens.access).await, 200);
        world.noted(&tokens.access).await;
        let settled = async {
            while kept().await > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), settled).await.unwrap();
    }
    world.advance(7200);
    assert_eq!(kept().await, 1, "it decides what a repetition means");
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
    world.advance(20 * 24 * 3600);
    assert_eq!(kept().await, 1, "nobody used the last one");
    world.advance(11 * 24 * 3600);
    assert_eq!(kept().await, 0);
}

// ARCHITECTURE.md, "Refresh tokens": the salt that derives a successor is gone once that is used, and first tokens
// have none.
#[tokio::test]
async fn the_salt_is_wiped_when_the_successor_is_used() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let body = grant(&world, &first.access).await;
    assert!(!body.contains("salt"), "first tokens are drawn, not derived");
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    let salt = |body: &str| body.split(r#""salt":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let first_salt = salt(&grant(&world, &second.access).await);
    let third = Tokens::of(&client.refresh(&second.refresh).await);
    let body = grant(&world, &third.access).await;
    assert!(!body.contains(&first_salt) && body.matches("salt").count() == 1);
    // What was presented last is known by its hash alone.
    assert!(body.contains(&RefreshToken::new(second.refresh).hash().to_string()));
}

// ARCHITECTURE.md, "Refresh tokens": first tokens are drawn.
#[tokio::test]
async fn first_tokens_are_random() {
    let world = World::new().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let (_, tokens) = world.signed_in("alice").await;
        seen.extend([tokens.access, tokens.refresh]);
    }
    assert_eq!(seen.len(), 8);
}

// DESIGN 6c, UP-09: a refresh asks whether the sign-in still stands, and an outage of the provider ends nothing.
#[tokio::test]
async fn a_refresh_ends_with_the_sign_in_and_not_with_an_outage() {
    let world = World::new().await;
    world.idp.set_token_life(7200);
    let (client, mut tokens) = world.signed_in("alice").await;
    world.advance(7200);
    world.idp.set_mood(Mood::Fails(503));
    tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    world.idp.set_mood(Mood::Refuses);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), invalid_grant());
    world.idp.set_mood(Mood::Fine);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), invalid_grant());
}
