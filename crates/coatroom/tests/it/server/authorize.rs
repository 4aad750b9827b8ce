//! `GET /authorize`: its checks in their order, and where each fault is shown.

use coatroom::Block;
use coatroom::protocol::words::ClientId;
use serde_json::json;

use super::browser::{Browser, way_back_of};
use super::client::{Client, query_of};
use super::watched::Verb;
use super::world::{PORTAL, World};

// AZ-04, AZ-05, AZ-03, part 3 statement 6: faults of the client or of its redirect URI never leave our page.
#[tokio::test]
async fn who_asks_and_where_the_answer_goes_are_checked_first_and_on_a_page() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let good = client.authorize_url(&[]);
    for address in [
        client.authorize_url(&[("client_id", "")]),
        client.authorize_url(&[("client_id", "coat_ci_unknown")]),
        client.authorize_url(&[("redirect_uri", "https://evil.example/cb")]),
        client.authorize_url(&[("redirect_uri", "http://127.0.0.1:5555/callback/../evil")]),
        client.authorize_url(&[("redirect_uri", "http://127.0.0.1:5555/callback?x=1")]),
        client.authorize_url(&[("redirect_uri", "http://localhost:5555/callback")]),
        format!("{good}&client_id=x"),
        format!("{good}&redirect_uri=x"),
        // Both faults at once: the redirect URI is looked at first, so nothing is redirected.
        client.authorize_url(&[("redirect_uri", "https://evil.example/cb"), ("scope", "bogus")]),
        format!("{good}&x=%FF"),
    ] {
        let page = browser.open(&address).await;
        assert_eq!(page.status, 400, "{address}");
        assert!(page.header("location").is_none() && page.header("refresh").is_none(), "{address}");
        assert_eq!(way_back_of(&page), None, "{address}");
    }
}

// AZ-08 to AZ-13, AZ-20, AZ-24 to AZ-26, AZ-33: every other fault, at once to a client on this computer.
#[tokio::test]
async fn later_faults_go_at_once_to_a_loopback_client() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    for (change, code) in [
        (("response_type", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("resource", "https://other.example/mcp"), "invalid_target"),
        (("resource", "https://gate.example/mcp#f"), "invalid_target"),
        (("scope", "bogus"), "invalid_scope"),
        (("scope", "ü"), "invalid_scope"),
        (("request", "x"), "request_not_supported"),
        (("request_uri", "https://x.example"), "request_uri_not_supported"),
        (("prompt", "none login"), "invalid_request"),
        (("prompt", "none"), "login_required"),
    ] {
        let answer = browser.open(&client.authorize_url(&[change])).await;
        assert_eq!(answer.status, 302, "{change:?}");
        let address = answer.header("location").unwrap();
        let query = client.answered(address);
        assert_eq!(query["error"], code, "{change:?}");
        assert!(
            query["error_description"].bytes().all(|b| (0x20..0x7f).contains(&b) && !b"\"\\".contains(&b))
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
}

// AZ-03: a repeated state cannot be echoed.
#[tokio::test]
async fn a_repeated_state_is_refused_without_one() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let answer = Browser::new(&world.app).open(&format!("{}&state=b", client.authorize_url(&[]))).await;
    let query = query_of(answer.header("location").unwrap());
    assert_eq!((query["error"].as_str(), query.get("state")), ("invalid_request", None));
}

// AZ-16: never an open redirector. A person goes by their own click.
#[tokio::test]
async fn later_faults_of_other_clients_are_explained_with_a_way_back() {
    let world = World::new().await;
    let client =
        Client::register_with(&world.app, json!({ "redirect_uris": ["https://app.example/cb?a=1"] })).await;
    let page = Browser::new(&world.app).open(&client.authorize_url(&[("scope", "bogus")])).await;
    assert_eq!(page.status, 400);
    assert!(page.header("location").is_none() && page.header("refresh").is_none());
    let query = client.answered(&way_back_of(&page).unwrap());
    // AZ-14: what the redirect URI brought stays.
    assert_eq!((query["error"].as_str(), query["a"].as_str()), ("invalid_scope", "1"));
}

// AZ-16: the operator vouches for a configured client.
#[tokio::test]
async fn later_faults_of_a_configured_client_go_at_once() {
    let world = World::new().await;
    let portal = Client::configured(&world.app, "portal", PORTAL);
    let answer = Browser::new(&world.app).open(&portal.authorize_url(&[("scope", "bogus")])).await;
    assert_eq!(answer.status, 302);
    assert_eq!(portal.answered(answer.header("location").unwrap())["error"], "invalid_scope");
}

// AZ-02, AZ-17, AZ-18, AZ-21: unknown parameters, empty ones, no scope, scopes of elsewhere, a port of its own.
#[tokio::test]
async fn what_is_unknown_or_empty_does_not_matter() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    for (changes, scope) in [
        (&[("foo", "1")][..], "read"),
        (&[("scope", "write bogus offline_access")], "write"),
        (
            &[("redirect_uri", "http://127.0.0.1:6666/callback"), ("scope", "read write admin")],
            "admin read write",
        ),
        (&[("resource", "HTTPS://GATE.example/mcp")], "read"),
    ] {
        let address = format!("{}&nonce=", client.authorize_url(changes));
        let mut browser = Browser::new(&world.app);
        let answer = browser.allow(&world.idp, &address, "alice").await;
        let code = query_of(&answer)["code"].clone();
        let tokens = client.redeem_with(&code, &[("redirect_uri", "")]).await;
        assert_eq!(tokens.text("scope"), scope, "{changes:?}");
    }
}

