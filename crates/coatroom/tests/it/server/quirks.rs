//! Each client as it is: what it registers, asks for, redeems and refreshes stands in `clients/`, with what must come back.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::browser::Browser;
use super::client::{Client, Proof};
use super::world::{ISSUER, Tokens, World};

/// What is known of one client.
struct Fixture {
    file: &'static str,
    text: &'static str,
}

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        &[$(Fixture { file: $name, text: include_str!(concat!("clients/", $name, ".json")) }),*]
    };
}

const FIXTURES: &[Fixture] = fixtures![
    "chatgpt",
    "claude",
    "claude_code",
    "claude_com",
    "claude_desktop",
    "cline",
    "codex",
    "codex_desktop",
    "copilot_studio",
    "cursor",
    "cursor_old",
    "fastmcp",
    "gemini_cli",
    "inspector",
    "mcp_remote",
    "mcpjam",
    "old_sdk",
    "opencode",
    "perplexity",
    "raycast",
    "rmcp",
    "vscode",
    "warp",
    "windsurf",
];

impl Fixture {
    fn read(&self) -> Map<String, Value> {
        let value: Value =
            serde_json::from_str(self.text).unwrap_or_else(|error| panic!("{}: {error}", self.file));
        value.as_object().unwrap().clone()
    }
}

/// The members of `object` that are strings and go over the wire.
fn sent(object: &Value, without: &[&str]) -> Vec<(String, String)> {
    let members = object.as_object().into_iter().flatten();
    let members = members.filter(|(name, value)| value.is_string() && !without.contains(&name.as_str()));
    members.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn pairs(owned: &[(String, String)]) -> Vec<(&str, &str)> {
    owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Registers, and compares what is answered with what the fixture says must be registered.
async fn register(world: &World, fixture: &Fixture, client: &Map<String, Value>) -> Client {
    let answer = Client::try_register(&world.app, &client["register"]).await;
    assert_eq!(answer.status, 201, "{}: {answer:?}", fixture.file);
    let answer = answer.json();
    for (name, expected) in client["registered"].as_object().unwrap() {
        assert_eq!(&answer[name], expected, "{}: {name}", fixture.file);
    }
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let proof = match (text("token_endpoint_auth_method").as_deref(), text("client_secret")) {
        (Some("none"), None) => Proof::Public,
        (Some("client_secret_basic"), Some(secret)) => Proof::Basic(secret),
        (Some("client_secret_post"), Some(secret)) => Proof::Post(secret),
        other => panic!("{}: {other:?}", fixture.file),
    };
    Client {
        app: world.app.clone(),
        id: text("client_id").unwrap(),
        proof,
        redirect: String::new(),
        issuer: ISSUER,
    }
}

/// Asks, signs in and redeems as the fixture says.
async fn sign_in(world: &World, fixture: &Fixture, client: &Client, request: &Value) -> Option<Tokens> {
    let params = sent(request, &["granted"]);
    let mut params = pairs(&params);
    if !request.as_object().unwrap().contains_key("scope") {
        params.push(("scope", ""));
    }
    let answer = Browser::new(&world.app).allow(&world.idp, &client.authorize_url(&params), "alice").await;
    let code = client.answered(&answer)["code"].clone();
    let extra = sent(request.get("redeem").unwrap_or(&Value::Null), &[]);
    let redeemed = client.redeem_with(&code, &pairs(&extra)).await;
    assert_eq!(redeemed.text("scope"), request["granted"].as_str().unwrap(), "{}: {request}", fixture.file);
    assert_eq!(world.status(&redeemed.text("access_token")).await, 200, "{}: {request}", fixture.file);
    if request["no_refresh"] == true {
        assert!(redeemed.json().get("refresh_token").is_none(), "{}", fixture.file);
        return None;
    }
    Some(Tokens::of(&redeemed))
}

// Every client signs in, calls, refreshes in its own way, and gives its tokens back.
#[tokio::test]
async fn each_known_client_signs_in_refreshes_and_leaves() {
    for fixture in FIXTURES {
        let world = World::new().await;
        let known = fixture.read();
        let registered = register(&world, fixture, &known).await;
        for request in known["authorize"].as_array().unwrap() {
            let redirect = request["redirect_uri"].as_str().unwrap().to_owned();
            let client = Client { redirect, ..registered.clone() };
            let Some(mut tokens) = sign_in(&world, fixture, &client, request).await else { continue };
            for refresh in known["refresh"].as_array().unwrap() {
                let extra = sent(refresh, &["granted"]);
                let answer = client.refresh_with(&tokens.refresh, &pairs(&extra)).await;
                let granted = refresh.get("granted").unwrap_or(&request["granted"]).as_str().unwrap();
                assert_eq!(answer.text("scope"), granted, "{}: {refresh}", fixture.file);
                tokens = Tokens::of(&answer);
                assert_eq!(world.status(&tokens.access).await, 200, "{}: {refresh}", fixture.file);
            }
            assert_eq!(client.revoke(&tokens.refresh).await.status, 200, "{}", fixture.file);
            assert_eq!(client.revoke("unknown").await.status, 200, "{}", fixture.file);
            assert_eq!(world.status(&tokens.access).await, 401, "{}", fixture.file);
        }
        for redirect in known.get("refused").and_then(Value::as_array).into_iter().flatten() {
            let client = Client { redirect: redirect.as_str().unwrap().to_owned(), ..registered.clone() };
            let page = Browser::new(&world.app).open(&client.authorize_url(&[])).await;
            assert_eq!(
                (page.status.as_u16(), page.header("location")),
                (400, None),
                "{}: {redirect}",
                fixture.file
            );
        }
    }
}

#[test]
fn every_fixture_is_run_and_says_whose_it_is() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/server/clients");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, FIXTURES.iter().map(|fixture| fixture.file).collect::<Vec<_>>());
    let names: HashMap<String, &str> = FIXTURES
        .iter()
        .map(|fixture| (fixture.read()["client"].as_str().unwrap().to_owned(), fixture.file))
        .collect();
    assert_eq!(names.len(), FIXTURES.len(), "two fixtures of one client");
}
