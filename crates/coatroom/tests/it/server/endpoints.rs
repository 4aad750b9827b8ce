//! What `/register`, `/token` and `/revoke` have in common: how a request must be written, and what every refusal carries.

use axum::body::Body;
use axum::{Extension, Router};
use coatroom::ClientAddress;
use coatroom::settings::Rate;
use http::{Method, Request};
use serde_json::json;

use super::client::{Answer, Client, form, send};
use super::watched::Verb;
use super::world::World;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const REGISTRATION: &str =
    r#"{"redirect_uris":["https://h.example/cb"],"token_endpoint_auth_method":"none"}"#;

async fn ask(
    app: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(app, request.body(body.into()).unwrap()).await
}

async fn post(world: &World, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    ask(&world.app, Method::POST, path, headers, body).await
}

fn refusal(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

// DCR-02, TOK-01: whatever stands before us must read the body as we do.
#[tokio::test]
async fn a_body_has_one_media_type_and_comes_as_it_is() {
    let world = World::new().await;
    let id = Client::register(&world.app).await.id;
    let token = form(&[("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", &id)]);
    let revoke = form(&[("token", "x"), ("client_id", &id)]);
    for spelling in ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"] {
        let answer = post(&world, "/register", &[("content-type", spelling)], REGISTRATION).await;
        assert_eq!(answer.status, 201, "{spelling}");
    }
    for spelling in ["application/x-www-form-urlencoded;charset=UTF-8", "APPLICATION/X-WWW-FORM-URLENCODED"] {
        let answer = post(&world, "/token", &[("content-type", spelling)], token.clone()).await;
        assert_eq!(
            answer.error(),
            refusal(400, "invalid_grant"),
            "{spelling}: read, and refused for the token"
        );
    }
    let identity = [FORM, ("content-encoding", "identity")];
    assert_eq!(post(&world, "/revoke", &identity, revoke.clone()).await.status, 200);
    for (path, right, body, code) in [
        ("/register", JSON, REGISTRATION.to_owned(), "invalid_client_metadata"),
        ("/token", FORM, token, "invalid_request"),
        ("/revoke", FORM, revoke, "invalid_request"),
    ] {
        let other = if right == FORM { JSON } else { FORM };
        for headers in [
            vec![],
            vec![other],
            vec![("content-type", "text/plain")],
            vec![right, other],
            vec![right, right],
            vec![right, ("content-encoding", "gzip")],
            vec![right, ("content-encoding", "identity"), ("content-encoding", "br")],
        ] {
            let answer = post(&world, path, &headers, body.clone()).await;
            assert_eq!(answer.error(), refusal(400, code), "{path} {headers:?}");
        }
    }
}

// DCR-22, TOK-04: the limit is 64 KiB to the byte, and the refusal has the endpoint's own code.
#[tokio::test]
async fn a_body_beyond_the_limit_is_413_and_one_at_the_limit_is_read() {
    let world = World::new().await;
    let limit = 64 * 1024;
    for (path, header, code) in [
        ("/register", JSON, "invalid_client_metadata"),
        ("/token", FORM, "invalid_request"),
        ("/revoke", FORM, "invalid_request"),
    ] {
        assert_ne!(post(&world, path, &[header], vec![b'x'; limit]).await.status, 413, "{path}");
        let answer = post(&world, path, &[header], vec![b'x'; limit + 1]).await;
        assert_eq!(answer.error(), refusal(413, code), "{path}");
    }
}

// TOK-01, REV-01: an address is logged by others. A client that believes it gave a token back must have done so.
#[tokio::test]
async fn parameters_in_the_address_are_refused_and_an_empty_query_is_none() {
    let world = World::new().await;
    let (client, tokens) = world.signed_in("alice").await;
    let refresh = form(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("client_id", &client.id),
    ]);
    let revoke = form(&[("token", "x"), ("client_id", &client.id)]);
    let in_address = format!("/revoke?token={}", tokens.access);
    for (path, body) in [("/token?code=a", &refresh), (in_address.as_str(), &revoke)] {
        assert_eq!(post(&world, path, &[FORM], body.clone()).await.error(), refusal(400, "invalid_request"));
    }
    assert_eq!(world.status(&tokens.access).await, 200);
    assert_eq!(post(&world, "/token?", &[FORM], refresh).await.status, 200);
}

// TOK-13, TOK-14, TOK-52, TEX-02, CC-01, EMA-17, WIF-01: what nobody can have is no fault of the client, whoever asks.
#[tokio::test]
async fn a_grant_type_that_does_not_exist_is_unsupported_for_everybody() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    for grant_type in [
        "password",
        "implicit",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:device_code",
        "Refresh_Token",
        "refresh_token ",
        "\u{fc}",
    ] {
        for client_id in [client.id.as_str(), "nobody", ""] {
            let body = form(&[("grant_type", grant_type), ("assertion", "x"), ("client_id", client_id)]);
            let answer = post(&world, "/token", &[FORM], body).await;
            assert_eq!(answer.error(), refusal(400, "unsupported_grant_type"), "{grant_type} {client_id}");
            assert!(answer.json().get("refresh_token").is_none());
        }
    }
    let document = ask(&world.app, Method::GET, "/.well-known/oauth-authorization-server", &[], "").await;
    assert_eq!(document.json()["grant_types_supported"], json!(["authorization_code", "refresh_token"]));
}

