//! `POST /register`.

use axum::body::Body;
use http::Request;
use serde_json::json;

use super::browser::Browser;
use super::client::{Answer, Client, Proof, send};
use super::world::World;

async fn post(world: &World, content_type: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post("/register").header("content-type", content_type);
    send(&world.app, request.body(body.into()).unwrap()).await
}

// DCR-02 to DCR-06, DCR-18, DCR-25, DCR-26.
#[tokio::test]
async fn a_client_registers_and_is_told_what_was_registered() {
    let world = World::new().await;
    let metadata = json!({
        "client_name": "Inspector", "redirect_uris": ["http://localhost:6274/oauth/callback"],
        "token_endpoint_auth_method": "client_secret_basic", "foo": "bar",
    });
    let answer = Client::try_register(&world.app, &metadata).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut told = answer.json();
    let told = told.as_object_mut().unwrap();
    let (id, secret) = (told.remove("client_id").unwrap(), told.remove("client_secret").unwrap());
    let unreserved = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    assert!(unreserved(id.as_str().unwrap()) && unreserved(secret.as_str().unwrap()));
    assert_eq!(
        json!(told),
        json!({
            "client_id_issued_at": super::world::NOW, "client_secret_expires_at": 0, "client_name": "Inspector",
            "redirect_uris": ["http://localhost:6274/oauth/callback"], "application_type": "native",
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code"], "response_types": ["code"],
        })
    );
}

// DCR-02, DCR-07 to DCR-09, DCR-12, DCR-14, DCR-16, DCR-21, DCR-22.
#[tokio::test]
async fn refusals_are_json_with_the_norms_codes() {
    let world = World::new().await;
    let uri = "https://h.example/cb";
    for (metadata, code) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://evil.example/cb"] }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": ["http://localhost/cb"], "application_type": "web" }),
            "invalid_redirect_uri",
        ),
        (json!({ "redirect_uris": [uri], "response_types": ["token"] }), "invalid_client_metadata"),
        (
            json!({ "redirect_uris": [uri], "token_endpoint_auth_method": "tls_client_auth" }),
            "invalid_client_metadata",
        ),
        (json!([]), "invalid_client_metadata"),
    ] {
        let answer = Client::try_register(&world.app, &metadata).await;
        assert_eq!(answer.error(), (400, code.to_owned()), "{metadata}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let form = post(&world, "application/x-www-form-urlencoded", "redirect_uris=x").await;
    assert_eq!(form.error(), (400, "invalid_client_metadata".to_owned()));
    assert_eq!(post(&world, "application/json", vec![b' '; 65 * 1024]).await.status, 413);
}

// ARCHITECTURE.md, rule 1: a registration survives everything but the loss of the key.
#[tokio::test]
async fn another_replica_knows_the_client_at_once() {
    let world = World::new().await;
    let client =
        Client::register_with(&world.app, json!({ "token_endpoint_auth_method": "client_secret_post" }))
            .await;
    let replica = world.replica().routes();
    let answer = client.at(&replica).redeem("coat_ac_unknown").await;
    assert_eq!(
        answer.error(),
        (400, "invalid_grant".to_owned()),
        "authenticated, and then refused for the code"
    );
    let impostor = Client { proof: Proof::Post("coat_cs_wrong".to_owned()), ..client };
    assert_eq!(impostor.redeem("coat_ac_unknown").await.error(), (401, "invalid_client".to_owned()));
}

// docs/decisions/0002: the scope that a client registers is no ceiling for what a person may agree to later.
#[tokio::test]
async fn a_client_may_ask_for_more_than_it_registered() {
    let world = World::new().await;
    let client = Client::register_with(&world.app, json!({ "scope": "read" })).await;
    let address = client.authorize_url(&[("scope", "read write")]);
    let answer = Browser::new(&world.app).allow(&world.idp, &address, "alice").await;
    let tokens = client.redeem(&client.answered(&answer)["code"]).await;
    assert_eq!(tokens.text("scope"), "read write");
}

// DCR-19: as decided in docs/decisions/0002, the scope is checked and not promised.
#[tokio::test]
async fn a_registered_scope_is_checked_and_not_echoed() {
    let world = World::new().await;
    let metadata = |scope: &str| json!({ "redirect_uris": ["https://h.example/cb"], "scope": scope });
    let answer = Client::try_register(&world.app, &metadata("read")).await;
    assert!(answer.status == 201 && answer.json().get("scope").is_none());
    let answer = Client::try_register(&world.app, &metadata("re\"ad")).await;
    assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()));
}
