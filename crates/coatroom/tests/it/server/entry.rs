//! Who may enter, over HTTP: asked at the sign-in and at every refresh.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use coatroom::allowlist::{Allowlist, List};
use coatroom::clock::ManualClock;
use coatroom::outbound::Outbound;
use coatroom::protocol::words::Timestamp;
use coatroom::providers::{Provider, ProviderKind, UserMap};
use coatroom::store::{Kind, MemoryStore, Store as _};
use futures_util::future::join_all;
use serde_json::{Value, json as value};

use super::browser::{Browser, refresh_of, way_back_of};
use super::client::{Answer, Client, query_of};
use super::world::{ISSUER, NOW, Tokens, World};
use crate::providers_fake::{Fake, json};
use crate::signer::Signer;

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/// A server with a further provider, `idp`, whose answers a test writes.
struct Door {
    world: World,
    fake: Fake,
    key: Signer,
    kind: ProviderKind,
    /// Where its token endpoint is.
    token: &'static str,
    /// What its ID tokens say.
    claims: Value,
}

impl Door {
    /// A provider that tells who a user is at `/userinfo`.
    async fn plain(allow: Allowlist) -> Self {
        Self::of(ProviderKind::Demo, "/token", value!({}), allow).await
    }

    /// One whose ID tokens say this.
    async fn openid(claims: Value, allow: Allowlist) -> Self {
        let door = Self::of(ProviderKind::Oidc, "/token", claims, allow).await;
        let base = &door.fake.base;
        let metadata = value!({
            "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "jwks_uri": format!("{base}/keys"),
            "token_endpoint": format!("{base}/token"), "userinfo_endpoint": format!("{base}/userinfo"),
            "code_challenge_methods_supported": ["S256"],
        });
        door.fake.on("/.well-known/openid-configuration", json(200, &metadata));
        door.fake.on("/keys", json(200, &value!({"keys": [door.key.jwk()]})));
        door
    }

    async fn of(kind: ProviderKind, token: &'static str, claims: Value, allow: Allowlist) -> Self {
        let (fake, key) = (Fake::start().await, Signer::new("k"));
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOW)));
        let provider = provider(&fake, &clock, kind, allow);
        let store = MemoryStore::new(clock.clone());
        let world = World::over(store, clock, |_| (), |builder| builder.provider(provider)).await;
        let door = Self { world, fake, key, kind, token, claims };
        door.issues(true, None);
        door
    }

    /// What the token endpoint answers from now on.
    fn issues(&self, renewable: bool, id_token: Option<&Value>) {
        let mut tokens = value!({"access_token": "at", "expires_in": 86_400, "token_type": "Bearer", "scope": "read:user,user:email,read:org"});
        if renewable {
            tokens["refresh_token"] = value!("rt");
        }
        if let Some(claims) = id_token {
            tokens["id_token"] = value!(self.key.sign(claims));
        }
        self.fake.on(self.token, json(200, &tokens));
    }

    fn id_token(&self, more: &Value) -> Value {
        let mut claims = value!({
            "iss": self.fake.base, "aud": "our-id", "sub": "alice", "iat": NOW, "exp": NOW + 300_000,
        });
        for more in [&self.claims, more] {
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        claims
    }

    /// From now on this is the user.
    fn user(&self, said: &Value) {
        self.fake.on("/userinfo", json(200, said));
    }

    fn questions(&self) -> usize {
        self.fake.asked("GET /userinfo").len()
    }

    /// The same server after its operator wrote another allowlist.
    fn changed(&self, allow: Allowlist) -> Router {
        let provider = provider(&self.fake, &self.world.clock, self.kind, allow);
        self.world.replica_where(|builder| builder.provider(provider)).routes()
    }

    /// Where a person comes back to, whom our page sent to this address.
    fn callback(&self, address: &str) -> String {
        let query = query_of(address);
        if self.claims != value!({}) {
            let nonce = query["nonce"].as_str();
            self.issues(true, Some(&self.id_token(&value!({ "nonce": nonce }))));
        }
        format!("/callback/idp?code=c&state={}", query["state"])
    }

    /// Somebody approves a client and signs in; the page on which they end.
    async fn try_enter(&self) -> (Browser, Client, Answer) {
        let client = Client::register(&self.world.app).await;
        let mut browser = Browser::new(&self.world.app);
        let consent = browser.ask(&client.authorize_url(&[])).await;
        let handed = refresh_of(&browser.press(&consent, "idp").await);
        let page = browser.open(&self.callback(&handed)).await;
        (browser, client, page)
    }

    async fn entered(&self) -> (Client, Tokens) {
        let (_, client, page) = self.try_enter().await;
        let code = client.answered(&refresh_of(&page))["code"].clone();
        (client.clone(), Tokens::of(&client.redeem(&code).await))
    }

    /// What the grant's record says of its user.
    async fn noted(&self, access: &str) -> Value {
        let grant = self.world.grant_of(access).await;
        let record = self.world.store.get(Kind::Grant, &grant).await.unwrap().unwrap();
        serde_json::from_str::<Value>(&record.body).unwrap()["user"].clone()
    }
}

