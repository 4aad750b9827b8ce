//! Authorization codes: redeemed once, by the right client with the right verifier, and never by anybody else.

use coatroom_e2e::oauth::{Callback, Pending};
use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient, TokenAnswer};
use serde_json::json;

/// A client with a code in its hands.
async fn with_code(gateway: &Gateway) -> (OAuthClient, Pending, Callback) {
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    FormBrowser::new().approve(&pending.url, "Alice").await;
    let callback = client.callback(&pending).await;
    (client, pending, callback)
}

/// Fields of a token request that differ from the right ones.
type Changes<'a> = &'a [(&'a str, &'a str)];

/// Redeems the code with some fields changed; an empty value leaves the field out.
async fn redeem_with(
    client: &OAuthClient,
    pending: &Pending,
    callback: &Callback,
    changes: Changes<'_>,
) -> TokenAnswer {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", callback.get("code").unwrap()),
        ("code_verifier", &pending.verifier),
        ("redirect_uri", &client.redirect_uri),
        ("client_id", client.id()),
    ];
    for (name, value) in changes {
        form.retain(|(found, _)| found != name);
        if !value.is_empty() {
            form.push((name, value));
        }
    }
    client.token(&form).await
}

#[tokio::test]
async fn wrong_redemptions_are_refused_and_leave_the_code_to_its_owner() {
    let gateway = Gateway::demo().await;
    let other = OAuthClient::connect(&gateway.mcp_url()).await;
    let (client, pending, callback) = with_code(&gateway).await;
    let wrong_verifier = "x".repeat(43);
    let refused: &[(Changes<'_>, &[&str])] = &[
        (&[("code_verifier", &wrong_verifier)], &["invalid_grant"]),
        (&[("code_verifier", "too-short")], &["invalid_grant", "invalid_request"]),
        (&[("code_verifier", "")], &["invalid_grant", "invalid_request"]),
        (&[("redirect_uri", "http://127.0.0.1:1/callback")], &["invalid_grant"]),
        (&[("client_id", other.id())], &["invalid_grant"]),
        (&[("client_id", "nobody")], &["invalid_client"]),
        (&[("resource", "https://example.com/mcp")], &["invalid_target"]),
        (&[("grant_type", "password")], &["unsupported_grant_type"]),
        (&[("grant_type", "")], &["invalid_request"]),
        (&[("code", "")], &["invalid_request"]),
        (&[("code", "coat_ac_nonsense")], &["invalid_grant"]),
    ];
    for (changes, errors) in refused {
        let answer = redeem_with(&client, &pending, &callback, changes).await;
        assert!(answer.status.is_client_error(), "{changes:?}: {}", answer.status);
        assert!(errors.contains(&answer.error()), "{changes:?}: {}", answer.body);
    }
    redeem_with(&client, &pending, &callback, &[]).await.tokens();
}

#[tokio::test]
async fn of_twenty_parallel_redemptions_one_succeeds() {
    let gateway = Gateway::demo().await;
    let (client, pending, callback) = with_code(&gateway).await;
    let answers = futures_util::future::join_all((0..20).map(|_| client.redeem(&pending, &callback))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "TOK-34");
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.error() == "invalid_grant"));
}

#[tokio::test]
async fn a_replay_with_the_right_verifier_revokes_what_the_code_issued() {
    let gateway = Gateway::demo().await;
    let (client, pending, callback) = with_code(&gateway).await;
    let tokens = client.redeem(&pending, &callback).await.tokens();
    assert_eq!(client.redeem(&pending, &callback).await.error(), "invalid_grant");
    assert_eq!(client.refresh(&tokens.refresh).await.error(), "invalid_grant", "TOK-35");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access);
    assert_eq!(mcp.call("whoami", json!({})).await.status, 401);
}

#[tokio::test]
async fn a_replay_with_a_wrong_verifier_revokes_nothing() {
    let gateway = Gateway::demo().await;
    let (client, pending, callback) = with_code(&gateway).await;
    let tokens = client.redeem(&pending, &callback).await.tokens();
    let wrong = redeem_with(&client, &pending, &callback, &[("code_verifier", &"x".repeat(43))]).await;
    assert_eq!(wrong.error(), "invalid_grant");
    client.refresh(&tokens.refresh).await.tokens();
}

#[tokio::test]
async fn a_parameter_that_is_sent_twice_is_refused() {
    let gateway = Gateway::demo().await;
    let (client, pending, callback) = with_code(&gateway).await;
    let code = callback.get("code").unwrap();
    let twice = client
        .token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code", code),
            ("code_verifier", &pending.verifier),
            ("client_id", client.id()),
        ])
        .await;
    assert_eq!((twice.status.as_u16(), twice.error()), (400, "invalid_request"), "TOK-02");
}

#[tokio::test]
async fn the_redirect_uri_may_differ_in_the_port_of_a_loopback_address_and_in_nothing_else() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let start = client.start(None).url;
    let port = client.redirect_uri.split(['/', ':']).nth(4).unwrap().to_owned();
    let here = |uri: &str| start.replace(&encoded(&client.redirect_uri), &encoded(uri));
    let open = async |uri: &str| FormBrowser::new().open_only(&here(uri)).await;
    assert_eq!(open("http://127.0.0.1:9/callback").await.status, 200, "another port (AZ-05)");
    for wrong in [
        format!("http://localhost:{port}/callback"),
        format!("http://127.0.0.1:{port}/callback/"),
        format!("http://127.0.0.1:{port}/Callback"),
        format!("http://127.0.0.1:{port}/callback?x=1"),
        format!("http://127.0.0.1:{port}/callback#x"),
        format!("https://127.0.0.1:{port}/callback"),
        format!("http://127.0.0.1.example.com:{port}/callback"),
        format!("http://x@127.0.0.1:{port}/callback"),
        "https://example.com/callback".to_owned(),
    ] {
        let answer = open(&wrong).await;
        assert!(answer.status.is_client_error(), "{wrong}: {}", answer.status);
        assert_eq!(answer.leads_to(), None, "{wrong}");
    }
}

fn encoded(uri: &str) -> String {
    url::form_urlencoded::byte_serialize(uri.as_bytes()).collect()
}
