//! Several replicas over one store, and the whole way over a store on disk.

use std::sync::Arc;
use std::time::Duration;

use coatroom::clock::ManualClock;
use coatroom::entropy::SystemEntropy;
use coatroom::error::Error;
use coatroom::protocol::words::{GrantId, MacKeys, Timestamp};
use coatroom::vault::KeyRing;

use super::browser::Browser;
use super::client::Client;
use super::world::{NOW, Tokens, World, call};

// ARCHITECTURE.md, rule 5: felt here at once, and everywhere within the remembered second.
#[tokio::test]
async fn a_revocation_is_felt_by_every_replica_within_a_second() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    let replica = world.replica();
    assert_eq!(call(&replica, &tokens.access, "/mcp").await.0, 200);
    assert_eq!(world.status(&tokens.access).await, 200);
    client.revoke(&tokens.refresh).await;
    assert_eq!(world.status(&tokens.access).await, 401, "the replica that revoked forgets at once");
    // Elsewhere the token and what it opened are remembered, for a second at the most (decision 0044).
    assert_eq!(call(&replica, &tokens.access, "/mcp").await.0, 200);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(call(&replica, &tokens.access, "/mcp").await.0, 401);
}

// Rule 5: streams of other replicas learn of it by the records that they read.
#[tokio::test]
async fn streams_of_another_replica_end() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    let replica = world.replica();
    // The first call starts the reading.
    call(&replica, &tokens.access, "/mcp").await;
    let grant = GrantId::parse(&world.grant_of(&tokens.access).await).unwrap();
    let revocations = replica.revocations();
    let ended = revocations.ended(grant);
    client.revoke(&tokens.refresh).await;
    tokio::time::timeout(Duration::from_secs(2), ended).await.unwrap();
}

// A sign-in that begins at one replica ends at another.
#[tokio::test]
async fn a_sign_in_may_pass_through_every_replica() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut here = Browser::new(&world.app);
    let consent = here.ask(&client.authorize_url(&[])).await;
    let mut there = Browser::new(&world.replica().routes());
    there.cookies = here.cookies;
    let callback = there.approve(&world.idp, &consent, "alice").await;
    let mut back = Browser::new(&world.app);
    back.cookies = there.cookies;
    let answer = super::browser::refresh_of(&back.open(&callback).await);
    let replica = world.replica();
    let tokens = Tokens::of(&client.at(&replica.routes()).redeem(&client.answered(&answer)["code"]).await);
    assert_eq!(world.status(&tokens.access).await, 200);
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

// ARCHITECTURE.md, "Registration": replicas whose rings disagree would refuse each other's tokens.
#[tokio::test]
async fn a_replica_whose_keys_disagree_is_refused() {
    let world = World::new().await;
    let fresh = || KeyRing::generate(&SystemEntropy::new(), Timestamp::from_unix(NOW)).unwrap();
    world.coatroom.start().await.unwrap();
    world.coatroom.start().await.unwrap();
    world.replica_with(world.keys.clone()).start().await.unwrap();
    // Another file altogether, and one in which a single purpose is another.
    for other in [fresh(), KeyRing { wrapping: fresh().wrapping, ..world.keys.clone() }] {
        let refused = world.replica_with(other).start().await.unwrap_err();
        assert!(matches!(refused, Error::Corrupt { what: "key ring", .. }), "{refused:?}");
    }
    // A key that is added is known everywhere before it is active, and the old one may be retired later.
    let new = fresh();
    let both = |tickets| KeyRing { tickets, ..world.keys.clone() };
    let (old_key, new_key) = (world.keys.tickets.active().clone(), new.tickets.active().clone());
    let keys = MacKeys::new(old_key, vec![new_key.clone()]);
    world.replica_with(both(keys)).start().await.unwrap();
    let keys = MacKeys::new(new_key, Vec::new());
    world.replica_with(both(keys)).start().await.unwrap();
}

// The whole way over a store on disk, whose verbs really take their time.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn the_whole_way_over_sqlite() {
    use futures_util::future::join_all;

    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOW)));
    let store =
        coatroom::store::SqliteStore::open(&folder.path().join("coatroom.db"), clock.clone()).unwrap();
    let world = World::over(store, clock, |_| (), |builder| builder).await;
    world.coatroom.start().await.unwrap();
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let answers = join_all((0..20).map(|_| client.redeem(&code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let first = world.sign_in_to(&client, "alice").await;
    let answers = join_all((0..32).map(|_| client.refresh(&first.refresh))).await;
    let tokens: Vec<_> =
        answers.iter().map(|answer| (answer.text("refresh_token"), answer.text("access_token"))).collect();
    assert!(tokens.iter().all(|pair| pair == &tokens[0]));
    assert_eq!(world.call(&tokens[0].1).await.1["user"], "demo:alice-1");
    world.noted(&tokens[0].1).await;
    world.advance(120);
    assert_eq!(client.refresh(&first.refresh).await.status, 400);
    assert_eq!(world.status(&tokens[0].1).await, 401);
    let bob = world.sign_in_to(&client, "bob").await;
    world.advance(8 * 3600);
    let bob = Tokens::of(&client.refresh(&bob.refresh).await);
    assert_eq!(world.call(&bob.access).await.1["user"], "demo:bob-1");
    assert_eq!(client.revoke(&bob.access).await.status, 200);
    assert_eq!(world.status(&bob.access).await, 401);
}

#[tokio::test]
async fn two_servers_in_one_process_share_nothing() {
    let (one, other) = (World::new().await, World::new().await);
    let (client, tokens) = one.signed_in("alice").await;
    let (_, others) = other.signed_in("alice").await;
    for (world, good, bad) in [(&one, &tokens, &others), (&other, &others, &tokens)] {
        assert_eq!((world.status(&good.access).await, world.status(&bad.access).await), (200, 401));
    }
    // A registration is known where it was made, and its refresh tokens too.
    let stranger = client.at(&other.app);
    assert_eq!(Browser::new(&other.app).open(&stranger.authorize_url(&[])).await.status, 400);
    assert_eq!(stranger.refresh(&tokens.refresh).await.error(), (401, "invalid_client".to_owned()));
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    assert_eq!((one.status(&tokens.access).await, other.status(&others.access).await), (401, 200));
}