fn provider(fake: &Fake, clock: &Arc<ManualClock>, kind: ProviderKind, allow: Allowlist) -> Provider {
    let mut config = fake.config(kind);
    config.user_map = Some(UserMap::new(|user| user.permissions.push("mapped".to_owned())));
    config.allow = allow;
    config.deadline = Duration::from_secs(1);
    Provider::new(config, Arc::new(Outbound::new()), clock.clone()).unwrap()
}

fn allow(list: List, entries: &[&str]) -> Allowlist {
    Allowlist::default().with(list, entries).unwrap()
}

fn alice(groups: &[&str]) -> Value {
    value!({
        "sub": "alice", "name": "Alice", "email": "alice@example.com", "email_verified": true, "groups": groups,
    })
}

fn gone() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

fn is_wait(answer: &Answer) -> bool {
    answer.error() == (503, "temporarily_unavailable".to_owned()) && answer.header("retry-after").is_some()
}

// UP-13
#[tokio::test]
async fn who_may_not_enter_reads_why_and_nothing_is_kept() {
    let door = Door::plain(allow(List::EmailDomains, &["example.org"])).await;
    door.user(&alice(&[]));
    let (browser, client, page) = door.try_enter().await;
    assert_eq!((page.status.as_u16(), page.header("refresh")), (403, None));
    for text in
        ["You signed in with Demo as Alice.", "The people who run this site decide", "another account"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    let query = client.answered(&way_back_of(&page).unwrap());
    assert_eq!(
        (query["error"].as_str(), query.len()),
        ("access_denied", 3),
        "error, state and iss: {query:?}"
    );
    assert_eq!(door.world.store.writes(), 0);
    assert!(browser.flow_cookies().is_empty());
    assert!(browser.cookies.keys().all(|name| !name.contains("session")), "{:?}", browser.cookies);
    // The provider is told while the person reads.
    let told = async {
        while door.fake.asked("POST /revoke").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), told).await.unwrap();
    assert_eq!(door.fake.asked("POST /revoke")[0].field("token").as_deref(), Some("at"));
    door.user(&value!({"sub": "alice", "email": "alice@example.org", "email_verified": false}));
    assert_eq!(door.try_enter().await.2.status, 403, "an address that nobody verified");
    door.user(&value!({"sub": "alice", "email": "alice@example.org", "email_verified": true}));
    assert_eq!(door.try_enter().await.2.status, 200);
}

