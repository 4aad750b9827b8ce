//! No secret in any log line, and none readable on disk.

use coatroom_e2e::{Era, Gateway, Mcp, OAuthClient};
use serde_json::json;

#[tokio::test]
async fn no_secret_that_was_ever_issued_is_in_the_log_or_on_disk() {
    let mut gateway = Gateway::demo().await;
    let secret = json!({"token_endpoint_auth_method": "client_secret_post"});
    let confidential = OAuthClient::connect_with(&gateway.mcp_url(), secret).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let first = client.sign_in("Alice").await;
    let second = client.refresh(&first.refresh).await.tokens();
    client.sign_in_for("Bob", Some("repos:read repos:write")).await;
    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Legacy, &second.access).await;
    mcp.call("get-my-repos", json!({"visibility": "all"})).await;
    mcp.call("create-issue", json!({"repo": "alice/diary", "title": "t", "body": "b"})).await;
    // Refusals are where secrets like to be logged.
    client.refresh("coat_rt_refused-token-that-nobody-issued").await;
    client
        .token(&[
            ("grant_type", "authorization_code"),
            ("code", "coat_ac_refused-code"),
            ("client_id", client.id()),
        ])
        .await;
    Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, "coat_at_refused-access-token")
        .call("whoami", json!({}))
        .await;
    client.refresh(&first.refresh).await;
    client.revoke(&second.refresh).await;
    gateway.restart().await;

    let mut secrets = client.secrets();
    secrets.extend(confidential.secrets());
    assert!(secrets.len() >= 12, "codes, tokens and verifiers were collected: {}", secrets.len());
    let log = gateway.log();
    assert!(log.lines().count() > 5, "the program logs at all: {log}");
    for refused in ["refused-token-that-nobody-issued", "refused-code", "refused-access-token"] {
        assert!(!log.contains(refused), "{refused} is in the log");
    }
    let disk = gateway.bytes_on_disk();
    for secret in &secrets {
        let kind: String = secret.chars().take(8).collect();
        assert!(!log.contains(secret.as_str()), "a secret ({kind}…) is in the log");
        let on_disk = disk.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!on_disk, "a secret ({kind}…) is on disk");
    }
    assert!(!log.contains("alice@example.com"), "an e-mail address is in the log");
}
