//! Clients that are described by a document at the URL that is their id, against the built program: the document lies on a
//! real https server on this machine, whose certificate authority the program knows by `SSL_CERT_FILE`.

use std::time::{Duration, Instant};

use coatroom_e2e::document_site::{DocumentSite, Reply, Signer};
use coatroom_e2e::oauth::http;
use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp};
use coatroom_e2e::{Browser, Era, FormBrowser, Gateway, Mcp, OAuthClient, TokenAnswer, Tokens, tools};
use serde_json::{Value, json};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A program that takes documents from this machine, and everything around it.
struct Setting {
    site: DocumentSite,
    gateway: Gateway,
    _github: GitHub,
    _echo: EchoServer,
}

impl Setting {
    async fn new() -> Self {
        Self::with("enabled = \"on\"\nloopback = true\n").await
    }

    async fn with(documents: &str) -> Self {
        let (site, github, echo) =
            (DocumentSite::start().await, GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
        let port = tools::free_port();
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\n\
             store = \"sqlite:{{data}}/coatroom.db\"\nkeys_file = \"{{data}}/keys.toml\"\n\n{}\n\
             [servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\nprovider = \"github\"\n\n\
             [client_documents]\n{documents}",
            github.configuration(),
            echo.url
        );
        let authority = site.authority_file().display().to_string();
        let environment = [("SSL_CERT_FILE", authority.as_str()), ("COATROOM_CLIENT_DOCUMENTS_ENABLED", "")];
        let gateway = Gateway::serve_with(port, &configuration, &environment).await;
        Self { site, gateway, _github: github, _echo: echo }
    }

    async fn client(&self, id: &str) -> OAuthClient {
        OAuthClient::described_at(&self.gateway.mcp_url(), id).await
    }

    async fn metadata(&self) -> Value {
        let url = format!("{}/.well-known/oauth-authorization-server", self.gateway.origin());
        http().get(url).send().await.unwrap().json().await.unwrap()
    }
}

/// Signs in through GitHub's page; the code, and the link that began it.
async fn code(client: &OAuthClient) -> (String, coatroom_e2e::oauth::Pending) {
    let pending = client.start(None);
    FormBrowser::new().approve(&pending.url, "Alice").await;
    let callback = client.callback(&pending).await;
    (callback.get("code").unwrap().to_owned(), pending)
}

async fn sign_in(client: &OAuthClient) -> Tokens {
    let (code, pending) = code(client).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", &pending.verifier),
        ("client_id", client.id()),
    ];
    client.token(&form).await.tokens()
}

/// Sends a token request that the client signs.
async fn signed(client: &OAuthClient, signer: &Signer, form: &[(&str, &str)]) -> TokenAnswer {
    let assertion = signer.assertion(client.id(), client.server["issuer"].as_str().unwrap());
    let mut form = form.to_vec();
    form.extend([("client_assertion", assertion.as_str()), ("client_assertion_type", ASSERTION_TYPE)]);
    client.token(&form).await
}

fn invalid_client(answer: &TokenAnswer) {
    assert_eq!((answer.status.as_u16(), answer.error()), (401, "invalid_client"), "{}", answer.body);
}

