//! `coatroom serve`, with providers and MCP servers of others behind it.

use std::time::{Duration, Instant};

use coatroom_e2e::oauth::http;
use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp, OidcProvider};
use coatroom_e2e::{Answer, Era, Gateway, Mcp, OAuthClient, tools};
use futures_util::StreamExt;
use serde_json::{Value, json};

/// A configuration with one server behind `provider`, which gets the user's own token in `Authorization`.
pub(crate) fn configuration(port: u16, echo: &EchoServer, provider: &str, section: &str) -> String {
    format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
         keys_file = \"{{data}}/keys.toml\"\n\n{section}\n[servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\n\
         provider = \"{provider}\"\nheaders = {{ Authorization = \"Bearer {{{provider}.access_token}}\" }}\n",
        echo.url
    )
}

/// The headers that reached the MCP server with a call.
async fn headers(gateway: &Gateway, token: &str) -> Value {
    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Legacy, token).await;
    let answer = mcp.call("headers", json!({})).await;
    serde_json::from_str(&answer.text()).unwrap()
}

fn bearer(headers: &Value) -> String {
    headers["authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

#[tokio::test]
async fn two_users_of_github_each_reach_the_server_with_their_own_token() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let echo = EchoServer::start().await;
    let gateway = serve(&echo, "github", &github.configuration()).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let alice = client.sign_in("Alice").await;
    let bob = client.sign_in("Bob").await;
    for (tokens, account) in [(&alice, "alice"), (&bob, "bob")] {
        let headers = headers(&gateway, &tokens.access).await;
        assert_eq!(github.owner_of(&bearer(&headers)).as_deref(), Some(account));
    }
    let arrived = serde_json::to_string(&echo.arrived()).unwrap();
    for tokens in [&alice, &bob] {
        assert!(!arrived.contains(&tokens.access), "the client's token never travels upstream (GW-22)");
    }
    let log = gateway.log();
    let disk = gateway.bytes_on_disk();
    for secret in github.secrets().iter().chain(client.secrets().iter()) {
        assert!(!log.contains(secret.as_str()), "a secret is in the log");
        assert!(!disk.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "a secret is on disk");
    }
}

#[tokio::test]
async fn githubs_expiring_tokens_are_renewed_once_for_many_calls() {
    let github = GitHub::start(GitHubApp::Expiring(4)).await;
    let echo = EchoServer::start().await;
    let gateway = serve(&echo, "github", &github.configuration()).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    // More than half of the token's life is over, so the first call renews it, and the others wait.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let calls = (0..20).map(|_| headers(&gateway, &tokens.access));
    for headers in futures_util::future::join_all(calls).await {
        assert!(bearer(&headers).starts_with("gho_"));
    }
    assert!(github.refreshes() >= 1, "renewed before it expired");
    let last = headers(&gateway, &tokens.access).await;
    assert_eq!(
        github.owner_of(&bearer(&last)).as_deref(),
        Some("alice"),
        "GitHub's refresh tokens work once: none was lost"
    );
}

#[tokio::test]
async fn a_certified_openid_provider_signs_users_in() {
    let port = tools::free_port();
    let provider = OidcProvider::start(&format!("http://localhost:{port}/callback/corp"), 3600).await;
    let echo = EchoServer::start().await;
    let gateway =
        Gateway::serve_at(port, &configuration(port, &echo, "corp", &provider.configuration("corp"))).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let alice = client.sign_in("Alice").await;
    let bob = client.sign_in("Bob").await;
    let tokens =
        [bearer(&headers(&gateway, &alice.access).await), bearer(&headers(&gateway, &bob.access).await)];
    assert_ne!(tokens[0], tokens[1]);
    let userinfo = async |token: &str| -> Value {
        let url = format!("{}/me", provider.issuer);
        http().get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(userinfo(&tokens[0]).await["sub"], "alice");
    assert_eq!(userinfo(&tokens[1]).await["sub"], "bob");
}

#[tokio::test]
async fn an_openid_providers_short_lived_token_is_renewed() {
    let port = tools::free_port();
    let provider = OidcProvider::start(&format!("http://localhost:{port}/callback/corp"), 3).await;
    let echo = EchoServer::start().await;
    let gateway =
        Gateway::serve_at(port, &configuration(port, &echo, "corp", &provider.configuration("corp"))).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Bob").await;
    let first = bearer(&headers(&gateway, &tokens.access).await);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let second = bearer(&headers(&gateway, &tokens.access).await);
    assert_ne!(first, second, "expired, so renewed");
    let userinfo = http().get(format!("{}/me", provider.issuer)).bearer_auth(&second);
    assert_eq!(userinfo.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_mcp_server_that_is_down_is_no_accusation() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let gateway = serve(&EchoServer::nowhere(), "github", &github.configuration()).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access);
    let answer = mcp.call("headers", json!({})).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    assert!(!answer.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn an_open_stream_flows_at_once_and_ends_when_the_grant_is_revoked() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let echo = EchoServer::start().await;
    let gateway = serve(&echo, "github", &github.configuration()).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let open =
        http().get(gateway.mcp_url()).bearer_auth(&tokens.access).header("accept", "text/event-stream");
    let opened = Instant::now();
    let stream = open.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut events = stream.bytes_stream();
    let first = events.next().await.expect("a first event").expect("an event");
    assert!(first.starts_with(b"event: tick"), "{first:?}");
    assert!(opened.elapsed() < Duration::from_secs(2), "the first event was held back (GW-20)");

    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    let revoked = Instant::now();
    while let Some(Ok(_)) = events.next().await {
        assert!(revoked.elapsed() < Duration::from_secs(2), "the stream of a revoked grant goes on (RS-25)");
    }
}

#[tokio::test]
async fn who_the_user_is_comes_from_the_gateway_and_never_from_the_client() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let echo = EchoServer::start().await;
    let gateway = serve(&echo, "github", &github.configuration()).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Legacy, &tokens.access);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "headers", "arguments": {}}});
    let forged = [
        "x-coatroom-user",
        "x-coatroom-email",
        "x-coatroom-client",
        "x-coatroom-scopes",
        "x-coatroom-assertion",
    ];
    let request = forged.iter().fold(mcp.post(&call), |request, name| request.header(*name, "forged"));
    let answer = Answer::read(request.header("cookie", "session=forged").send().await.unwrap()).await;
    assert!(!answer.text().contains("forged"), "RS-24: {}", answer.text());
}

#[tokio::test]
async fn in_optional_mode_nobody_is_anonymous_by_a_bad_token() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let echo = EchoServer::start().await;
    let port = tools::free_port();
    let text = configuration(port, &echo, "github", &github.configuration())
        .replace("path = ", "auth = \"optional\"\npath = ");
    let gateway = Gateway::serve_at(port, &text).await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "headers", "arguments": {}}});
    let anonymous =
        http().post(gateway.mcp_url()).header("accept", "application/json, text/event-stream").json(&call);
    let answer = Answer::read(anonymous.send().await.unwrap()).await;
    assert!(
        !answer.text().contains("authorization"),
        "nobody's token is lent to the anonymous: {}",
        answer.text()
    );
    let bad = Mcp::without_handshake(&gateway.mcp_url(), Era::Legacy, "coat_at_bad")
        .call("headers", json!({}))
        .await;
    assert_eq!(bad.status, 401, "a token that is present and bad");
}

async fn serve(echo: &EchoServer, provider: &str, section: &str) -> Gateway {
    let port = tools::free_port();
    Gateway::serve_at(port, &configuration(port, echo, provider, section)).await
}
