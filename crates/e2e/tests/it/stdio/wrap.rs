//! `coatroom wrap`: a server on stdio becomes one for many users, with a line in a terminal.

use coatroom_e2e::{Gateway, Mcp, OAuthClient};
use serde_json::{Value, json};

use super::servers::node_server;
use super::{MODERN, OLDER, PROBE, count};

#[tokio::test]
async fn one_line_makes_a_server_multi_user_with_the_demos_own_provider() {
    let options = [
        "--provider",
        "demo",
        "--env",
        "TOKEN={demo.access_token}",
        "--env",
        "WHO={user.name}",
        "--store",
        "memory:",
        "--read",
        PROBE,
    ];
    let gateway = Gateway::wrap(&options, &[PROBE]).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let mut tokens = Vec::new();
    for account in ["Alice", "Bob"] {
        let signed_in = client.sign_in(account).await;
        for revision in OLDER.into_iter().chain([MODERN]) {
            let mcp = Mcp::connect_as(&gateway.mcp_url(), revision, &signed_in.access, json!({})).await;
            let environment = mcp.call("env", json!({})).await.text();
            assert!(environment.contains(&format!("\"WHO\":\"{account}\"")), "{environment}");
            tokens.push((account, count(&mcp).await["token"].as_str().unwrap().to_owned()));
        }
    }
    for (account, token) in &tokens {
        assert!(!token.is_empty());
        let others = tokens.iter().filter(|(other, _)| other != account);
        assert!(others.clone().all(|(_, other)| other != token), "a token of two users");
    }
}

/// As the README has it, but that the command is installed already: the server of others with its users' own tokens.
#[tokio::test]
async fn one_line_makes_a_server_of_others_multi_user() {
    let (node, script, packages) = node_server("server-everything");
    let options = [
        "--provider",
        "demo",
        "--env",
        "GITHUB_PERSONAL_ACCESS_TOKEN={demo.access_token}",
        "--store",
        "memory:",
        "--read",
        &node,
        "--read",
        &packages,
    ];
    let gateway = Gateway::wrap(&options, &[&node, &script]).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let call = async |account: &str| {
        let tokens = client.sign_in(account).await;
        let mut seen = Vec::new();
        for revision in ["2025-06-18", MODERN] {
            let mcp = Mcp::connect_as(&gateway.mcp_url(), revision, &tokens.access, json!({})).await;
            let environment = mcp.call("get-env", json!({})).await.text();
            let environment: Value =
                serde_json::from_str(&environment).unwrap_or_else(|_| panic!("{environment}"));
            assert!(
                environment.as_object().unwrap().keys().all(|name| !name.starts_with("COATROOM")),
                "{environment}"
            );
            seen.push(environment["GITHUB_PERSONAL_ACCESS_TOKEN"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen[0], seen[1], "one grant, one credential");
        seen.remove(0)
    };
    let (alice, bob) = tokio::join!(call("Alice"), call("Bob"));
    assert!(!alice.is_empty() && alice != bob);
    for token in [&alice, &bob] {
        assert!(!gateway.log().contains(token.as_str()), "a token is in the log");
    }
}
