//! The rows of the table in docs/storage.md, "Who has what": a thief takes what a real journey left behind, and tries.
//!
//! A thief of keys or of a database runs this very program over them: whatever the code can do, they can.

use std::collections::BTreeSet;

use axum::Router;
use coatroom::entropy::SystemEntropy;
use coatroom::protocol::grant::{RefreshParts, access_token, refresh_token};
use coatroom::protocol::words::{GrantId, Timestamp};
use coatroom::settings::SignUp;
use coatroom::store::{Kind, Record, Store as _};
use coatroom::vault::KeyRing;
use serde_json::{Value, json};

use super::browser::{Browser, refresh_of};
use super::client::{Client, Proof};
use super::local;
use super::world::{NOW, Tokens, World, call};

const SESSION: &str = "__Host-coatroom-session";

/// Every text in the records: keys, owners, and whatever stands in the bodies.
fn loot(records: &[Record]) -> BTreeSet<String> {
    fn collect(value: &Value, texts: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => drop(texts.insert(text.clone())),
            Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
            Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
            _ => {}
        }
    }
    let mut texts = BTreeSet::new();
    for record in records {
        texts.extend([record.key.clone()].into_iter().chain(record.owner.clone()));
        collect(&serde_json::from_str(&record.body).unwrap(), &mut texts);
    }
    texts.retain(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    texts
}

/// Presents everything as an access token, a refresh token and a code, as it is and as ours are written. None is taken.
async fn present_everything(world: &World, client: &Client, loot: &BTreeSet<String>) {
    for text in loot {
        for prefix in ["", "coat_at_", "coat_rt_", "coat_ac_"] {
            let text = format!("{prefix}{text}");
            // What cannot be a bearer token at all is malformed.
            let (status, told) = world.call(&text).await;
            assert!(matches!(status, 400 | 401) && told.get("user").is_none(), "{text}: {status}");
            assert_eq!(client.refresh(&text).await.error(), (400, "invalid_grant".to_owned()), "{text}");
            assert_eq!(client.redeem(&text).await.error(), (400, "invalid_grant".to_owned()), "{text}");
        }
    }
}

/// Alice and Bob, who have signed in, called and refreshed, and a code of Alice that is not redeemed yet.
struct Journey {
    world: World,
    client: Client,
    alice: Tokens,
    bob: Tokens,
    code: String,
}

impl Journey {
    async fn new() -> Self {
        let world = World::new().await;
        let (client, first) = world.signed_in("alice").await;
        world.call(&first.access).await;
        let alice = Tokens::of(&client.refresh(&first.refresh).await);
        let (_, bob) = world.signed_in("bob").await;
        world.call(&bob.access).await;
        let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
        Self { world, client, alice, bob, code }
    }

    /// All is as it was: nothing that a thief tried ended anything.
    async fn goes_on(&self) {
        for (tokens, user) in [(&self.alice, "alice"), (&self.bob, "bob")] {
            let (status, told) = self.world.call(&tokens.access).await;
            assert_eq!(
                (status, told["user"].as_str()),
                (200, Some(format!("demo:{user}-1").as_str())),
                "{told}"
            );
        }
        Tokens::of(&self.client.refresh(&self.alice.refresh).await);
        Tokens::of(&self.client.redeem(&self.code).await);
    }
}

#[tokio::test]
async fn a_thief_of_the_database_has_nothing_that_anybody_takes() {
    let journey = Journey::new().await;
    let records = journey.world.store.dump().await;
    let dump = records.iter().map(|record| record.body.as_str()).collect::<Vec<_>>().join("\n");
    assert!(dump.contains("alice@example.com"), "who uses what can be read");
    for secret in journey.world.idp.issued() {
        assert!(!dump.contains(&secret), "an upstream token lies open");
    }
    let loot = loot(&records);
    assert!(loot.len() > 50, "{loot:?}");
    present_everything(&journey.world, &journey.client, &loot).await;
    journey.goes_on().await;
}

