//! Connecting a further provider within a grant: what a call hears, the link, the pages, the callback.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use coatroom::guard::{Caller, CallerError, SessionLimits, Sessions};
use coatroom::protocol::words::ProviderName;
use coatroom::settings::{Rate, Settings};
use coatroom::store::{Kind, Store as _};
use coatroom::{Builder, ClientAddress, Protection};
use http::{HeaderMap, Request};
use serde_json::{Value, json};

use super::browser::{Browser, attribute, refresh_of};
use super::client::{Answer, Client, query_of, send};
use super::hooks::{Memory, Says};
use super::idp::{Mood, json_answer, refused_at};
use super::world::{ISSUER, Tokens, World, demo};

const RESOURCE: &str = "https://gate.example/both";

/// A server whose tool needs an account at `other`, and whose users sign in at `demo`.
struct Scene {
    world: World,
    mcp: Router,
}

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// 2026-07-28, with these capabilities.
    Modern(&'static str),
    /// This revision, in a session that began with these capabilities.
    Legacy(&'static str, &'static str),
}

const URL: &str = r#"{"elicitation":{"url":{}}}"#;
const FORM: &str = r#"{"elicitation":{}}"#;

fn both() -> Protection {
    Protection::new("/both").with_name("Two accounts").with_provider(demo()).with_connections([other()])
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::built(change, |builder| builder).await
    }

    async fn built(change: impl FnOnce(&mut Settings), build: impl FnOnce(Builder) -> Builder) -> Self {
        let world = World::with(change, |builder| build(builder.resource(both()))).await;
        let sessions: Arc<Sessions> = world.coatroom.sessions(SessionLimits::default());
        let guard = world.coatroom.guard_of_proxy("/both", &sessions);
        let mcp = Router::new().route("/both", any(server)).layer(guard);
        Self { world, mcp }
    }

    /// A client that `user` has signed in to, and the browser in which they did.
    async fn signed_in(&self, user: &str) -> (Browser, Tokens) {
        let (_, browser, tokens) = self.signed_in_client(user).await;
        (browser, tokens)
    }

    async fn signed_in_client(&self, user: &str) -> (Client, Browser, Tokens) {
        let client = Client::register(&self.world.app).await;
        let mut browser = Browser::new(&self.world.app);
        let address = client.authorize_url(&[("resource", RESOURCE)]);
        let answer = browser.allow(&self.world.idp, &address, user).await;
        let code = client.answered(&answer)["code"].clone();
        let tokens = Tokens::of(&client.redeem_with(&code, &[("resource", RESOURCE)]).await);
        (client, browser, tokens)
    }

    /// Calls a tool, with members to add to its parameters.
    async fn call(&self, token: &str, speaks: Speaks, more: &str) -> Answer {
        self.request(
            token,
            speaks,
            "tools/call",
            &format!(r#""name":"post" , "arguments":{{"b":1.0,"a":[2]}}{more}"#),
        )
        .await
    }

    async fn request(&self, token: &str, speaks: Speaks, method: &str, params: &str) -> Answer {
        match speaks {
            Speaks::Modern(capabilities) => {
                let body = modern(method, params, capabilities);
                let headers =
                    [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", "post")];
                let named = if method == "tools/call" || method == "prompts/get" { 3 } else { 2 };
                self.post(token, &headers[..named], &body).await
            }
            Speaks::Legacy(version, capabilities) => {
                let hello = format!(
                    r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities}}}}}"#
                );
                let began = self.post(token, &[], &hello).await;
                assert_eq!(began.status, 200, "{began:?}");
                let session = began.header("mcp-session-id").unwrap_or_default().to_owned();
                let mut headers = vec![("mcp-protocol-version", version)];
                if !session.is_empty() {
                    headers.push(("mcp-session-id", &session));
                }
                let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
                self.post(token, &headers, &body).await
            }
        }
    }

    async fn post(&self, token: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::post("/both")
            .header("host", "gate.example")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.mcp, request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// The link to which a call leads, and the state to echo.
    async fn link(&self, token: &str) -> (String, String) {
        let told = self.call(token, Speaks::Modern(URL), "").await.json();
        let link = told["result"]["inputRequests"]["connect_other"]["params"]["url"].as_str();
        let state = told["result"]["requestState"].as_str();
        (link.unwrap_or_else(|| panic!("{told}")).to_owned(), state.unwrap().to_owned())
    }

    /// Goes the whole way from a link, as `account` of the other provider.
    async fn connect(&self, browser: &mut Browser, link: &str, account: &str) -> Answer {
        let callback = self.agree(browser, link, account).await;
        browser.open(&callback).await
    }

    /// The same up to the callback.
    async fn agree(&self, browser: &mut Browser, link: &str, account: &str) -> String {
        let page = browser.open(link).await;
        let handed = browser.press_connect(&page, "connect").await;
        self.world.idp.sign_in(&refresh_of(&handed), account)
    }

    async fn connections(&self, token: &str) -> Vec<String> {
        let grant = self.world.grant_of(token).await;
        let records = self.world.store.list(Kind::Connection, &grant).await.unwrap();
        records.into_iter().map(|record| record.key).collect()
    }
}

