//! ARCHITECTURE.md, "Upstream renewal": fresh tokens on use, one request however many callers, and nothing lost.

use std::time::Duration;

use coatroom::settings::Settings;
use coatroom::store::{Kind, NewRecord, Record, Store as _};
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use super::client::Client;
use super::idp::Mood;
use super::watched::{Failure, Verb};
use super::world::{NOW, Tokens, World, call};

/// A world in which the upstream token lives for an hour and ours for longer.
async fn world() -> (World, Client, Tokens) {
    let world = World::with_settings(|settings| settings.access_token_life = Duration::from_hours(24)).await;
    world.idp.set_token_life(3600);
    let (client, tokens) = world.signed_in("alice").await;
    (world, client, tokens)
}

async fn connection(world: &World, access: &str) -> Record {
    let grant = world.grant_of(access).await;
    world.store.list(Kind::Connection, &grant).await.unwrap().remove(0)
}

// UP-09: a token in its last tenth is renewed on use, and the rotated refresh token is kept.
#[tokio::test]
async fn a_token_that_is_about_to_end_is_renewed_on_use() {
    let (world, _, tokens) = world().await;
    let first = world.call(&tokens.access).await.1["upstream"].clone();
    world.advance(3239);
    assert_eq!(world.call(&tokens.access).await.1["upstream"], first);
    assert_eq!(world.idp.renewals(), 0);
    let mut seen = first;
    for round in 1..=3 {
        world.advance(3300);
        let renewed = world.call(&tokens.access).await.1["upstream"].clone();
        assert_ne!(renewed, seen);
        assert_eq!(world.idp.owner_of(renewed.as_str().unwrap()).as_deref(), Some("alice"));
        assert_eq!(world.idp.renewals(), round);
        seen = renewed;
    }
}

#[tokio::test]
async fn fifty_parallel_calls_make_one_request() {
    let (world, _, tokens) = world().await;
    for renewals in 1..=2 {
        world.idp.set_delay(Duration::from_millis(20));
        // First about to end, then ended.
        world.advance(if renewals == 1 { 3300 } else { 3600 });
        let answers = join_all((0..50).map(|_| world.call(&tokens.access))).await;
        assert!(answers.iter().all(|(status, _)| *status == 200));
        assert_eq!(world.idp.renewals(), renewals);
        if renewals == 2 {
            assert!(answers.iter().all(|(_, told)| told["upstream"] == answers[0].1["upstream"]));
        }
    }
}

// One lease across replicas.
#[tokio::test]
async fn two_replicas_make_one_request() {
    let (world, _, tokens) = world().await;
    let replica = world.replica();
    world.idp.set_delay(Duration::from_millis(20));
    world.advance(3600);
    let both = [&world.coatroom, &replica];
    let answers = join_all((0..10).map(|n| call(both[n % 2], &tokens.access, "/mcp"))).await;
    assert!(
        answers.iter().all(|(status, told)| *status == 200 && told["upstream"] == answers[0].1["upstream"])
    );
    assert_eq!(world.idp.renewals(), 1);
}

// UP-14, rule 7: an outage of the provider ends nothing, and while the token is good it serves.
#[tokio::test]
async fn while_the_provider_is_down_a_good_token_serves() {
    let (world, _, tokens) = world().await;
    let first = world.call(&tokens.access).await.1["upstream"].clone();
    for mood in [Mood::Fails(503), Mood::Fails(500), Mood::Fails(429)] {
        world.idp.set_mood(mood);
        world.advance(60);
        world.advance(if mood == Mood::Fails(503) { 3240 } else { 0 });
        assert_eq!(
            world.call(&tokens.access).await,
            (200, json!({ "user": "demo:alice-1", "scopes": "read", "upstream": first }))
        );
    }
    world.advance(3600);
    assert_eq!(
        world.call(&tokens.access).await,
        (502, json!({ "user": "demo:alice-1", "scopes": "read", "upstream": "unavailable" }))
    );
    world.idp.set_mood(Mood::Fine);
    assert_eq!(
        world.status(&tokens.access).await,
        200,
        "the lease was given back, and the refresh token is still there"
    );
}

// DESIGN 6c, UP-09: the provider ends the sign-in, and the grant ends with it.
#[tokio::test]
async fn a_sign_in_that_ended_ends_the_grant() {
    let (world, client, tokens) = world().await;
    world.idp.set_mood(Mood::Refuses);
    world.advance(3600);
    let (status, told) = world.call(&tokens.access).await;
    assert_eq!((status, told["upstream"].as_str()), (502, Some("the sign-in at demo has ended")));
    assert_eq!(world.status(&tokens.access).await, 401);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.idp.renewals(), 1);
    world.idp.set_mood(Mood::Fine);
    let again = world.sign_in_to(&client, "alice").await;
    assert_eq!(world.status(&again.access).await, 200);
}

