//! What becomes of what a key made when the key is retired: one answer for each purpose, never an endless 503.

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use coatroom::clock::Clock as _;
use coatroom::entropy::SystemEntropy;
use coatroom::guard::{Caller, CallerError};
use coatroom::store::{Kind, Record};
use coatroom::vault::{KeyFile, KeyRing, Purpose};
use coatroom::{SealAgain, SealedAgain};
use serde_json::Value;

use super::browser::Browser;
use super::client::Client;
use super::handlers::call;
use super::keys::Keyed;
use super::world::Tokens;

impl Keyed {
    /// Puts another key in the place of the active one, and waits until the server uses it. Returns the old one.
    async fn replaced(&self, purpose: Purpose) -> String {
        let old = self.active(purpose);
        self.rotate(purpose, Duration::ZERO);
        self.noticed().await;
        old
    }

    async fn retired(&self, id: &str) {
        self.retire(id);
        self.noticed().await;
    }

    async fn noticed(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    fn ring(&self) -> KeyRing {
        KeyFile::read(&self.path).unwrap().ring(self.now()).unwrap()
    }

    /// What `coatroom keys retire` does with a wrapping key, without the waiting.
    async fn seal_again_and_retire(&self, id: &str) -> SealedAgain {
        let from = self.ring();
        self.retire(id);
        let to = self.ring();
        let again =
            SealAgain { from: &from, to: &to, clock: &*self.world.clock, entropy: &SystemEntropy::new() };
        let done = again.run(&self.world.store, |_| ()).await.unwrap();
        self.noticed().await;
        done
    }

    /// The upstream token that a caller gets, by whose it is.
    async fn owner_of_upstream(&self, access: &str) -> Option<String> {
        let (status, told) = self.world.call(access).await;
        assert_eq!(status, 200, "{told}");
        self.world.idp.owner_of(told["upstream"].as_str().unwrap())
    }
}

#[tokio::test]
async fn a_client_of_a_retired_registration_key_registers_again() {
    let keyed = Keyed::new().await;
    let (client, tokens) = keyed.world.signed_in("alice").await;
    let old = keyed.replaced(Purpose::Registration).await;
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    keyed.retired(&old).await;
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (401, "invalid_client".to_owned()));
    let page = Browser::new(&keyed.world.app).open(&client.authorize_url(&[])).await;
    assert_eq!(page.status, 400, "{}", page.body);
    // Its grant is as it was: what it holds already is good until it ends.
    assert_eq!(keyed.owner_of_upstream(&tokens.access).await.as_deref(), Some("alice"));
    let (client, tokens) = keyed.world.signed_in("alice").await;
    Tokens::of(&client.refresh(&tokens.refresh).await);
}

#[tokio::test]
async fn a_refresh_token_of_a_retired_key_is_an_invalid_grant_and_ends_nothing() {
    let keyed = Keyed::new().await;
    let (client, first) = keyed.world.signed_in("alice").await;
    let (other, still_first) = keyed.world.signed_in("bob").await;
    let leaked = keyed.replaced(Purpose::Tickets).await;
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    let refused = (400, "invalid_grant".to_owned());
    keyed.retired(&leaked).await;
    assert_eq!(other.refresh(&still_first.refresh).await.error(), refused);
    assert_eq!(client.refresh(&first.refresh).await.error(), refused, "the token before, too");
    for access in [&second.access, &still_first.access] {
        assert_eq!(keyed.world.status(access).await, 200);
    }
    Tokens::of(&client.refresh(&second.refresh).await);
}

// The key that made the successor leaked and is gone; the token before it was made by an older key that is still there.
#[tokio::test]
async fn a_successor_of_a_retired_key_is_not_made_again() {
    let keyed = Keyed::new().await;
    let (client, first) = keyed.world.signed_in("alice").await;
    let leaked_later = {
        keyed.replaced(Purpose::Tickets).await;
        keyed.active(Purpose::Tickets)
    };
    let second = Tokens::of(&client.refresh(&first.refresh).await);
    keyed.replaced(Purpose::Tickets).await;
    keyed.retired(&leaked_later).await;
    for seconds in [0, 200] {
        keyed.world.advance(seconds);
        for token in [&second.refresh, &first.refresh] {
            assert_eq!(client.refresh(token).await.error(), (400, "invalid_grant".to_owned()), "{seconds} s");
        }
    }
    assert_eq!(keyed.world.status(&second.access).await, 200, "nothing was taken for a replay");
}

