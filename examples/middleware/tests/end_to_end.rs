//! The program from outside: what its README promises, over every kind of store.

// Always true here; it tells clippy that the helpers of tests are tests too.
#![cfg(test)]

use std::time::Duration;

use coatroom_e2e::oauth::{challenge_parameter, http};
use coatroom_e2e::upstream::{GitHub, GitHubApp, github};
use coatroom_e2e::{Answer, Era, FormBrowser, Mcp, OAuthClient, Program, Tokens};
use coatroom_servers::postgres::Postgres;
use coatroom_servers::redis::Redis;
use serde_json::{Value, json};

/// Alice's account at GitHub, which is an administrator's here.
const ALICE: &str = "github:583231";

/// The program, the GitHub at which people sign in, and the forge that they may connect.
struct World {
    program: Program,
    _forge: GitHub,
    github: GitHub,
}

impl World {
    async fn start() -> Self {
        Self::over("sqlite:coatroom.db", GitHubApp::OAuth).await
    }

    async fn over(store: &str, app: GitHubApp) -> Self {
        let (github, forge) = (GitHub::start(app).await, GitHub::start(GitHubApp::OAuth).await);
        let mut program = Program::new(
            env!("CARGO_BIN_EXE_middleware"),
            [
                ("COATROOM_STORE", store),
                ("COATROOM_GITHUB_CLIENT_ID", github::CLIENT_ID),
                ("COATROOM_GITHUB_CLIENT_SECRET", github::CLIENT_SECRET),
                ("COATROOM_GITHUB_BASE_URL", &github.origin),
                ("GITHUB_API_URL", &github.api_url()),
                ("COATROOM_FORGE_CLIENT_ID", github::CLIENT_ID),
                ("COATROOM_FORGE_CLIENT_SECRET", github::CLIENT_SECRET),
                ("COATROOM_FORGE_BASE_URL", &forge.origin),
                ("COATROOM_FORGE_LABEL", "The Forge"),
                ("FORGE_API_URL", &forge.api_url()),
                ("ADMINS", ALICE),
            ],
        );
        program.start().await;
        Self { program, _forge: forge, github }
    }

    fn origin(&self) -> String {
        self.program.origin()
    }

    fn mcp_url(&self) -> String {
        self.program.mcp_url()
    }

    /// Somebody signs in at GitHub to a new client: with it, their browser, and tokens for these scopes.
    async fn signed_in(&self, account: &str, scope: Option<&str>) -> (OAuthClient, FormBrowser, Tokens) {
        let client = OAuthClient::connect(&self.mcp_url()).await;
        let (person, pending) = (FormBrowser::new(), client.start(scope));
        person.approve(&pending.url, account).await;
        let callback = client.callback(&pending).await;
        let tokens = client.redeem(&pending, &callback).await.tokens();
        (client, person, tokens)
    }

    async fn caller(&self, account: &str, scope: Option<&str>) -> Mcp {
        self.mcp(&self.signed_in(account, scope).await.2)
    }

    fn mcp(&self, tokens: &Tokens) -> Mcp {
        Mcp::without_handshake(&self.mcp_url(), Era::Modern, &tokens.access)
    }

    /// A call of somebody who has not signed in, or whose `token` is none.
    async fn stranger(&self, tool: &str, token: Option<&str>) -> Answer {
        self.anonymous("tools/call", json!({"name": tool, "arguments": {}}), token).await
    }

    async fn anonymous(&self, method: &str, mut params: Value, token: Option<&str>) -> Answer {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let mut request = http()
            .post(self.mcp_url())
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method);
        if let Some(tool) = params["name"].as_str() {
            request = request.header("mcp-name", tool);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Answer::read(request.json(&message).send().await.unwrap()).await
    }
}

fn challenged(answer: &Answer, name: &str) -> String {
    challenge_parameter(&answer.headers, name).unwrap_or_default()
}

