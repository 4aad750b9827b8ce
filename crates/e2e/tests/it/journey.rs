//! What a person sees between a client's first call and its first answer, in Chromium.

use coatroom_e2e::{Browser, Era, FormBrowser, Gateway, Mcp, OAuthClient};
use serde_json::json;

use crate::{ALICES, BOBS, assert_repositories};

#[tokio::test]
async fn a_person_approves_signs_in_and_the_client_sees_that_persons_repositories() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let alice = browser.profile().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    alice.approve(&pending.url, "Alice").await;
    let callback = client.callback(&pending).await;
    let tokens = client.redeem(&pending, &callback).await.tokens();
    for era in [Era::Legacy, Era::Modern] {
        let mcp = Mcp::connect(&gateway.mcp_url(), era, &tokens.access).await;
        let repositories = mcp.call("get-my-repos", json!({"visibility": "all"})).await;
        assert_repositories(&repositories.text(), ALICES, BOBS);
    }
    browser.close().await;
}

#[tokio::test]
async fn the_first_page_says_who_asks_for_what_and_where_the_answer_goes() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let name = json!({"client_name": "<b>Very</b> \"Good\" Client"});
    let client = OAuthClient::connect_with(&gateway.mcp_url(), name).await;
    person.open(&client.start(None).url).await;
    person.wait_for("Continue").await;
    let text = person.text().await;
    assert!(text.contains("<b>Very</b> \"Good\" Client"), "the name, as text: {text}");
    assert!(text.contains("127.0.0.1"), "where the answer goes: {text}");
    assert!(text.contains("See your repositories"), "what it may do, in words: {text}");
    assert!(!text.contains("Open issues"), "nothing more than that: {text}");
    assert_eq!(person.evaluate("String(document.scripts.length)").await, "0", "the page needs no script");
    browser.close().await;
}

#[tokio::test]
async fn a_person_who_cancels_is_believed_and_the_client_is_told() {
    let gateway = Gateway::demo().await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    person.open(&pending.url).await;
    person.click("Cancel").await;
    let callback = client.callback(&pending).await;
    assert_eq!(callback.get("error"), Some("access_denied"));
    assert_eq!(callback.get("code"), None);
    browser.close().await;
}

#[tokio::test]
async fn a_person_who_turns_back_at_the_provider_is_believed_too() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    let person = FormBrowser::new();
    let consent = person.open(&pending.url).await;
    let provider = person.press(&consent, "Continue").await;
    person.press(&provider, "Cancel").await;
    let callback = client.callback(&pending).await;
    assert_eq!(callback.get("error"), Some("access_denied"));
}

#[tokio::test]
async fn an_unknown_client_gets_a_page_that_helps_and_no_redirect() {
    let gateway = Gateway::demo().await;
    let url = format!(
        "{}/authorize?response_type=code&client_id=nobody&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcallback&state=s\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        gateway.origin()
    );
    let answer = FormBrowser::new().open_only(&url).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    assert_eq!(answer.leads_to(), None, "no redirect of any kind (AZ-04)");

    let browser = Browser::start().await;
    let person = browser.profile().await;
    person.open(&url).await;
    let text = person.text().await;
    assert!(text.split_whitespace().count() > 15, "says what to do: {text}");
    assert!(person.address().await.starts_with(&gateway.origin()));
    browser.close().await;
}

#[tokio::test]
async fn a_link_that_was_opened_twice_still_works() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    // Some clients fetch the link themselves before they open the browser; a browser may load a page twice.
    FormBrowser::new().open(&pending.url).await;
    let person = FormBrowser::new();
    let first = person.open(&pending.url).await;
    person.open(&pending.url).await;
    let provider = person.press(&first, "Continue").await;
    person.press(&provider, "Bob").await;
    let callback = client.callback(&pending).await;
    assert!(callback.get("code").is_some(), "{callback:?}");
}

#[tokio::test]
async fn consent_given_in_one_browser_is_of_no_use_in_another() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = client.start(None);
    let page = FormBrowser::new().open(&pending.url).await;
    let stranger = FormBrowser::new();
    let answer = stranger.send_only(&page, page.form("Continue")).await;
    assert!(answer.status.is_client_error(), "{}: {}", answer.status, answer.text());
    assert_eq!(answer.leads_to(), None);
}

#[tokio::test]
async fn every_page_refuses_frames_scripts_and_caches() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let person = FormBrowser::new();
    let consent = person.open(&client.start(None).url).await;
    let trouble = person.open(&format!("{}/authorize", gateway.origin())).await;
    for page in [consent, trouble] {
        let header =
            |name: &str| page.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let policy = header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("script-src") && policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("form-action 'self'"), "{policy}");
        assert_eq!(header("x-frame-options"), "DENY");
        assert!(header("cache-control").contains("no-store"));
        assert_eq!(header("referrer-policy"), "same-origin");
    }
}