// AZ-22, TOK-16, RS-11: no token without an audience, and it is good there only.
#[tokio::test]
async fn a_token_is_good_at_the_resource_that_was_asked_for() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut tokens = Vec::new();
    for resource in ["", "https://gate.example/bound"] {
        let address = client.authorize_url(&[("resource", resource)]);
        let answer = Browser::new(&world.app).allow(&world.idp, &address, "alice").await;
        tokens.push(client.redeem(&client.answered(&answer)["code"]).await.text("access_token"));
    }
    for (path, expected) in [("/mcp", [200, 401]), ("/bound", [401, 200])] {
        for (token, expected) in tokens.iter().zip(expected) {
            assert_eq!(super::world::call(&world.coatroom, token, path).await.0, expected, "{path}");
        }
    }
}

// AZ-12: odd bytes and several KB come back unchanged; the larger flow is kept in two parts.
#[tokio::test]
async fn a_long_state_with_odd_bytes_comes_back_unchanged() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    for (length, parts) in [(1024, 1), (1500, 2)] {
        let state = format!("ä\"\\ +%&=#;{}", "x~".repeat(length));
        let address = client.authorize_url(&[("state", &state)]);
        let mut browser = Browser::new(&world.app);
        let consent = browser.ask(&address).await;
        let callback = browser.approve(&world.idp, &consent, "alice").await;
        assert_eq!(browser.flow_cookies().len(), parts);
        assert!(browser.cookies.iter().all(|(name, value)| name.len() + value.len() < 3800));
        let answer = super::browser::refresh_of(&browser.open(&callback).await);
        assert_eq!(query_of(&answer)["state"], state);
        assert!(browser.flow_cookies().is_empty());
    }
}

#[tokio::test]
async fn a_state_that_fits_into_no_cookie_is_a_page_error() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let page = Browser::new(&world.app).open(&client.authorize_url(&[("state", &"x".repeat(6000))])).await;
    assert_eq!((page.status.as_u16(), page.header("set-cookie")), (400, None));
}

// ARCHITECTURE.md, "Registration": a block takes the place of deleting.
#[tokio::test]
async fn a_blocked_client_is_told_so_on_a_page_and_at_the_token_endpoint() {
    let world =
        World::with_settings(|settings| settings.revocation_poll = std::time::Duration::from_millis(1)).await;
    let (client, tokens) = world.signed_in("alice").await;
    Block::client(&ClientId::new(client.id.clone())).add(&world.store).await.unwrap();
    let told = async {
        while Browser::new(&world.app).open(&client.authorize_url(&[])).await.status != 403 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), told).await.expect("a page that says so");
    assert_eq!(client.refresh(&tokens.refresh).await.error(), (401, "invalid_client".to_owned()));
    // What was verified before is remembered for a second.
    world.advance(1);
    assert_eq!(world.status(&tokens.access).await, 401, "nor do its tokens work any more");
}

#[tokio::test]
async fn a_block_holds_from_the_first_request_after_a_start() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    Block::client(&ClientId::new(client.id.clone())).add(&world.store).await.unwrap();
    assert_eq!(Browser::new(&world.replica().routes()).open(&client.authorize_url(&[])).await.status, 403);
    let refreshed = client.at(&world.replica().routes()).refresh(&tokens.refresh).await;
    assert_eq!(refreshed.error(), (401, "invalid_client".to_owned()));
    // Nobody knows whether there is a block while the store does not answer.
    world.store.break_verb(Verb::List);
    assert_eq!(client.at(&world.replica().routes()).refresh(&tokens.refresh).await.status, 503);
}

// CON-01, CON-02, AZ-35 to AZ-37, CON-10: the page itself.
#[tokio::test]
async fn the_consent_page_says_who_asks_where_it_goes_and_what_for() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let consent = browser.ask(&client.authorize_url(&[("scope", "read write")])).await;
    for text in
        ["Test client", "Demo server", "https://gate.example/mcp", "May read", "May write", &client.redirect]
    {
        assert!(consent.page.body.contains(text), "{text}");
    }
    assert_eq!(consent.buttons(), ["demo", "other", "deny"]);
    assert_eq!(consent.scopes(), ["write"], "what is granted by default is not optional");
    assert_eq!(consent.page.header("cache-control"), Some("no-store"));
    assert_eq!(consent.page.header("x-frame-options"), Some("DENY"));
    assert!(consent.page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["__Host-coatroom-browser"]);
    // A second load agrees with the first: the browser keeps its name.
    let name = browser.cookies.clone();
    browser.ask(&client.authorize_url(&[])).await;
    assert_eq!(browser.cookies, name);
    let bound = browser.ask(&client.authorize_url(&[("resource", "https://gate.example/bound")])).await;
    assert_eq!(bound.buttons(), ["demo", "deny"]);
}
