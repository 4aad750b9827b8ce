//! Two users at the same moment: what one may see never reaches the other.

use coatroom_e2e::{Browser, Era, Gateway, Mcp, OAuthClient};
use serde_json::json;

use crate::{ALICES, BOBS, assert_repositories};

#[tokio::test]
async fn alice_and_bob_sign_in_at_the_same_moment_and_two_hundred_interleaved_calls_never_cross() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let sign_in = async |account: &str| {
        let profile = browser.profile().await;
        let client = OAuthClient::connect(&gateway.mcp_url()).await;
        let pending = client.start(None);
        profile.approve(&pending.url, account).await;
        let callback = client.callback(&pending).await;
        client.redeem(&pending, &callback).await.tokens()
    };
    let (alice, bob) = tokio::join!(sign_in("Alice"), sign_in("Bob"));
    browser.close().await;

    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let is_alice = number % 2 == 0;
        let era = if number % 4 < 2 { Era::Modern } else { Era::Legacy };
        let token = if is_alice { alice.access.clone() } else { bob.access.clone() };
        // Made before any of them connects: two hundred HTTP clients take longer than the program waits for a request.
        let mcp = Mcp::without_handshake(&gateway.mcp_url(), era, &token);
        calls.spawn(async move {
            let repositories = mcp.call("get-my-repos", json!({"visibility": "all"})).await.text();
            let (own, others) = if is_alice { (ALICES, BOBS) } else { (BOBS, ALICES) };
            assert_repositories(&repositories, own, others);
        });
    }
    assert_eq!(calls.join_all().await.len(), 200);
}

#[tokio::test]
async fn two_people_may_share_one_client_id() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let alice = client.sign_in("Alice").await;
    let bob = client.sign_in("Bob").await;
    for (tokens, name, other) in [(&alice, "alice", "bob"), (&bob, "bob", "alice")] {
        let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
        let who = mcp.call("whoami", json!({})).await.text().to_lowercase();
        assert!(who.contains(name) && !who.contains(other), "{who}");
    }
    // A second consent of the same client must not end the first: the two may be two devices.
    assert_eq!(client.refresh(&alice.refresh).await.status, 200);
}

#[tokio::test]
async fn a_session_of_one_user_does_not_exist_for_another() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let alice = client.sign_in("Alice").await;
    let bob = client.sign_in("Bob").await;
    let mut mcp = Mcp::connect(&gateway.mcp_url(), Era::Legacy, &alice.access).await;
    let had_session = mcp.session().is_some();
    mcp.use_token(&bob.access);
    let answer = mcp.call("get-my-repos", json!({"visibility": "all"})).await;
    if had_session {
        assert_eq!(answer.status, 404, "a stranger's session (SES-03): {}", answer.body);
    } else {
        assert_repositories(&answer.text(), BOBS, ALICES);
    }
}