#[tokio::test]
async fn who_may_not_enter_sees_no_page_of_connections() {
    let door = Door::plain(allow(List::Users, &["bob"])).await;
    door.user(&alice(&[]));
    let mut browser = Browser::new(&door.world.app);
    assert_eq!(browser.open("/account").await.status, 200);
    let handed = browser.post("/account/sign-in", &[("provider", "idp")], &[("origin", ISSUER)]).await;
    let page = browser.open(&door.callback(&refresh_of(&handed))).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("as Alice") && way_back_of(&page).is_none(), "{}", page.body);
    assert!(browser.cookies.keys().all(|name| !name.contains("session")), "{:?}", browser.cookies);
    assert_eq!(door.world.store.writes(), 0);
}

#[tokio::test]
async fn a_refresh_ends_the_grant_of_whom_the_operator_took_off_the_list() {
    let door = Door::plain(allow(List::Users, &["alice", "bob"])).await;
    door.user(&alice(&[]));
    let (mut client, tokens) = door.entered().await;
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    client.app = door.changed(allow(List::Users, &["bob"]));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
    assert_eq!(door.world.status(&tokens.access).await, 401, "at once, and everywhere");
    client.app = door.changed(Allowlist::default());
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone(), "for good");
}

#[tokio::test]
async fn a_refresh_ends_the_grant_of_whom_the_provider_took_out_of_the_group() {
    let door = Door::plain(allow(List::Groups, &["staff"])).await;
    door.user(&alice(&["staff", "all"]));
    let (client, tokens) = door.entered().await;
    assert_eq!(door.noted(&tokens.access).await["groups"], value!(["staff", "all"]));
    door.user(&alice(&["staff"]));
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    let noted = door.noted(&tokens.access).await;
    assert_eq!(noted["groups"], value!(["staff"]), "what is told now is noted");
    assert_eq!(noted["permissions"], value!(["mapped"]), "what the program adds is added once");
    door.user(&alice(&["all"]));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
    assert_eq!(door.world.status(&tokens.access).await, 401);
}

// A refresh that displaces a successor nobody used is a refresh.
#[tokio::test]
async fn a_displacing_refresh_is_asked_about_too() {
    let door = Door::plain(allow(List::Groups, &["staff"])).await;
    door.user(&alice(&["staff"]));
    let (client, tokens) = door.entered().await;
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
    door.user(&alice(&[]));
    door.world.advance(121);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
}

