//! `POST /token` with a code.

use axum::body::Body;
use coatroom::store::{Kind, Store as _};
use futures_util::future::join_all;
use http::Request;
use serde_json::json;

use super::browser::Browser;
use super::client::{Client, Proof, REDIRECT, VERIFIER, basic, form, send};
use super::world::{PORTAL, Tokens, World};

fn invalid_grant() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

// TOK-03, TOK-17, TOK-18, TOK-49.
#[tokio::test]
async fn a_code_becomes_tokens() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let answer = client.redeem(&code).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("Bearer"), &json!(3600), &json!("read"))
    );
    assert!(body["access_token"].as_str().unwrap().starts_with("coat_at_"));
    assert!(body["refresh_token"].as_str().unwrap().starts_with("coat_rt_"));
    assert_eq!(body.as_object().unwrap().len(), 5);
    let (status, told) = world.call(&Tokens::of(&answer).access).await;
    assert_eq!((status, &told["user"], &told["scopes"]), (200, &json!("demo:alice-1"), &json!("read")));
    world.advance(3600);
    assert_eq!(world.status(&Tokens::of(&answer).access).await, 401);
}

// TOK-49: a refresh token is for who registered it or asks for offline_access.
#[tokio::test]
async fn who_cannot_refresh_gets_no_refresh_token() {
    let world = World::new().await;
    let client = Client::register_with(&world.app, json!({ "grant_types": ["authorization_code"] })).await;
    for (scope, refresh) in [("read", false), ("read offline_access", true)] {
        let address = client.authorize_url(&[("scope", scope)]);
        let answer = Browser::new(&world.app).allow(&world.idp, &address, "alice").await;
        let tokens = client.redeem(&client.answered(&answer)["code"]).await;
        assert_eq!(tokens.json().get("refresh_token").is_some(), refresh, "{scope}");
        assert_eq!(world.status(&tokens.text("access_token")).await, 200);
    }
}

// TOK-01, TOK-02, TOK-04, TOK-13, TOK-14.
#[tokio::test]
async fn a_request_has_one_form_with_known_parameters() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let refused = |changes: Vec<(&'static str, &'static str)>| {
        let client = client.clone();
        async move { client.redeem_with("coat_ac_x", &changes).await.error() }
    };
    let invalid_request = (400, "invalid_request".to_owned());
    assert_eq!(refused(vec![("grant_type", "")]).await, invalid_request);
    assert_eq!(refused(vec![("code", "")]).await, invalid_request);
    for unknown in ["password", "implicit", "client_credentials"] {
        assert_eq!(refused(vec![("grant_type", unknown)]).await, (400, "unsupported_grant_type".to_owned()));
    }
    let post = async |path: &str, content_type: &str, body: String| {
        let request = Request::post(path).header("content-type", content_type);
        send(&world.app, request.body(Body::from(body)).unwrap()).await
    };
    let urlencoded = "application/x-www-form-urlencoded";
    let twice = format!("grant_type=authorization_code&code=a&code=b&client_id={}", client.id);
    let answer = post("/token", urlencoded, twice.clone()).await;
    assert_eq!(answer.error(), invalid_request);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(post("/token", "application/json", "{}".to_owned()).await.error(), invalid_request);
    assert_eq!(post("/token?code=a", urlencoded, twice).await.error(), invalid_request);
    assert_eq!(post("/token", urlencoded, "x".repeat(65 * 1024)).await.status, 413);
}

// TOK-05 to TOK-09, TOK-41: every method, and nothing but the one that was registered.
#[tokio::test]
async fn a_client_authenticates_as_it_registered() {
    let world = World::new().await;
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let client = Client::register_with(&world.app, json!({ "token_endpoint_auth_method": method })).await;
        let refused = client.redeem("coat_ac_x").await;
        assert_eq!(refused.error(), invalid_grant(), "{method} is let in, and refused for the code");
        let secret = match &client.proof {
            Proof::Public | Proof::Signs(_) => "made-up".to_owned(),
            Proof::Basic(secret) | Proof::Post(secret) => secret.clone(),
        };
        let others = [
            ("none", Proof::Public),
            ("client_secret_basic", Proof::Basic(secret.clone())),
            ("client_secret_post", Proof::Post(secret)),
        ];
        for (other, proof) in others.into_iter().filter(|(other, _)| *other != method) {
            let answer = Client { proof, ..client.clone() }.redeem("coat_ac_x").await;
            assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{method} by {other}");
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"coatroom\""));
        }
    }
    let nobody = Client::configured(&world.app, "nobody", REDIRECT);
    assert_eq!(nobody.redeem("coat_ac_x").await.error(), (401, "invalid_client".to_owned()));
}

