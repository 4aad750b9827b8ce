//! Habits that several clients share, and the settings that an operator has for some of them.

use axum::{Extension, Router};
use coatroom::protocol::client::{
    AppUris, Client as KnownClient, RedirectHosts, RedirectPrefixes, RedirectUri, SecretRedirects,
};
use coatroom::{Builder, ClientAddress};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::browser::{Browser, refresh_of};
use super::client::{Client, Proof, get};
use super::world::{Tokens, World};

const COPILOT: &str = "https://global.consent.azure-apim.net/redirect";

/// The routes, as a client at this address reaches them.
fn from(world: &World, address: &str) -> Router {
    world.app.clone().layer(Extension(ClientAddress(address.parse().unwrap())))
}

// claude.ai registers and refreshes from two addresses of its own, at the same moment.
#[tokio::test]
async fn two_addresses_register_sign_in_and_refresh_at_once() {
    let world = World::new().await;
    let (one, other) = (from(&world, "192.0.2.1"), from(&world, "198.51.100.7"));
    let members = json!({ "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"] });
    let first = Client::register_with(&one, members.clone()).await;
    let second = Client::register_with(&other, members).await;
    for client in [&first, &second] {
        let tokens = world.sign_in_to(client, "alice").await;
        assert_eq!(world.status(&tokens.access).await, 200);
    }
    let tokens = world.sign_in_to(&first, "alice").await;
    let elsewhere = first.at(&other);
    let answers =
        join_all([&first, &elsewhere, &first, &elsewhere].map(|at| at.refresh(&tokens.refresh))).await;
    let pairs: Vec<_> =
        answers.iter().map(|answer| (answer.text("access_token"), answer.text("refresh_token"))).collect();
    assert!(pairs.iter().all(|pair| pair == &pairs[0]), "{pairs:?}");
    assert_eq!(elsewhere.refresh(&pairs[0].1).await.status, 200);
}

// One developer's machine, restarted all day: the rate is counted by the minute.
#[tokio::test]
async fn forty_registrations_in_a_minute_from_one_machine_are_fine() {
    let world = World::new().await;
    let here = from(&world, "192.0.2.9");
    for port in 40_000..40_040 {
        let uri = format!("http://127.0.0.1:{port}/callback");
        Client::register_with(&here, json!({ "redirect_uris": [uri] })).await;
    }
}

// claude.ai sends a pre-configured client id without registering; others replay one that is gone.
#[tokio::test]
async fn an_id_that_is_not_known_is_explained_to_the_person_and_makes_the_client_register_again() {
    let world = World::new().await;
    for id in ["claude-preconfigured", "coat_ci_gone", "0e1f2a3b-4c5d"] {
        let client = Client::configured(&world.app, id, "https://claude.ai/api/mcp/auth_callback");
        let page = Browser::new(&world.app).open(&client.authorize_url(&[])).await;
        assert_eq!(
            (page.status.as_u16(), page.header("location"), page.header("refresh")),
            (400, None, None)
        );
        for words in [
            "This app is not known here",
            "remove this server",
            "add the server again",
            "Clear authentication",
        ] {
            assert!(page.body.contains(words), "{words}: {}", page.body);
        }
        // Clients register anew on 401 with invalid_client from the token endpoint, and on nothing else.
        for answer in [client.refresh("x").await, client.redeem("x").await] {
            assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{id}");
        }
    }
}

// A client whose secret is not the right one any more is told the same; a dead grant is another thing.
#[tokio::test]
async fn a_wrong_secret_is_401_and_a_dead_token_400() {
    let world = World::new().await;
    let client =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_post" }))
            .await;
    let wrong = Client { proof: Proof::Post("wrong".to_owned()), ..client.clone() };
    assert_eq!(wrong.refresh("x").await.error(), (401, "invalid_client".to_owned()));
    assert_eq!(client.refresh("x").await.error(), (400, "invalid_grant".to_owned()));
}

