//! Clients that are described by a document at the URL that is their id: what is fetched, what is refused, what is shown.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coatroom::outbound::Resolve;
use coatroom::protocol::client::HostPattern;
use coatroom::settings::{ClientDocuments, DocumentMode, Rate};
use coatroom::{Block, ClientAddress, Coatroom};
use serde_json::{Value, json};

use super::browser::Browser;
use super::client::{Answer, Client, REDIRECT, get};
use super::site::{Reply, Site};
use super::world::{LOCAL, World};

/// The client whose document lies at a URL.
pub(crate) fn client(world: &World, url: &str) -> Client {
    Client { issuer: LOCAL, ..Client::configured(&world.app, url, REDIRECT) }
}

/// What a person sees whom this client sends here.
async fn page(world: &World, url: &str) -> Answer {
    Browser::at(&world.app, LOCAL).open(&client(world, url).authorize_url(&[])).await
}

/// A page that explains a refusal: no redirect, no form.
fn assert_refused(page: &Answer, status: u16) {
    assert_eq!(page.status, status, "{page:?}");
    assert_eq!(page.header("location"), None);
    assert_eq!(page.header("refresh"), None);
    assert!(!page.body.contains("<form"), "{page:?}");
    assert!(page.body.contains(">What to do now</h2>"), "{page:?}");
}

async fn local() -> (Site, World) {
    let site = Site::start().await;
    let world = World::local(site.web(), |_| ()).await;
    (site, world)
}

#[tokio::test]
async fn a_client_is_described_by_its_document_from_the_first_page_to_the_last_token() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let mut browser = Browser::at(&world.app, LOCAL);
    let consent = browser.ask(&client.authorize_url(&[])).await;
    let host = format!(r#"<strong class="host" id="document">localhost:{}</strong>"#, site.port);
    assert!(consent.page.body.contains(&host), "{}", consent.page.body);
    for shown in ["Document client", "Unverified", "cannot make sure that it is this app", "/c</code>"] {
        assert!(consent.page.body.contains(shown), "{shown} in {}", consent.page.body);
    }
    let code = browser.code(&world.idp, &client, "alice").await;
    let answer = client.redeem(&code).await;
    let refreshed = client.refresh(&answer.text("refresh_token")).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert_eq!(client.revoke(&refreshed.text("refresh_token")).await.status, 200);
    assert_eq!(world.status(&refreshed.text("access_token")).await, 401);
    assert_eq!(site.connections(), 1, "one fetch for all of it");
}

#[tokio::test]
async fn a_fetch_tells_nothing_of_who_asks() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let mut browser = Browser::at(&world.app, LOCAL);
    browser.ask(&client.authorize_url(&[])).await;
    let request = site.requests("/c").remove(0).to_ascii_lowercase();
    let names: Vec<&str> = request.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, ["accept", "host", "user-agent"], "{request}");
    assert!(request.contains("user-agent: coatroom/"), "{request}");
}

