//! The program may be killed between any two steps; nobody has to begin again.

use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient};
use serde_json::json;

#[tokio::test]
async fn the_program_is_killed_between_any_two_steps_and_the_journey_goes_on() {
    let mut gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    gateway.restart().await;

    let pending = client.start(None);
    let person = FormBrowser::new();
    let consent = person.open(&pending.url).await;
    gateway.restart().await;

    let provider = person.press(&consent, "Continue").await;
    gateway.restart().await;

    let end = person.press(&provider, "Alice").await;
    assert_eq!(end.status, 200, "{}", end.html);
    let callback = client.callback(&pending).await;
    gateway.restart().await;

    let tokens = client.redeem(&pending, &callback).await.tokens();
    gateway.restart().await;

    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
    assert!(mcp.call("whoami", json!({})).await.text().to_lowercase().contains("alice"));
    gateway.restart().await;

    let renewed = client.refresh(&tokens.refresh).await.tokens();
    gateway.restart().await;

    let again = client.refresh(&tokens.refresh).await.tokens();
    assert_eq!(again.refresh, renewed.refresh, "a repeat after a restart agrees");
    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &again.access).await;
    assert!(mcp.call("get-my-repos", json!({"visibility": "all"})).await.text().contains("diary"));

    assert_eq!(client.revoke(&renewed.refresh).await.status, 200);
    gateway.restart().await;
    assert_eq!(client.refresh(&renewed.refresh).await.error(), "invalid_grant");
}

#[tokio::test]
async fn asked_to_stop_it_stops_soon_and_loses_nothing() {
    let mut gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Bob").await;
    let took = gateway.stop().await;
    assert!(took.as_secs() < 10, "{took:?}");
    gateway.restart().await;
    client.refresh(&tokens.refresh).await.tokens();
}
