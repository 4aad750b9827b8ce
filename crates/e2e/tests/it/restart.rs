//! The program may be killed between any two steps; nobody has to begin again.

use std::time::Duration;

use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient, TokenAnswer};
use serde_json::json;
use tokio::sync::watch;

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

#[tokio::test]
async fn clients_that_refresh_while_the_program_crashes_are_never_stranded() {
    const CLIENTS: usize = 8;
    let mut gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut loops = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let account = if number % 2 == 0 { "Alice" } else { "Bob" };
        let first = client.sign_in(account).await.refresh;
        let endpoint = client.server["token_endpoint"].as_str().unwrap().to_owned();
        let id = client.id().to_owned();
        loops.spawn(refresh_until(stopped.clone(), endpoint, id, first));
    }
    for pause in [150, 230, 310, 170] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        gateway.restart().await;
    }
    stop.send(true).unwrap();
    let ends = loops.join_all().await;
    assert!(
        ends.iter().map(|(_, refreshed)| refreshed).sum::<usize>() > 3 * CLIENTS,
        "hardly anything was refreshed"
    );
    for (token, _) in &ends {
        let tokens = client.refresh(token).await.tokens();
        let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
        assert_eq!(mcp.call("whoami", json!({})).await.status, 200);
    }
}

/// Refreshes again and again, as a client does that keeps the last token it was given; returns that token at the end.
async fn refresh_until(
    stopped: watch::Receiver<bool>,
    endpoint: String,
    id: String,
    first: String,
) -> (String, usize) {
    let http = coatroom_e2e::oauth::http();
    let (mut token, mut refreshed) = (first, 0);
    while !*stopped.borrow() {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", id.as_str())];
        // No answer, or half of one: the token at hand is still the last one.
        let answer = async {
            Ok::<_, reqwest::Error>(TokenAnswer::read(http.post(&endpoint).form(&form).send().await?).await)
        };
        match answer.await {
            Ok(answer) if answer.status == 200 && answer.body.is_object() => {
                token = answer.tokens().refresh;
                refreshed += 1;
            }
            Ok(answer) => assert!(!answer.status.is_client_error(), "a client is stranded: {}", answer.body),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    (token, refreshed)
}