// TOK-06.
#[tokio::test]
async fn two_ways_of_authenticating_at_once_are_refused() {
    let world = World::new().await;
    let client =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_basic" }))
            .await;
    let Proof::Basic(secret) = &client.proof else { panic!() };
    let both = client.redeem_with("coat_ac_x", &[("client_secret", secret)]).await;
    assert_eq!(both.error(), (400, "invalid_request".to_owned()));
    let request = Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", basic(&client.id, secret))
        .header("authorization", basic(&client.id, secret));
    let body = form(&[("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", VERIFIER)]);
    let twice = send(&world.app, request.body(Body::from(body)).unwrap()).await;
    assert_eq!(twice.error(), (400, "invalid_request".to_owned()));
}

// TOK-30, TOK-31, TOK-33, TOK-36, TOK-15: each binding of a code, and none of the refusals uses it up or tells more
// than another.
#[tokio::test]
async fn a_code_is_good_only_for_what_it_was_issued_for() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let stranger = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let unknown = client.redeem("coat_ac_unknown").await;
    let wrong = "w".repeat(43);
    let other_end = if code.ends_with('A') { 'E' } else { 'A' };
    for refused in [
        stranger.redeem(&code).await,
        client.redeem_with(&code, &[("code_verifier", &wrong)]).await,
        client.redeem_with(&code, &[("code_verifier", &VERIFIER[..42])]).await,
        client.redeem_with(&code, &[("redirect_uri", "http://127.0.0.1:1/callback")]).await,
        client.redeem(&format!("{}{other_end}", &code[..code.len() - 1])).await,
    ] {
        assert_eq!((refused.error(), &refused.body), (invalid_grant(), &unknown.body));
    }
    let without = client.redeem_with(&code, &[("code_verifier", "")]).await;
    assert_eq!(without.error(), (400, "invalid_request".to_owned()));
    let foreign = client.redeem_with(&code, &[("resource", "https://gate.example/bound")]).await;
    assert_eq!(foreign.error(), (400, "invalid_target".to_owned()));
    let answer =
        client.redeem_with(&code, &[("redirect_uri", ""), ("resource", "https://gate.example/mcp")]).await;
    assert_eq!(answer.status, 200);
}

// TOK-30, AZ-34: sixty seconds, to the second.
#[tokio::test]
async fn a_code_ends_after_a_minute() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let mut browser = Browser::new(&world.app);
    let (in_time, late) =
        (browser.code(&world.idp, &client, "alice").await, browser.code(&world.idp, &client, "alice").await);
    world.advance(59);
    assert_eq!(client.redeem(&in_time).await.status, 200);
    world.advance(1);
    assert_eq!(client.redeem(&late).await.error(), invalid_grant());
}

// TOK-34: exactly one wins; who lost the race harms nobody.
#[tokio::test]
async fn of_twenty_parallel_redemptions_exactly_one_wins() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let answers = join_all((0..20).map(|_| client.redeem(&code))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 19));
    assert!(lost.iter().all(|answer| answer.error() == invalid_grant()));
    let tokens = Tokens::of(won[0]);
    assert_eq!(
        world.call(&tokens.access).await.0,
        200,
        "all twenty read the grant before the first wrote it"
    );
    let id = world.grant_of(&tokens.access).await;
    let records = world.store.list(Kind::AccessToken, &id).await.unwrap();
    assert_eq!(records.len(), 1, "who lost took back what they wrote");
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

// TOK-35, part 3 statement 29.
#[tokio::test]
async fn a_valid_replay_revokes_and_one_with_a_wrong_verifier_does_not() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let stranger = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let tokens = Tokens::of(&client.redeem(&code).await);
    let wrong = "w".repeat(43);
    assert_eq!(client.redeem_with(&code, &[("code_verifier", &wrong)]).await.error(), invalid_grant());
    assert_eq!(stranger.redeem(&code).await.error(), invalid_grant());
    assert_eq!(world.status(&tokens.access).await, 200);
    assert_eq!(client.redeem(&code).await.error(), invalid_grant());
    assert_eq!(world.status(&tokens.access).await, 401);
    assert_eq!(client.refresh(&tokens.refresh).await.error(), invalid_grant());
}

// The same after the code's own end: a thief who is late is still a thief.
#[tokio::test]
async fn a_late_replay_revokes_too() {
    let world = World::new().await;
    let client = Client::register(&world.app).await;
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let tokens = Tokens::of(&client.redeem(&code).await);
    world.advance(1800);
    assert_eq!(client.redeem(&code).await.error(), invalid_grant());
    assert_eq!(world.status(&tokens.access).await, 401);
}

#[tokio::test]
async fn a_configured_client_signs_in_too() {
    let world = World::new().await;
    let portal = Client::configured(&world.app, "portal", PORTAL);
    let tokens = world.sign_in_to(&portal, "bob").await;
    assert_eq!(world.call(&tokens.access).await.1["user"], "demo:bob-1");
}
