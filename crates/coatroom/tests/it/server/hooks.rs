//! Hooks: one that decides about sign-ins, and those that are told what happened.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::routing::any;
use axum::{Extension, Router};
use coatroom::guard::Caller;
use coatroom::hooks::{
    ConnectionEvent, GrantEnded, GrantMade, Hooks, SignIn, SignInPurpose, SignInRefusal, TokensIssued,
    TokensRefreshed,
};
use coatroom::protocol::words::Subject;
use coatroom::store::{Kind, Store as _};
use http::Request;
use serde_json::{Value, json};

use super::browser::{Browser, way_back_of};
use super::client::{Answer, Client, query_of, send};
use super::idp::{Mood, json_answer};
use super::world::{ISSUER, World, demo};

/// What the hook about sign-ins does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Yes,
    No(&'static str),
    NobodyKnows,
    Panics,
    NeverAnswers,
    /// Adds a role, a permission, a group and a claim.
    More,
    /// Makes everybody the same person.
    SomebodyElse,
}

/// Hooks that remember what they were told.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    says: Mutex<Says>,
    asked: Mutex<Vec<SignIn>>,
    told: Mutex<Vec<String>>,
    /// Whether it never finishes to hear of a new grant.
    is_stuck: Mutex<bool>,
    deadline: Mutex<Duration>,
}

impl Memory {
    pub(super) fn new(says: Says) -> Self {
        Self(Arc::new(Inner {
            says: Mutex::new(says),
            asked: Mutex::default(),
            told: Mutex::default(),
            is_stuck: Mutex::new(false),
            deadline: Mutex::new(Duration::from_millis(500)),
        }))
    }

    async fn world(&self) -> World {
        World::with(
            |settings| settings.access_token_life = Duration::from_hours(24),
            |builder| builder.hooks(self.clone()),
        )
        .await
    }

    fn says(&self, says: Says) {
        *self.0.says.lock().unwrap() = says;
    }

    fn asked(&self) -> Vec<SignIn> {
        self.0.asked.lock().unwrap().clone()
    }

    fn note(&self, name: &str, event: &impl std::fmt::Debug) {
        self.0.told.lock().unwrap().push(format!("{name} {event:?}"));
    }