#[tokio::test]
async fn a_url_that_breaks_a_rule_is_refused_without_a_connection() {
    let (site, world) = local().await;
    for path in ["", "/", "/a/../c", "/%2e%2e/c", "/c#f", "/c d"] {
        assert_refused(&page(&world, &site.url(path)).await, 400);
    }
    for url in [
        format!("http://localhost:{}/c", site.port),
        format!("https://user@localhost:{}/c", site.port),
        format!("https://LOCALHOST:{}/c", site.port),
        format!("https://127.1:{}/c", site.port),
        "https://10.0.0.1/c".to_owned(),
        "https://[::ffff:7f00:1]/c".to_owned(),
    ] {
        assert_refused(&page(&world, &url).await, 400);
        let answer = client(&world, &url).refresh("x").await;
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{url}");
    }
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn only_a_good_answer_counts_and_redirects_are_not_followed() {
    let (site, world) = local().await;
    site.document(&json!({}));
    site.put("/target", Reply::json(&json!({})));
    for status in [301, 302, 307, 404, 500] {
        let headers =
            vec![("location", site.url("/target")), ("content-type", "application/json".to_owned())];
        site.put("/r", Reply::Whole(status, headers, b"{}".to_vec()));
        assert_refused(&page(&world, &site.url("/r")).await, 400);
        world.advance(120);
    }
    assert!(site.requests("/target").is_empty(), "nobody went where the redirect leads");
    let canary = "canary-7f3a";
    let html = vec![("content-type", "text/html".to_owned())];
    let json = vec![("content-type", "application/json".to_owned())];
    let packed =
        vec![("content-type", "application/json".to_owned()), ("content-encoding", "gzip".to_owned())];
    let other = json!({ "client_id": canary, "client_name": canary, "redirect_uris": [canary] });
    for reply in [
        Reply::Whole(200, html, format!("<p>{canary}").into_bytes()),
        Reply::Whole(200, json.clone(), format!("[\"{canary}\"]").into_bytes()),
        Reply::Whole(200, json, format!("{{\"client_id\":\"{canary}").into_bytes()),
        Reply::Whole(200, packed, canary.as_bytes().to_vec()),
        Reply::json(&other),
    ] {
        site.put("/c", reply);
        let page = page(&world, &site.url("/c")).await;
        assert_refused(&page, 400);
        assert!(!page.body.contains(canary), "{page:?}");
        world.advance(120);
    }
    assert!(world.store.written().is_empty(), "nothing is kept");
}

#[tokio::test]
async fn errors_are_not_remembered() {
    let (site, world) = local().await;
    for bad in [Reply::status(500), Reply::json(&json!({ "client_id": "other" }))] {
        site.put("/c", bad);
        assert_refused(&page(&world, &site.url("/c")).await, 400);
        assert_eq!(page(&world, &site.document(&json!({}))).await.status, 200);
        world.advance(24 * 3600);
    }
}

#[tokio::test]
async fn reading_stops_at_the_limit_and_at_the_deadline() {
    let site = Site::start().await;
    let world = World::local(site.web(), |documents| documents.deadline = Duration::from_millis(400)).await;
    site.put("/endless", Reply::Endless);
    let endless = page(&world, &site.url("/endless")).await;
    assert_refused(&endless, 400);
    assert!(endless.body.contains("is not good") && endless.body.contains("larger than"), "{endless:?}");
    assert!(site.sent() < 4 * 1024 * 1024, "{} bytes were taken", site.sent());
    for reply in [Reply::Slow, Reply::Silent] {
        site.put("/slow", reply);
        let url = site.url("/slow");
        let answer = tokio::time::timeout(Duration::from_secs(3), page(&world, &url)).await;
        assert_refused(&answer.expect("the document was waited for"), 400);
    }
    for status in [429, 503] {
        site.put("/down", Reply::status(status));
        let down = page(&world, &site.url("/down")).await;
        assert!(
            down.status == 400 && down.body.contains("did not answer"),
            "an outage accuses nobody: {down:?}"
        );
        world.advance(120);
    }
    let long = json!({ "x": "x".repeat(64 * 1024) });
    site.document(&long);
    assert_refused(&page(&world, &site.url("/c")).await, 400);
    site.document(&json!({ "x": "x".repeat(60 * 1024) }));
    assert_eq!(page(&world, &site.url("/c")).await.status, 200);
}

#[tokio::test]
async fn many_who_come_at_once_cause_one_fetch() {
    let (site, world) = local().await;
    let url = site.document(&json!({}));
    let pages = futures_util::future::join_all((0..32).map(|_| page(&world, &url))).await;
    assert!(pages.iter().all(|page| page.status == 200));
    assert_eq!(site.requests("/c").len(), 1);
}

#[tokio::test]
async fn the_headers_of_a_document_say_how_long_it_is_good() {
    let (site, world) = local().await;
    let url = site.document(&json!({}));
    let document: Value = json!({
        "client_id": url, "client_name": "Document client", "redirect_uris": ["http://127.0.0.1/callback"],
    });
    let mut fetched = 0;
    let control =
        |lines: &[&'static str]| lines.iter().map(|line| ("cache-control", *line)).collect::<Vec<_>>();
    for (headers, good_for) in [
        (control(&["max-age=120"]), 120),
        (control(&["no-store"]), 60),
        (control(&["public", "no-store"]), 60),
        (control(&["public", "max-age=120"]), 120),
        (control(&["max-age=1"]), 60),
        (control(&["max-age=31536000"]), 24 * 3600),
        (control(&[""]), 3600),
        (vec![("expires", "Thu, 01 Jan 1970 00:00:00 GMT")], 60),
        (vec![("expires", "0")], 60),
        (vec![("date", "Thu, 26 Nov 2026 12:00:00 GMT"), ("expires", "Thu, 26 Nov 2026 12:02:00 GMT")], 120),
    ] {
        site.put("/c", Reply::json_with(&document, &headers));
        fetched += 1;
        for (wait, expected) in [(0, fetched), (good_for - 1, fetched), (1, fetched + 1)] {
            world.advance(wait);
            assert_eq!(page(&world, &url).await.status, 200);
            assert_eq!(site.requests("/c").len(), expected, "{headers:?} after {wait} s");
        }
        fetched += 1;
        world.advance(25 * 3600);
    }
}

#[tokio::test]
async fn a_request_that_leads_nowhere_causes_no_fetch() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    let mut browser = Browser::at(&world.app, LOCAL);
    for bad in [
        ("response_type", "token"),
        ("code_challenge", ""),
        ("code_challenge_method", "plain"),
        ("resource", "https://other.example/mcp"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", "http://evil.example/cb"),
        ("scope", "\"bad"),
        ("request", "x"),
    ] {
        assert_refused(&browser.open(&client.authorize_url(&[bad])).await, 400);
    }
    assert_eq!(site.connections(), 0);
    browser.ask(&client.authorize_url(&[])).await;
    // From now on the client is known, and is told of its mistakes as every other.
    let answer = browser.open(&client.authorize_url(&[("code_challenge", "")])).await;
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!(client.answered(answer.header("location").unwrap())["error"], "invalid_request");
}

#[tokio::test]
async fn a_redirect_uri_must_stand_in_the_document() {
    let (site, world) = local().await;
    let client = client(&world, &site.document(&json!({})));
    for other in ["http://127.0.0.1:1/other", "http://localhost:1/callback", "https://client.example/cb"] {
        let page =
            Browser::at(&world.app, LOCAL).open(&client.authorize_url(&[("redirect_uri", other)])).await;
        assert_refused(&page, 400);
    }
}

#[tokio::test]
async fn a_host_that_the_operator_denies_is_not_asked() {
    let site = Site::start().await;
    let pattern = |text: &str| vec![HostPattern::parse(text).unwrap()];
    for allows in [true, false] {
        let world = World::local(site.web(), |documents| {
            if allows {
                documents.hosts.allow = pattern("claude.ai");
            } else {
                documents.hosts.deny = pattern("localhost");
            }
        })
        .await;
        let url = site.document(&json!({}));
        assert_refused(&page(&world, &url).await, 403);
        assert_eq!(client(&world, &url).refresh("x").await.error(), (401, "invalid_client".to_owned()));
    }
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn the_same_origin_rule_is_the_operators_choice() {
    let site = Site::start().await;
    let sister = json!({ "redirect_uris": ["http://127.0.0.1/callback", "https://sister.example/cb"] });
    for (same_origin, status) in [(false, 200), (true, 400)] {
        let world = World::local(site.web(), |documents| documents.same_origin = same_origin).await;
        assert_eq!(page(&world, &site.document(&sister)).await.status, status);
    }
}

#[tokio::test]
async fn loopback_is_for_development_alone() {
    let site = Site::start().await;
    let world = World::local(site.web(), |documents| documents.loopback = false).await;
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        assert_refused(&page(&world, &format!("https://{host}:{}/c", site.port)).await, 403);
    }
    assert_eq!(site.connections(), 0);
    let mut documents = ClientDocuments::in_mode(DocumentMode::On);
    documents.loopback = true;
    let problems = Coatroom::builder("https://gate.example").client_documents(documents).build().unwrap_err();
    assert!(problems.to_string().contains("loopback"), "{problems}");
}

/// A name service that says what the test says.
#[derive(Debug)]
struct Says(Vec<IpAddr>);

#[async_trait]
impl Resolve for Says {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_followed_even_if_it_also_leads_outside() {
    let site = Site::start().await;
    for addresses in [
        &["127.0.0.1"][..],
        &["1.1.1.1", "127.0.0.1"],
        &["127.0.0.1", "1.1.1.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
    ] {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        // Even where documents may lie on loopback, a name of the internet may not lead there.
        let web = site.web().with_resolver(Arc::new(Says(addresses)));
        let world = World::local(web, |_| ()).await;
        let url = format!("https://client.example:{}/c", site.port);
        let page = page(&world, &url).await;
        assert_refused(&page, 400);
        assert!(page.body.contains("client.example did not answer"), "{page:?}");
    }
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn the_server_fetches_nothing_from_itself() {
    let (_, world) = local().await;
    for own in ["https://localhost/register", "https://localhost:443/register"] {
        assert_refused(&page(&world, own).await, 403);
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_not_trusted() {
    let (site, other) = (Site::start().await, Site::start().await);
    let world = World::local(other.web(), |_| ()).await;
    assert_refused(&page(&world, &site.document(&json!({}))).await, 400);
    assert!(site.requests("/c").is_empty());
}

#[tokio::test]
async fn an_address_has_twenty_documents_fetched_a_minute() {
    let site = Site::start().await;
    let world = World::local(site.web(), |_| ()).await;
    let app = world.app.clone().layer(axum::Extension(ClientAddress("192.0.2.1".parse().unwrap())));
    site.document(&json!({}));
    let known = site.url("/c");
    assert_eq!(page(&world, &known).await.status, 200);
    for number in 0..21 {
        let url = site.url(&format!("/other-{number}"));
        let client = Client { app: app.clone(), ..client(&world, &url) };
        let page = Browser::at(&app, LOCAL).open(&client.authorize_url(&[])).await;
        assert_refused(&page, if number < 20 { 400 } else { 429 });
    }
    let client = Client { app: app.clone(), ..client(&world, &known) };
    assert_eq!(
        Browser::at(&app, LOCAL).open(&client.authorize_url(&[])).await.status,
        200,
        "a known one is served"
    );
    assert_eq!(Rate::per_minute(20), coatroom::settings::Rates::default().client_documents.unwrap());
}

#[tokio::test]
async fn one_host_and_all_together_have_budgets() {
    let (site, world) = local().await;
    let mut refused = 0;
    for number in 0..70 {
        let page = page(&world, &site.url(&format!("/other-{number}"))).await;
        refused += usize::from(page.status == 429);
    }
    assert_eq!(refused, 10);
    assert_eq!(site.connections(), 60);
}

#[tokio::test]
async fn a_blocked_client_is_refused_everywhere_and_not_fetched() {
    let (site, world) = local().await;
    let url =
        site.document(&json!({ "redirect_uris": ["http://127.0.0.1/callback", "https://bad.example/cb"] }));
    let client = client(&world, &url);
    let tokens = world.sign_in_local(&client, "alice").await;
    assert_eq!(world.status(&tokens.access).await, 200);
    let by_id = Block::client(&coatroom::protocol::words::ClientId::new(&url));
    for block in
        [by_id, Block::RedirectHost("bad.example".to_owned()), Block::RedirectHost("127.0.0.1".to_owned())]
    {
        block.add(&world.store).await.unwrap();
        let replica = world.local_replica();
        replica.advance(7200);
        let fetched = site.requests("/c").len();
        assert_eq!(client.at(&replica.app).refresh(&tokens.refresh).await.error().0, 401, "{block}");
        assert_refused(&page(&replica, &url).await, 403);
        if matches!(block, Block::Client(_)) {
            assert_eq!(site.requests("/c").len(), fetched, "{block}");
        }
        block.remove(&world.store).await.unwrap();
    }
    assert_eq!(client.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn the_metadata_says_that_documents_are_taken_exactly_when_they_are() {
    let site = Site::start().await;
    let metadata = async |world: &World| get(&world.app, "/.well-known/oauth-authorization-server").await;
    let on = metadata(&World::local(site.web(), |_| ()).await).await;
    assert_eq!(on.json()["client_id_metadata_document_supported"], true);
    assert!(
        on.json()["token_endpoint_auth_methods_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("private_key_jwt"))
    );
    let algorithms = on.json()["token_endpoint_auth_signing_alg_values_supported"].to_string();
    assert!(algorithms.contains("RS256") && !algorithms.contains("none") && !algorithms.contains("HS"));
    let world = World::local(site.web(), |documents| documents.mode = DocumentMode::Off).await;
    let off = metadata(&world).await;
    for absent in
        ["client_id_metadata_document_supported", "token_endpoint_auth_signing_alg_values_supported"]
    {
        assert!(off.json().get(absent).is_none(), "{absent}");
    }
    let url = site.document(&json!({}));
    assert_refused(&page(&world, &url).await, 400);
    assert_eq!(client(&world, &url).refresh("x").await.error(), (401, "invalid_client".to_owned()));
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn documents_are_taken_as_soon_as_the_network_lets_us_out() {
    let site = Site::start().await;
    let url = site.document(&json!({}));
    let held = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let probe = held.local_addr().unwrap();
    drop(held);
    let world = World::local(site.web(), |documents| {
        documents.mode = DocumentMode::Auto;
        documents.probes = vec![format!("localhost:{}", probe.port())];
    })
    .await;
    let metadata = async || get(&world.app, "/.well-known/openid-configuration").await;
    let before = metadata().await;
    assert!(before.json().get("client_id_metadata_document_supported").is_none(), "{before:?}");
    assert_refused(&page(&world, &url).await, 400);
    assert_eq!(site.connections(), 0);
    let _listening = tokio::net::TcpListener::bind(probe).await.unwrap();
    let changed = async {
        loop {
            let now = metadata().await;
            if now.header("etag") != before.header("etag") {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let after = tokio::time::timeout(Duration::from_secs(20), changed).await.unwrap();
    assert_eq!(after.json()["client_id_metadata_document_supported"], true);
    assert_eq!(page(&world, &url).await.status, 200);
}
