//! ARCHITECTURE.md, rules 2, 3 and 8: whose credential a caller gets, and what the store alone gives away.

use coatroom::protocol::words::{GrantId, base64url, from_base64url};
use coatroom::store::{Kind, Record, Store as _};
use serde_json::Value;

use super::browser::Browser;
use super::client::Client;
use super::world::{Tokens, World};

// UP-08, TP-03: Alice's token for Alice, Bob's for Bob, through one client and through two.
#[tokio::test]
async fn a_caller_gets_the_token_of_their_own_user_and_no_other() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut callers = Vec::new();
    for user in ["alice", "bob", "alice"] {
        callers.push((user, world.sign_in_to(&client, user).await));
    }
    callers.push(("bob", world.signed_in("bob").await.1));
    for (user, tokens) in &callers {
        let (status, told) = world.call(&tokens.access).await;
        assert_eq!((status, told["user"].as_str().unwrap()), (200, format!("demo:{user}-1").as_str()));
        assert_eq!(world.idp.owner_of(told["upstream"].as_str().unwrap()).as_deref(), Some(*user));
    }
}

// Two windows of one browser: the session of one user never carries the other's sign-in.
#[tokio::test]
async fn two_users_of_one_browser_stay_apart() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let (first, second) =
        (browser.ask(&client.authorize_url(&[])).await, browser.ask(&client.authorize_url(&[])).await);
    let alice = browser.approve(&world.idp, &first, "alice").await;
    let bob = browser.approve(&world.idp, &second, "bob").await;
    for (callback, user) in [(bob, "bob"), (alice, "alice")] {
        let answer = super::browser::refresh_of(&browser.open(&callback).await);
        let tokens = Tokens::of(&client.redeem(&client.answered(&answer)["code"]).await);
        assert_eq!(world.call(&tokens.access).await.1["user"], format!("demo:{user}-1"));
    }
}

// TOK-50, UP-08: a copy of everything that was ever written gives no token, code or secret, in no spelling.
#[tokio::test]
async fn the_store_never_saw_a_secret() {
    let world = World::new().await;
    let client = Client::register_with(
        &world.app,
        serde_json::json!({ "token_endpoint_auth_method": "client_secret_post" }),
    )
    .await;
    let super::client::Proof::Post(secret) = client.proof.clone() else { panic!() };
    let mut browser = Browser::new(&world.app);
    let code = browser.code(&world.idp, &client, "alice").await;
    let first = Tokens::of(&client.redeem(&code).await);
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    world.call(&second.access).await;
    world.noted(&second.access).await;
    let mut secrets = vec![code, secret, first.access, first.refresh, second.access, second.refresh];
    secrets.extend(world.idp.issued());
    secrets.extend(browser.cookies.values().cloned());
    secrets.push(super::client::VERIFIER.to_owned());
    let written = world.store.written();
    assert!(written.contains("demo:alice-1"), "the recording records");
    for secret in secrets {
        let raw = secret
            .trim_start_matches("coat_")
            .trim_start_matches(|c: char| c.is_ascii_lowercase())
            .trim_start_matches('_');
        for spelling in [secret.clone(), raw.to_owned(), base64url(secret.as_bytes()), hex(secret.as_bytes())]
        {
            assert!(!written.contains(&spelling), "{spelling}");
        }
        // The random part of a token of ours, whichever way it may be cut out and written again.
        if let Some(bytes) = from_base64url(raw).filter(|bytes| bytes.len() >= 36) {
            for part in bytes.windows(32) {
                assert!(!written.contains(&base64url(part)) && !written.contains(&hex(part)), "{secret}");
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

// Rule 3: revoked is shredded. Neither the token that opened the vault nor its record finds anything to open.
#[tokio::test]
async fn the_records_of_a_revoked_grant_open_nothing() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    let access = world.record_of(&tokens.access).await;
    let grant = world.grant_of(&tokens.access).await;
    let connections = world.store.list(Kind::Connection, &grant).await.unwrap();
    assert_eq!(connections.len(), 1);
    client.revoke(&tokens.refresh).await;
    let tombstone = world.store.get(Kind::Grant, &grant).await.unwrap().unwrap();
    for gone in ["shred", "wrapped", "vault", "alice@example.com", "current", "challenge"] {
        assert!(!tombstone.body.contains(gone), "{gone}: {}", tombstone.body);
    }
    assert_eq!(world.store.list(Kind::AccessToken, &grant).await.unwrap(), []);
    assert_eq!(world.store.list(Kind::Connection, &grant).await.unwrap(), []);
    // What a backup still has of them is of no use without the grant's own record.
    world.store.restore(access).await;
    world.store.restore(connections[0].clone()).await;
    assert_eq!(world.status(&tokens.access).await, 401);
    assert!(GrantId::parse(&grant).is_some());
}

// Rule 3: whoever can write to the database still cannot give one user's token the credential of another.
#[tokio::test]
async fn an_access_token_opens_its_own_grant_only() {
    let world = World::new().await;
    let (_, alice) = world.signed_in("alice").await;
    let (_, bob) = world.signed_in("bob").await;
    let (of_alice, of_bob) = (world.record_of(&alice.access).await, world.record_of(&bob.access).await);
    let member = |record: &Record, name: &str| {
        serde_json::from_str::<Value>(&record.body).unwrap()[name].as_str().unwrap().to_owned()
    };
    // Bob's token is given Alice's grant, first with his own wrapped key and then with hers.
    let own_key = of_bob.body.replace(&member(&of_bob, "grant"), &member(&of_alice, "grant"));
    let her_key = of_alice.body.replace(&member(&of_alice, "token"), &member(&of_bob, "token"));
    for body in [own_key, her_key] {
        world.store.restore(Record { body, ..of_bob.clone() }).await;
        let (status, told) = world.call(&bob.access).await;
        assert_eq!((status, told["upstream"].as_str()), (502, Some("unavailable")));
        world.advance(1);
    }
}
