//! Who may enter, at the built program: an organisation of GitHub decides.

use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp};
use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient, tools};
use serde_json::json;

use crate::upstreams::configuration;

#[tokio::test]
async fn who_leaves_the_organisation_is_out_at_the_next_refresh_and_a_stranger_never_in() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let echo = EchoServer::start().await;
    let port = tools::free_port();
    let section = format!("{}[providers.github.allow]\norganisations = [\"acme\"]\n", github.configuration());
    let gateway = Gateway::serve_at(port, &configuration(port, &echo, "github", &section)).await;
    assert!(gateway.log().contains("one of the organisations acme"), "{}", gateway.log());
    github.join("alice", "acme");
    let client = OAuthClient::connect(&gateway.mcp_url()).await;

    let person = FormBrowser::new();
    let consent = person.open(&client.start(None).url).await;
    let provider = person.press(&consent, "Continue").await;
    let page = person.press(&provider, "Bob").await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains("You signed in with GitHub as bob."), "{}", page.text());

    let tokens = client.sign_in("Alice").await;
    let tokens = client.refresh(&tokens.refresh).await.tokens();
    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Legacy, &tokens.access).await;
    assert!(mcp.call("headers", json!({})).await.text().contains("authorization"));
    github.leave("alice", "acme");
    let refused = client.refresh(&tokens.refresh).await;
    assert_eq!((refused.status.as_u16(), refused.error()), (400, "invalid_grant"));
    let answer = Mcp::without_handshake(&gateway.mcp_url(), Era::Legacy, &tokens.access)
        .call("headers", json!({}))
        .await;
    assert_eq!(answer.status, 401, "at once, and not only at its end");
    assert!(gateway.log().contains("sign_in.refused"), "{}", gateway.log());
}
