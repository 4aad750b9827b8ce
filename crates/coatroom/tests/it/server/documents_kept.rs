//! What is remembered of a client's document: while its host is down, when it changes, and its logo.

use serde_json::{Value, json};

use super::browser::Browser;
use super::client::get;
use super::documents::client;
use super::site::{Reply, Site};
use super::watched::{Failure, Verb};
use super::world::{LOCAL, World};

async fn local() -> (Site, World) {
    let site = Site::start().await;
    let world = World::local(site.web(), |_| ()).await;
    (site, world)
}

#[tokio::test]
async fn a_session_goes_on_while_the_host_of_the_document_is_down() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let mut tokens = world.sign_in_local(&client, "alice").await;
    site.set_down(true);
    // Here, where the document is remembered but old; at a replica that never saw it; and after a day of that.
    let replica = world.local_replica();
    for (app, wait) in [(&world.app, 0), (&world.app, 7200), (&replica.app, 1), (&replica.app, 24 * 3600)] {
        world.advance(wait);
        let answer = client.at(app).refresh(&tokens.refresh).await;
        tokens.refresh = answer.text("refresh_token");
    }
    let page = Browser::at(&world.app, LOCAL).open(&client.authorize_url(&[])).await;
    assert_eq!(page.status, 400, "but nothing new is agreed to: {page:?}");
    site.set_down(false);
    assert_eq!(Browser::at(&world.app, LOCAL).open(&client.authorize_url(&[])).await.status, 200);
}

#[tokio::test]
async fn a_document_that_went_bad_ends_no_session_and_begins_none() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let tokens = world.sign_in_local(&client, "alice").await;
    site.document(&json!({ "client_secret": "x" }));
    world.advance(7200);
    let page = Browser::at(&world.app, LOCAL).open(&client.authorize_url(&[])).await;
    assert_eq!(page.status, 400, "{page:?}");
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn the_token_endpoint_fetches_nothing_for_strangers() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let (_, other) = world.signed_in_local("bob").await;
    for answer in [
        client.redeem("coat_ac_x").await,
        client.refresh("x").await,
        // A live token of another client is no reason to fetch either.
        client.refresh(&other.refresh).await,
        client.revoke(&other.access).await,
    ] {
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
    }
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn a_replica_that_never_saw_the_document_redeems_a_code() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let code = Browser::at(&world.app, LOCAL).code(&world.idp, &client, "alice").await;
    let replica = world.local_replica();
    let answer = client.at(&replica.app).redeem(&code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(site.requests("/c").len(), 2);
}

#[tokio::test]
async fn an_outage_is_no_accusation_of_a_client_with_a_document() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let code = Browser::at(&world.app, LOCAL).code(&world.idp, &client, "alice").await;
    let replica = world.local_replica();
    site.set_down(true);
    let answer = client.at(&replica.app).redeem(&code).await;
    assert_eq!(answer.error(), (503, "temporarily_unavailable".to_owned()));
    assert!(answer.header("retry-after").is_some());
    site.set_down(false);
    world.store.break_with(Verb::Get, Failure::Before);
    assert_eq!(client.at(&replica.app).redeem(&code).await.error().0, 503);
    world.store.recover();
    let answer = client.at(&replica.app).redeem(&code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_changed_document_makes_everything_new_to_the_person() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let mut browser = Browser::at(&world.app, LOCAL);
    browser.code(&world.idp, &client, "alice").await;
    let code = browser.code(&world.idp, &client, "alice").await;
    assert_eq!(client.redeem(&code).await.status, 200);
    let known = async |browser: &mut Browser| {
        world.advance(3600);
        browser
            .ask(&client.authorize_url(&[("scope", "read write")]))
            .await
            .page
            .body
            .contains("You allowed this before")
    };
    assert!(known(&mut browser).await);
    site.document(&json!({ "client_uri": "https://client.example/" }));
    assert!(known(&mut browser).await, "a link is no reason");
    site.document(&json!({ "redirect_uris": ["http://127.0.0.1/callback", "https://client.example/cb"] }));
    assert!(!known(&mut browser).await);
    site.document(&json!({ "client_name": "Another name" }));
    assert!(!known(&mut browser).await);
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";

/// A document with a logo of this content; the path of the logo on the page, if it is shown.
async fn logo(site: &Site, world: &World, path: &str, media_type: &str, bytes: &[u8]) -> Option<String> {
    site.put(path, Reply::Whole(200, vec![("content-type", media_type.to_owned())], bytes.to_vec()));
    let client = client(world, &site.document(&json!({ "logo_uri": site.url(path) })));
    world.advance(2 * 3600);
    let page = Browser::at(&world.app, LOCAL).ask(&client.authorize_url(&[])).await.page;
    assert!(!page.body.contains(&site.url(path)), "never hot-linked");
    let allowed = page.header("content-security-policy").unwrap().contains("img-src 'self'");
    let shown =
        page.body.split_once(r#"<img src=""#).map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
    assert_eq!(allowed, shown.is_some());
    shown
}

#[tokio::test]
async fn a_logo_is_fetched_once_and_shown_from_our_own_address() {
    let (site, world) = local().await;
    let path = logo(&site, &world, "/logo", "image/png", PNG).await.unwrap();
    assert!(path.starts_with("/assets/logos/"), "{path}");
    let picture = world.app.clone();
    let request = http::Request::get(&path).body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(picture, request).await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/png");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").starts_with("default-src 'none'"));
    assert!(header("cache-control").contains("immutable"));
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(&bytes[..], PNG);
    let known = client(&world, &site.url("/c"));
    Browser::at(&world.app, LOCAL).ask(&known.authorize_url(&[])).await;
    assert_eq!(site.requests("/logo").len(), 1);
    assert_eq!(get(&world.app, "/assets/logos/unknown").await.status, 404);
}

#[tokio::test]
async fn a_logo_that_cannot_be_shown_changes_nothing() {
    let (site, world) = local().await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    assert_eq!(logo(&site, &world, "/svg", "image/svg+xml", svg).await, None);
    assert_eq!(logo(&site, &world, "/lie", "image/png", svg).await, None);
    assert_eq!(logo(&site, &world, "/empty", "image/png", b"").await, None);
    let mut large = PNG.to_vec();
    large.resize(65 * 1024, 0);
    assert_eq!(logo(&site, &world, "/large", "image/png", &large).await, None);
    for address in ["https://10.0.0.1/logo.png", "https://localhost/logo.png", "http://localhost:1/logo.png"]
    {
        let client = client(&world, &site.document(&json!({ "logo_uri": address })));
        world.advance(2 * 3600);
        let page = Browser::at(&world.app, LOCAL).ask(&client.authorize_url(&[])).await.page;
        assert!(!page.body.contains("<img"), "{address}");
    }
}

#[tokio::test]
async fn a_copy_is_kept_only_after_somebody_agreed_and_holds_the_document_alone() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({ "contacts": ["x"] })));
    let mut browser = Browser::at(&world.app, LOCAL);
    browser.ask(&client.authorize_url(&[])).await;
    assert_eq!(world.store.writes(), 0, "nothing is kept for a stranger");
    let code = browser.code(&world.idp, &client, "alice").await;
    client.redeem(&code).await;
    let key = coatroom::protocol::words::ClientId::new(&client.id).hash().to_string();
    let kind = coatroom::store::Kind::ClientDocument;
    let record = coatroom::store::Store::get(&world.store, kind, &key).await.unwrap().unwrap();
    let body: Value = serde_json::from_str(&record.body).unwrap();
    assert_eq!(body["client"], client.id);
    assert!(body["text"].as_str().unwrap().contains("contacts"));
}
