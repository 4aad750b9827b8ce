//! Refresh: repeated safely, bound to its client, and a stolen copy ends the grant.

use coatroom_e2e::{Era, Gateway, Mcp, OAuthClient};
use serde_json::json;

#[tokio::test]
async fn every_refresh_gives_new_tokens_and_they_work() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let mut tokens = client.sign_in("Alice").await;
    for _ in 0..5 {
        let next = client.refresh(&tokens.refresh).await.tokens();
        assert_ne!(next.refresh, tokens.refresh, "rotated on every use (TOK-40)");
        assert_ne!(next.access, tokens.access);
        assert_eq!(next.scope, tokens.scope);
        tokens = next;
        let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
        assert_eq!(mcp.call("whoami", json!({})).await.status, 200);
    }
}

#[tokio::test]
async fn ten_parallel_refreshes_with_one_token_all_succeed_and_agree() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let answers = futures_util::future::join_all((0..10).map(|_| client.refresh(&tokens.refresh))).await;
    let answers: Vec<_> = answers.iter().map(|answer| answer.tokens()).collect();
    for answer in &answers {
        assert_eq!(answer.refresh, answers[0].refresh, "one successor (TOK-43)");
        let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &answer.access).await;
        assert_eq!(mcp.call("whoami", json!({})).await.status, 200);
    }
    client.refresh(&answers[0].refresh).await.tokens();
}

#[tokio::test]
async fn an_answer_that_was_lost_can_be_asked_for_again() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let lost = client.refresh(&tokens.refresh).await.tokens();
    let again = client.refresh(&tokens.refresh).await.tokens();
    assert_eq!(again.refresh, lost.refresh);
}

#[tokio::test]
async fn an_old_token_whose_successor_was_used_ends_the_grant() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let first = client.sign_in("Alice").await;
    let second = client.refresh(&first.refresh).await.tokens();
    let third = client.refresh(&second.refresh).await.tokens();
    let replay = client.refresh(&first.refresh).await;
    assert_eq!((replay.status.as_u16(), replay.error()), (400, "invalid_grant"), "{}", replay.body);
    let after = client.refresh(&third.refresh).await;
    assert_eq!((after.status.as_u16(), after.error()), (400, "invalid_grant"), "the family is gone (TOK-42)");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &third.access);
    assert_eq!(mcp.call("whoami", json!({})).await.status, 401);
}

#[tokio::test]
async fn another_client_cannot_use_the_token_and_does_no_harm_by_trying() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let thief = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let stolen = thief.refresh(&tokens.refresh).await;
    assert_eq!(stolen.error(), "invalid_grant", "{}", stolen.body);
    client.refresh(&tokens.refresh).await.tokens();
}

#[tokio::test]
async fn a_narrower_scope_can_be_asked_for_and_a_wider_one_cannot() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in_for("Alice", Some("repos:read repos:write")).await;
    let refresh = async |token: &str, scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", client.id()),
            ("scope", scope),
        ];
        client.token(&form).await
    };
    let narrow = refresh(&tokens.refresh, "repos:read").await.tokens();
    assert_eq!(narrow.scope, "repos:read");
    let full = client.refresh(&narrow.refresh).await.tokens();
    assert!(
        full.scope.contains("repos:write"),
        "the refresh token keeps what was granted (TOK-45): {}",
        full.scope
    );

    let reader = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = reader.sign_in_for("Bob", Some("repos:read")).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("client_id", reader.id()),
        ("scope", "repos:read repos:write"),
    ];
    assert_eq!(reader.token(&form).await.error(), "invalid_scope");
}

#[tokio::test]
async fn a_forged_token_changes_nothing() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let middle = tokens.refresh.len() / 2;
    for at in [10, middle, tokens.refresh.len() - 1] {
        let mut forged = tokens.refresh.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(client.refresh(&forged).await.error(), "invalid_grant");
    }
    client.refresh(&tokens.refresh).await.tokens();
}