// ARCHITECTURE.md, rule 7.
#[tokio::test]
async fn a_provider_that_is_down_at_a_refresh_ends_nothing() {
    let door = Door::plain(allow(List::Groups, &["staff"])).await;
    door.user(&alice(&["staff"]));
    let (mut client, mut tokens) = door.entered().await;
    for status in [500, 503, 429] {
        door.fake.on("/userinfo", json(status, &value!({"groups": []})));
        tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    }
    // What is known of them is not enough for the list of today, and nobody can say whether it is still so.
    client.app = door.changed(allow(List::Groups, &["board"]));
    let answer = client.refresh(&tokens.refresh).await;
    assert!(is_wait(&answer), "{answer:?}");
    assert_ne!(door.world.status(&tokens.access).await, 401);
    door.user(&alice(&["board"]));
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

// A refusal is no outage: nobody gets through, and nothing is ended.
#[tokio::test]
async fn a_provider_that_does_not_tell_who_somebody_is_now_lets_nobody_on() {
    let door = Door::plain(allow(List::Groups, &["staff"])).await;
    door.user(&alice(&["staff"]));
    let (client, tokens) = door.entered().await;
    for (status, said) in
        [(403, value!({})), (404, value!({})), (200, value!([])), (200, value!({"name": "x"}))]
    {
        door.fake.on("/userinfo", json(status, &said));
        let answer = client.refresh(&tokens.refresh).await;
        assert!(is_wait(&answer), "{status} {said}: {answer:?}");
    }
    door.user(&alice(&["staff"]));
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn parallel_refreshes_ask_the_provider_once() {
    let door = Door::plain(allow(List::Groups, &["staff"])).await;
    door.user(&alice(&["staff"]));
    let (client, tokens) = door.entered().await;
    for round in 1..=2 {
        let asked = door.questions();
        let answers = join_all((0..32).map(|_| client.refresh(&tokens.refresh))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{round}");
        assert_eq!(door.questions(), asked + usize::from(round == 1), "{round}: the same successor again");
    }
}

#[tokio::test]
async fn a_credential_that_became_somebody_elses_ends_the_grant() {
    let door = Door::plain(allow(List::Groups, &["staff"])).await;
    door.user(&alice(&["staff"]));
    let (client, tokens) = door.entered().await;
    let mut other = alice(&["staff"]);
    other["sub"] = value!("mallory");
    door.user(&other);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
    assert_eq!(door.world.status(&tokens.access).await, 401);
}

// A token that the provider does not take any more may still be renewed; if that helps nothing, the sign-in has ended.
#[tokio::test]
async fn a_token_that_is_refused_at_a_refresh_is_renewed_first() {
    let door = Door::plain(allow(List::Groups, &["staff"])).await;
    door.user(&alice(&["staff"]));
    let (client, tokens) = door.entered().await;
    let renewals = door.fake.asked("POST /token").len();
    door.fake.on("/userinfo", json(401, &value!({})));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
    assert_eq!(door.fake.asked("POST /token").len(), renewals + 1);
}

// === OpenID ===

#[tokio::test]
async fn what_the_user_endpoint_tells_is_asked_for_without_a_renewal() {
    let door = Door::openid(value!({"name": "Alice"}), allow(List::Groups, &["staff"])).await;
    door.user(&alice(&["staff"]));
    let (client, tokens) = door.entered().await;
    let renewals = door.fake.asked("POST /token").len();
    let mut tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(door.fake.asked("POST /token").len(), renewals);
    for status in [503, 500] {
        door.fake.on("/userinfo", json(status, &value!({})));
        tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    }
    door.user(&value!({"sub": "alice", "groups": []}));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
}

#[tokio::test]
async fn what_stands_in_id_tokens_alone_is_read_from_the_one_of_a_renewal() {
    let door =
        Door::openid(value!({"roles": ["user"], "email": "a@example.com"}), allow(List::Roles, &["user"]))
            .await;
    // Nothing of roles at the user endpoint.
    door.user(&value!({"sub": "alice", "name": "Alice"}));
    let (client, tokens) = door.entered().await;
    let renewals = door.fake.asked("POST /token").len();
    // Without a nonce, as OpenID Connect Core 1.0 §12.2 wants it.
    door.issues(true, Some(&door.id_token(&value!({"roles": ["user", "admin"]}))));
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(door.fake.asked("POST /token").len(), renewals + 1);
    assert_eq!(door.noted(&tokens.access).await["roles"], value!(["user", "admin"]));
    door.issues(true, Some(&door.id_token(&value!({"roles": []}))));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
}

#[tokio::test]
async fn an_id_token_of_a_renewal_that_is_not_good_lets_nobody_on() {
    let door = Door::openid(
        value!({"roles": ["user"], "name": "A", "email": "a@example.com"}),
        allow(List::Roles, &["user"]),
    )
    .await;
    let (client, tokens) = door.entered().await;
    for (claim, to) in
        [("iss", value!("https://evil.example")), ("aud", value!("another")), ("exp", value!(NOW - 100))]
    {
        door.issues(true, Some(&door.id_token(&value!({ claim: to }))));
        let answer = client.refresh(&tokens.refresh).await;
        assert!(is_wait(&answer), "{claim}: {answer:?}");
    }
    door.issues(true, Some(&door.id_token(&value!({"sub": "mallory"}))));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
}

#[tokio::test]
async fn where_nothing_is_told_anew_the_user_of_the_sign_in_meets_the_list_of_today() {
    let claims = value!({"roles": ["user"], "name": "A", "email": "a@example.com"});
    let door = Door::openid(claims, allow(List::Roles, &["user"])).await;
    let (mut client, tokens) = door.entered().await;
    door.issues(true, None);
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    let noted = door.noted(&tokens.access).await;
    assert_eq!((&noted["roles"], &noted["permissions"]), (&value!(["user"]), &value!(["mapped"])));
    client.app = door.changed(allow(List::Roles, &["admin"]));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
}

#[tokio::test]
async fn an_address_that_is_told_anew_brings_its_own_word_that_it_was_verified() {
    let claims = value!({"name": "A", "email": "alice@example.com", "email_verified": true});
    for (said, enters) in [
        (value!({"sub": "alice", "email": "alice@example.com"}), true),
        (value!({"sub": "alice", "email": "alice@example.com", "email_verified": false}), false),
        (value!({"sub": "alice", "email": "other@example.com"}), false),
        (value!({"sub": "alice", "email": "other@example.com", "email_verified": true}), true),
        (value!({"sub": "alice", "email": "alice@example.net", "email_verified": true}), false),
        (value!({"sub": "alice", "email_verified": true}), true),
    ] {
        let door = Door::openid(claims.clone(), allow(List::EmailDomains, &["example.com"])).await;
        let (client, tokens) = door.entered().await;
        door.user(&said);
        door.issues(true, None);
        let answer = client.refresh(&tokens.refresh).await;
        assert_eq!(answer.status.as_u16(), if enters { 200 } else { 400 }, "{said}: {answer:?}");
    }
}

// === Microsoft: groups and roles stand in ID tokens alone ===

#[tokio::test]
async fn groups_of_microsoft_are_read_from_the_id_token_of_a_renewal() {
    let claims = value!({
        "tid": TENANT, "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "ver": "2.0", "name": "Alice",
        "email": "alice@contoso.example", "groups": ["g-staff"],
    });
    let token = "/common/oauth2/v2.0/token";
    let mut door = Door::of(ProviderKind::Microsoft, token, claims, allow(List::Groups, &["g-staff"])).await;
    door.claims["iss"] = value!(format!("{}/{TENANT}/v2.0", door.fake.base));
    door.fake.on("/common/discovery/v2.0/keys", json(200, &value!({"keys": [door.key.jwk()]})));
    let (client, tokens) = door.entered().await;
    door.issues(true, Some(&door.id_token(&value!({}))));
    let tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    // Too many for a token: then none is known.
    let mut many =
        door.id_token(&value!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}));
    many.as_object_mut().unwrap().remove("groups");
    door.issues(true, Some(&many));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
}

// === GitHub: shapes from its documentation of memberships ===

fn member(state: &str) -> Value {
    value!({"state": state, "role": "member", "organization": {"login": "acme", "id": 1}, "user": {"login": "alice", "id": 583_231}})
}

#[tokio::test]
async fn a_member_of_the_organisation_enters_until_they_leave_it() {
    let door = Door::of(
        ProviderKind::Github,
        "/login/oauth/access_token",
        value!({}),
        allow(List::Organisations, &["Acme"]),
    )
    .await;
    door.issues(false, None);
    let membership = "/api/v3/user/memberships/orgs/Acme";
    door.fake.on("/api/v3/user", json(200, &value!({"id": 583_231, "login": "alice"})));
    assert_eq!(door.try_enter().await.2.status, 403, "GitHub says 404");
    door.fake.on(membership, json(200, &member("active")));
    let (client, tokens) = door.entered().await;
    assert_eq!(door.noted(&tokens.access).await["groups"], value!(["acme"]));
    let mut tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    for (status, said) in [(503, value!({})), (429, value!({})), (200, member("active"))] {
        door.fake.on(membership, json(status, &said));
        tokens = Tokens::of(&client.refresh(&tokens.refresh).await);
    }
    door.fake.on(membership, json(404, &value!({"message": "Not Found"})));
    assert_eq!(client.refresh(&tokens.refresh).await.error(), gone());
    assert_eq!(door.world.status(&tokens.access).await, 401);
}