    /// What it was told, as soon as that is so much.
    pub(super) async fn told(&self, count: usize) -> Vec<String> {
        let told = async {
            loop {
                let told = self.0.told.lock().unwrap().clone();
                if told.len() >= count {
                    return told;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let known = || self.0.told.lock().unwrap().clone();
        tokio::time::timeout(Duration::from_secs(5), told)
            .await
            .unwrap_or_else(|_| panic!("only {:?}", known()))
    }

    /// The names of what it was told.
    async fn names(&self, count: usize) -> Vec<String> {
        let told = self.told(count).await;
        told.iter().map(|told| told.split(' ').next().unwrap().to_owned()).collect()
    }
}

#[async_trait]
impl Hooks for Memory {
    async fn signing_in(&self, sign_in: &mut SignIn) -> Result<(), SignInRefusal> {
        self.0.asked.lock().unwrap().push(sign_in.clone());
        let says = *self.0.says.lock().unwrap();
        match says {
            Says::Yes => {}
            Says::No(why) => return Err(SignInRefusal::refused(why)),
            Says::NobodyKnows => return Err(SignInRefusal::unavailable("the directory is down")),
            Says::Panics => panic!("a mistake in a hook"),
            Says::NeverAnswers => std::future::pending().await,
            Says::More => {
                sign_in.user.roles.push("auditor".to_owned());
                sign_in.user.permissions.push("books:read".to_owned());
                sign_in.user.groups.push("night".to_owned());
                sign_in.user.claims.insert("plan".to_owned(), json!("gold"));
            }
            Says::SomebodyElse => {
                sign_in.user.subject = Subject { provider: demo(), id: "root".to_owned() };
            }
        }
        Ok(())
    }

    async fn grant_made(&self, event: &GrantMade) {
        self.note("made", event);
        if *self.0.is_stuck.lock().unwrap() {
            std::future::pending::<()>().await;
        }
    }

    async fn tokens_issued(&self, event: &TokensIssued) {
        self.note("issued", event);
    }

    async fn tokens_refreshed(&self, event: &TokensRefreshed) {
        self.note("refreshed", event);
    }

    async fn grant_ended(&self, event: &GrantEnded) {
        self.note("ended", event);
    }

    async fn connection_made(&self, event: &ConnectionEvent) {
        self.note("connected", event);
    }

    async fn connection_renewed(&self, event: &ConnectionEvent) {
        self.note("renewed", event);
    }

    async fn connection_dead(&self, event: &ConnectionEvent) {
        self.note("dead", event);
    }

    fn deadline(&self) -> Duration {
        *self.0.deadline.lock().unwrap()
    }
}

/// Somebody approves a client and signs in; the page on which they end.
async fn try_enter(world: &World) -> Answer {
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let consent = browser.ask(&client.authorize_url(&[])).await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    browser.open(&callback).await
}

/// Who a call is from, as a tool sees it.
async fn caller(world: &World, token: &str) -> Value {
    let tell = async |Extension(caller): Extension<Caller>| {
        let user = caller.user();
        let told = json!({
            "subject": user.subject.to_string(), "roles": user.roles, "permissions": user.permissions,
            "groups": user.groups, "plan": user.claims.get("plan"),
        });
        json_answer(200, &told)
    };
    let mcp = Router::new().route("/mcp", any(tell)).layer(world.coatroom.guard("/mcp"));
    let request = Request::post("/mcp")
        .header("host", "gate.example")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
        .header("authorization", format!("Bearer {token}"))
        .body(axum::body::Body::from(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#))
        .unwrap();
    let answer = send(&mcp, request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn whom_a_hook_refuses_reads_its_text_and_gets_nothing() {
    let hooks = Memory::new(Says::No("Ask <b>Bob</b>\u{202e} first."));
    let world = hooks.world().await;
    let page = try_enter(&world).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("<p>Ask &#60;b&#62;Bob&#60;/b&#62; first.</p>"), "{}", page.body);
    assert!(page.body.contains("This account may not be used here"));
    let back = way_back_of(&page).unwrap();
    assert_eq!(query_of(&back)["error"], "access_denied");
    assert!(world.store.list(Kind::Grant, "demo:alice-1").await.unwrap().is_empty());
    let revoked = async {
        while world.idp.revoked().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), revoked).await.expect("their tokens are given back");
    let asked = &hooks.asked()[0];
    assert_eq!(asked.user.subject.to_string(), "demo:alice-1");
    assert_eq!(asked.language, Some("en"));
    let SignInPurpose::Grant { resource, scopes, .. } = &asked.purpose else { panic!("{asked:?}") };
    assert_eq!((resource.as_str(), scopes.to_string().as_str()), ("https://gate.example/mcp", "read"));
    // Without a text the page has its own.
    hooks.says(Says::No(""));
    let page = try_enter(&world).await;
    assert!(page.body.contains("This account may not use this site"), "{}", page.body);
    assert!(hooks.0.told.lock().unwrap().is_empty(), "nothing happened");
}

// The page of a person's connections, too: who may not enter sees nothing there.
#[tokio::test]
async fn a_hook_is_asked_wherever_somebody_signs_in() {
    let hooks = Memory::new(Says::No("No."));
    let world = hooks.world().await;
    let mut browser = Browser::new(&world.app);
    browser.open("/account").await;
    let handed = browser.post("/account/sign-in", &[("provider", "demo")], &[("origin", ISSUER)]).await;
    let callback = world.idp.sign_in(&super::browser::refresh_of(&handed), "alice");
    let page = browser.open(&callback).await;
    assert_eq!(page.status, 403);
    assert_eq!(hooks.asked()[0].purpose, SignInPurpose::Page);
}

#[tokio::test]
async fn what_a_hook_adds_is_known_of_the_caller_and_asked_for_anew_at_a_refresh() {
    let hooks = Memory::new(Says::More);
    let world = hooks.world().await;
    let (client, tokens) = world.signed_in("alice").await;
    let more = json!({
        "subject": "demo:alice-1", "roles": ["auditor"], "permissions": ["books:read"], "groups": ["night"],
        "plan": "gold",
    });
    assert_eq!(caller(&world, &tokens.access).await, more);
    let refreshed = client.refresh(&tokens.refresh).await;
    assert_eq!(caller(&world, &refreshed.text("access_token")).await, more, "once, not twice");
    let asked = hooks.asked();
    assert_eq!(asked.len(), 2);
    assert!(matches!(asked[1].purpose, SignInPurpose::Refresh { .. }), "{:?}", asked[1]);
    assert_eq!(asked[0].user, asked[1].user, "what the provider said, not what the hook made of it");
    hooks.says(Says::Yes);
    let refreshed = client.refresh(&refreshed.text("refresh_token")).await;
    assert_eq!(caller(&world, &refreshed.text("access_token")).await["roles"], json!([]));
}

#[tokio::test]
async fn a_hook_cannot_change_who_somebody_is() {
    let hooks = Memory::new(Says::SomebodyElse);
    let world = hooks.world().await;
    let (client, tokens) = world.signed_in("alice").await;
    assert_eq!(caller(&world, &tokens.access).await["subject"], "demo:alice-1");
    let refreshed = client.refresh(&tokens.refresh).await;
    assert_eq!(caller(&world, &refreshed.text("access_token")).await["subject"], "demo:alice-1");
}

// Rule 7: fail closed, and accuse nobody.
#[tokio::test]
async fn a_hook_that_fails_panics_or_hangs_lets_nobody_in_and_ends_nothing() {
    let hooks = Memory::new(Says::Yes);
    let world = hooks.world().await;
    let (client, tokens) = world.signed_in("alice").await;
    for says in [Says::NobodyKnows, Says::Panics, Says::NeverAnswers] {
        hooks.says(says);
        let page = try_enter(&world).await;
        assert_eq!(page.status, 503, "{says:?}: {page:?}");
        assert!(page.header("retry-after").is_some());
        let back = way_back_of(&page).unwrap();
        assert_eq!(query_of(&back)["error"], "temporarily_unavailable");
        let refused = client.refresh(&tokens.refresh).await;
        assert_eq!(refused.error(), (503, "temporarily_unavailable".to_owned()), "{says:?}");
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(world.status(&tokens.access).await, 200);
    hooks.says(Says::Yes);
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
    assert_eq!(world.store.list(Kind::Grant, "demo:alice-1").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_at_a_refresh_ends_the_grant() {
    let hooks = Memory::new(Says::Yes);
    let world = hooks.world().await;
    let (client, tokens) = world.signed_in("alice").await;
    hooks.says(Says::No("You left."));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.status(&tokens.access).await, 401);
    let told = hooks.told(4).await;
    assert!(told[3].starts_with("ended ") && told[3].contains("reason: NotAllowed"), "{told:?}");
}

#[tokio::test]
async fn hooks_are_told_of_grants_tokens_and_their_end_in_order_and_without_a_secret() {
    let hooks = Memory::new(Says::Yes);
    let world = hooks.world().await;
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    assert_eq!(hooks.names(2).await, ["made", "connected"]);
    let tokens = super::world::Tokens::of(&client.redeem(&code).await);
    let next = super::world::Tokens::of(&client.refresh(&tokens.refresh).await);
    let again = client.refresh(&tokens.refresh).await;
    assert_eq!(again.text("access_token"), next.access);
    let grant = world.grant_of(&next.access).await;
    client.revoke(&next.refresh).await;
    client.revoke(&next.refresh).await;
    // What follows shows that nothing more was told before it.
    world.signed_in("bob").await;
    let told = hooks.told(9).await;
    let names: Vec<&str> = told.iter().map(|told| told.split(' ').next().unwrap()).collect();
    assert_eq!(
        names,
        ["made", "connected", "issued", "refreshed", "refreshed", "ended", "made", "connected", "issued"],
        "the end is told once"
    );
    for (told, part) in told.iter().zip([
        "resource: Resource(\"https://gate.example/mcp\")",
        "provider: ProviderName(\"demo\")",
        "may_refresh: true",
        "kind: Rotated",
        "kind: Repeated",
        "reason: Client",
    ]) {
        assert!(told.contains(part), "{part}: {told}");
        assert!(told.contains(&grant) || told.contains("GrantId"), "{told}");
        assert!(told.contains("alice-1"), "{told}");
        for secret in [&code, &tokens.access, &tokens.refresh, &next.access, &next.refresh] {
            assert!(!told.contains(secret.as_str()), "{told}");
        }
        for secret in world.idp.issued() {
            assert!(!told.contains(&secret), "{told}");
        }
    }
}

#[tokio::test]
async fn the_end_of_a_grant_says_by_whom() {
    let hooks = Memory::new(Says::Yes);
    let world = hooks.world().await;
    // By the operator.
    let (_, tokens) = world.signed_in("alice").await;
    let user = Subject { provider: demo(), id: "alice-1".to_owned() };
    let grant = world.coatroom.grants_of(&user).await.unwrap()[0].id;
    assert!(world.coatroom.revoke_grant(&user, &grant).await.unwrap());
    assert_eq!(world.status(&tokens.access).await, 401);
    // By a replay.
    let (client, tokens) = world.signed_in("bob").await;
    let next = super::world::Tokens::of(&client.refresh(&tokens.refresh).await);
    client.refresh(&next.refresh).await;
    client.refresh(&tokens.refresh).await;
    // By the user.
    let mut browser = Browser::new(&world.app);
    let client = Client::register(&world.app).await;
    let code = browser.code(&world.idp, &client, "carol").await;
    client.redeem(&code).await;
    browser.post("/account/end", &[("grant", "all")], &[("origin", ISSUER)]).await;
    let told = hooks.told(14).await;
    let ends: Vec<&String> = told.iter().filter(|told| told.starts_with("ended")).collect();
    for (told, reason) in ends.iter().zip(["Operator", "RefreshReplayed", "User"]) {
        assert!(told.contains(&format!("reason: {reason}")), "{told}");
    }
    assert_eq!(ends.len(), 3);
}

#[tokio::test]
async fn hooks_are_told_of_renewals_and_of_credentials_that_are_dead() {
    let hooks = Memory::new(Says::Yes);
    let world = hooks.world().await;
    world.idp.set_token_life(3600);
    let (_, tokens) = world.signed_in("alice").await;
    world.advance(3300);
    assert_eq!(world.status(&tokens.access).await, 200);
    world.idp.set_mood(Mood::Refuses);
    world.advance(3600);
    assert_ne!(world.status(&tokens.access).await, 200);
    let names = hooks.names(5).await;
    assert_eq!(names[..5], ["made", "connected", "issued", "renewed", "dead"]);
}

#[tokio::test]
async fn a_hook_that_is_stuck_delays_no_request_and_not_the_next_event_for_ever() {
    let hooks = Memory::new(Says::Yes);
    *hooks.0.is_stuck.lock().unwrap() = true;
    *hooks.0.deadline.lock().unwrap() = Duration::from_secs(3);
    let world = hooks.world().await;
    let begun = tokio::time::Instant::now();
    let (client, tokens) = world.signed_in("alice").await;
    client.refresh(&tokens.refresh).await;
    let so_far = hooks.0.told.lock().unwrap().clone();
    assert_eq!(
        so_far.len(),
        1,
        "the line waits, and nobody waits for it: {so_far:?} after {:?}",
        begun.elapsed()
    );
    assert_eq!(hooks.names(4).await, ["made", "connected", "issued", "refreshed"]);
}