#[tokio::test]
async fn who_was_signing_in_under_a_retired_sealing_key_begins_again() {
    let keyed = Keyed::new().await;
    let world = &keyed.world;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let code = browser.code(&world.idp, &client, "alice").await;
    let tokens = Tokens::of(&client.redeem(&code).await);
    let (asked, approved) = {
        let asked = browser.ask(&client.authorize_url(&[])).await;
        let again = browser.ask(&client.authorize_url(&[])).await;
        (asked, browser.approve(&world.idp, &again, "alice").await)
    };
    let old = keyed.replaced(Purpose::Sealing).await;
    keyed.retired(&old).await;
    let writes = world.store.writes();
    for answer in [browser.press(&asked, "demo").await, browser.open(&approved).await] {
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains("again"), "{}", answer.body);
    }
    assert_eq!(world.store.writes(), writes);
    // The session is not known any more; the page asks as it asks everybody, and nothing that lasts is lost.
    let account = browser.open("/account").await;
    assert_eq!(account.status, 200, "{}", account.body);
    assert!(!account.body.contains("alice@example.com"), "{}", account.body);
    let code = browser.code(&world.idp, &client, "alice").await;
    Tokens::of(&client.redeem(&code).await);
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(keyed.owner_of_upstream(&tokens.access).await.as_deref(), Some("alice"));
}

#[tokio::test]
async fn what_a_wrapping_key_sealed_is_sealed_again_before_it_is_retired() {
    let keyed = Keyed::new().await;
    let world = &keyed.world;
    let (client, alice) = world.signed_in("alice").await;
    let (other, bob) = world.signed_in("bob").await;
    // A code that is not redeemed yet rests on the key as well.
    let third = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &third, "alice").await;
    let old = keyed.replaced(Purpose::Wrapping).await;
    let alice = Tokens::of(&client.refresh(&alice.refresh).await);
    let records = world.store.dump().await;
    let done = keyed.seal_again_and_retire(&old).await;
    // Alice's connection and first access token; all of Bob's; the third grant and its connection.
    assert_eq!((done.sealed, done.shut), (7, 0), "{done:?}");
    assert_eq!(done.seen, u64::try_from(records.len()).unwrap());
    for (client, tokens, user) in [(client, alice, "alice"), (other, bob, "bob")] {
        assert_eq!(keyed.owner_of_upstream(&tokens.access).await.as_deref(), Some(user));
        let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
        assert_eq!(keyed.owner_of_upstream(&tokens.access).await.as_deref(), Some(user));
    }
    let tokens = Tokens::of(&third.redeem(&code).await);
    assert_eq!(keyed.owner_of_upstream(&tokens.access).await.as_deref(), Some("alice"));
}

// A renewal compares what is sealed with what was, and would take ours for a new consent: it is waited for.
#[tokio::test]
async fn sealing_again_waits_for_a_renewal_under_way() {
    let keyed = Keyed::new().await;
    let world = &keyed.world;
    let (_, tokens) = world.signed_in("alice").await;
    let old = keyed.replaced(Purpose::Wrapping).await;
    let connection = || async {
        let found = world.store.dump().await.into_iter().find(|record| record.kind == Kind::Connection);
        found.unwrap()
    };
    let free = connection().await;
    let mut body: Value = serde_json::from_str(&free.body).unwrap();
    body["lease"] = serde_json::json!({ "until": world.clock.now().unix() + 15 });
    world.store.restore(Record { body: body.to_string(), ..free.clone() }).await;
    let sealed = async |record: Record| {
        serde_json::from_str::<Value>(&record.body).unwrap()["sealed"].as_str().unwrap().to_owned()
    };
    let before = sealed(free).await;
    let end_of_lease = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(sealed(connection().await).await, before, "untouched while it is leased");
        world.advance(15);
    };
    let (done, ()) = tokio::join!(keyed.seal_again_and_retire(&old), end_of_lease);
    assert_eq!(done.shut, 0);
    assert_ne!(sealed(connection().await).await, before);
    assert_eq!(keyed.owner_of_upstream(&tokens.access).await.as_deref(), Some("alice"));
}