fn names_of_tools(listed: &Answer) -> Vec<String> {
    let tools = listed.body["result"]["tools"].as_array().unwrap();
    let mut names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_stranger_is_served_and_told_where_to_sign_in_for_more() {
    let world = World::start().await;
    assert!(world.stranger("about", None).await.text().contains("You have not."));
    let listed = names_of_tools(&world.anonymous("tools/list", json!({}), None).await);
    for (tool, scope) in [("list_repositories", "repos:read"), ("settings", "")] {
        assert!(listed.contains(&tool.to_owned()), "nobody would ask for it otherwise: {listed:?}");
        let answer = world.stranger(tool, None).await;
        assert_eq!(answer.status, 401, "{tool}: {}", answer.body);
        assert!(challenged(&answer, "resource_metadata").starts_with(&world.origin()));
        assert!(challenged(&answer, "scope").contains(scope), "{tool}");
    }
    let answer = world.stranger("about", Some("coat_at_of_nobody")).await;
    assert_eq!((answer.status.as_u16(), challenged(&answer, "error").as_str()), (401, "invalid_token"));
    let alice = world.caller("Alice", None).await;
    assert_eq!(alice.call("about", json!({})).await.text(), "You are alice, and allowed this: repos:read");
}

#[tokio::test]
async fn scopes_are_asked_for_by_the_manifest_and_by_the_handler() {
    let world = World::start().await;
    let alice = world.caller("Alice", None).await;
    assert!(alice.call("list_repositories", json!({})).await.text().contains("alice/diary"));
    assert!(alice.call("settings", json!({})).await.text().contains("all repositories"));
    for (tool, arguments) in [("reset_settings", json!({})), ("settings", json!({"most": 1}))] {
        let answer = alice.call(tool, arguments).await;
        assert_eq!(answer.status, 403, "{tool}: {}", answer.body);
        assert_eq!(challenged(&answer, "error"), "insufficient_scope", "{tool}");
        assert!(challenged(&answer, "scope").split(' ').any(|scope| scope == "settings:write"), "{tool}");
    }
    assert_eq!(alice.call("forgotten", json!({})).await.status, 403, "what is not listed is denied");
}

#[tokio::test]
async fn an_administrator_is_whom_the_hook_makes_one() {
    let world = World::start().await;
    let (alice, bob) = (world.caller("Alice", None).await, world.caller("Bob", None).await);
    for (mcp, sees_purge) in [(&alice, true), (&bob, false)] {
        let listed = mcp.request("tools/list", json!({})).await;
        assert_eq!(names_of_tools(&listed).contains(&"purge".to_owned()), sees_purge, "{}", listed.body);
    }
    assert_eq!(bob.call("purge", json!({})).await.status, 403);
    let bobs = bob.call("apps", json!({})).await.text();
    assert_eq!(bobs, "A strict client: repos:read");
    assert_eq!(bob.call("apps", json!({ "user": ALICE })).await.status, 403, "somebody else's");
    assert_eq!(alice.call("apps", json!({ "user": "github:583232" })).await.text(), bobs);
    assert_eq!(alice.call("apps", json!({ "user": "nobody" })).await.body["error"]["code"], -32602);
    let log = world.program.log();
    let line = log.lines().find(|line| line.contains("somebody signed in")).unwrap();
    assert!(
        line.contains(ALICE) && line.contains("A strict client") && line.contains("repos:read"),
        "{line}"
    );
}

#[tokio::test]
async fn settings_are_kept_with_the_grant_in_every_store() {
    let (postgres, redis) = (Postgres::start().await, Redis::start().await);
    for store in ["sqlite:coatroom.db", &postgres.url(), &redis.url(), "memory:"] {
        let mut world = World::over(store, GitHubApp::OAuth).await;
        let scope = Some("repos:read settings:write");
        let (_, _, alice) = world.signed_in("Alice", scope).await;
        let bob = world.caller("Bob", scope).await;
        let mcp = world.mcp(&alice);
        assert_eq!(mcp.call("settings", json!({"most": 3})).await.status, 200, "{store}");
        let said = mcp.call("settings", json!({"hides_private": true})).await.text();
        assert_eq!(said, "Listed are at most 3 repositories, no private ones.", "{store}");
        if store != "memory:" {
            world.program.stop().await;
            world.program.start().await;
        }
        let listed = mcp.call("list_repositories", json!({})).await.text();
        assert_eq!(listed, "alice/garden-planner\nalice/seed-catalog", "{store}");
        assert_eq!(bob.call("list_repositories", json!({})).await.text().lines().count(), 4, "{store}");
        assert_eq!(mcp.call("reset_settings", json!({})).await.text(), "Forgotten.", "{store}");
        assert_eq!(mcp.call("list_repositories", json!({})).await.text().lines().count(), 4, "{store}");
    }
}

#[tokio::test]
async fn tokens_are_renewed_by_themselves_by_hand_and_by_the_client() {
    let world = World::over("sqlite:coatroom.db", GitHubApp::Expiring(2)).await;
    let mcp = world.caller("Alice", None).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(mcp.call("list_repositories", json!({})).await.text().contains("alice/diary"));
    assert_eq!(world.github.refreshes(), 1, "it had ended");

    let postgres = Postgres::start().await;
    let world = World::over(&postgres.url(), GitHubApp::Expiring(28_800)).await;
    let (client, _, first) = world.signed_in("Alice", None).await;
    let mcp = world.mcp(&first);
    assert!(mcp.call("list_repositories", json!({})).await.text().contains("alice/diary"));
    assert_eq!(world.github.refreshes(), 0, "it is good for hours");
    assert_eq!(
        mcp.call("renew_token", json!({})).await.text(),
        "The token is the same.",
        "it was issued just now"
    );
    // As if it had been issued a minute ago.
    let older = "UPDATE coatroom_records SET body = jsonb_set(body::jsonb, '{issued_at}', \
                 to_jsonb((body::jsonb ->> 'issued_at')::bigint - 60))::text WHERE kind = 'connection'";
    assert_eq!(postgres.client().await.execute(older, &[]).await.unwrap(), 1);
    assert_eq!(mcp.call("renew_token", json!({})).await.text(), "The token is a new one.");
    assert_eq!(world.github.refreshes(), 1);
    assert!(mcp.call("list_repositories", json!({})).await.text().contains("alice/diary"));
    assert!(world.program.log().contains("a token was renewed"), "the hook tells");

    let renewed = client.refresh(&first.refresh).await.tokens();
    assert_ne!((&renewed.access, &renewed.refresh), (&first.access, &first.refresh));
    assert!(world.mcp(&renewed).call("list_repositories", json!({})).await.text().contains("alice/diary"));
}

#[tokio::test]
async fn what_has_expired_is_deleted_by_itself_and_by_hand() {
    let postgres = Postgres::start().await;
    let mut world = World::over(&postgres.url(), GitHubApp::OAuth).await;
    let alice = world.caller("Alice", None).await;
    let database = postgres.client().await;
    // As if Bob had been away for longer than a grant lasts.
    let age = "UPDATE coatroom_records SET expires_at = 1 WHERE owner IN ('github:583232') OR owner IN \
               (SELECT key FROM coatroom_records WHERE owner = 'github:583232')";
    let left = async || {
        let row = database.query_one("SELECT count(*) FROM coatroom_records WHERE expires_at = 1", &[]).await;
        row.unwrap().get::<_, i64>(0)
    };
    world.caller("Bob", None).await;
    let aged = database.execute(age, &[]).await.unwrap();
    assert!(aged >= 3, "grant, connection and access token: {aged}");
    let said = alice.call("purge", json!({})).await.text();
    assert_eq!((said, left().await), (format!("{aged} records were deleted."), 0));

    world.caller("Bob", None).await;
    assert_eq!(database.execute(age, &[]).await.unwrap(), aged);
    world.program.stop().await;
    world.program.start().await;
    for _ in 0..100 {
        if left().await == 0 {
            assert!(alice.call("about", json!({})).await.text().contains("alice"), "who is here stays");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing was deleted by itself");
}

#[tokio::test]
async fn machines_read_what_it_takes_to_come_in() {
    let world = World::start().await;
    let read = async |path: &str| -> Value {
        http().get(format!("{}{path}", world.origin())).send().await.unwrap().json().await.unwrap()
    };
    let said = read("/auth.json").await;
    assert_eq!((&said["requirement"], &said["name"]), (&json!("optional"), &json!("Example Repositories")));
    assert_eq!((&said["resource"], &said["issuer"]), (&json!(world.mcp_url()), &json!(world.origin())));
    assert_eq!(said["flows"], json!(["authorization_code", "refresh_token"]));
    let providers = json!([
        {"name": "github", "label": "GitHub", "signs_in": true, "connects": false},
        {"name": "forge", "label": "The Forge", "signs_in": false, "connects": true},
    ]);
    assert_eq!(said["providers"], providers);
    let scopes: Vec<_> = said["scopes"].as_array().unwrap().iter().map(|it| &it["scope"]).collect();
    assert_eq!(scopes, ["repos:read", "settings:write"]);
    let metadata = read("/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!(said["metadata"], format!("{}/.well-known/oauth-protected-resource/mcp", world.origin()));
    assert_eq!(metadata["resource"], said["resource"]);
    assert_eq!(metadata["authorization_servers"], json!([said["issuer"]]));
}

#[tokio::test]
async fn a_second_account_is_connected_by_a_link_when_a_tool_needs_it() {
    let world = World::start().await;
    let (_, person, tokens) = world.signed_in("Alice", None).await;
    let bob = world.caller("Bob", None).await;
    let mcp = world.mcp(&tokens);
    let answer = mcp.call("compare_repositories", json!({})).await;
    let text = answer.text();
    let link = text.rsplit(' ').next().unwrap();
    assert!(link.starts_with(&format!("{}/connect/", world.origin())), "{text}");
    let page = person.open(link).await;
    let forge = person.press(&page, "Continue to The Forge").await;
    let done = person.press(&forge, "Bob").await;
    assert!(done.text().contains("The Forge is connected"), "{}", done.text());

    let said = mcp.call("compare_repositories", json!({})).await.text();
    let (here, there) = said.split_once('\n').unwrap();
    assert!(here.starts_with("At GitHub: alice/") && !here.contains("bob/"), "{said}");
    assert!(
        there.starts_with("At the forge: bob/") && !there.contains("alice/"),
        "her account there: {said}"
    );
    let still = bob.call("compare_repositories", json!({})).await;
    assert!(still.text().contains("/connect/"), "nobody else is connected: {}", still.body);
    assert!(world.program.log().contains("an account was connected"));

    let listens = json!({"elicitation": {"url": {}}});
    let bob = world.signed_in("Bob", None).await.2;
    let bob = Mcp::connect_as(&world.mcp_url(), "2026-07-28", &bob.access, listens).await;
    let asked = bob.call("compare_repositories", json!({})).await;
    assert_eq!(
        asked.body["result"]["resultType"], "input_required",
        "a client that opens links: {}",
        asked.body
    );
}
