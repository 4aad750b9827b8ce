//! Clients written by others, through the whole flow: discovery, registration, consent and sign-in in Chromium, token,
//! list, call, refresh, and a call that needs more than was granted.

use std::process::Stdio;
use std::time::Duration;

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
fn plan() -> Vec<Value> {
    let repositories = json!({"call": "get-my-repos", "arguments": {"visibility": "all"}});
    vec![json!("list"), json!({"call": "whoami"}), repositories.clone(), json!("refresh"), repositories]
}

/// Runs a plan with a fresh browser, checks what each step said, and that no token is in the log.
async fn drive(script: Script, plan: Vec<Value>, visits: usize) -> Transcript {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let alice = browser.profile().await;
    let transcript = script.run(&gateway.mcp_url(), &Value::Array(plan), &alice, "Alice").await;
    browser.close().await;

    let steps = &transcript.steps;
    let tools = steps[0]["tools"].as_array().expect("the tools");
    assert!(tools.contains(&json!("get-my-repos")), "{tools:?}");
    assert!(steps[1]["text"].as_str().unwrap().to_lowercase().contains("alice"), "{}", steps[1]);
    for step in [&steps[2], &steps[4]] {
        assert_repositories(step["text"].as_str().unwrap(), ALICES, BOBS);
    }
    assert_eq!(steps[3], json!({"refreshed": true, "rotated": true}));
    assert_eq!(transcript.visits, visits, "visits to the browser: {transcript:#?}");
    assert_eq!(transcript.secrets.len(), 2, "an access token and a refresh token");
    for secret in &transcript.secrets {
        assert!(!gateway.log().contains(secret.as_str()), "a token is in the log");
    }
    transcript
}

/// The plan with a call at its end that needs another consent.
async fn drive_with_step_up(script: Script) {
    let mut plan = plan();
    let issue = json!({"repo": "alice/garden-planner", "title": "Rain barrel", "body": "It leaks."});
    plan.push(json!({"call": "create-issue", "arguments": issue}));
    let transcript = drive(script, plan, 2).await;
    let made = transcript.steps.last().unwrap();
    assert_eq!(made["isError"], false, "{made}");
}

/// Without a step-up: while this SDK holds a refresh token it answers the challenge by refreshing, and gives up.
#[tokio::test]
async fn the_typescript_sdk_1() {
    drive(Script::Node("ts-sdk-1.mjs"), plan(), 1).await;
}

#[tokio::test]
async fn the_typescript_sdk_2() {
    drive_with_step_up(Script::Node("ts-sdk-2.mjs")).await;
}

#[tokio::test]
async fn the_python_sdk_1() {
    drive_with_step_up(Script::Python("python-1", "sdk_1.py")).await;
}

#[tokio::test]
async fn the_python_sdk_2() {
    drive_with_step_up(Script::Python("python-2", "sdk_2.py")).await;
}

#[tokio::test]
async fn mcp_remote() {
    drive(Script::Node("mcp-remote.mjs"), plan(), 1).await;
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
        let program =
            tools::folder().join("node/node_modules/@modelcontextprotocol/conformance/dist/index.js");
        let mut runner = tokio::process::Command::new(tools::folder().join("bin/node"))
            .arg(program)
            .args([
                "authorization",
                "--url",
                &gateway.origin(),
                "--client-id",
                client.id(),
                "--resource",
                &gateway.mcp_url(),
            ])
            .args(["-p", &port.to_string(), "--spec-version", version])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
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
        assert!(said.contains("Total: 2 passed, 0 failed"), "{version}:\n{said}");
    }
}