// The thief's own server has the same keys, a store of its own, and a provider that says what the thief likes.
#[tokio::test]
async fn a_thief_of_the_key_file_ends_grants_that_are_known_to_them_and_uses_none() {
    let Journey { world, client, alice, bob, .. } = Journey::new().await;
    let thief = world.stolen(world.keys.clone(), &[]).await;
    let mut browser = Browser::new(&thief.app);
    browser.code(&thief.idp, &Client::register(&thief.app).await, "alice").await;
    browser.cookies.retain(|name, _| name == SESSION);
    let mut browser = elsewhere(&world.app, browser);
    let page = browser.open("/account").await;
    assert!(page.body.contains("Test client"), "a known user's grants are shown: {}", page.body);
    // It approves nothing: the provider is asked, and knows whom it has before it.
    let consent = browser.ask(&client.authorize_url(&[])).await;
    assert!(refresh_of(&browser.press(&consent, "demo").await).starts_with(world.idp.base.as_str()));
    // A client's secret is derived from its id and the keys.
    let confidential =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_post" }))
            .await;
    assert!(matches!(confidential.proof, Proof::Post(_)));
    assert_eq!(confidential.at(&thief.app).refresh("x").await.error(), (400, "invalid_grant".to_owned()));

    // A forged refresh token of a grant whose id and client are known uses nothing, and ends it.
    let grant = GrantId::parse(&world.grant_of(&bob.access).await).unwrap();
    let forged = refresh_token(world.keys.tickets.active(), RefreshParts { grant, generation: 0 }, &[7; 32]);
    assert_eq!(client.refresh(forged.expose()).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.status(&bob.access).await, 200, "another client's, so nothing happens");
    let grant = GrantId::parse(&world.grant_of(&alice.access).await).unwrap();
    for generation in [0, 1] {
        let forged = refresh_token(world.keys.tickets.active(), RefreshParts { grant, generation }, &[7; 32]);
        assert_eq!(client.refresh(forged.expose()).await.error(), (400, "invalid_grant".to_owned()));
    }
    assert_eq!(world.status(&alice.access).await, 401, "it counts as a replay");
    assert_eq!(world.status(access_token(&[7; 32]).expose()).await, 401);
}

#[tokio::test]
async fn a_thief_of_both_opens_no_credential_and_uses_no_grant() {
    let journey = Journey::new().await;
    let records = journey.world.store.dump().await;
    let thief = journey.world.stolen(journey.world.keys.clone(), &records).await;
    let loot = loot(&records);
    for world in [&thief, &journey.world] {
        present_everything(world, &journey.client.at(&world.app), &loot).await;
    }
    // A record for a token of the thief's own, with what is known of Alice's: no credential comes out of it.
    let (token, record) = pass_as(&thief, &journey.alice.access).await;
    thief.store.restore(record).await;
    let (status, told) = thief.call(&token).await;
    assert_eq!((status, told["upstream"].as_str()), (502, Some("unavailable")), "{told}");
    journey.goes_on().await;
}

#[tokio::test]
async fn a_thief_of_both_and_one_ticket_opens_the_credentials_of_that_grant_alone() {
    let journey = Journey::new().await;
    let Journey { world, client, alice, bob, code } = &journey;
    let records = world.store.dump().await;
    // An access token, a refresh token and a code: each opens its own grant.
    let first = world.stolen(world.keys.clone(), &records).await;
    let opened = first.call(&alice.access).await.1;
    assert_eq!(first.idp.owner_of(opened["upstream"].as_str().unwrap()).as_deref(), Some("alice"));
    let refreshed = Tokens::of(&client.at(&first.app).refresh(&alice.refresh).await);
    assert_eq!(first.call(&refreshed.access).await.0, 200);
    let redeemed = Tokens::of(&client.at(&first.app).redeem(code).await);
    assert_eq!(first.call(&redeemed.access).await.0, 200);
    // Bob's grant does not open with Alice's token, whatever is written into the copy.
    let of_bob = world.record_of(&bob.access).await;
    let of_alice = world.record_of(&alice.access).await;
    let [token, wrapped] = ["token", "wrapped"].map(|name| member(&of_alice, name));
    let moved = of_bob.body.replace(&member(&of_bob, "token"), &token);
    for body in [moved.clone(), moved.replace(&member(&of_bob, "wrapped"), &wrapped)] {
        let second = world.stolen(world.keys.clone(), &records).await;
        second.store.restore(Record { body, ..of_alice.clone() }).await;
        let (status, told) = second.call(&alice.access).await;
        assert_eq!((status, told["upstream"].as_str()), (502, Some("unavailable")), "{told}");
    }
    journey.goes_on().await;
}

