//! ARCHITECTURE.md, rule 7: an outage is never an accusation.

use std::sync::Arc;

use coatroom::clock::ManualClock;
use coatroom::entropy::SystemEntropy;
use coatroom::protocol::words::Timestamp;
use coatroom::settings::Settings;
use coatroom::store::{Kind, SqliteStore};
use coatroom::vault::KeyRing;

use super::browser::{Browser, way_back_of};
use super::client::{Answer, Client};
use super::watched::{Failure, Verb};
use super::world::{NOW, Tokens, World};

/// A client that is told this keeps what it has and tries again.
fn is_patient(answer: &Answer) -> bool {
    answer.error() == (503, "temporarily_unavailable".to_owned()) && answer.header("retry-after").is_some()
}

// TOK-20, REV-08, RS-27: whichever verb fails, no client is told that it or its token is at fault.
#[tokio::test]
async fn whichever_verb_fails_clients_are_told_to_wait() {
    for (verb, [redeems, refreshes, revokes, calls]) in [
        (Verb::Insert, [503, 503, 503, 200]),
        (Verb::Get, [503, 503, 503, 503]),
        (Verb::Replace, [503, 503, 503, 200]),
        // Deleting is cleanup, and so is what a revocation lists.
        (Verb::Delete, [200, 200, 200, 200]),
        (Verb::List, [503, 200, 200, 200]),
        (Verb::Purge, [200, 200, 200, 200]),
    ] {
        let world = World::new().await;
        let (client, tokens) = world.signed_in("alice").await;
        let (_, other) = world.signed_in("bob").await;
        let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
        world.store.break_verb(verb);
        for (answer, expected) in [
            (client.redeem(&code).await, redeems),
            (client.refresh(&tokens.refresh).await, refreshes),
            (client.revoke(&tokens.refresh).await, revokes),
        ] {
            assert_eq!(answer.status, expected, "{verb:?}: {answer:?}");
            assert!(expected == 200 || is_patient(&answer), "{verb:?}: {answer:?}");
        }
        assert_eq!(world.status(&other.access).await, calls, "{verb:?}");
    }
}

// Nothing is used up by an outage: the same request succeeds later.
#[tokio::test]
async fn what_failed_for_an_outage_succeeds_later() {
    for (verb, kind) in [
        (Verb::Get, Kind::Grant),
        (Verb::Insert, Kind::AccessToken),
        (Verb::Replace, Kind::Grant),
        (Verb::List, Kind::Connection),
        (Verb::Replace, Kind::Connection),
    ] {
        let world = World::new().await;
        let client = Client::register(&world.app).await;
        let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
        world.store.fail(verb, kind, Failure::Before, 0..1);
        assert!(is_patient(&client.redeem(&code).await), "{verb:?} {kind}");
        let tokens = Tokens::of(&client.redeem(&code).await);
        if kind != Kind::Connection {
            world.store.recover();
            world.store.fail(verb, kind, Failure::Before, 0..1);
            assert!(is_patient(&client.refresh(&tokens.refresh).await), "{verb:?} {kind}");
        }
        let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
        assert_eq!(world.status(&tokens.access).await, 200, "{verb:?} {kind}");
    }
}

// A write whose answer was lost: the refresh happened, and its repetition gets the successor.
#[tokio::test]
async fn a_refresh_whose_write_is_uncertain_is_repeated() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    world.store.fail(Verb::Replace, Kind::Grant, Failure::After, 0..1);
    assert!(is_patient(&client.refresh(&first.refresh).await));
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    assert_eq!(world.status(&second.access).await, 200);
    assert_eq!(client.refresh(&second.refresh).await.status, 200);
}

// The same for a revocation: repeated, it tells every replica.
#[tokio::test]
async fn a_revocation_whose_write_is_uncertain_is_repeated() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    world.store.fail(Verb::Replace, Kind::Grant, Failure::After, 0..1);
    assert!(is_patient(&client.revoke(&tokens.refresh).await));
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    assert_eq!(world.status(&tokens.access).await, 401);
}

