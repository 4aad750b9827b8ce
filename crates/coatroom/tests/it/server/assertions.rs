//! Clients that sign who they are: `private_key_jwt`.

use std::sync::Arc;

use coatroom::protocol::client::{
    AppUris, CLIENT_ASSERTION_TYPE, Client as KnownClient, KeySource, RedirectUri,
};
use coatroom::protocol::jws::KeySet;
use serde_json::{Value, json};

use super::browser::Browser;
use super::client::{Answer, Client, Proof, basic, get};
use super::documents::client;
use super::site::{Reply, Signer, Site};
use super::world::{ISSUER, LOCAL, PORTAL, World};

/// A client whose document says that it signs, and that client.
async fn signing(members: &Value) -> (Site, World, Client, Arc<Signer>) {
    let site = Site::start().await;
    let world = World::local(site.web(), |_| ()).await;
    let signer = Arc::new(Signer::new("k1"));
    let mut all =
        json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": Signer::jwks(&[&signer]) });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let client = Client { proof: Proof::Signs(Arc::clone(&signer)), ..client(&world, &site.document(&all)) };
    (site, world, client, signer)
}

async fn code(world: &World, client: &Client) -> String {
    Browser::at(&world.app, LOCAL).code(&world.idp, client, "alice").await
}

fn invalid_client(answer: &Answer) {
    assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{answer:?}");
}

/// Redeems with an assertion of these claims and nothing else of the client.
async fn redeem(client: &Client, code: &str, assertion: &str) -> Answer {
    let bare = Client { proof: Proof::Public, ..client.clone() };
    let changes = [
        ("client_id", ""),
        ("client_assertion", assertion),
        ("client_assertion_type", CLIENT_ASSERTION_TYPE),
    ];
    bare.redeem_with(code, &changes).await
}

#[tokio::test]
async fn a_client_that_signs_must_sign_at_the_token_and_revocation_endpoints() {
    let (_site, world, signing, _) = signing(&json!({})).await;
    let code = code(&world, &signing).await;
    let public = Client { proof: Proof::Public, ..signing.clone() };
    invalid_client(&public.redeem(&code).await);
    let stranger = Client { proof: Proof::Signs(Arc::new(Signer::new("k1"))), ..signing.clone() };
    invalid_client(&stranger.redeem(&code).await);
    let answer = signing.redeem(&code).await;
    let refresh = answer.text("refresh_token");
    invalid_client(&public.refresh(&refresh).await);
    invalid_client(&stranger.refresh(&refresh).await);
    let refresh = signing.refresh(&refresh).await.text("refresh_token");
    invalid_client(&public.revoke(&refresh).await);
    invalid_client(&stranger.revoke(&refresh).await);
    assert_eq!(world.status(&answer.text("access_token")).await, 200);
    assert_eq!(signing.revoke(&refresh).await.status, 200);
    assert_eq!(world.status(&answer.text("access_token")).await, 401);
}

#[tokio::test]
async fn an_assertion_is_meant_for_this_server_alone() {
    let (_site, world, client, signer) = signing(&json!({})).await;
    let token = format!("{LOCAL}/token");
    for (audience, good) in [
        (json!(LOCAL), true),
        (json!([LOCAL]), true),
        (json!(format!("{LOCAL}/")), true),
        (json!(token), true),
        (json!("https://other.example"), false),
        (json!([LOCAL, "https://other.example"]), false),
        (json!(format!("{LOCAL}/revoke")), false),
    ] {
        let code = code(&world, &client).await;
        let mut claims = signer.claims(&client.id, LOCAL);
        claims["aud"] = audience.clone();
        let answer = redeem(&client, &code, &signer.sign(&claims)).await;
        assert_eq!(answer.status == 200, good, "{audience}: {answer:?}");
        if !good {
            invalid_client(&answer);
        }
    }
}

#[tokio::test]
async fn the_revocation_endpoint_takes_its_own_url_as_audience() {
    let (_site, world, client, signer) = signing(&json!({})).await;
    let tokens = world.sign_in_local(&client, "alice").await;
    let assertion = signer.sign(&signer.claims(&client.id, &format!("{LOCAL}/revoke")));
    let bare = Client { proof: Proof::Public, ..client.clone() };
    let params = [
        ("token", tokens.refresh.as_str()),
        ("client_assertion", &assertion),
        ("client_assertion_type", CLIENT_ASSERTION_TYPE),
    ];
    assert_eq!(bare.post("/revoke", &params, &[("client_id", "")]).await.status, 200);
    assert_eq!(world.status(&tokens.access).await, 401);
}