// FastMCP's client fetches the link itself first, without cookies, and goes on at 200, 302, 303, 307 or 308.
#[tokio::test]
async fn a_link_survives_being_fetched_before_and_after_it_is_opened() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let link = client.authorize_url(&[]);
    assert_eq!(get(&world.app, &link).await.status, 200);
    let mut browser = Browser::new(&world.app);
    let opened = browser.ask(&link).await;
    assert_eq!(browser.open(&link).await.status, 200);
    assert_eq!(get(&world.app, &link).await.status, 200);
    let callback = browser.approve(&world.idp, &opened, "alice").await;
    let code = client.answered(&refresh_of(&browser.open(&callback).await))["code"].clone();
    assert_eq!(client.redeem(&code).await.status, 200);
}

// Where clients look when the challenge names no document: the right document, or a plain 404 so that they go on.
#[tokio::test]
async fn each_form_of_discovery_is_the_document_or_a_plain_404() {
    let world = World::new().await;
    let found = |path: &str| {
        [
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
        ]
        .contains(&path)
    };
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/mcp/",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/oauth-protected-resource",
        "/mcp/.well-known/oauth-authorization-server",
        "/mcp/.well-known/openid-configuration",
        "/.well-known/oauth-client",
        "/mcp/register",
        "/oauth/authorize",
    ] {
        let answer = get(&world.app, path).await;
        if found(path) {
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (200, Some("application/json")),
                "{path}"
            );
        } else {
            assert_eq!(answer.error(), (404, "not_found".to_owned()), "{path}");
        }
    }
}

// The bare origin of a server with a path, at login, redemption and refresh. The token is good at that server alone.
#[tokio::test]
async fn the_bare_origin_as_resource_means_the_default_server_and_no_other() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    for origin in ["https://gate.example", "https://gate.example/"] {
        let address = client.authorize_url(&[("resource", origin)]);
        let answer = Browser::new(&world.app).allow(&world.idp, &address, "alice").await;
        let code = client.answered(&answer)["code"].clone();
        let tokens = Tokens::of(&client.redeem_with(&code, &[("resource", origin)]).await);
        let refreshed =
            client.refresh_with(&tokens.refresh, &[("resource", origin)]).await.text("access_token");
        for token in [&tokens.access, &refreshed] {
            assert_eq!(super::world::call(&world.coatroom, token, "/mcp").await.0, 200);
            assert_eq!(super::world::call(&world.coatroom, token, "/bound").await.0, 401);
        }
    }
    let bound = client.authorize_url(&[("resource", "https://gate.example/bound")]);
    let answer = Browser::new(&world.app).allow(&world.idp, &bound, "alice").await;
    let code = client.answered(&answer)["code"].clone();
    let refused = client.redeem_with(&code, &[("resource", "https://gate.example/")]).await;
    assert_eq!(refused.error(), (400, "invalid_target".to_owned()), "the origin never means another server");
}

fn portal(redirect: &str, apps: &AppUris) -> KnownClient {
    KnownClient::configured("copilot", None, vec![RedirectUri::parse(redirect, apps).unwrap()]).unwrap()
}

// Copilot Studio makes up the last segment of its callback after the operator registered it.
#[tokio::test]
async fn a_listed_site_may_return_at_another_connector_and_only_if_it_is_listed() {
    for listed in [true, false] {
        let prefixes =
            if listed { RedirectPrefixes::parse([COPILOT]).unwrap() } else { RedirectPrefixes::default() };
        let world = World::with(
            |_| (),
            |builder| builder.redirect_prefixes(prefixes).client(portal(COPILOT, &AppUris::none())),
        )
        .await;
        let mine = json!({ "redirect_uris": [format!("{COPILOT}/cr-mine")] });
        let registered = Client::register_with(&world.app, mine).await;
        for client in [registered, Client::configured(&world.app, "copilot", COPILOT)] {
            let connector = Client { redirect: format!("{COPILOT}/cr1a2b-5fmcp-5f0123"), ..client.clone() };
            let page = Browser::new(&world.app).open(&connector.authorize_url(&[])).await;
            assert_eq!(page.status, if listed { 200 } else { 400 }, "{}", client.id);
            if listed {
                let code = Browser::new(&world.app).code(&world.idp, &connector, "alice").await;
                assert_eq!(
                    client.redeem(&code).await.error().0,
                    400,
                    "the code belongs to the whole address"
                );
                let code = Browser::new(&world.app).code(&world.idp, &connector, "alice").await;
                assert_eq!(connector.redeem(&code).await.status, 200);
            }
            let elsewhere =
                Client { redirect: "https://global.consent.azure-apim.net/other/x".to_owned(), ..client };
            assert_eq!(Browser::new(&world.app).open(&elsewhere.authorize_url(&[])).await.status, 400);
        }
    }
}

