//! The program from outside, over a PostgreSQL of its own: what its README promises.

// Always true here; it tells clippy that the helpers of tests are tests too.
#![cfg(test)]

use std::fs;
use std::time::Duration;

use coatroom_e2e::oauth::{Callback, Pending, challenge_parameter, http};
use coatroom_e2e::upstream::{GitHub, GitHubApp, github};
use coatroom_e2e::{Era, FormBrowser, Mcp, OAuthClient, Program, TokenAnswer, Tokens};
use coatroom_servers::postgres::Postgres;
use serde_json::{Value, json};

const PORTAL_SECRET: &str = "the-secret-of-the-portal";
const REPORTS_SECRET: &str = "the-secret-of-the-reports";

/// The program, its database, and the GitHub at which Alice and Bob sign in.
struct World {
    program: Program,
    postgres: Postgres,
    github: GitHub,
}

impl World {
    async fn start() -> Self {
        let (postgres, github) = (Postgres::start().await, GitHub::start(GitHubApp::OAuth).await);
        let mut program = program(&postgres, &github);
        program.start().await;
        Self { program, postgres, github }
    }

    fn origin(&self) -> String {
        self.program.origin()
    }

    fn mcp_url(&self) -> String {
        self.program.mcp_url()
    }

    /// A client that is configured at the program under this id.
    async fn configured(&self, id: &str) -> OAuthClient {
        OAuthClient::described_at(&self.mcp_url(), id).await
    }

    fn mcp(&self, tokens: &Tokens) -> Mcp {
        Mcp::without_handshake(&self.mcp_url(), Era::Modern, &tokens.access)
    }
}

/// The program with this database and this GitHub, and another provider, at which nobody signs in.
fn program(postgres: &Postgres, github: &GitHub) -> Program {
    let program = Program::new(
        env!("CARGO_BIN_EXE_authorization-server"),
        [
            ("COATROOM_STORE", postgres.url().as_str()),
            ("COATROOM_GITHUB_CLIENT_ID", github::CLIENT_ID),
            ("COATROOM_GITHUB_CLIENT_SECRET", github::CLIENT_SECRET),
            ("COATROOM_GITHUB_BASE_URL", &github.origin),
            ("COATROOM_GITLAB_CLIENT_ID", "gitlab-id"),
            ("COATROOM_GITLAB_CLIENT_SECRET", "gitlab-secret"),
            ("PORTAL_SECRET_FILE", "portal.secret"),
            ("REPORTS_SECRET_FILE", "reports.secret"),
        ],
    );
    for (name, secret) in [("portal.secret", PORTAL_SECRET), ("reports.secret", REPORTS_SECRET)] {
        fs::write(program.folder().join(name), format!("{secret}\n")).unwrap();
    }
    program
}

/// How a confidential client shows its secret.
#[derive(Clone, Copy)]
enum Shows {
    Basic,
    Post,
}

/// Somebody agrees to `scope`, and signs in at GitHub.
async fn agreed(client: &OAuthClient, account: &str, scope: Option<&str>) -> (Pending, Callback) {
    let pending = client.start(scope);
    let person = FormBrowser::new();
    let consent = person.open(&pending.url).await;
    let provider = person.press(&consent, "GitHub").await;
    person.press(&provider, account).await;
    let callback = client.callback(&pending).await;
    (pending, callback)
}

async fn signed_in(client: &OAuthClient, account: &str, scope: Option<&str>) -> Tokens {
    let (pending, callback) = agreed(client, account, scope).await;
    client.redeem(&pending, &callback).await.tokens()
}

/// Redeems a code as a confidential client.
async fn redeem(
    client: &OAuthClient,
    pending: &Pending,
    callback: &Callback,
    (how, secret): (Shows, &str),
) -> TokenAnswer {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", callback.get("code").unwrap()),
        ("code_verifier", &pending.verifier),
        ("redirect_uri", &client.redirect_uri),
    ];
    let mut request = http().post(client.server["token_endpoint"].as_str().unwrap());
    match how {
        Shows::Basic => request = request.basic_auth(client.id(), Some(secret)),
        Shows::Post => form.extend([("client_id", client.id()), ("client_secret", secret)]),
    }
    TokenAnswer::read(request.form(&form).send().await.unwrap()).await
}

fn refused(answer: &TokenAnswer) -> (u16, &str) {
    (answer.status.as_u16(), answer.error())
}

