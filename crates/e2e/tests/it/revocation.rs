//! Revoking is felt within a second, by the owner of the token only.

use std::time::{Duration, Instant};

use coatroom_e2e::{Era, Gateway, Mcp, OAuthClient};
use serde_json::json;

#[tokio::test]
async fn a_revoked_grant_is_refused_within_a_second() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
    // The guard remembers the token as well as it can.
    for _ in 0..20 {
        assert_eq!(mcp.call("whoami", json!({})).await.status, 200);
    }
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    let revoked = Instant::now();
    while mcp.call("whoami", json!({})).await.status != 401 {
        assert!(revoked.elapsed() < Duration::from_secs(1), "still good a second later (REV-05, REV-07)");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(client.refresh(&tokens.refresh).await.error(), "invalid_grant");
}

#[tokio::test]
async fn revoking_what_does_not_exist_succeeds() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    for token in ["nonsense", "coat_at_nonsense", "coat_rt_nonsense"] {
        assert_eq!(client.revoke(token).await.status, 200, "REV-02");
    }
    let tokens = client.sign_in("Alice").await;
    for _ in 0..2 {
        assert_eq!(client.revoke(&tokens.access).await.status, 200);
    }
}

#[tokio::test]
async fn another_client_cannot_revoke_the_token() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let stranger = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    stranger.revoke(&tokens.access).await;
    stranger.revoke(&tokens.refresh).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
    assert_eq!(mcp.call("whoami", json!({})).await.status, 200, "REV-04");
    client.refresh(&tokens.refresh).await.tokens();
}
