//! Signing in with Apple, whose page posts the callback from another site.

use coatroom_e2e::upstream::{Apple, EchoServer};
use coatroom_e2e::{Browser, Era, Gateway, Mcp, OAuthClient, tools};
use serde_json::{Value, json};

async fn gateway(apple: &Apple) -> Gateway {
    let (port, echo) = (tools::free_port(), EchoServer::start().await);
    let configuration = format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\n\
         {}\n[servers.echo]\nupstream = \"{}\"\nheaders = {{ X-Name = \"{{user.name}}\" }}\n",
        apple.configuration(),
        echo.url
    );
    Gateway::serve_at(port, &configuration).await
}

#[tokio::test]
async fn what_apples_page_posts_reaches_the_browser_that_began() {
    let apple = Apple::start().await;
    let gateway = gateway(&apple).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let browser = Browser::start().await;
    for account in ["Alice", "Bob"] {
        let person = browser.profile().await;
        let pending = client.start(None);
        person.approve(&pending.url, account).await;
        let callback = client.callback(&pending).await;
        let tokens = client.redeem(&pending, &callback).await.tokens();
        let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access);
        let headers: Value = serde_json::from_str(&mcp.call("headers", json!({})).await.text()).unwrap();
        let id = account.to_lowercase();
        assert_eq!(headers["x-coatroom-user"], format!("apple:001234.{id}.0123"));
        assert_eq!(headers["x-coatroom-email"], format!("{id}@privaterelay.appleid.com"));
        assert_eq!(headers["x-name"], format!("{account} Example"), "which the form alone says");
    }
    assert_eq!(
        apple.cookies(),
        [(false, true), (false, true)],
        "cookies do not come with what another site posts, and come when the browser goes there by itself"
    );
    browser.close().await;
}

#[tokio::test]
async fn a_person_who_turns_back_at_apple_is_believed() {
    let apple = Apple::start().await;
    let gateway = gateway(&apple).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let pending = client.start(None);
    person.open(&pending.url).await;
    person.click("Continue").await;
    person.click("Cancel").await;
    assert_eq!(client.callback(&pending).await.get("error"), Some("access_denied"));
    browser.close().await;
}