/// Tells the call as it arrived, and with whose token it would be made at the other provider.
async fn server(
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, CallerError> {
    let message: Value = serde_json::from_str(&body).unwrap_or_default();
    let uses = ["tools/call", "prompts/get"].contains(&message["method"].as_str().unwrap_or_default());
    let token = if uses { caller.upstream("other").await?.expose().to_owned() } else { String::new() };
    assert!(!headers.contains_key("mcp-session-id"), "this server has no sessions");
    Ok(json_answer(
        200,
        &json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "token": token, "arrived": body } }),
    ))
}

fn other() -> ProviderName {
    ProviderName::parse("other").unwrap()
}

fn modern(method: &str, params: &str, capabilities: &str) -> String {
    let params = if params.is_empty() { String::new() } else { format!("{params},") };
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
    )
}

fn retry(state: &str, action: &str) -> String {
    format!(r#","requestState":"{state}","inputResponses":{{"connect_other":{{"action":"{action}"}}}}"#)
}

// EL-01, EL-02, EL-11: each client in its own way.
#[tokio::test]
async fn a_call_that_lacks_an_account_is_answered_in_the_clients_own_way() {
    let scene = Scene::new().await;
    let (_, tokens) = scene.signed_in("alice").await;
    let url_mode = scene.call(&tokens.access, Speaks::Modern(URL), "").await.json();
    assert_eq!(url_mode["result"]["resultType"], "input_required");
    let asked = &url_mode["result"]["inputRequests"]["connect_other"];
    assert_eq!((&asked["method"], &asked["params"]["mode"]), (&json!("elicitation/create"), &json!("url")));
    for capabilities in [FORM, "{}"] {
        let told = scene.call(&tokens.access, Speaks::Modern(capabilities), "").await.json();
        assert_eq!(told["result"]["isError"], true, "{told}");
        assert!(
            told["result"]["content"][0]["text"].as_str().unwrap().contains("https://gate.example/connect/")
        );
        assert!(!told.to_string().contains("inputRequests"));
    }
    let told = scene.call(&tokens.access, Speaks::Legacy("2025-11-25", URL), "").await.json();
    assert_eq!(told["error"]["code"], -32042, "{told}");
    let elicitation = &told["error"]["data"]["elicitations"][0];
    assert_eq!(elicitation["mode"], "url");
    assert!(elicitation["elicitationId"].as_str().unwrap().len() >= 22);
    for (version, capabilities) in
        [("2025-11-25", FORM), ("2025-11-25", "{}"), ("2025-06-18", URL), ("2025-03-26", "{}")]
    {
        let told = scene.call(&tokens.access, Speaks::Legacy(version, capabilities), "").await.json();
        assert_eq!(told["result"]["isError"], true, "{version} {capabilities}: {told}");
        assert!(
            !told.to_string().contains("elicitation") && !told.to_string().contains("input_required"),
            "{told}"
        );
    }
    let prompt = scene
        .request(&tokens.access, Speaks::Legacy("2025-06-18", "{}"), "prompts/get", r#""name":"post""#)
        .await;
    assert_eq!(prompt.json()["error"]["code"], -32000);
    let prompt = scene.request(&tokens.access, Speaks::Modern("{}"), "prompts/get", r#""name":"post""#).await;
    assert_eq!((prompt.status.as_u16(), &prompt.json()["error"]["code"]), (400, &json!(-32021)));
    let list = scene.request(&tokens.access, Speaks::Modern(URL), "tools/list", "").await;
    assert!(list.json()["result"]["arrived"].is_string(), "lists need no account: {list:?}");
}

// EL-10: who may call at all is asked before, and in another way.
#[tokio::test]
async fn a_call_without_a_token_is_a_challenge_and_never_a_link() {
    let scene = Scene::new().await;
    for speaks in [Speaks::Modern(URL), Speaks::Modern("{}")] {
        let answer = scene.call("coat_at_bad", speaks, "").await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").is_some());
        assert!(
            !answer.body.contains("/connect/") && !answer.body.contains("elicitation"),
            "{}",
            answer.body
        );
    }
}

// EL-05: https, ours, and nothing of the user or the app in it.
#[tokio::test]
async fn a_link_is_ours_and_says_nothing_of_anybody() {
    let scene = Scene::new().await;
    let (_, tokens) = scene.signed_in("alice").await;
    let (first, state) = scene.link(&tokens.access).await;
    let (second, _) = scene.link(&tokens.access).await;
    assert_ne!(first, second);
    let grant = scene.world.grant_of(&tokens.access).await;
    for text in [&first, &state] {
        for told in ["alice", "other", "demo", "Two", grant.as_str(), tokens.access.as_str()] {
            assert!(!text.contains(told), "{told} in {text}");
        }
    }
    let id = first.strip_prefix(&format!("{ISSUER}/connect/")).unwrap();
    assert!(id.len() > 100 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
}

// EL-03, EL-05, EL-08, EL-09, EL-13, UP-08: the whole way.
#[tokio::test]
async fn an_account_is_connected_by_one_click_and_the_call_then_works_as_it_was_made() {
    let scene = Scene::new().await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, state) = scene.link(&tokens.access).await;
    let again = scene.call(&tokens.access, Speaks::Modern(URL), &retry(&state, "accept")).await.json();
    assert_eq!(again["result"]["resultType"], "input_required", "to accept is not to connect: {again}");
    let page = browser.open(&link).await;
    assert_eq!(page.status, 200);
    for part in [
        "Connect your",
        "Test client",
        "Two accounts",
        "<code>profile</code>",
        "signed in here as alice",
        "Unverified",
    ] {
        assert!(page.body.contains(part), "{part} is missing in {}", page.body);
    }
    let handed = browser.press_connect(&page, "connect").await;
    let address = refresh_of(&handed);
    let asked = query_of(&address);
    assert_eq!(asked["redirect_uri"], "https://gate.example/callback/other");
    assert_eq!((asked["code_challenge_method"].as_str(), asked["state"].len()), ("S256", 43));
    let (sessions_before, writes) =
        (browser.cookies["__Host-coatroom-session"].clone(), scene.world.store.writes());
    let callback = scene.world.idp.sign_in(&address, "alice-at-other");
    let done = browser.open(&callback).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert!(done.body.contains("is connected") && done.body.contains("Test client"), "{}", done.body);
    assert!(done.header("location").is_none() && done.header("refresh").is_none());
    assert_eq!(scene.world.store.writes() - writes, 1, "the connection and nothing else");
    assert_eq!(
        browser.cookies["__Host-coatroom-session"], sessions_before,
        "who one is elsewhere signs nobody in here"
    );
    assert!(browser.flow_cookies().is_empty());
    assert_eq!(scene.connections(&tokens.access).await.len(), 2);
    let account = browser.open("/account").await.body;
    assert!(account.contains("<dt>Connected accounts</dt>"), "the person sees what is kept: {account}");

    let with = scene.call(&tokens.access, Speaks::Modern(URL), &retry(&state, "accept")).await;
    let without = scene.call(&tokens.access, Speaks::Modern(URL), "").await;
    assert_eq!(with.json(), without.json(), "the server sees the call as it was first made, byte for byte");
    let token = with.json()["result"]["token"].as_str().unwrap().to_owned();
    assert_eq!(scene.world.idp.owner_of(&token).as_deref(), Some("alice-at-other"));
    let legacy = scene.call(&tokens.access, Speaks::Legacy("2025-06-18", "{}"), "").await;
    assert_eq!(legacy.json()["result"]["token"], token.as_str());
}

// EL-06: the phishing of the specification, in both directions of the browser.
#[tokio::test]
async fn another_user_is_refused_and_sent_nowhere() {
    let scene = Scene::new().await;
    let (_, alice) = scene.signed_in("alice").await;
    let (mut bob, bobs) = scene.signed_in("bob").await;
    let (link, _) = scene.link(&alice.access).await;
    let exchanges = scene.world.idp.exchanges();
    let page = bob.open(&link).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("for somebody else") && page.body.contains("signed in here as bob"));
    for hidden in ["alice", "Test client", "Two accounts"] {
        assert!(!page.body.contains(hidden), "{hidden}");
    }
    assert!(page.header("location").is_none() && page.header("refresh").is_none());
    // Whatever the form is made to say, there is no way to the provider for him.
    for choice in ["connect", "cancel", "sign-in"] {
        let answer = bob.clone().press_connect(&page, choice).await;
        let led_to = answer.header("refresh").unwrap_or_default().to_owned();
        assert!(!led_to.contains("callback%2Fother"), "{choice}: {led_to}");
    }
    // He may sign in with another account of his; as Bob again he comes back to the same page.
    let handed = bob.press_connect(&page, "other-account").await;
    let address = refresh_of(&handed);
    assert_eq!(query_of(&address)["redirect_uri"], "https://gate.example/callback/demo");
    let back = bob.open(&scene.world.idp.sign_in(&address, "bob")).await;
    assert_eq!(refresh_of(&back), link);
    assert_eq!(bob.open(&link).await.status, 403);
    assert_eq!(scene.connections(&alice.access).await.len(), 1);
    assert_eq!(scene.connections(&bobs.access).await.len(), 1);
    assert_eq!(scene.world.idp.exchanges(), exchanges + 1, "his sign-in alone");
}

// EL-06: somebody else signs in while the owner is away at the provider.
#[tokio::test]
async fn who_comes_back_must_still_be_who_left() {
    let scene = Scene::new().await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let callback = scene.agree(&mut browser, &link, "alice").await;
    let (bob, _) = scene.signed_in("bob").await;
    let (mut shared, mut signed_out) = (browser.clone(), browser.clone());
    let session = "__Host-coatroom-session";
    shared.cookies.insert(session.to_owned(), bob.cookies[session].clone());
    signed_out.cookies.remove(session);
    let exchanges = scene.world.idp.exchanges();
    assert_eq!(shared.open(&callback).await.status, 403);
    assert_eq!(signed_out.open(&callback).await.status, 403);
    assert_eq!(scene.world.idp.exchanges(), exchanges, "the code was sent nowhere");
    assert_eq!(browser.open(&callback).await.status, 200);
}

// EL-06, rule 1: who is not signed in does so first, and that writes nothing.
#[tokio::test]
async fn who_is_not_signed_in_does_so_first_and_nothing_is_written_for_that() {
    let scene = Scene::new().await;
    let (_, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let (mut fresh, writes) = (Browser::new(&scene.world.app), scene.world.store.writes());
    let page = fresh.open(&link).await;
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("Sign in first")
            && !page.body.contains("alice")
            && !page.body.contains("Test client")
    );
    assert!(!fresh.clone().press_connect(&page, "connect").await.headers.contains_key("refresh"));
    let address = refresh_of(&fresh.press_connect(&page, "sign-in").await);
    let back = fresh.open(&scene.world.idp.sign_in(&address, "alice")).await;
    assert_eq!(refresh_of(&back), link);
    assert_eq!(scene.world.store.writes(), writes);
    assert_eq!(scene.world.call(&tokens.access).await.0, 401, "a token for this server alone");
    assert!(scene.connect(&mut fresh, &link, "alice").await.body.contains("is connected"));
}

// EL-07, EL-08: a link that was edited, of another server, or too old.
#[tokio::test]
async fn an_edited_or_old_link_opens_nothing() {
    let scene = Scene::new().await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let id = link.rsplit('/').next().unwrap();
    for at in [0, 8, 30, 60, id.len() - 1] {
        let mut edited: Vec<char> = id.chars().collect();
        edited[at] = if edited[at] == 'A' { 'B' } else { 'A' };
        let edited: String = edited.into_iter().collect();
        assert_eq!(browser.open(&format!("/connect/{edited}")).await.status, 400, "{at}");
    }
    for foreign in [
        "x",
        "..",
        &id[1..],
        &scene.world.grant_of(&tokens.access).await,
        &browser.cookies["__Host-coatroom-session"].clone(),
    ] {
        assert_eq!(browser.open(&format!("/connect/{foreign}")).await.status.as_u16() / 100, 4, "{foreign}");
    }
    let page = browser.open(&link).await;
    scene.world.advance(599);
    assert_eq!(browser.open(&link).await.status, 200);
    scene.world.advance(1);
    assert_eq!(browser.open(&link).await.status, 400);
    assert_eq!(
        browser.press_connect(&page, "connect").await.status,
        400,
        "and so is the page that it led to"
    );
}

// EL-08, UP-01: single use, also for who kept link, cookies and all.
#[tokio::test]
async fn a_link_and_a_callback_yield_one_connection() {
    let scene = Scene::new().await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let page = browser.open(&link).await;
    let address = refresh_of(&browser.press_connect(&page, "connect").await);
    let mut thief = browser.clone();
    let callback = scene.world.idp.sign_in(&address, "alice");
    assert!(browser.open(&callback).await.body.contains("is connected"));
    let (writes, exchanges) = (scene.world.store.writes(), scene.world.idp.exchanges());
    assert_eq!(browser.open(&callback).await.status, 400, "its cookies are gone");
    assert_eq!(thief.open(&callback).await.status, 200, "it says that there is nothing left to do");
    let other_code = scene.world.idp.sign_in(&address, "mallory");
    thief.open(&other_code).await;
    assert!(browser.open(&link).await.body.contains("is connected"));
    assert!(browser.press_connect(&page, "connect").await.header("refresh").is_none());
    assert_eq!((scene.world.store.writes(), scene.world.idp.exchanges()), (writes, exchanges));
    let told = scene.call(&tokens.access, Speaks::Modern(URL), "").await.json();
    let token = told["result"]["token"].as_str().unwrap();
    assert_eq!(scene.world.idp.owner_of(token).as_deref(), Some("alice"));
}

// EL-08: of two callbacks at the same moment one writes.
#[tokio::test]
async fn of_two_callbacks_at_once_one_connects() {
    let scene = Scene::new().await;
    let (mut first, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let one = scene.agree(&mut first, &link, "one").await;
    let two = scene.agree(&mut first, &link, "two").await;
    let mut second = first.clone();
    let writes = scene.world.store.writes();
    let (left, right) = tokio::join!(first.open(&one), second.open(&two));
    assert!(left.body.contains("is connected") && right.body.contains("is connected"));
    assert_eq!(scene.connections(&tokens.access).await.len(), 2);
    assert!(scene.world.store.writes() - writes <= 2, "an insert that is beaten counts as well");
}

// EL-13, UP-01, UP-05: a form from elsewhere, another browser, another provider, another stage.
#[tokio::test]
async fn connecting_belongs_to_one_browser_one_provider_and_one_stage() {
    let scene = Scene::new().await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let page = browser.open(&link).await;
    let flow = attribute(&page.body, r#"name="flow" value=""#).unwrap();
    let fields = [("flow", flow.as_str()), ("choice", "connect")];
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(browser.clone().post("/connect", &fields, headers).await.status, 403, "{headers:?}");
    }
    let mut twin = Browser::new(&scene.world.app);
    assert_eq!(twin.press_connect(&page, "connect").await.status, 403, "no cookie");
    twin.open(&link).await;
    assert_eq!(twin.press_connect(&page, "connect").await.status, 400, "another browser's form");
    assert_eq!(
        browser.clone().post_consent(&fields, &[("origin", ISSUER)]).await.status,
        400,
        "another stage"
    );
    assert_eq!(browser.clone().press_connect(&page, "demo").await.status, 400, "a choice that no button has");
    let callback = scene.agree(&mut browser, &link, "alice").await;
    let swapped = callback.replace("/callback/other", "/callback/demo");
    assert_eq!(browser.clone().open(&swapped).await.status, 400, "a mix-up");
    let doubled = format!("{callback}&code=x");
    assert_eq!(browser.clone().open(&doubled).await.status, 400, "two codes");
    assert_eq!(twin.open(&callback).await.status, 400);
    assert_eq!(scene.connections(&tokens.access).await.len(), 1);
    assert_eq!(browser.open(&callback).await.status, 200);
}

// MR-01: the state is bound to the grant, the call and its time; and whatever is not ours is left alone.
#[tokio::test]
async fn a_state_is_good_for_its_user_its_call_and_its_time() {
    let scene = Scene::new().await;
    let (_, alice) = scene.signed_in("alice").await;
    let (_, bob) = scene.signed_in("bob").await;
    let (_, state) = scene.link(&alice.access).await;
    let refused = async |token: &str, body: String| {
        let answer = scene
            .post(
                token,
                &[("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "post")],
                &body,
            )
            .await;
        (answer.status.as_u16(), answer.json()["error"]["code"].as_i64())
    };
    let call =
        |params: &str, state: &str| modern("tools/call", &format!("{params}{}", retry(state, "accept")), URL);
    let same = r#""name":"post","arguments":{"a":[2],"b":1.0}"#;
    let bad = (400, Some(-32602));
    assert_eq!(
        refused(&alice.access, call(same, &state)).await,
        (200, None),
        "the same call, ordered otherwise"
    );
    assert_eq!(refused(&bob.access, call(same, &state)).await, bad, "another user");
    assert_eq!(
        refused(&alice.access, call(r#""name":"post","arguments":{"a":[3]}"#, &state)).await,
        bad,
        "another call"
    );
    let other_end = if state.ends_with('A') { 'E' } else { 'A' };
    let forged = format!("{}{other_end}", &state[..state.len() - 1]);
    assert_eq!(refused(&alice.access, call(same, &forged)).await, bad, "changed");
    assert_eq!(refused(&alice.access, call(same, &state[..24])).await, bad, "cut off");
    scene.world.advance(1199);
    assert_eq!(
        refused(&alice.access, call(same, &state)).await,
        (200, None),
        "as long as link and page together"
    );
    scene.world.advance(1);
    assert_eq!(refused(&alice.access, call(same, &state)).await, bad, "too late");

    let (mut browser, tokens) = scene.signed_in("carol").await;
    let (link, _) = scene.link(&tokens.access).await;
    scene.connect(&mut browser, &link, "carol").await;
    for foreign in ["coat_rs_AAAAAAAA_opaque", "opaque", ""] {
        let more = retry(foreign, "accept");
        let told = scene.call(&tokens.access, Speaks::Modern(URL), &more).await.json();
        assert!(
            told["result"]["arrived"].as_str().unwrap().contains(&more),
            "the server's own state, untouched: {told}"
        );
    }
}

// EL-04: a no is final for that call, and the next call asks anew.
#[tokio::test]
async fn whoever_declines_is_not_asked_again_in_the_same_call() {
    let scene = Scene::new().await;
    let (_, tokens) = scene.signed_in("alice").await;
    for no in ["decline", "cancel"] {
        let (_, state) = scene.link(&tokens.access).await;
        let told = scene.call(&tokens.access, Speaks::Modern(URL), &retry(&state, no)).await.json();
        assert_eq!(told["result"]["isError"], true, "{told}");
        assert_eq!(told["result"]["resultType"], "complete");
        assert!(!told.to_string().contains("/connect/"), "{told}");
    }
    let (_, state) = scene.link(&tokens.access).await;
    let unanswered =
        format!(r#","requestState":"{state}","inputResponses":{{"another":{{"action":"decline"}}}}"#);
    let told = scene.call(&tokens.access, Speaks::Modern(URL), &unanswered).await.json();
    assert_eq!(told["result"]["resultType"], "input_required", "an answer to another question is none");
}

// EL-04: and a person may say no on the page.
#[tokio::test]
async fn a_person_who_cancels_connects_nothing() {
    let scene = Scene::new().await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let page = browser.open(&link).await;
    let ended = browser.press_connect(&page, "cancel").await;
    assert!(ended.status == 200 && ended.body.contains("was not connected"), "{ended:?}");
    assert!(ended.header("refresh").is_none());
    let address = refresh_of(&browser.press_connect(&page, "connect").await);
    for (error, status) in [("access_denied", 400), ("temporarily_unavailable", 503), ("weird", 502)] {
        let refused = browser.clone().open(&refused_at(&address, error)).await;
        assert_eq!(refused.status, status, "{error}");
        assert!(!refused.body.contains("idp-text"), "UP-06");
    }
    assert_eq!(scene.connections(&tokens.access).await.len(), 1);
}

#[tokio::test]
async fn a_grant_that_was_revoked_meanwhile_gets_no_connection() {
    let scene = Scene::new().await;
    let (client, mut browser, tokens) = scene.signed_in_client("alice").await;
    let grant = scene.world.grant_of(&tokens.access).await;
    let (link, _) = scene.link(&tokens.access).await;
    let callback = scene.agree(&mut browser, &link, "alice").await;
    let page = browser.open(&link).await;
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    let exchanges = scene.world.idp.exchanges();
    assert_eq!(browser.open(&callback).await.status, 403);
    assert_eq!(browser.press_connect(&page, "connect").await.status, 403);
    let ended = browser.open(&link).await;
    assert!(ended.status == 403 && ended.body.contains("no access any more"), "{ended:?}");
    assert_eq!(scene.world.idp.exchanges(), exchanges);
    assert!(scene.world.store.list(Kind::Connection, &grant).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_grant_that_is_revoked_while_the_code_is_exchanged_keeps_no_connection_and_the_provider_is_told() {
    let scene = Scene::new().await;
    let (client, mut browser, tokens) = scene.signed_in_client("alice").await;
    let grant = scene.world.grant_of(&tokens.access).await;
    let (link, _) = scene.link(&tokens.access).await;
    let callback = scene.agree(&mut browser, &link, "alice").await;
    scene.world.idp.set_delay(std::time::Duration::from_millis(300));
    let idp = &scene.world.idp;
    let revoking = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        client.revoke(&tokens.refresh).await
    };
    let (page, _) = tokio::join!(browser.open(&callback), revoking);
    assert_eq!(page.status, 403, "{page:?}");
    assert!(scene.world.store.list(Kind::Connection, &grant).await.unwrap().is_empty());
    let last = idp.issued().last().unwrap().clone();
    assert!(idp.revoked().contains(&last), "{:?} lacks {last}", idp.revoked());
}

// A dead connection leads to a link again, and the new one replaces it.
#[tokio::test]
async fn an_account_whose_credential_has_died_is_connected_anew() {
    let scene = Scene::new().await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    scene.world.idp.set_token_life(600);
    scene.connect(&mut browser, &link, "alice").await;
    assert!(scene.call(&tokens.access, Speaks::Modern(URL), "").await.json()["result"]["token"].is_string());
    scene.world.advance(601);
    scene.world.idp.set_mood(Mood::Refuses);
    let (link, _) = scene.link(&tokens.access).await;
    scene.world.idp.set_mood(Mood::Fine);
    let again = scene.connect(&mut browser, &link, "alice-again").await;
    assert!(again.body.contains("is connected"), "{again:?}");
    let told = scene.call(&tokens.access, Speaks::Modern(URL), "").await.json();
    let token = told["result"]["token"].as_str().unwrap();
    assert_eq!(scene.world.idp.owner_of(token).as_deref(), Some("alice-again"));
    assert_eq!(scene.connections(&tokens.access).await.len(), 2);
}

// A connection belongs to one grant: another app of the same user has none, and a refresh keeps it.
#[tokio::test]
async fn a_connection_lives_as_long_as_its_grant_and_serves_no_other() {
    let scene = Scene::new().await;
    let (client, mut browser, tokens) = scene.signed_in_client("alice").await;
    let (_, elsewhere) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    scene.connect(&mut browser, &link, "alice").await;
    scene.link(&elsewhere.access).await;
    scene.world.advance(3000);
    let renewed = Tokens::of(&client.refresh(&tokens.refresh).await);
    let told = scene.call(&renewed.access, Speaks::Modern(URL), "").await.json();
    assert!(told["result"]["token"].is_string(), "{told}");
    let record =
        scene.connections(&renewed.access).await.into_iter().find(|key| key.ends_with(":other")).unwrap();
    let record = scene.world.store.get(Kind::Connection, &record).await.unwrap().unwrap();
    assert!(!record.body.contains("idp-access"), "sealed: {}", record.body);
}

// Rule 1 and the limits of the other pages.
#[tokio::test]
async fn strangers_at_the_connect_door_write_nothing_and_are_limited() {
    let scene = Scene::with(|settings| settings.rates.authorize = Some(Rate::per_minute(20))).await;
    let (_, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let path = link.strip_prefix(ISSUER).unwrap();
    let writes = scene.world.store.writes();
    let mut limited = 0;
    for number in 0..30 {
        let path = if number % 2 == 0 { path } else { "/connect/forged" };
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ClientAddress("192.0.2.7".parse().unwrap()));
        let answer = send(&scene.world.app, request).await;
        limited += usize::from(answer.status == 429);
    }
    assert_eq!((limited, scene.world.store.writes()), (10, writes));
}

// UP-08, EL-09: nothing that was issued anywhere is in the store or in what the client hears.
#[tokio::test]
async fn neither_the_store_nor_the_client_sees_a_third_partys_token() {
    let scene = Scene::new().await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, state) = scene.link(&tokens.access).await;
    let page = browser.open(&link).await;
    let handed = browser.press_connect(&page, "connect").await;
    let callback = scene.world.idp.sign_in(&refresh_of(&handed), "alice");
    let done = browser.open(&callback).await;
    let told = [&page, &handed, &done].map(|answer| format!("{answer:?}")).concat() + &link + &state;
    let written = scene.world.store.written();
    for secret in scene.world.idp.issued() {
        assert!(!written.contains(&secret) && !told.contains(&secret), "{secret}");
    }
}

// UP-13: whoever may not enter any more is not signed in on the way to a link either.
#[tokio::test]
async fn who_may_not_enter_is_not_signed_in_to_connect() {
    let scene = Scene::new().await;
    let (_, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let replica = scene.world.replica_for(&["bob-1"], |builder| builder.resource(both()));
    let mut browser = Browser::new(&replica.routes());
    let page = browser.open(&link).await;
    let address = refresh_of(&browser.press_connect(&page, "sign-in").await);
    let writes = scene.world.store.writes();
    let back = browser.open(&scene.world.idp.sign_in(&address, "alice")).await;
    assert_eq!(back.status, 403);
    assert!(back.body.contains("You signed in with Demo as alice."), "{}", back.body);
    assert!(browser.cookies.keys().all(|name| !name.contains("session")), "{:?}", browser.cookies);
    assert_eq!(scene.world.store.writes(), writes);
}

#[tokio::test]
async fn hooks_are_told_of_a_further_connection() {
    let hooks = Memory::new(Says::Yes);
    let scene = Scene::built(|_| (), |builder| builder.hooks(hooks.clone())).await;
    let (mut browser, tokens) = scene.signed_in("alice").await;
    let (link, _) = scene.link(&tokens.access).await;
    let page = scene.connect(&mut browser, &link, "alice-there").await;
    assert_eq!(page.status, 200, "{page:?}");
    let told = hooks.told(4).await;
    assert!(told[3].starts_with("connected ") && told[3].contains("\"other\""), "{told:?}");
    assert!(told[3].contains("alice-1"), "whose grant it is, not who they are there: {told:?}");
}