#[tokio::test]
async fn a_described_client_goes_the_whole_way() {
    let it = Setting::new().await;
    assert_eq!(it.metadata().await["client_id_metadata_document_supported"], true);
    let client = it.client(&it.site.document("/c", json!({}))).await;
    let page = FormBrowser::new().open(&client.start(None).url).await;
    assert!(
        page.html.contains(&format!(r#"id="document">{}<"#, &it.site.origin["https://".len()..])),
        "{}",
        page.html
    );
    let tokens = sign_in(&client).await;
    Mcp::connect(&it.gateway.mcp_url(), Era::Modern, &tokens.access).await;
    let next = client.refresh(&tokens.refresh).await.tokens();
    assert_eq!(client.revoke(&next.refresh).await.status, 200);
    assert_eq!(client.refresh(&next.refresh).await.error(), "invalid_grant");
    let requests = it.site.requests("/c");
    assert_eq!(requests.len(), 1, "one fetch for all of it");
    let request = requests[0].to_ascii_lowercase();
    for absent in ["cookie:", "authorization:", "referer:"] {
        assert!(!request.contains(absent), "{request}");
    }
}

#[tokio::test]
async fn a_client_that_signs_goes_the_whole_way_and_changes_its_keys() {
    let it = Setting::new().await;
    let (old, new, stranger) = (Signer::new("k1"), Signer::new("k2"), Signer::new("k1"));
    it.site.put("/keys", Reply::json(&old.jwks()));
    let members =
        json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": it.site.url("/keys") });
    let client = it.client(&it.site.document("/signs", members)).await;
    let (code, pending) = code(&client).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", pending.verifier.as_str()),
    ];
    let public: Vec<_> = form.iter().copied().chain([("client_id", client.id())]).collect();
    invalid_client(&client.token(&public).await);
    invalid_client(&signed(&client, &stranger, &form).await);
    let tokens = signed(&client, &old, &form).await.tokens();
    let refresh =
        |token: &str| [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned())];
    let send = async |signer: &Signer, token: &str| {
        let form = refresh(token);
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        signed(&client, signer, &form).await
    };
    invalid_client(&client.refresh(&tokens.refresh).await);
    let tokens = send(&old, &tokens.refresh).await.tokens();
    it.site.put("/keys", Reply::json(&new.jwks()));
    // A new key is looked for twice a minute at the most.
    tokio::time::sleep(Duration::from_secs(31)).await;
    let tokens = send(&new, &tokens.refresh).await.tokens();
    invalid_client(&send(&old, &tokens.refresh).await);
    assert_eq!(it.site.requests("/keys").len(), 2);
    // One assertion, sixteen times at once.
    let assertion = new.assertion(client.id(), client.server["token_endpoint"].as_str().unwrap());
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh.as_str()),
        ("client_assertion", assertion.as_str()),
        ("client_assertion_type", ASSERTION_TYPE),
    ];
    let all = futures_util::future::join_all((0..16).map(|_| client.token(&form))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
    all.iter().filter(|answer| answer.status != 200).for_each(invalid_client);
}

#[tokio::test]
async fn a_document_that_is_not_good_stops_on_a_page() {
    let it = Setting::new().await;
    let page = async |id: &str| {
        let client = it.client(id).await;
        let answer = http().get(&client.start(None).url).send().await.unwrap();
        let (status, location) = (answer.status().as_u16(), answer.headers().contains_key("location"));
        let html = answer.text().await.unwrap();
        assert!(!location && html.contains("What to do now"), "{html}");
        (status, html)
    };
    it.site.put("/target", Reply::json(&json!({})));
    it.site.put("/redirects", Reply::redirect(&it.site.url("/target")));
    assert_eq!(page(&it.site.url("/redirects")).await.0, 400);
    assert!(it.site.requests("/target").is_empty(), "a redirect is not followed");
    it.site.put("/endless", Reply::Endless);
    assert_eq!(page(&it.site.url("/endless")).await.0, 400);
    assert!(it.site.sent() < 8 * 1024 * 1024, "{} bytes were taken", it.site.sent());
    it.site.put("/slow", Reply::Slow);
    let started = Instant::now();
    assert_eq!(page(&it.site.url("/slow")).await.0, 400);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    it.site.put("/other", Reply::json(&json!({ "client_id": "canary-7f3a" })));
    let (status, html) = page(&it.site.url("/other")).await;
    assert!(status == 400 && !html.contains("canary-7f3a"), "{html}");
    let connections = it.site.connections();
    for inside in [
        "https://10.0.0.1/c",
        "https://169.254.169.254/c",
        "https://[::ffff:10.0.0.1]/c",
        "http://localhost/c",
    ] {
        assert_eq!(page(inside).await.0, 400, "{inside}");
    }
    assert_eq!(it.site.connections(), connections);
}

