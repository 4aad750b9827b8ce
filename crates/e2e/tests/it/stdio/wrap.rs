//! `coatroom wrap`: a server on stdio becomes one for many users, with a line in a terminal.

use coatroom_e2e::{Gateway, Mcp, OAuthClient};
use serde_json::json;

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
