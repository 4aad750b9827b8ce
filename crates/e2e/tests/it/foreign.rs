//! Clients written by others, through the whole flow: discovery, registration, consent and sign-in in Chromium, token,
//! list, call, refresh, and a call that needs more than was granted.

use std::time::Duration;

use coatroom_e2e::conformance::{self, Found};
use coatroom_e2e::foreign::{Script, Transcript};
use coatroom_e2e::{Browser, FormBrowser, Gateway, Listener, OAuthClient, tools};
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{ALICES, BOBS, assert_repositories};

/// What every client can do by itself.
fn plan(_login: &str) -> Vec<Value> {
    let repositories = json!({"call": "get-my-repos", "arguments": {"visibility": "all"}});
    vec![json!("list"), json!({"call": "whoami"}), repositories.clone(), json!("refresh"), repositories]
}

/// The plan with a call at its end that needs the scope to write.
fn plan_with_writing(login: &str) -> Vec<Value> {
    let repository = if login == "alice" { "alice/garden-planner" } else { "bob/bike-workshop" };
    let issue = json!({"repo": repository, "title": "Rain barrel", "body": "It leaks."});
    let mut plan = plan(login);
    plan.push(json!({"call": "create-issue", "arguments": issue}));
    plan
}

/// Runs a plan for Alice and for Bob at the same moment, each with a client and a browser profile of their own; checks what
/// each step said, that nobody saw what is the other's, and that no token is in the log.
async fn drive(script: Script, plan: impl Fn(&str) -> Vec<Value>, visits: usize) -> [Transcript; 2] {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let (alice, bob) = (browser.profile().await, browser.profile().await);
    let (mcp_url, plans) = (gateway.mcp_url(), ["alice", "bob"].map(|login| Value::Array(plan(login))));
    let transcripts: [Transcript; 2] = tokio::join!(
        script.run(&mcp_url, &plans[0], &alice, "Alice"),
        script.run(&mcp_url, &plans[1], &bob, "Bob"),
    )
    .into();
    browser.close().await;

    for (transcript, login, own, strangers) in
        [(&transcripts[0], "alice", ALICES, BOBS), (&transcripts[1], "bob", BOBS, ALICES)]
    {
        let steps = &transcript.steps;
        let tools = steps[0]["tools"].as_array().expect("the tools");
        assert!(tools.contains(&json!("get-my-repos")), "{tools:?}");
        assert!(steps[1]["text"].as_str().unwrap().to_lowercase().contains(login), "{}", steps[1]);
        for step in [&steps[2], &steps[4]] {
            assert_repositories(step["text"].as_str().unwrap(), own, strangers);
        }
        assert_eq!(steps[3], json!({"refreshed": true, "rotated": true}));
        assert_eq!(transcript.visits, visits, "visits to the browser: {transcript:#?}");
        assert_eq!(transcript.secrets.len(), 2, "an access token and a refresh token");
        for secret in &transcript.secrets {
            assert!(!gateway.log().contains(secret.as_str()), "a token is in the log");
        }
    }
    transcripts
}

/// The plan with writing, which takes so many visits to the browser: two, where the client asks for no more than it needs.
async fn drive_with_writing(script: Script, visits: usize) {
    for transcript in drive(script, plan_with_writing, visits).await {
        let made = transcript.steps.last().unwrap();
        assert_eq!(made["isError"], false, "{made}");
    }
}

/// Without a step-up: while this SDK holds a refresh token it answers the challenge by refreshing, and gives up.
#[tokio::test]
async fn the_typescript_sdk_1() {
    drive(Script::Node("ts-sdk-1.mjs"), plan, 1).await;
}

#[tokio::test]
async fn the_typescript_sdk_2() {
    drive_with_writing(Script::Node("ts-sdk-2.mjs"), 2).await;
}

#[tokio::test]
async fn the_python_sdk_1() {
    drive_with_writing(Script::Python("python-1", "sdk_1.py"), 2).await;
}

#[tokio::test]
async fn the_python_sdk_2() {
    drive_with_writing(Script::Python("python-2", "sdk_2.py"), 2).await;
}