// AZ-32: a person reads that it is not their fault, and the client can be told.
#[tokio::test]
async fn people_are_told_to_wait_too() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let consent = browser.ask(&client.authorize_url(&[])).await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    world.store.break_verb(Verb::Insert);
    let page = browser.open(&callback).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after")), (503, Some("5")));
    assert_eq!(client.answered(&way_back_of(&page).unwrap())["error"], "temporarily_unavailable");
    world.store.recover();
    browser.code(&world.idp, &client, "alice").await;
    // Who is known is asked for what they allowed before, which takes a list.
    world.store.break_verb(Verb::List);
    assert_eq!(browser.open(&client.authorize_url(&[])).await.status, 503);
}

// ARCHITECTURE.md, "Revoking": a replica that cannot read revocations does not go on guessing.
#[tokio::test]
async fn a_replica_that_cannot_read_revocations_refuses_with_503() {
    let world = World::with_settings(|settings| {
        settings.revocation_poll = std::time::Duration::from_millis(1);
        settings.remembered = std::time::Duration::ZERO;
    })
    .await;
    let (_, tokens) = world.signed_in("alice").await;
    assert_eq!(world.status(&tokens.access).await, 200);
    world.store.break_verb(Verb::List);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(world.status(&tokens.access).await, 200, "for a moment it may");
    world.advance(5);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(world.status(&tokens.access).await, 503);
    world.store.recover();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(world.status(&tokens.access).await, 200);
}

// Rule 5: silence is no answer, and a purge that takes its time delays no reading.
#[tokio::test]
async fn a_store_that_never_answers_makes_a_replica_blind() {
    for verb in [Verb::List, Verb::Purge] {
        let world = World::with_settings(|settings| {
            settings.revocation_poll = std::time::Duration::from_millis(1);
            settings.revocation_patience = std::time::Duration::from_millis(50);
            settings.remembered = std::time::Duration::ZERO;
        })
        .await;
        let (_, tokens) = world.signed_in("alice").await;
        assert_eq!(world.status(&tokens.access).await, 200);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        world.store.break_with(verb, Failure::Never);
        world.advance(10 * 60);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        if verb == Verb::Purge {
            world.store.break_verb(Verb::List);
            world.advance(1);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(world.status(&tokens.access).await, 503, "{verb:?}");
    }
}

// Rule 7: a key that is missing here is our fault too.
#[tokio::test]
async fn a_missing_master_key_is_an_outage() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let fresh = KeyRing::generate(&SystemEntropy::new(), Timestamp::from_unix(NOW)).unwrap();
    let keys = KeyRing { wrapping: fresh.wrapping, ..world.keys.clone() };
    let replica = client.at(&world.replica_with(keys).routes());
    assert!(is_patient(&replica.redeem(&code).await));
    assert!(is_patient(&replica.refresh(&tokens.refresh).await));
    assert_eq!(client.redeem(&code).await.status, 200);
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

// What is expired goes by itself, also where nobody calls, in a file that two replicas share.
#[tokio::test]
async fn purging_runs_by_itself_where_nobody_calls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coatroom.db");
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOW)));
    let store = SqliteStore::open(&path, clock.clone()).unwrap();
    let quick = |settings: &mut Settings| settings.revocation_poll = std::time::Duration::from_millis(5);
    let world = World::over(store, clock, quick, |builder| builder).await;
    let replica = world.replica();
    for user in ["alice", "bob", "carol"] {
        world.signed_in(user).await;
    }
    // Only what is for good stays: what is known about keys.
    let raw = rusqlite::Connection::open(&path).unwrap();
    let count = |which: &str| -> i64 {
        raw.query_row(&format!("SELECT count(*) FROM records WHERE {which}"), [], |row| row.get(0)).unwrap()
    };
    world.coatroom.start().await.unwrap();
    replica.start().await.unwrap();
    let lasting = count("expires_at IS NULL");
    assert!(lasting > 0 && count("expires_at IS NOT NULL") >= 9);
    world.advance(181 * 24 * 3600);
    let purged = async {
        while count("expires_at IS NOT NULL") > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), purged).await.unwrap();
    assert_eq!(count("expires_at IS NULL"), lasting);
}