#[tokio::test]
async fn a_client_registers_and_people_read_what_it_may_do_before_they_agree() {
    let world = World::start().await;
    let client = OAuthClient::connect(&world.mcp_url()).await;
    let everything = "mcp:tools:execute mcp:tools:read profile:read";
    let scopes: Vec<&str> = everything.split(' ').collect();
    let offered = [scopes.as_slice(), &["offline_access"]].concat();
    assert_eq!(client.server["scopes_supported"], json!(offered));
    assert_eq!(client.resource["scopes_supported"], json!(["mcp:tools:read"]), "what to begin with");
    let person = FormBrowser::new();
    let consent = person.open(&client.start(Some(everything)).url).await;
    let page = consent.text();
    for words in [
        "A strict client",
        "Example Notes",
        "See your notes",
        "Write notes for you, and see them",
        "See your name and e-mail address",
        "Continue with GitHub",
        "Continue with GitLab",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let elsewhere = person.send_only(&consent, consent.form("GitLab")).await.leads_to().unwrap();
    assert_eq!(elsewhere.host_str(), Some("gitlab.com"), "each button leads to its own provider");
    let tokens = signed_in(&client, "Alice", Some(everything)).await;
    assert_eq!(tokens.scope, everything);
    let said = world.mcp(&tokens).call("profile", json!({})).await.text();
    assert_eq!(said, "alice, signed in at github, by A strict client");
}

#[tokio::test]
async fn a_token_opens_what_was_agreed_to_and_names_the_scope_that_is_missing() {
    let world = World::start().await;
    let client = OAuthClient::connect(&world.mcp_url()).await;
    let tokens = signed_in(&client, "Alice", None).await;
    assert_eq!(tokens.scope, "mcp:tools:read", "the default");
    let mcp = world.mcp(&tokens);
    assert_eq!(mcp.call("list_notes", json!({})).await.text(), "");
    for (tool, needed) in [("add_note", "mcp:tools:execute"), ("profile", "profile:read")] {
        let answer = mcp.call(tool, json!({"text": "Buy seeds"})).await;
        assert_eq!(answer.status, 403, "{}", answer.body);
        let said = |name| challenge_parameter(&answer.headers, name).unwrap();
        assert_eq!(said("error"), "insufficient_scope");
        assert!(said("scope").split(' ').any(|scope| scope == needed), "{}", said("scope"));
        assert!(said("resource_metadata").starts_with(&world.origin()));
    }
    let listed = mcp.request("tools/list", json!({})).await;
    let names: Vec<_> =
        listed.body["result"]["tools"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["list_notes"], "what may not be called is not shown");

    let more = signed_in(&client, "Alice", Some("mcp:tools:execute")).await;
    let mcp = world.mcp(&more);
    assert_eq!(mcp.call("add_note", json!({"text": "Buy seeds"})).await.text(), "Noted.");
    assert_eq!(mcp.call("list_notes", json!({})).await.text(), "Buy seeds", "writing includes seeing");
}

#[tokio::test]
async fn a_configured_confidential_client_needs_its_secret_and_never_gets_more_than_its_scopes() {
    let world = World::start().await;
    let portal = world.configured("portal").await;
    for right in [(Shows::Basic, PORTAL_SECRET), (Shows::Post, PORTAL_SECRET)] {
        let (pending, callback) = agreed(&portal, "Alice", Some("mcp:tools:execute profile:read")).await;
        for wrong in [(Shows::Basic, "wrong"), (Shows::Post, "wrong")] {
            let answer = redeem(&portal, &pending, &callback, wrong).await;
            assert_eq!(refused(&answer), (401, "invalid_client"), "{}", answer.body);
        }
        assert_eq!(refused(&portal.redeem(&pending, &callback).await), (401, "invalid_client"), "none");
        let tokens = redeem(&portal, &pending, &callback, right).await.tokens();
        assert_eq!(tokens.scope, "mcp:tools:execute");
        assert_eq!(world.mcp(&tokens).call("profile", json!({})).await.status, 403);
        let renewed = portal.refresh(&tokens.refresh).await;
        assert_eq!(refused(&renewed), (401, "invalid_client"), "a refresh token alone is worth nothing");
    }
    let desk = world.configured("desk").await;
    signed_in(&desk, "Bob", None).await;
    assert!(!world.program.log().contains(PORTAL_SECRET));
}

#[tokio::test]
async fn a_client_that_registers_for_a_secret_gets_one_and_needs_it() {
    let world = World::start().await;
    for (method, shows) in [("client_secret_basic", Shows::Basic), ("client_secret_post", Shows::Post)] {
        let asked = json!({ "token_endpoint_auth_method": method });
        let client = OAuthClient::connect_with(&world.mcp_url(), asked).await;
        assert_eq!(client.registration["token_endpoint_auth_method"], method);
        let secret = client.registration["client_secret"].as_str().unwrap();
        let (pending, callback) = agreed(&client, "Alice", None).await;
        let answer = redeem(&client, &pending, &callback, (shows, "wrong")).await;
        assert_eq!(refused(&answer), (401, "invalid_client"), "{}", answer.body);
        redeem(&client, &pending, &callback, (shows, secret)).await.tokens();
    }
}

#[tokio::test]
async fn refresh_tokens_rotate_and_one_that_is_used_after_its_successor_ends_the_grant() {
    let world = World::start().await;
    let desk = world.configured("desk").await;
    let first = signed_in(&desk, "Alice", None).await;
    let second = desk.refresh(&first.refresh).await.tokens();
    assert_ne!((&second.access, &second.refresh), (&first.access, &first.refresh));
    let third = desk.refresh(&second.refresh).await.tokens();
    assert_eq!(refused(&desk.refresh(&first.refresh).await), (400, "invalid_grant"), "a replay");
    assert_eq!(refused(&desk.refresh(&third.refresh).await), (400, "invalid_grant"), "nothing is left");
    // A guard remembers for a second that a token was good.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.mcp(&third).call("list_notes", json!({})).await.status, 401);
}

#[tokio::test]
async fn two_people_have_their_own_notes_and_a_restart_keeps_them_signed_in() {
    let mut world = World::start().await;
    let (desk, other) = (world.configured("desk").await, OAuthClient::connect(&world.mcp_url()).await);
    let scope = Some("mcp:tools:execute profile:read");
    let alice = signed_in(&desk, "Alice", scope).await;
    let bob = signed_in(&other, "Bob", scope).await;
    for (tokens, text) in [(&alice, "Buy seeds"), (&bob, "Sell the boat")] {
        assert_eq!(world.mcp(tokens).call("add_note", json!({ "text": text })).await.text(), "Noted.");
    }
    // A client of an older revision that listens keeps nobody from stopping.
    let legacy = Mcp::connect(&world.mcp_url(), Era::Legacy, &alice.access).await;
    let listening = http().get(world.mcp_url()).bearer_auth(&alice.access);
    let listening = listening.header("mcp-session-id", legacy.session().unwrap());
    let listening = listening.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(listening.status(), 200);
    world.program.stop().await;
    world.program.start().await;

    assert_eq!(world.mcp(&alice).call("list_notes", json!({})).await.text(), "Buy seeds");
    assert_eq!(world.mcp(&bob).call("list_notes", json!({})).await.text(), "Sell the boat");
    let renewed = desk.refresh(&alice.refresh).await.tokens();
    let said = world.mcp(&renewed).call("profile", json!({})).await.text();
    assert_eq!(said, "alice, signed in at github, by Example Desk");
    other.refresh(&bob.refresh).await.tokens();
}

#[tokio::test]
async fn a_resource_server_learns_what_a_token_is_good_for_until_it_is_revoked() {
    let world = World::start().await;
    let desk = world.configured("desk").await;
    let tokens = signed_in(&desk, "Alice", None).await;
    let endpoint = desk.server["introspection_endpoint"].as_str().unwrap();
    let ask = async |secret| {
        let asked = http().post(endpoint).basic_auth("reports", Some(secret));
        asked.form(&[("token", &tokens.access)]).send().await.unwrap()
    };
    assert_eq!(ask("wrong").await.status(), 401);
    let said: Value = ask(REPORTS_SECRET).await.json().await.unwrap();
    assert_eq!((&said["active"], &said["client_id"]), (&json!(true), &json!("desk")));
    assert_eq!((&said["scope"], &said["aud"]), (&json!("mcp:tools:read"), &json!(world.mcp_url())));
    assert_eq!(desk.revoke(&tokens.refresh).await.status, 200);
    assert_eq!(ask(REPORTS_SECRET).await.text().await.unwrap(), r#"{"active":false}"#);
    assert_eq!(refused(&desk.refresh(&tokens.refresh).await), (400, "invalid_grant"));
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said_at_the_start_without_a_secret() {
    let mut world = World::start().await;
    world.program.stop().await;
    let run = async |changed: &[(&str, Option<&str>)]| {
        let mut program = program(&world.postgres, &world.github);
        for (name, value) in changed {
            program.set(name, *value);
        }
        let output = program.output().await;
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert_eq!(output.status.code(), Some(1), "{text}");
        text
    };
    let nobody = run(&[("COATROOM_GITHUB_CLIENT_ID", None), ("COATROOM_GITLAB_CLIENT_ID", None)]).await;
    assert!(nobody.contains("COATROOM_GITHUB_CLIENT_ID"), "{nobody}");
    let nowhere = run(&[("COATROOM_STORE", None)]).await;
    assert!(nowhere.contains("COATROOM_STORE is not set"), "{nowhere}");
    let closed = run(&[("COATROOM_STORE", Some("postgres://u:canary-password@127.0.0.1:1/x"))]).await;
    assert!(closed.contains("127.0.0.1:1") && !closed.contains("canary-password"), "{closed}");
    let unread = run(&[("PORTAL_SECRET_FILE", Some("nowhere.secret"))]).await;
    assert!(unread.contains("PORTAL_SECRET_FILE: nowhere.secret"), "{unread}");
    let short = run(&[("COATROOM_GITHUB_CLIENT_SECRET", Some(""))]).await;
    assert!(short.contains("COATROOM_GITHUB_CLIENT_SECRET"), "{short}");
}
