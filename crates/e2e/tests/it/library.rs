//! A server that is built with the library, on rmcp and axum, and clients written by others: the example `github-tools`.

use coatroom_e2e::foreign::Script;
use coatroom_e2e::upstream::{GitHub, GitHubApp};
use coatroom_e2e::{FormBrowser, Program, tools};
use serde_json::{Value, json};

use crate::{ALICES, BOBS, assert_repositories};

/// Two people at the same moment list their own repositories, before and after a refresh; where the client asks for more when it is
/// told to, each opens an issue, too.
async fn drive(script: Script, steps_up: bool) {
    let github = GitHub::start(GitHubApp::Expiring(3600)).await;
    let mut server = Program::new(tools::example("github-tools"), github.variables());
    server.set("COATROOM_LOG", Some("trace"));
    server.start().await;
    let url = server.mcp_url();
    let run = async |account: &str, repository: &str| {
        let repositories = json!({ "call": "get-my-repos", "arguments": {} });
        let mut plan = vec![json!("list"), repositories.clone(), json!("refresh"), repositories];
        if steps_up {
            let issue = json!({ "repo": repository, "title": "Rain barrel", "body": "It leaks." });
            plan.push(json!({ "call": "create-issue", "arguments": issue }));
        }
        let person = FormBrowser::new();
        let sign_in = async |url: &str| drop(person.approve(url, account).await);
        script.run_where(&url, &Value::Array(plan), sign_in).await
    };
    let both = tokio::join!(run("Alice", "alice/garden-planner"), run("Bob", "bob/bike-workshop"));
    for (transcript, own, strangers) in [(&both.0, ALICES, BOBS), (&both.1, BOBS, ALICES)] {
        let steps = &transcript.steps;
        let listed = steps[0]["tools"].as_array().expect("the tools");
        assert!(
            listed.contains(&json!("get-my-repos")) && listed.contains(&json!("create-issue")),
            "{listed:?}"
        );
        for step in [&steps[1], &steps[3]] {
            assert_repositories(step["text"].as_str().unwrap(), own, strangers);
        }
        assert_eq!(steps[2], json!({ "refreshed": true, "rotated": true }));
        if steps_up {
            assert_eq!(steps[4]["isError"], false, "{}", steps[4]);
        }
        let visits = if steps_up { 2 } else { 1 };
        assert_eq!(transcript.visits, visits, "visits to the browser: {transcript:#?}");
        for secret in &transcript.secrets {
            assert!(!server.log().contains(secret.as_str()), "a token is in the log");
        }
    }
}

#[tokio::test]
async fn the_typescript_sdk_1_at_a_server_on_the_library() {
    drive(Script::Node("ts-sdk-1.mjs"), false).await;
}

#[tokio::test]
async fn the_typescript_sdk_2_at_a_server_on_the_library() {
    drive(Script::Node("ts-sdk-2.mjs"), true).await;
}

#[tokio::test]
async fn the_python_sdk_2_at_a_server_on_the_library() {
    drive(Script::Python("python-2", "sdk_2.py"), true).await;
}

#[tokio::test]
async fn the_inspector_at_a_server_on_the_library() {
    drive(Script::Node("inspector.mjs"), false).await;
}
