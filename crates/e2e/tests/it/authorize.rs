//! Requests to the authorization endpoint: what is refused, where the refusal is told, and what is tolerated.

use coatroom_e2e::{FormBrowser, Gateway, OAuthClient, Page};
use serde_json::json;
use url::Url;

/// The link of a good request with some parameters changed; an empty value leaves the parameter out.
fn changed(client: &OAuthClient, changes: &[(&str, &str)]) -> String {
    let mut url = Url::parse(&client.start(None).url).unwrap();
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    for (name, value) in changes {
        pairs.retain(|(found, _)| found != name);
        if !value.is_empty() {
            pairs.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url.into()
}

async fn open(link: &str) -> Page {
    FormBrowser::new().open_only(link).await
}

#[tokio::test]
async fn a_bad_request_of_a_loopback_client_is_told_to_the_client_with_state_and_issuer() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let refused: &[(&[(&str, &str)], &str)] = &[
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "")], "invalid_request"),
        (&[("scope", "no-such-scope")], "invalid_scope"),
        (&[("resource", "https://example.com/mcp")], "invalid_target"),
        (&[("prompt", "none")], "login_required"),
    ];
    for (changes, error) in refused {
        let state = "a state with spaces, \"quotes\" & ümlauts";
        let changes: Vec<_> = changes.iter().copied().chain([("state", state)]).collect();
        let answer = open(&changed(&client, &changes)).await;
        let back =
            answer.leads_to().unwrap_or_else(|| panic!("{changes:?}: {} {}", answer.status, answer.text()));
        assert!(back.as_str().starts_with(&client.redirect_uri), "{back}");
        let value = |name: &str| {
            back.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
        };
        assert_eq!(value("error").as_deref(), Some(*error), "{changes:?} (AZ-08, AZ-09, AZ-10)");
        assert_eq!(value("state").as_deref(), Some(state), "AZ-12");
        assert_eq!(value("iss"), Some(gateway.origin()), "AZ-13");
        assert_eq!(value("code"), None);
    }
}

#[tokio::test]
async fn a_bad_request_of_a_web_client_nobody_vouches_for_redirects_nobody() {
    let gateway = Gateway::demo().await;
    let web = json!({"redirect_uris": ["https://client.example/callback"]});
    let client = OAuthClient::connect_with(&gateway.mcp_url(), web).await;
    let uri = ("redirect_uri", "https://client.example/callback");
    for change in
        [("scope", "no-such-scope"), ("code_challenge", ""), ("response_type", "token"), ("prompt", "none")]
    {
        let answer = open(&changed(&client, &[uri, change])).await;
        assert_eq!(answer.leads_to(), None, "{change:?} (AZ-16)");
        assert!(answer.status.is_client_error(), "{change:?}: {}", answer.status);
    }
    assert_eq!(open(&changed(&client, &[uri])).await.status, 200);
}

#[tokio::test]
async fn a_parameter_that_is_sent_twice_is_refused_on_a_page() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    for name in ["client_id", "redirect_uri"] {
        let mut link = Url::parse(&client.start(None).url).unwrap();
        let value = link.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
        link.query_pairs_mut().append_pair(name, &value);
        let answer = open(link.as_str()).await;
        assert!(answer.status.is_client_error(), "{name} (AZ-03): {}", answer.status);
        assert_eq!(answer.leads_to(), None);
    }
}

#[tokio::test]
async fn what_clients_add_or_leave_out_in_good_faith_is_tolerated() {
    let gateway = Gateway::demo().await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tolerated: &[&[(&str, &str)]] = &[
        &[("unknown", "1"), ("ui_locales", "de-CH")],
        &[("resource", "")],
        &[("scope", "repos:read repos:write offline_access")],
        &[("scope", "offline_access")],
        &[("prompt", "consent")],
        &[("redirect_uri", "")],
    ];
    for changes in tolerated {
        let answer = open(&changed(&client, changes)).await;
        assert_eq!(answer.status, 200, "{changes:?} (AZ-02, AZ-07): {}", answer.text());
        assert_eq!(answer.leads_to(), None);
    }
}

#[tokio::test]
async fn a_person_who_comes_back_is_known_and_still_asked() {
    let gateway = Gateway::demo().await;
    let first = OAuthClient::connect(&gateway.mcp_url()).await;
    let person = FormBrowser::new();
    let pending = first.start(None);
    person.approve(&pending.url, "Alice").await;
    first.callback(&pending).await;

    let second = OAuthClient::connect(&gateway.mcp_url()).await;
    let pending = second.start(None);
    let page = person.open(&pending.url).await;
    assert!(page.text().contains("Continue as"), "known: {}", page.text());
    assert_eq!(page.leads_to(), None, "nothing is approved without a click");
    let silent = person.open_only(&format!("{}&prompt=none", pending.url)).await;
    let back = silent.leads_to().expect("told to the client");
    assert!(back.query_pairs().any(|(name, value)| name == "error" && value == "consent_required"), "{back}");
}