// TOK-13: three faults, three codes.
#[tokio::test]
async fn a_client_without_the_refresh_grant_is_unauthorized_and_one_with_it_has_a_bad_token() {
    let world = World::new().await;
    let without = json!({ "grant_types": ["authorization_code"] });
    let without = Client::register_with(&world.app, without).await;
    let with = Client::register(&world.app).await;
    assert_eq!(without.refresh("x").await.error(), refusal(400, "unauthorized_client"));
    assert_eq!(with.refresh("x").await.error(), refusal(400, "invalid_grant"));
    let (_, tokens) = world.signed_in("alice").await;
    assert_eq!(without.refresh(&tokens.refresh).await.error(), refusal(400, "invalid_grant"));
    assert_eq!(world.status(&tokens.access).await, 200, "another client's token is as it was");
}

// TOK-05: RFC 9110 §15.5.2 wants a challenge with every 401.
#[tokio::test]
async fn every_401_names_a_way_to_authenticate() {
    let world = World::new().await;
    let confidential =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_post" }))
            .await;
    for (path, pairs) in [
        ("/token", vec![("grant_type", "refresh_token"), ("refresh_token", "x")]),
        ("/revoke", vec![("token", "x")]),
    ] {
        for client_id in ["", "nobody", "https://h.example/client.json", confidential.id.as_str()] {
            let mut pairs = pairs.clone();
            pairs.push(("client_id", client_id));
            let answer = post(&world, path, &[FORM], form(&pairs)).await;
            assert_eq!(answer.error(), refusal(401, "invalid_client"), "{path} {client_id}");
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"coatroom\""));
        }
        for authorization in [
            "Basic",
            "Basic !",
            "Basic Og==",
            "Basic bm9jb2xvbg==",
            "Bearer x",
            "basic  /////w==",
            "",
            "Basic \u{fc}",
        ] {
            let headers = [FORM, ("authorization", authorization)];
            let answer = post(&world, path, &headers, form(&pairs)).await;
            assert_eq!(answer.error(), refusal(401, "invalid_client"), "{path} {authorization:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"coatroom\""));
        }
    }
}

// ASM-17, TOK-04, DCR-21, DCR-31, TOK-19, REV-08: every refusal of every kind is JSON that nobody keeps and every page can read.
#[tokio::test]
async fn every_refusal_is_json_that_nobody_keeps_and_every_page_reads() {
    let world = World::with_settings(|settings| {
        settings.rates.register = Some(Rate::per_minute(1));
    })
    .await;
    let origin = ("origin", "https://app.example");
    let limited = world.app.clone().layer(Extension(ClientAddress("192.0.2.1".parse().unwrap())));
    let mut refusals = vec![
        ask(&world.app, Method::GET, "/token", &[origin], "").await,
        ask(&world.app, Method::PUT, "/register", &[origin], "").await,
        ask(&world.app, Method::DELETE, "/jwks.json", &[origin], "").await,
        ask(&world.app, Method::GET, "/introspection", &[origin], "").await,
        ask(&world.app, Method::POST, "/token/", &[origin], "").await,
        ask(&world.app, Method::GET, "/mcp/.well-known/openid-configuration", &[origin], "").await,
        post(&world, "/token", &[origin, JSON], "{}").await,
        post(&world, "/token", &[origin, FORM], "grant_type=refresh_token&refresh_token=x").await,
        post(&world, "/revoke", &[origin, FORM], "token=x&token=y").await,
        post(&world, "/register", &[origin, JSON], "[]").await,
        post(&world, "/register", &[origin, JSON], vec![b' '; 65 * 1024]).await,
        ask(&limited, Method::POST, "/register", &[origin, JSON], "{}").await,
        ask(&limited, Method::POST, "/register", &[origin, JSON], "{}").await,
    ];
    world.store.break_verb(Verb::Get);
    let client = Client::register(&world.app).await;
    refusals.push(client.revoke("coat_at_unknown").await);
    let mut statuses = Vec::new();
    for answer in &refusals {
        let (status, error) = answer.error();
        statuses.push(status);
        assert!(!error.is_empty(), "{answer:?}");
        for (name, expected) in [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("pragma", "no-cache"),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "WWW-Authenticate, Retry-After"),
        ] {
            assert_eq!(answer.header(name), Some(expected), "{name}: {answer:?}");
        }
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [400, 401, 404, 405, 413, 429, 503]);
}

// ASM-17, ASM-20: a client in a browser learns that a form of the metadata, or an endpoint, does not exist.
#[tokio::test]
async fn a_page_may_ask_first_also_where_nothing_is() {
    let world = World::with(|_| (), |builder| builder.registration(false)).await;
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
    for path in ["/register", "/mcp/.well-known/openid-configuration", "/.well-known/nope", "/nope"] {
        let answer = ask(&world.app, Method::OPTIONS, path, &preflight, "").await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    let page = [("accept", "text/html"), preflight[0]];
    let page = ask(&world.app, Method::GET, "/nope", &page, "").await;
    assert_eq!((page.status.as_u16(), page.header("access-control-allow-origin")), (404, None));
}