// An operator vouches for an app with a scheme that nobody may register.
#[tokio::test]
async fn a_configured_app_with_a_scheme_of_its_own_gets_its_answer() {
    let uri = "com.example.desk:/oauth";
    let listed = AppUris::parse([uri]).unwrap();
    let world = World::with(|_| (), |builder| builder.client(portal(uri, &listed))).await;
    let client = Client::configured(&world.app, "copilot", uri);
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    assert_eq!(client.redeem(&code).await.status, 200);
    let refused = Client::try_register(&world.app, &json!({ "redirect_uris": [uri] })).await;
    assert_eq!(refused.error(), (400, "invalid_redirect_uri".to_owned()));
}

// A registration outlives the list under which it was made: the page says so, before anybody is asked for anything.
#[tokio::test]
async fn a_scheme_that_was_taken_off_the_list_is_refused_on_a_page() {
    let world = World::new().await;
    let uri = "warp://mcp/oauth2callback";
    let client = Client::register_with(&world.app, json!({ "redirect_uris": [uri] })).await;
    assert_eq!(Browser::new(&world.app).open(&client.authorize_url(&[])).await.status, 200);
    let strict = world.replica_where(|builder| builder.app_uris(AppUris::none()));
    let page = Browser::new(&strict.routes()).open(&client.authorize_url(&[("scope", "bogus")])).await;
    assert_eq!(
        (page.status.as_u16(), page.header("location"), super::browser::way_back_of(&page)),
        (400, None, None)
    );
}

#[tokio::test]
async fn answers_go_to_listed_hosts_alone_but_for_clients_that_the_operator_vouches_for() {
    let own = "https://portal.example/cb";
    let list = |builder: Builder| {
        let hosts = RedirectHosts::parse(["claude.ai", "localhost"]).unwrap();
        builder.redirect_hosts(hosts).client(portal(own, &AppUris::none()))
    };
    let open = World::new().await;
    let strict = World::with(|_| (), list).await;
    for (uri, good) in [
        ("https://claude.ai/api/mcp/auth_callback", true),
        ("http://127.0.0.1:33418/", true),
        ("https://evil.example/cb", false),
        ("https://portal.example/cb", false),
    ] {
        let answer = Client::try_register(&strict.app, &json!({ "redirect_uris": [uri, uri] })).await;
        if good {
            assert_eq!(answer.status, 201, "{uri}");
        } else {
            assert_eq!(answer.error(), (400, "invalid_redirect_uri".to_owned()), "{uri}");
            assert!(answer.body.contains(".example is not among the hosts"), "{uri}");
        }
    }
    let portal = Client::configured(&strict.app, "copilot", own);
    let code = Browser::new(&strict.app).code(&strict.idp, &portal, "alice").await;
    assert_eq!(portal.redeem(&code).await.status, 200);

    // A registration outlives the list: who came before it is stopped on a page, and never sent anywhere.
    let early =
        Client::register_with(&open.app, json!({ "redirect_uris": ["https://evil.example/cb"] })).await;
    let page = Browser::new(&open.replica_where(list).routes()).open(&early.authorize_url(&[])).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (400, None));
}

// RFC 7591 §3.2.1: what is registered may differ from what was asked, and the answer says so.
#[tokio::test]
async fn a_secret_that_was_not_asked_for_is_needed_once_it_was_given() {
    let callback = "https://assistant.example/callback";
    let world =
        World::with(|_| (), |builder| builder.secret_redirects(SecretRedirects::parse([callback]).unwrap()))
            .await;
    let client = Client::register_with(&world.app, json!({ "redirect_uris": [callback] })).await;
    assert!(matches!(client.proof, Proof::Post(_)));
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let without = Client { proof: Proof::Public, ..client.clone() };
    assert_eq!(without.redeem(&code).await.error(), (401, "invalid_client".to_owned()));
    assert_eq!(client.redeem(&code).await.status, 200);
}