#[tokio::test]
async fn mcp_remote() {
    drive(Script::Node("mcp-remote.mjs"), plan, 1).await;
}

/// It opens the link to authorize itself, to see whether it leads anywhere, before the browser does.
#[tokio::test]
async fn fastmcp() {
    drive_with_writing(Script::Python("python-2", "fastmcp_client.py"), 2).await;
}

/// On its command line.
#[tokio::test]
async fn the_inspector() {
    drive(Script::Node("inspector.mjs"), plan, 1).await;
}

/// It asks for every scope that the metadata of the authorization server lists.
#[tokio::test]
async fn gemini_cli() {
    drive_with_writing(Script::Node("gemini-cli.mjs"), 1).await;
}

#[tokio::test]
async fn rmcp() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let alice = browser.profile().await;
    let listener = Listener::start().await;
    let mut state = OAuthState::new(gateway.mcp_url(), None).await.unwrap();
    let request = AuthorizationRequest::new(listener.uri.clone()).with_client_name("rmcp");
    state.start_authorization(request).await.unwrap();
    alice.approve(&state.get_authorization_url().await.unwrap(), "Alice").await;
    let came_back = listener.next().await.address(&listener.uri);
    state.handle_callback_url(&came_back).await.unwrap();
    let manager = state.into_authorization_manager().unwrap();
    let before = manager.get_access_token().await.unwrap();
    manager.refresh_token().await.unwrap();
    assert_ne!(manager.get_access_token().await.unwrap(), before);

    let client = AuthClient::new(reqwest::Client::new(), manager);
    let configuration = StreamableHttpClientTransportConfig::with_uri(gateway.mcp_url());
    let service = ().serve(StreamableHttpClientTransport::with_client(client, configuration)).await.unwrap();
    let tools = service.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "get-my-repos"));
    let arguments = json!({"visibility": "all"}).as_object().cloned().unwrap();
    let call = CallToolRequestParams::new("get-my-repos").with_arguments(arguments);
    let result = service.call_tool(call).await.unwrap();
    assert_repositories(&serde_json::to_string(&result).unwrap(), ALICES, BOBS);
    service.cancel().await.unwrap();
    browser.close().await;
}

#[tokio::test]
async fn the_official_conformance_runner_passes_its_authorization_scenarios() {
    let gateway = Gateway::demo().await;
    for version in ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let port = tools::free_port();
        let registered = json!({"redirect_uris": [format!("http://127.0.0.1:{port}/callback")]});
        let client = OAuthClient::connect_with(&gateway.mcp_url(), registered).await;
        let results = tempfile::tempdir().unwrap();
        let mut runner = conformance::runner()
            .args([
                "authorization",
                "--url",
                &gateway.origin(),
                "--client-id",
                client.id(),
                "--resource",
                &gateway.mcp_url(),
            ])
            .args(["-p", &port.to_string(), "--spec-version", version, "-o"])
            .arg(results.path())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        let mut said = String::new();
        while let Some(line) =
            tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap()
        {
            if let Some(url) = line
                .split_whitespace()
                .find(|word| word.starts_with(&format!("{}/authorize?", gateway.origin())))
            {
                FormBrowser::new().approve(url, "Bob").await;
            }
            said.push_str(&line);
            said.push('\n');
        }
        assert!(runner.wait().await.unwrap().success(), "{version}:\n{said}");
        let found = Found::read(results.path());
        for check in ["authorization-server-metadata", "authorization-code-grant"] {
            assert_eq!(found.of(check), ["SUCCESS"], "{version}: {check}: {:?}", found.failures);
        }
        // It warns where documents are not promised; the revisions before them know none.
        let documents = match (version, client.server["client_id_metadata_document_supported"] == true) {
            ("2025-03-26" | "2025-06-18", _) => vec![],
            (_, true) => vec!["SUCCESS"],
            (_, false) => vec!["WARNING"],
        };
        assert_eq!(found.of("authorization-server-metadata-cimd"), documents, "{version}: {found:?}");
    }
}