#[tokio::test]
async fn a_stolen_access_token_is_good_at_its_server_alone_until_it_ends() {
    let Journey { world, client, alice, .. } = Journey::new().await;
    assert_eq!(world.status(&alice.access).await, 200, "it acts as its user");
    assert_eq!(call(&world.coatroom, &alice.access, "/bound").await.0, 401);
    assert_eq!(client.refresh(&alice.access).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(client.redeem(&alice.access).await.error(), (400, "invalid_grant".to_owned()));
    let wider = client.refresh_with(&alice.refresh, &[("scope", "read admin")]).await;
    assert_eq!(wider.error(), (400, "invalid_scope".to_owned()));
    world.advance(3600);
    assert_eq!(world.status(&alice.access).await, 401);
    // It may be given back, which ends the grant: the client has no secret.
    let alice = Tokens::of(&client.refresh(&alice.refresh).await);
    client.revoke(&alice.access).await;
    assert_eq!(client.refresh(&alice.refresh).await.error(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_stolen_refresh_token_needs_its_client_and_parts_from_it_only_by_ending_the_grant() {
    let world = World::new().await;
    let confidential =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_post" }))
            .await;
    let tokens = world.sign_in_to(&confidential, "alice").await;
    let without = Client { proof: Proof::Public, ..confidential.clone() };
    assert_eq!(without.refresh(&tokens.refresh).await.error().0, 401);
    let other = Client::register(&world.app).await;
    assert_eq!(other.refresh(&tokens.refresh).await.error(), (400, "invalid_grant".to_owned()));
    Tokens::of(&confidential.refresh(&tokens.refresh).await);

    let (client, first) = world.signed_in("bob").await;
    let stolen = Tokens::of(&client.refresh(&first.refresh).await);
    let clients = Tokens::of(&client.refresh(&first.refresh).await);
    assert_eq!(stolen.refresh, clients.refresh, "within the window both get the same");
    let ahead = Tokens::of(&client.refresh(&stolen.refresh).await);
    world.advance(121);
    let further = Tokens::of(&client.refresh(&ahead.refresh).await);
    assert_eq!(client.refresh(&clients.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(client.refresh(&further.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.status(&further.access).await, 401, "the grant has ended for both");
}

// The sealed cookie of a browser: it shows and ends, and the provider is asked for everything else.
#[tokio::test]
async fn a_stolen_session_of_a_providers_user_shows_and_ends_grants_and_approves_none() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let code = browser.code(&world.idp, &client, "alice").await;
    let tokens = Tokens::of(&client.redeem(&code).await);
    browser.cookies.retain(|name, _| name == SESSION);
    let mut thief = elsewhere(&world.app, browser);
    assert!(thief.open("/account").await.body.contains("Test client"));
    let consent = thief.ask(&client.authorize_url(&[])).await;
    assert!(refresh_of(&thief.press(&consent, "demo").await).starts_with(world.idp.base.as_str()));
    let ended = thief.post("/account/end", &[("grant", "all")], local::SAME_ORIGIN).await;
    assert_eq!(ended.status, 303);
    assert_eq!(world.status(&tokens.access).await, 401);
    world.advance(8 * 3600);
    assert!(!thief.open("/account").await.body.contains("You are signed in"));
}

// Who can write gives any token of theirs a record of any user. The server behind takes them for that user; the user's credential
// stays shut.
#[tokio::test]
async fn who_writes_to_the_database_passes_as_a_user_and_gets_no_credential() {
    let journey = Journey::new().await;
    let world = &journey.world;
    let (token, record) = pass_as(world, &journey.alice.access).await;
    world.store.restore(record).await;
    let (status, told) = world.call(&token).await;
    assert_eq!((status, told["user"].as_str()), (502, Some("demo:alice-1")));
    assert_eq!(told["upstream"].as_str(), Some("unavailable"));

    // A grant that is set back: its client is refused, and nothing is taken for theft.
    let grant = world.grant_of(&journey.bob.access).await;
    let (client, tokens) = world.signed_in("carol").await;
    let carols = world.grant_of(&tokens.access).await;
    let before = world.store.get(Kind::Grant, &carols).await.unwrap().unwrap();
    let second = Tokens::of(&client.refresh(&tokens.refresh).await);
    world.store.restore(before).await;
    assert_eq!(client.refresh(&second.refresh).await.error(), (400, "invalid_grant".to_owned()));
    Tokens::of(&client.refresh(&tokens.refresh).await);

    // A credential that is moved to another user does not open for them.
    let owners = world.grant_of(&journey.alice.access).await;
    let of_alice = world.store.list(Kind::Connection, &owners).await.unwrap().remove(0);
    let of_bob = world.store.list(Kind::Connection, &grant).await.unwrap().remove(0);
    let body = of_bob.body.replace(&member(&of_bob, "sealed"), &member(&of_alice, "sealed"));
    world.store.restore(Record { body, ..of_bob }).await;
    // Until then what Bob's own opened is remembered.
    world.advance(1);
    let (status, told) = world.call(&journey.bob.access).await;
    assert_eq!((status, told["upstream"].as_str()), (502, Some("unavailable")), "{told}");
}

// === Local accounts ===

/// A server with local accounts, and Alice who has one and an app.
async fn with_account() -> (World, Client, Tokens) {
    let (world, _) = local::world(SignUp::Invitation).await;
    local::invited(&world).await;
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = local::asked(&mut browser, &client).await;
    let answer = local::enter(&mut browser, &address, local::ALICE, local::PASSWORD).await;
    let tokens = local::finished(&mut browser, &client, &answer).await;
    (world, client, tokens)
}

/// The session cookie of somebody who signs in as Alice with this password.
async fn session(world: &World, password: &str) -> Browser {
    let (mut browser, client) = (Browser::new(&world.app), Client::register(&world.app).await);
    let address = local::asked(&mut browser, &client).await;
    let answer = local::enter(&mut browser, &address, local::ALICE, password).await;
    local::finished(&mut browser, &client, &answer).await;
    browser.cookies.retain(|name, _| name == SESSION);
    browser
}

/// Whether that browser continues as Alice at this server, without a password.
async fn continues(world: &World, browser: Browser) -> bool {
    let mut browser = elsewhere(&world.app, browser);
    let client = Client::register(&world.app).await;
    let consent = browser.ask(&client.authorize_url(&[])).await;
    let answer = browser.press(&consent, "local").await;
    if answer.header("location").is_some_and(|to| to.starts_with("/sign-in/")) {
        return false;
    }
    let tokens = local::finished(&mut browser, &client, &answer).await;
    local::status(world, &tokens.access).await == 200
}

#[tokio::test]
async fn a_thief_of_the_database_signs_in_to_no_local_account() {
    let (world, client, tokens) = with_account().await;
    let records = world.store.dump().await;
    let loot = loot(&records);
    present_everything(&world, &client, &loot).await;
    let account = records.iter().find(|record| record.kind == Kind::Account).unwrap();
    assert!(account.body.contains("$argon2id$") && !account.body.contains(local::PASSWORD));
    for text in [member(account, "password"), member(account, "stamp")] {
        let mut browser = Browser::new(&world.app);
        let address = local::asked(&mut browser, &client).await;
        assert_ne!(local::enter(&mut browser, &address, local::ALICE, &text).await.status, 303);
    }
    let thief = world.stolen_with_accounts(other_keys(), &records).await;
    assert!(!continues(&world, session(&thief, local::PASSWORD).await).await, "sealed under other keys");
    assert_eq!(local::status(&world, &tokens.access).await, 200);
}

#[tokio::test]
async fn a_thief_of_the_key_file_signs_in_to_no_local_account_and_one_of_both_does() {
    let (world, _, _) = with_account().await;
    let records = world.store.dump().await;
    let stolen = records.iter().find(|record| record.kind == Kind::Account).unwrap();
    // Alice's account at the thief's server, made there. Its stamp is another, even where her id is known, as logs name it.
    let own = world.stolen_with_accounts(world.keys.clone(), &[]).await;
    local::invited(&own).await;
    let known = own.store.dump().await.into_iter().find(|record| record.kind == Kind::Account).unwrap();
    let body = known.body.replace(&member(&known, "id"), &member(stolen, "id"));
    own.store.restore(Record { body, ..known.clone() }).await;
    assert!(!continues(&world, session(&own, local::PASSWORD).await).await);

    // With the database too, the thief gives their copy of her account a password of their own.
    let body = stolen.body.replace(&member(stolen, "password"), &member(&known, "password"));
    let copy = world.stolen_with_accounts(world.keys.clone(), &records).await;
    copy.store.restore(Record { body: body.clone(), ..stolen.clone() }).await;
    assert!(continues(&world, session(&copy, local::PASSWORD).await).await);

    // Who can write needs no keys for that.
    let (victim, _, _) = with_account().await;
    victim.store.restore(Record { body, ..stolen.clone() }).await;
    session(&victim, local::PASSWORD).await;
}

#[tokio::test]
async fn a_stolen_session_of_a_local_account_signs_in_until_its_person_signs_out() {
    let (world, _, _) = with_account().await;
    let stolen = session(&world, local::PASSWORD).await;
    assert!(continues(&world, stolen.clone()).await);
    let mut own = session(&world, local::PASSWORD).await;
    assert_eq!(own.post("/account/sign-out", &[], local::SAME_ORIGIN).await.status, 303);
    assert!(!continues(&world, stolen).await);
}

/// A token of the thief's own, and a record that makes it one of the grant of `access`.
async fn pass_as(world: &World, access: &str) -> (String, Record) {
    let known = world.record_of(access).await;
    let token = access_token(&[9; 32]);
    let key = token.hash().to_string();
    let body = known.body.replace(&member(&known, "token"), &key);
    (token.expose().to_owned(), Record { key, body, ..known })
}

/// Another browser, with the cookies of this one.
fn elsewhere(app: &Router, browser: Browser) -> Browser {
    let mut other = Browser::new(app);
    other.cookies = browser.cookies;
    other
}

fn other_keys() -> KeyRing {
    KeyRing::generate(&SystemEntropy::new(), Timestamp::from_unix(NOW)).unwrap()
}

fn member(record: &Record, name: &str) -> String {
    serde_json::from_str::<Value>(&record.body).unwrap()[name].as_str().unwrap().to_owned()
}