// A key that is only missing here is an outage; one that was retired ends what rests on it, and the client is told to authorize
// again instead of being kept waiting for ever.
#[tokio::test]
async fn a_missing_wrapping_key_is_an_outage_and_a_retired_one_asks_for_a_new_sign_in() {
    let keyed = Keyed::new().await;
    let world = &keyed.world;
    let (client, alice) = world.signed_in("alice").await;
    let (other, bob) = world.signed_in("bob").await;
    let third = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &third, "alice").await;
    let old = keyed.replaced(Purpose::Wrapping).await;
    let before = std::fs::read_to_string(&keyed.path).unwrap();
    keyed.retired(&old).await;
    let (status, told) = world.call(&alice.access).await;
    assert_eq!((status, told["upstream"].as_str()), (502, Some("unavailable")), "{told}");
    assert_eq!(client.refresh(&alice.refresh).await.error().0, 503);
    assert_eq!(third.redeem(&code).await.error().0, 503);
    let gone = std::fs::read_to_string(&keyed.path).unwrap();
    std::fs::write(&keyed.path, before).unwrap();
    keyed.noticed().await;
    assert_eq!(keyed.owner_of_upstream(&alice.access).await.as_deref(), Some("alice"), "nothing was lost");

    std::fs::write(&keyed.path, gone).unwrap();
    keyed.noticed().await;
    assert!(!coatroom::give_up_key(&world.store, "AAAAAA").await.unwrap(), "a key that never was");
    assert!(coatroom::give_up_key(&world.store, &old).await.unwrap());
    world.advance(1);
    assert_eq!(world.status(&alice.access).await, 502);
    assert_eq!(world.status(&alice.access).await, 401, "the grant has ended");
    assert_eq!(client.refresh(&alice.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(other.refresh(&bob.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.status(&bob.access).await, 401);
    assert_eq!(third.redeem(&code).await.error(), (400, "invalid_grant".to_owned()));
    let (client, tokens) = world.signed_in("alice").await;
    Tokens::of(&client.refresh(&tokens.refresh).await);
}

// Only the credential rests on the key; the wraps were made anew by a refresh.
#[tokio::test]
async fn a_credential_under_a_retired_key_is_as_good_as_ended_at_its_provider() {
    let keyed = Keyed::new().await;
    let world = &keyed.world;
    let (client, tokens) = world.signed_in("alice").await;
    let old = keyed.replaced(Purpose::Wrapping).await;
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    keyed.retired(&old).await;
    assert_eq!(world.call(&tokens.access).await.1["upstream"], "unavailable");
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert!(coatroom::give_up_key(&world.store, &old).await.unwrap());
    assert_eq!(world.status(&tokens.access).await, 502);
    assert_eq!(world.status(&tokens.access).await, 401);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn who_would_have_to_register_again_is_counted() {
    let keyed = Keyed::new().await;
    let world = &keyed.world;
    let (client, tokens) = world.signed_in("alice").await;
    world.signed_in("bob").await;
    keyed.replaced(Purpose::Registration).await;
    world.signed_in("carol").await;
    let ring = keyed.ring();
    let counts = async || {
        let mut counts = Vec::new();
        for key in ring.registration.iter() {
            counts.push(coatroom::grants_of_clients_under(&world.store, key).await.unwrap());
        }
        counts
    };
    assert_eq!(counts().await, [1, 2]);
    client.revoke(&tokens.refresh).await;
    assert_eq!(counts().await, [1, 1]);
}

#[tokio::test]
async fn what_handlers_keep_with_a_grant_is_sealed_again_too() {
    async fn remember(caller: Caller) -> Result<String, CallerError> {
        let kept: Option<String> = caller.data().await?;
        if kept.is_none() {
            caller.set_data(&"mine").await?;
        }
        Ok(kept.unwrap_or_default())
    }
    let keyed = Keyed::new().await;
    let (_, tokens) = keyed.world.signed_in("alice").await;
    let app = Router::new().route("/mcp", post(remember)).layer(keyed.world.coatroom.guard("/mcp"));
    assert_eq!(call(&app, Some(&tokens.access), "x").await.body, "");
    let old = keyed.replaced(Purpose::Wrapping).await;
    keyed.seal_again_and_retire(&old).await;
    assert_eq!(call(&app, Some(&tokens.access), "x").await.body, "mine");
}