#[tokio::test]
async fn each_bad_assertion_is_an_invalid_client() {
    let (_site, world, client, signer) = signing(&json!({})).await;
    let code = code(&world, &client).await;
    let claims = || signer.claims(&client.id, LOCAL);
    for (name, value) in [
        ("iss", json!("other")),
        ("exp", json!(1)),
        ("exp", json!(super::world::NOW + 3600)),
        ("nbf", json!(super::world::NOW + 600)),
        ("jti", Value::Null),
    ] {
        let mut bad = claims();
        bad[name] = value;
        invalid_client(&redeem(&client, &code, &signer.sign(&bad)).await);
    }
    let [head, body, _] =
        signer.sign(&claims()).split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    invalid_client(&redeem(&client, &code, &format!("{head}.{body}.")).await);
    let other_type = [
        ("client_assertion", signer.sign(&claims())),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer".to_owned()),
    ];
    let public = Client { proof: Proof::Public, ..client.clone() };
    let changes: Vec<_> = other_type.iter().map(|(name, value)| (*name, value.as_str())).collect();
    invalid_client(&public.redeem_with(&code, &changes).await);
    // All of that cost the code nothing.
    assert_eq!(client.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn two_mechanisms_at_once_are_an_invalid_request() {
    let (_site, world, client, _) = signing(&json!({})).await;
    let code = code(&world, &client).await;
    let answer = client.redeem_with(&code, &[("client_secret", "x")]).await;
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
    assert!(basic("a", "b").starts_with("Basic"));
}

#[tokio::test]
async fn an_assertion_is_good_once_and_of_many_at_once_one_wins() {
    let (_site, world, client, signer) = signing(&json!({})).await;
    let code = code(&world, &client).await;
    let assertion = signer.sign(&signer.claims(&client.id, LOCAL));
    let all = futures_util::future::join_all((0..16).map(|_| redeem(&client, &code, &assertion))).await;
    let won: Vec<&Answer> = all.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{all:?}");
    let refresh = won[0].text("refresh_token");
    let replayed = async |assertion: &str| {
        let bare = Client { proof: Proof::Public, ..client.clone() };
        let changes = [("client_assertion", assertion), ("client_assertion_type", CLIENT_ASSERTION_TYPE)];
        bare.refresh_with(&refresh, &changes).await
    };
    invalid_client(&replayed(&assertion).await);
    assert_eq!(world.status(&won[0].text("access_token")).await, 200, "a replayed assertion ends nothing");
    let fresh = signer.sign(&signer.claims(&client.id, LOCAL));
    let all = futures_util::future::join_all((0..16).map(|_| replayed(&fresh))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1, "{all:?}");
}

#[tokio::test]
async fn an_assertion_without_a_live_token_leaves_nothing_behind() {
    let (_site, world, client, signer) = signing(&json!({})).await;
    world.sign_in_local(&client, "alice").await;
    let (_, other) = world.signed_in_local("bob").await;
    let writes = world.store.writes();
    let assertion = signer.sign(&signer.claims(&client.id, LOCAL));
    assert_eq!(redeem(&client, "coat_ac_x", &assertion).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(client.refresh("x").await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(client.refresh(&other.refresh).await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(client.revoke("x").await.status, 200);
    assert_eq!(client.revoke(&other.access).await.status, 200);
    assert_eq!(world.store.writes(), writes);
    let code = code(&world, &client).await;
    assert_eq!(redeem(&client, &code, &assertion).await.status, 200, "it is still good");
}

#[tokio::test]
async fn new_keys_are_found_when_a_client_signs_with_one() {
    let (site, world, client, old) = signing(&json!({})).await;
    let new = Arc::new(Signer::new("k2"));
    let members = |set: Value| json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": set });
    let mut tokens = world.sign_in_local(&client, "alice").await;
    site.document(&members(Signer::jwks(&[&old, &new])));
    world.advance(31);
    let moved = Client { proof: Proof::Signs(Arc::clone(&new)), ..client.clone() };
    let answer = moved.refresh(&tokens.refresh).await;
    tokens.refresh = answer.text("refresh_token");
    assert_eq!(site.requests("/c").len(), 2);
    // A key that is nowhere makes nobody ask again and again.
    let stranger = Client { proof: Proof::Signs(Arc::new(Signer::new("k3"))), ..client.clone() };
    for _ in 0..5 {
        invalid_client(&stranger.refresh(&tokens.refresh).await);
    }
    assert_eq!(site.requests("/c").len(), 2);
}

#[tokio::test]
async fn keys_at_an_address_are_fetched_by_the_same_rules_and_renewed() {
    let site = Site::start().await;
    let world = World::local(site.web(), |_| ()).await;
    let (old, new) = (Arc::new(Signer::new("k1")), Arc::new(Signer::new("k2")));
    site.put("/keys", Reply::json(&Signer::jwks(&[&old])));
    let document = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": site.url("/keys") });
    let client =
        Client { proof: Proof::Signs(Arc::clone(&old)), ..client(&world, &site.document(&document)) };
    let mut tokens = world.sign_in_local(&client, "alice").await;
    assert_eq!(site.requests("/keys").len(), 1);
    site.put("/keys", Reply::json(&Signer::jwks(&[&new])));
    world.advance(31);
    let moved = Client { proof: Proof::Signs(Arc::clone(&new)), ..client.clone() };
    tokens.refresh = moved.refresh(&tokens.refresh).await.text("refresh_token");
    invalid_client(&client.refresh(&tokens.refresh).await);
    assert_eq!(site.requests("/keys").len(), 2);
    // While the address is down the known keys serve on for a day, and then it is an outage.
    site.set_down(true);
    world.advance(60);
    tokens.refresh = moved.refresh(&tokens.refresh).await.text("refresh_token");
    let later = world.local_replica();
    let answer = moved.at(&later.app).refresh(&tokens.refresh).await;
    assert_eq!(answer.error(), (503, "temporarily_unavailable".to_owned()));
}

#[tokio::test]
async fn keys_inside_a_private_network_are_not_fetched() {
    let site = Site::start().await;
    let world = World::local(site.web(), |_| ()).await;
    for address in ["https://10.0.0.1/keys", "https://169.254.169.254/keys"] {
        let document = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": address });
        let client = client(&world, &site.document(&document));
        world.advance(7200);
        let page = Browser::at(&world.app, LOCAL).open(&client.authorize_url(&[])).await;
        assert_eq!(page.status, 400, "{address}");
    }
}

#[tokio::test]
async fn a_client_that_says_so_may_sign_or_come_as_a_public_one() {
    let both = json!({ "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"] });
    let (_site, world, signing, _) = signing(&both).await;
    let public = Client { proof: Proof::Public, ..signing.clone() };
    for client in [&signing, &public] {
        let code = code(&world, client).await;
        let answer = client.redeem(&code).await;
        assert_eq!(client.refresh(&answer.text("refresh_token")).await.status, 200);
    }
    let stranger = Client { proof: Proof::Signs(Arc::new(Signer::new("k1"))), ..signing.clone() };
    let code = code(&world, &signing).await;
    invalid_client(&stranger.redeem(&code).await);
}

#[tokio::test]
async fn a_configured_client_signs_with_its_keys_and_the_metadata_says_that_one_can() {
    let signer = Arc::new(Signer::new("k1"));
    let keys = KeySource::Inline(KeySet::parse(&Signer::jwks(&[&signer])).unwrap());
    let portal = RedirectUri::parse(PORTAL, &AppUris::none()).unwrap();
    let known = KnownClient::configured("signs", None, vec![portal]).unwrap().with_keys(keys).unwrap();
    let world = World::with(|_| (), |builder| builder.client(known)).await;
    let metadata = get(&world.app, "/.well-known/oauth-authorization-server").await.json();
    assert!(
        metadata["token_endpoint_auth_methods_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("private_key_jwt"))
    );
    assert!(metadata["revocation_endpoint_auth_signing_alg_values_supported"].is_array());
    assert!(metadata.get("client_id_metadata_document_supported").is_none());
    let client = Client {
        proof: Proof::Signs(Arc::clone(&signer)),
        ..Client::configured(&world.app, "signs", PORTAL)
    };
    let code = Browser::new(&world.app).code(&world.idp, &client, "alice").await;
    let public = Client { proof: Proof::Public, ..client.clone() };
    invalid_client(&public.redeem(&code).await);
    let assertion = signer.sign(&signer.claims("signs", ISSUER));
    assert_eq!(redeem(&client, &code, &assertion).await.status, 200);
}
