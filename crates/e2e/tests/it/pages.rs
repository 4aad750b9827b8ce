//! What people meet on our pages: impatience, the back button, several tabs, apps with a scheme of their own.

use std::time::Duration;

use coatroom_e2e::{Browser, Callback, Era, FormBrowser, Gateway, Mcp, OAuthClient};
use serde_json::json;

/// That a client got one good code, and what it is worth.
async fn redeems(client: &OAuthClient, pending: &coatroom_e2e::oauth::Pending, callback: &Callback) {
    let tokens = client.redeem(pending, callback).await.tokens();
    assert!(!tokens.access.is_empty());
}

// CON-15.
#[tokio::test]
async fn a_double_click_leads_to_one_sign_in() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    person.open(&pending.url).await;
    person.double_click("Continue").await;
    person.click("Alice").await;
    let callback = client.callback(&pending).await;
    redeems(&client, &pending, &callback).await;
    browser.close().await;
}

// CON-15: a person who goes back after the end may agree once more; the first grant stays as it is.
#[tokio::test]
async fn the_back_button_and_a_second_approval_do_no_harm() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    person.approve(&pending.url, "Alice").await;
    let first = client.callback(&pending).await;
    let tokens = client.redeem(&pending, &first).await.tokens();
    for _ in 0..4 {
        if person.address().await.contains("/authorize?") && person.text().await.contains("Your decision") {
            break;
        }
        let here = person.address().await;
        person.go_back().await;
        person.until("the page before is there", async || person.address().await != here).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    person.wait_for("Your decision").await;
    person.click("Continue").await;
    person
        .until("the way goes on", async || {
            let text = person.text().await;
            text.contains("Alice") && !text.contains("Your decision") || text.contains("too old")
        })
        .await;
    let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
    assert!(mcp.call("whoami", json!({})).await.text().contains("alice"), "the first grant lives");
    browser.close().await;
}

#[tokio::test]
async fn every_page_can_be_loaded_again() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    person.open(&pending.url).await;
    person.load_again().await;
    person.wait_for("Your decision").await;
    person.click("Continue").await;
    person.wait_for("Alice").await;
    person.load_again().await;
    person.click("Alice").await;
    let callback = client.callback(&pending).await;
    redeems(&client, &pending, &callback).await;
    // The address at which the answer came, loaded by hand once more.
    let again = FormBrowser::new().open(&format!("{}/callback/demo?code=x&state=y", gateway.origin())).await;
    assert!(again.status.is_client_error() && again.leads_to().is_none());
    assert!(
        again.text().contains("Start again from your app") || again.text().contains("Allow cookies"),
        "{}",
        again.text()
    );
    person.open(&format!("{}/account", gateway.origin())).await;
    person.load_again().await;
    person.wait_for("A strict client").await;
    browser.close().await;
}

#[tokio::test]
async fn two_tabs_approve_two_clients_at_once() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let second_tab = browser.tab_of(&person).await;
    let (one, other) =
        (OAuthClient::connect(&gateway.mcp_url()).await, OAuthClient::connect(&gateway.mcp_url()).await);
    let (first, second) = (one.start(None), other.start(None));
    person.open(&first.url).await;
    second_tab.open(&second.url).await;
    person.click("Continue").await;
    second_tab.click("Continue").await;
    second_tab.click("Bob").await;
    let bobs = other.callback(&second).await;
    person.click("Alice").await;
    let alices = one.callback(&first).await;
    for (client, pending, callback, name) in [(&one, &first, alices, "alice"), (&other, &second, bobs, "bob")]
    {
        let tokens = client.redeem(pending, &callback).await.tokens();
        let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
        let said = mcp.call("whoami", json!({})).await.text();
        assert!(said.contains(name), "{name}: {said}");
    }
    browser.close().await;
}

// Chromium without a handler for the scheme stays on the page: the navigation was asked for, and the link is there to be used.
#[tokio::test]
async fn an_app_with_a_scheme_of_its_own_gets_its_answer() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let uri = "cursor://anysphere.cursor-mcp/oauth/callback";
    let name = json!({ "redirect_uris": [uri], "client_name": "Cursor" });
    let mut client = OAuthClient::connect_with(&gateway.mcp_url(), name).await;
    client.redirect_uri = uri.to_owned();
    let pending = client.start(None);
    person.open(&pending.url).await;
    let text = person.text().await;
    assert!(text.contains("cursor:") && text.contains("Any app on this device"), "{text}");
    let mut wishes = person.wishes().await;
    person.click("Continue").await;
    person.click("Alice").await;
    let asked_for = async {
        loop {
            let wish = wishes.recv().await.expect("the browser runs");
            if wish.starts_with(uri) {
                return wish;
            }
        }
    };
    let address =
        tokio::time::timeout(Duration::from_secs(30), asked_for).await.expect("asked to open the app");
    person.wait_for("Return to Cursor").await;
    let link = person.evaluate("document.querySelector('a.first').href").await;
    assert_eq!(link, address, "the link leads where the page does");
    let value = |name: &str| {
        url::Url::parse(&address)
            .unwrap()
            .query_pairs()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    };
    assert_eq!(value("state"), Some(pending.state.clone()));
    let code = value("code").expect("a code");
    let tokens = client
        .token(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", &pending.verifier),
            ("redirect_uri", uri),
            ("client_id", client.id()),
        ])
        .await;
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    browser.close().await;
}

// CON-12, in a browser without script and with all its rules about forms.
#[tokio::test]
async fn a_person_ends_the_access_of_an_app_and_signs_out() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    person.open(&format!("{}/account", gateway.origin())).await;
    person.click("Sign in with Demo Forge").await;
    person.click("Alice").await;
    person.wait_for("A strict client").await;
    person.wait_for("See your repositories").await;
    person.click("Remove A strict client").await;
    person.wait_for("the access has ended").await;
    person.wait_for("No app may act for you").await;
    let mcp = Mcp::without_handshake(&gateway.mcp_url(), Era::Modern, &tokens.access);
    assert_eq!(mcp.call("whoami", json!({})).await.status, 401);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), "invalid_grant");
    person.click("Sign out").await;
    person.wait_for("You are signed out here").await;
    browser.close().await;
}
