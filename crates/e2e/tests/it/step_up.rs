//! A tool that needs more than was granted: one challenge, one more consent, and it works.

use coatroom_e2e::form_browser::Form;
use coatroom_e2e::oauth::challenge_parameter;
use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient, Tokens};
use serde_json::json;

#[tokio::test]
async fn a_call_beyond_the_grant_is_challenged_and_works_after_a_second_consent() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    assert_eq!(tokens.scope, "repos:read", "the default (AZ-17)");
    let issue = json!({"repo": "alice/garden-planner", "title": "Rain barrel", "body": "It leaks."});
    for era in [Era::Legacy, Era::Modern] {
        let mcp = Mcp::connect(&gateway.mcp_url(), era, &tokens.access).await;
        let first = mcp.call("create-issue", issue.clone()).await;
        assert_eq!(first.status, 403, "{}", first.body);
        assert_eq!(challenge_parameter(&first.headers, "error").as_deref(), Some("insufficient_scope"));
        let scope = challenge_parameter(&first.headers, "scope").expect("the scope to ask for (RS-05)");
        assert!(scope.split(' ').any(|one| one == "repos:write"), "{scope}");
        assert!(challenge_parameter(&first.headers, "resource_metadata").is_some());
        let second = mcp.call("create-issue", issue.clone()).await;
        assert_eq!(first.headers.get("www-authenticate"), second.headers.get("www-authenticate"), "RS-08");

        let more = client.sign_in_for("Alice", Some(&scope)).await;
        let mcp = Mcp::connect(&gateway.mcp_url(), era, &more.access).await;
        let made = mcp.call("create-issue", issue.clone()).await;
        assert!(made.text().contains("garden-planner"), "{}", made.body);
        assert_ne!(made.body["result"]["isError"], true, "{}", made.body);
    }
    let old = client.refresh(&tokens.refresh).await.tokens();
    assert_eq!(old.scope, "repos:read", "the first grant stays what it was (TOK-47)");
}

#[tokio::test]
async fn a_scope_that_does_not_exist_is_refused_or_left_out_but_never_granted() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in_for("Alice", Some("repos:read offline_access")).await;
    assert!(
        tokens.scope.split(' ').all(|scope| ["repos:read", "offline_access"].contains(&scope)),
        "{}",
        tokens.scope
    );
}

#[tokio::test]
async fn what_the_person_unticks_is_not_granted_and_what_a_form_adds_is_not_either() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let unticked = sign_in_with(&client, "repos:read repos:write", |form| {
        form.fields.retain(|(_, value)| value != "repos:write");
    });
    assert_eq!(unticked.await.scope, "repos:read", "CON-11");
    let tampered = sign_in_with(&client, "repos:read", |form| {
        form.fields.push(("scope".to_owned(), "repos:write".to_owned()));
    });
    assert_eq!(tampered.await.scope, "repos:read", "CON-06");
}

// CON-14, BP-28: who agreed to what, when, for which client; once, with the name of the request, and without a secret.
#[tokio::test]
async fn an_approval_is_logged_once_with_what_was_asked_and_agreed() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = sign_in_with(&client, "repos:read repos:write", |form| {
        form.fields.retain(|(_, value)| value != "repos:write");
    })
    .await;
    let log = gateway.log();
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).collect::<Vec<_>>();
    let (agreed, approved) = (lines("a person agreed to scopes"), lines("grant.approved"));
    assert_eq!((agreed.len(), approved.len()), (1, 1), "{agreed:?} {approved:?}");
    for said in ["asked=repos:read repos:write", "agreed=repos:read", "grant.id=", "client=", "id="] {
        assert!(agreed[0].contains(said), "{said}: {}", agreed[0]);
    }
    let redirect = format!("redirect_uri={}", client.redirect_uri);
    let resource = format!("resource={}", gateway.mcp_url());
    for said in ["grant.id=", "subject=demo:", "client=", &redirect, &resource, "scopes=repos:read", "id="] {
        assert!(approved[0].contains(said), "{said}: {}", approved[0]);
    }
    assert!(!agreed[0].contains(&tokens.access) && !approved[0].contains(&tokens.refresh));
}

/// Signs Alice in with the consent form changed before it is sent.
async fn sign_in_with(client: &OAuthClient, scope: &str, change: impl FnOnce(&mut Form)) -> Tokens {
    let pending = client.start(Some(scope));
    let person = FormBrowser::new();
    let consent = person.open(&pending.url).await;
    let mut form = consent.form("Continue");
    change(&mut form);
    let provider = person.send(&consent, form).await;
    person.press(&provider, "Alice").await;
    let callback = client.callback(&pending).await;
    client.redeem(&pending, &callback).await.tokens()
}