// The provider has rotated its token by then: the store may be away for a moment, and nothing is lost.
#[tokio::test]
async fn a_renewed_token_survives_a_store_that_is_away_for_a_moment() {
    for failure in [Failure::Before, Failure::After] {
        let (world, client, tokens) = world().await;
        world.advance(3600);
        let seen = connection(&world, &tokens.access).await.version;
        world.store.fail(Verb::Replace, Kind::Connection, failure, 1..3);
        assert_eq!(world.status(&tokens.access).await, 200, "{failure:?}");
        assert_eq!(world.idp.renewals(), 1, "{failure:?}");
        let now = connection(&world, &tokens.access).await;
        assert_eq!(now.version, seen.next().next(), "{failure:?}: leased, then written once");
        assert!(!now.body.contains("lease"));
        world.advance(3600);
        assert_eq!(
            world.status(&tokens.access).await,
            200,
            "{failure:?}: the rotated refresh token is there"
        );
        assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
    }
}

// A replica that died while it renewed is waited for, and its intent is followed once.
#[tokio::test]
async fn the_lease_of_a_replica_that_died_is_waited_out() {
    let (world, _, tokens) = world().await;
    world.advance(3600);
    let Record { kind, key, owner, version, expires_at, body } = connection(&world, &tokens.access).await;
    let mut leased: Value = serde_json::from_str(&body).unwrap();
    leased["lease"] = json!({ "until": NOW + 3606 });
    let body = leased.to_string();
    world.store.replace(NewRecord { kind, key, owner, expires_at, body }, version).await.unwrap();
    let waiting = world.call(&tokens.access);
    let passing = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(world.idp.renewals(), 0);
        world.advance(6);
    };
    let ((status, _), ()) = tokio::join!(waiting, passing);
    assert_eq!((status, world.idp.renewals()), (200, 1));
}

// A client that hangs up cannot lose a token that the provider has rotated.
#[tokio::test]
async fn a_renewal_goes_on_without_the_client_that_began_it() {
    let (world, _, tokens) = world().await;
    world.advance(3600);
    world.idp.set_delay(Duration::from_millis(20));
    let call = world.call(&tokens.access);
    assert!(tokio::time::timeout(Duration::from_millis(5), call).await.is_err());
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(world.status(&tokens.access).await, 200);
    assert_eq!(world.idp.renewals(), 1);
}

// RFC 6749 section 6: a provider that sends no other refresh token means the old one.
#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_stays() {
    let (world, _, tokens) = world().await;
    world.idp.set_mood(Mood::KeepsRefresh);
    for renewals in 1..=3 {
        world.advance(3600);
        assert_eq!(world.status(&tokens.access).await, 200);
        assert_eq!(world.idp.renewals(), renewals);
    }
}

// UP-14: a provider that does not answer in time is down, and nothing else.
#[tokio::test]
async fn a_slow_provider_is_an_outage() {
    let (world, _, tokens) = world().await;
    let first = world.call(&tokens.access).await.1["upstream"].clone();
    world.idp.set_delay(Duration::from_millis(1200));
    world.advance(3300);
    let (status, told) = world.call(&tokens.access).await;
    assert_eq!((status, &told["upstream"]), (200, &first));
}

// ARCHITECTURE.md, "Upstream renewal": a revocation that comes meanwhile wins.
#[tokio::test]
async fn a_revocation_during_a_renewal_wins() {
    let (world, client, tokens) = world().await;
    let key = connection(&world, &tokens.access).await.key;
    world.advance(3600);
    world.idp.set_delay(Duration::from_millis(150));
    let before = world.idp.arrivals();
    let revoking = async {
        // On a busy machine the renewal takes its time to get there.
        while world.idp.arrivals() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client.revoke(&tokens.refresh).await
    };
    let ((status, told), revoked) = tokio::join!(world.call(&tokens.access), revoking);
    // The call is given up with its grant; the renewal goes on without it.
    assert_eq!((revoked.status, status), (StatusCode::OK, 401), "{told}");
    let renewed = async {
        while world.idp.renewals() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), renewed).await.expect("a renewal");
    assert_eq!(world.store.get(Kind::Connection, &key).await.unwrap(), None);
    assert_eq!(world.status(&tokens.access).await, 401);
}

// DESIGN 6c: after a refusal by the upstream server a token is renewed once, and not for every call.
#[tokio::test]
async fn a_token_that_the_upstream_server_refuses_is_renewed_once() {
    let (world, _, tokens) = world().await;
    let upstream = |told: &Value| told["upstream"].as_str().unwrap().to_owned();
    let first = upstream(&world.call(&tokens.access).await.1);
    assert_eq!(upstream(&world.call_again(&tokens.access, &first).await.1), first, "it was issued just now");
    world.advance(30);
    let answers = join_all((0..10).map(|_| world.call_again(&tokens.access, &first))).await;
    let second = upstream(&answers[0].1);
    assert_ne!(second, first);
    assert!(answers.iter().all(|(status, told)| *status == 200 && upstream(told) == second));
    assert_eq!(upstream(&world.call_again(&tokens.access, &first).await.1), second);
    assert_eq!(world.idp.renewals(), 1);
}