// Native apps that cannot keep a secret give their tokens back without one.
#[tokio::test]
async fn public_clients_revoke_without_a_secret_and_unknown_tokens_are_200() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    for token in ["unknown", "coat_at_x", &tokens.refresh, &tokens.refresh] {
        let answer = client.revoke(token).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""), "{token}");
    }
}

// Both lists are sane. `offline_access` is for the authorization server's list alone.
#[tokio::test]
async fn the_scope_lists_that_clients_copy_name_what_can_be_granted() {
    let world = World::new().await;
    let of = |document: Value| {
        document["scopes_supported"]
            .as_array()
            .unwrap()
            .iter()
            .map(|scope| scope.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let server = of(get(&world.app, "/.well-known/oauth-authorization-server").await.json());
    let resource = of(get(&world.app, "/.well-known/oauth-protected-resource/mcp").await.json());
    assert_eq!(server, ["admin", "read", "write", "offline_access"]);
    assert_eq!(resource, ["read"]);
    // Whoever copies a list gets all of it that exists here, and a refresh token.
    for list in [server, resource] {
        let client =
            Client::register_with(&world.app, json!({ "grant_types": ["authorization_code"] })).await;
        let address = client.authorize_url(&[("scope", &list.join(" "))]);
        let answer = Browser::new(&world.app).allow(&world.idp, &address, "alice").await;
        let tokens = client.redeem(&client.answered(&answer)["code"]).await.json();
        let offline = list.contains(&"offline_access".to_owned());
        assert_eq!(tokens.get("refresh_token").is_some(), offline, "{list:?}");
    }
}

// Client ids are shared by all installs of an app: whoever signs in on a second device stays signed in on the first.
#[tokio::test]
async fn another_sign_in_of_the_same_app_leaves_the_first_alone() {
    let world = World::new().await;
    let (client, first) = world.signed_in("alice").await;
    let second = world.sign_in_to(&client, "alice").await;
    let bobs = world.sign_in_to(&client, "bob").await;
    for tokens in [&first, &second, &bobs] {
        assert_eq!(world.status(&tokens.access).await, 200);
    }
    client.revoke(&second.refresh).await;
    for tokens in [&first, &bobs] {
        assert_eq!(world.status(&tokens.access).await, 200);
        assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
    }
}

// What is advertised is there.
#[tokio::test]
async fn every_endpoint_that_the_document_names_answers() {
    let world = World::new().await;
    let document = get(&world.app, "/.well-known/oauth-authorization-server").await.json();
    let mut endpoints = 0;
    for (name, value) in document.as_object().unwrap() {
        let Some(path) = value.as_str().and_then(|value| value.strip_prefix(super::world::ISSUER)) else {
            continue;
        };
        if path.is_empty() {
            continue;
        }
        let (got, posted) = (
            get(&world.app, path).await.status,
            Client::configured(&world.app, "x", "y").post(path, &[], &[]).await,
        );
        assert_ne!(got, 404, "{name}");
        assert!(
            got != 405 || posted.status != 404 && posted.status != 405,
            "{name} has neither GET nor POST"
        );
        endpoints += 1;
    }
    assert!(endpoints >= 5);
}

// UP-11, RFC 9700 §4.11: no parameter of ours leads anywhere.
#[tokio::test]
async fn no_page_takes_people_where_a_parameter_says() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let more = "&next=https://evil.example&url=https://evil.example&redirect=https://evil.example&return_to=//evil.example";
    let mut browser = Browser::new(&world.app);
    let consent = browser.ask(&format!("{}{more}", client.authorize_url(&[]))).await;
    let callback = browser.approve(&world.idp, &consent, "alice").await;
    let page = browser.open(&format!("{callback}{more}")).await;
    assert!(refresh_of(&page).starts_with(&client.redirect));
    assert!(!page.body.contains("evil.example") && !consent.page.body.contains("evil.example"));
    for path in ["/", "/account", "/callback/demo"] {
        let page = browser.open(&format!("{path}?x=1{more}")).await;
        assert_eq!((page.header("location"), page.header("refresh")), (None, None), "{path}");
        assert!(!page.body.contains("evil.example"), "{path}");
    }
}