#[tokio::test]
async fn thirty_two_people_at_once_cause_one_fetch() {
    let it = Setting::new().await;
    let client = it.client(&it.site.document("/c", json!({}))).await;
    let links: Vec<String> = (0..32).map(|_| client.start(None).url).collect();
    let pages = futures_util::future::join_all(links.iter().map(|link| http().get(link).send())).await;
    assert!(pages.into_iter().all(|page| page.unwrap().status() == 200));
    assert_eq!(it.site.requests("/c").len(), 1);
}

#[tokio::test]
async fn a_session_outlives_its_documents_host_and_a_restart() {
    let mut it = Setting::new().await;
    let client = it.client(&it.site.document("/c", json!({}))).await;
    let tokens = sign_in(&client).await;
    it.site.set_down(true);
    let tokens = client.refresh(&tokens.refresh).await.tokens();
    it.gateway.restart().await;
    let tokens = client.refresh(&tokens.refresh).await.tokens();
    Mcp::connect(&it.gateway.mcp_url(), Era::Legacy, &tokens.access).await;
    let page = http().get(&client.start(None).url).send().await.unwrap();
    assert_eq!(page.status(), 400, "nothing new is agreed to meanwhile");
    it.site.set_down(false);
    assert_eq!(http().get(&client.start(None).url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_denied_host_is_never_asked() {
    let it = Setting::with("enabled = \"on\"\nloopback = true\ndeny = [\"localhost\"]\n").await;
    let client = it.client(&it.site.document("/c", json!({}))).await;
    assert_eq!(http().get(&client.start(None).url).send().await.unwrap().status(), 403);
    invalid_client(&client.refresh("x").await);
    assert_eq!(it.site.connections(), 0);
}

#[tokio::test]
async fn without_a_way_out_documents_are_not_promised_and_not_taken() {
    // Nobody listens at this port.
    let it = Setting::with("enabled = \"auto\"\nloopback = true\nprobes = [\"localhost:9\"]\n").await;
    assert!(it.metadata().await.get("client_id_metadata_document_supported").is_none());
    let client = it.client(&it.site.document("/c", json!({}))).await;
    assert_eq!(http().get(&client.start(None).url).send().await.unwrap().status(), 400);
    invalid_client(&client.refresh("x").await);
    assert_eq!(it.site.connections(), 0);
}

#[tokio::test]
async fn a_blocked_described_client_is_refused_and_not_fetched() {
    let mut it = Setting::new().await;
    let client = it.client(&it.site.document("/c", json!({}))).await;
    let tokens = sign_in(&client).await;
    it.gateway.command(&["block", "client", client.id()]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    invalid_client(&client.refresh(&tokens.refresh).await);
    it.gateway.restart().await;
    let fetched = it.site.connections();
    assert_eq!(http().get(&client.start(None).url).send().await.unwrap().status(), 403);
    assert_eq!(it.site.connections(), fetched);
}

/// The page as Chromium shows it, with a logo from our own address and nothing from anywhere else.
#[tokio::test]
async fn the_consent_page_of_a_described_client_shows_in_chromium() {
    let it = Setting::new().await;
    let png = include_bytes!("logo.png").to_vec();
    it.site
        .put("/logo.png", Reply::Whole(200, vec![("content-type".to_owned(), "image/png".to_owned())], png));
    let members = json!({ "logo_uri": it.site.url("/logo.png"), "client_name": "Described client" });
    let client = it.client(&it.site.document("/oauth/client.json", members)).await;
    let browser = Browser::start().await;
    let person = browser.profile().await;
    person.open(&client.start(None).url).await;
    person.wait_for("Described by the website").await;
    let width = person.evaluate("String(document.querySelector('.avatar img').naturalWidth)").await;
    assert_eq!(width, "2", "the logo is loaded");
    let foreign = "[...document.querySelectorAll('[src],[href]')].filter(e => !new URL(e.src || e.href).origin.startsWith(location.origin) && !(e.href || '').startsWith('data:')).length";
    assert_eq!(person.evaluate(&format!("String({foreign})")).await, "0");
    assert!(person.text().await.contains("cannot make sure that it is this app"));
    browser.close().await;
}