// Decision 0044: a call whose token is remembered reads nothing, and what it opened is remembered for no longer.
#[tokio::test]
async fn what_a_token_opened_is_remembered_for_as_long_as_the_token() {
    let (world, _, tokens) = world().await;
    let first = world.call(&tokens.access).await.1["upstream"].clone();
    world.store.break_verb(Verb::Get);
    let (status, told) = world.call(&tokens.access).await;
    assert_eq!((status, &told["upstream"]), (200, &first));
    world.advance(1);
    assert_eq!(world.call(&tokens.access).await.0, 503, "it is read again after a second");
    world.store.recover();
    assert_eq!(world.call(&tokens.access).await.1["upstream"], first);
}

// The same second, for a handler that lives longer than its call.
#[tokio::test]
async fn what_is_remembered_is_renewed_in_time_and_forgotten_when_it_is_refused() {
    let settings = |settings: &mut Settings| {
        settings.access_token_life = Duration::from_hours(24);
        settings.remembered = Duration::from_mins(1);
    };
    let world = World::with_settings(settings).await;
    world.idp.set_token_life(100);
    let (_, tokens) = world.signed_in("alice").await;
    let first = world.call(&tokens.access).await.1["upstream"].as_str().unwrap().to_owned();
    world.advance(49);
    assert_eq!(world.call(&tokens.access).await.1["upstream"], first.as_str());
    world.advance(1);
    let second = world.call(&tokens.access).await.1["upstream"].as_str().unwrap().to_owned();
    assert_ne!(second, first, "in the middle of its life such a short one is renewed, remembered or not");
    assert_eq!(world.call_again(&tokens.access, &first).await.1["upstream"], second.as_str());
    assert_eq!(world.idp.renewals(), 1);
}

/// A world in which upstream tokens end by the word of their provider alone.
async fn world_without_renewal() -> (World, Client, Tokens, String) {
    let world = World::with_settings(|settings| settings.access_token_life = Duration::from_hours(24)).await;
    world.idp.set_token_life(365 * 24 * 3600);
    world.idp.set_mood(Mood::KeepsRefresh);
    let (client, tokens) = world.signed_in("alice").await;
    let upstream = world.call(&tokens.access).await.1["upstream"].as_str().unwrap().to_owned();
    (world, client, tokens, upstream)
}

// UP-09: nothing but the provider's word ends a token that is never renewed. It is asked when the upstream server refuses
// one, once for all who wait and not again for half a minute.
#[tokio::test]
async fn a_token_that_is_never_renewed_is_checked_when_the_upstream_server_refuses_it() {
    let (world, _, tokens, upstream) = world_without_renewal().await;
    world.advance(30);
    let asked = world.idp.questions();
    for _ in 0..2 {
        let answers = join_all((0..10).map(|_| world.call_again(&tokens.access, &upstream))).await;
        assert!(answers.iter().all(|(status, told)| *status == 200 && told["upstream"] == upstream.as_str()));
    }
    assert_eq!(world.idp.questions(), asked + 1);
    world.idp.take_back(&upstream);
    world.advance(30);
    let (status, told) = world.call_again(&tokens.access, &upstream).await;
    assert_eq!((status, told["upstream"].as_str()), (502, Some("the sign-in at demo has ended")));
    assert_eq!(world.status(&tokens.access).await, 401);
}

// UP-09: and at every refresh, where an outage or nonsense ends nothing.
#[tokio::test]
async fn a_sign_in_that_is_never_renewed_is_checked_at_every_refresh() {
    let (world, client, mut tokens, upstream) = world_without_renewal().await;
    for mood in [Mood::KeepsRefresh, Mood::Fails(503), Mood::Fails(403), Mood::Fails(404)] {
        world.idp.set_mood(mood);
        let asked = world.idp.questions();
        tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
        assert_eq!(world.idp.questions(), asked + 1, "{mood:?}");
    }
    world.idp.take_back(&upstream);
    world.idp.set_mood(Mood::Fine);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.status(&tokens.access).await, 401);
}

// ARCHITECTURE.md, rule 7: a replica that was not told of a provider is at fault, not the user's credential.
#[tokio::test]
async fn a_replica_that_does_not_know_the_provider_ends_no_grant() {
    let (world, _, tokens) = world().await;
    world.advance(3600);
    let (status, _) = call(&world.replica_without_demo(), &tokens.access, "/mcp").await;
    assert_eq!(status, 502);
    assert_eq!(world.status(&tokens.access).await, 200, "the others serve on");
}
