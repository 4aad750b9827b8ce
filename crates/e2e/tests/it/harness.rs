//! The helpers themselves: a test that leans on a broken helper proves nothing.

use coatroom_e2e::stdio::text;
use coatroom_e2e::upstream::{Crowd, EchoServer, GitHub, GitHubApi, GitHubApp, OidcProvider, github, oidc};
use coatroom_e2e::{Browser, Era, FormBrowser, Gateway, Mcp, OAuthClient, StdioServer, oauth, tools};
use serde_json::{Value, json};
use url::Url;

/// Opens an authorization link, signs in as `account`, and gives the query with which the browser came back.
async fn come_back(authorize: &str, account: &str, callback: &str) -> Vec<(String, String)> {
    let browser = FormBrowser::new();
    let page = browser.open(authorize).await;
    let form = page.form(account);
    let mut page = browser.send_only(&page, form).await;
    loop {
        let next = page.leads_to().unwrap_or_else(|| panic!("ended at {}: {}", page.url, page.html));
        if next.as_str().starts_with(callback) {
            return next.query_pairs().into_owned().collect();
        }
        page = browser.open_only(next.as_str()).await;
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn two_profiles_of_one_browser_share_no_cookies() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let browser = Browser::start().await;
    let (alice, bob) = (browser.profile().await, browser.profile().await);
    for profile in [&alice, &bob] {
        profile.open(&format!("{}/login/oauth/authorize", github.origin)).await;
    }
    alice.evaluate("document.cookie = 'who=alice'").await;
    assert_eq!(alice.evaluate("document.cookie").await, "who=alice");
    assert_eq!(bob.evaluate("document.cookie").await, "");
    browser.close().await;
}

#[tokio::test]
async fn a_profile_clicks_a_button_by_its_name() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let page = format!("{}/login/oauth/authorize", github.origin);
    let browser = Browser::start().await;
    let bob = browser.profile().await;
    bob.open(&format!("{page}?client_id={}&redirect_uri={page}&state=s", github::CLIENT_ID)).await;
    bob.wait_for("Bob").await;
    assert!(bob.screenshot().await.starts_with(b"\x89PNG"));
    bob.click("Bob").await;
    bob.wait_for_address("code=").await;
    browser.close().await;
}

#[tokio::test]
async fn the_github_shaped_server_has_githubs_habits() {
    let github = GitHub::start(GitHubApp::Expiring(28_800)).await;
    let callback = "http://127.0.0.1:1/callback";
    let authorize = format!(
        "{}/login/oauth/authorize?client_id={}&redirect_uri={callback}&state=s&scope=repo",
        github.origin,
        github::CLIENT_ID
    );
    let answer = come_back(&authorize, "Alice", callback).await;
    assert_eq!(value(&answer, "state"), "s");
    assert_eq!(value(&answer, "iss"), "");

    let token_url = format!("{}/login/oauth/access_token", github.origin);
    let form = [
        ("client_id", github::CLIENT_ID),
        ("client_secret", github::CLIENT_SECRET),
        ("code", value(&answer, "code")),
        ("redirect_uri", callback),
    ];
    let first = oauth::http().post(&token_url).form(&form).send().await.unwrap();
    let said = first.text().await.unwrap();
    assert!(said.starts_with("access_token=gho_"), "form-encoded unless JSON is asked for: {said}");

    let again =
        oauth::http().post(&token_url).header("accept", "application/json").form(&form).send().await.unwrap();
    assert_eq!(again.status(), 200, "errors come with status 200");
    assert_eq!(again.json::<Value>().await.unwrap(), json!({"error": "bad_verification_code"}));

    let token = said.split(['=', '&']).nth(1).unwrap();
    let api = format!("{}/api/v3/user", github.origin);
    let nameless = oauth::http().get(&api).bearer_auth(token).send().await.unwrap();
    assert_eq!(nameless.status(), 403, "the API wants a User-Agent");
    let profile = oauth::http().get(&api).bearer_auth(token).header("user-agent", "x").send().await.unwrap();
    let profile: Value = profile.json().await.unwrap();
    assert!(profile["id"].is_u64() && profile["email"].is_null());
    assert_eq!(github.owner_of(token).as_deref(), Some("alice"));
}

#[tokio::test]
async fn the_openid_provider_signs_in_and_refreshes() {
    let callback = "http://127.0.0.1:1/callback";
    let provider = OidcProvider::start(callback, 60).await;
    let metadata = format!("{}/.well-known/openid-configuration", provider.issuer);
    let metadata: Value = oauth::http().get(metadata).send().await.unwrap().json().await.unwrap();
    let verifier = oauth::random();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    let challenge =
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest.as_ref());
    let mut authorize = Url::parse(metadata["authorization_endpoint"].as_str().unwrap()).unwrap();
    authorize.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", oidc::CLIENT_ID),
        ("redirect_uri", callback),
        ("scope", "openid email offline_access"),
        ("state", "s"),
        ("nonce", "n"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("prompt", "consent"),
    ]);
    let answer = come_back(authorize.as_str(), "Bob", callback).await;
    assert_eq!(value(&answer, "iss"), provider.issuer);

    let token_url = metadata["token_endpoint"].as_str().unwrap();
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", value(&answer, "code")),
        ("redirect_uri", callback),
        ("code_verifier", &verifier),
    ];
    let post = async |form: &[(&str, &str)]| -> Value {
        let request =
            oauth::http().post(token_url).basic_auth(oidc::CLIENT_ID, Some(oidc::CLIENT_SECRET)).form(form);
        request.send().await.unwrap().json().await.unwrap()
    };
    let tokens = post(&redeem).await;
    assert!(tokens["id_token"].is_string(), "{tokens}");
    let refresh = tokens["refresh_token"].as_str().expect("a refresh token");
    let renewed = post(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert!(
        renewed["access_token"].is_string() && renewed["refresh_token"] != tokens["refresh_token"],
        "{renewed}"
    );
}

#[tokio::test]
async fn the_echo_server_tells_what_reached_it_in_both_eras() {
    let echo = EchoServer::start().await;
    for era in [Era::Legacy, Era::Modern] {
        let mcp = Mcp::connect(&echo.url, era, "secret").await;
        assert!(mcp.call("headers", json!({})).await.text().contains("Bearer secret"));
    }
    assert_eq!(echo.arrived().len(), 4);
}

#[tokio::test]
async fn the_api_of_github_answers_each_person_under_its_own_name() {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let api = GitHubApi::start(&github).await;
    let callback = "http://127.0.0.1:1/callback";
    let node = tools::folder().join("bin/node");
    let server = tools::folder().join("node/node_modules/@modelcontextprotocol/server-github/dist/index.js");
    let (hosts, authority) = (api.hosts().display().to_string(), api.authority().display().to_string());
    let (node, server) = (node.display().to_string(), server.display().to_string());
    let mount = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let command = ["unshare", "--mount", "sh", "-c", mount, &hosts, &node, &server];
    for (account, own) in [("Alice", "diary"), ("Bob", "invoices")] {
        let authorize = format!(
            "{}/login/oauth/authorize?client_id={}&redirect_uri={callback}&state=s",
            github.origin,
            github::CLIENT_ID
        );
        let code = come_back(&authorize, account, callback).await;
        let form = [
            ("client_id", github::CLIENT_ID),
            ("client_secret", github::CLIENT_SECRET),
            ("code", value(&code, "code")),
            ("redirect_uri", callback),
        ];
        let answer = oauth::http().post(format!("{}/login/oauth/access_token", github.origin)).form(&form);
        let answer = answer.send().await.unwrap().text().await.unwrap();
        let token = answer.split(['=', '&']).nth(1).unwrap();
        let variables = [("GITHUB_PERSONAL_ACCESS_TOKEN", token), ("NODE_EXTRA_CA_CERTS", &authority)];
        let mut server = StdioServer::start(&command, &variables);
        server.shake_hands("2025-06-18", json!({})).await;
        let found = text(&server.call("search_repositories", json!({"query": "user:alice"})).await);
        assert_eq!((found.contains("garden-planner"), found.contains("diary")), (true, own == "diary"));
        for (owner, repo) in [("alice", "diary"), ("bob", "invoices")] {
            let file = json!({"owner": owner, "repo": repo, "path": "README.md"});
            let answer = server.call("get_file_contents", file).await.to_string();
            assert_eq!(answer.contains(&format!("{repo} of ")), repo == own, "{answer}");
        }
    }
}

#[tokio::test]
async fn everybody_in_the_crowd_has_tokens_of_their_own() {
    let crowd = Crowd::start(12, Some(60)).await;
    let port = tools::free_port();
    let echo = EchoServer::start().await;
    let configuration = format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"memory:\"\n{}\n\
         [servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\nprovider = \"crowd\"\n\
         headers = {{ X-Token = \"{{crowd.access_token}}\" }}\n",
        crowd.configuration(),
        echo.url
    );
    let gateway = Gateway::serve_at(port, &configuration).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    for number in [0, 1, 11] {
        let tokens = client.sign_in(&Crowd::name(number)).await;
        let mcp = Mcp::connect(&gateway.mcp_url(), Era::Modern, &tokens.access).await;
        let headers: Value = serde_json::from_str(&mcp.call("headers", json!({})).await.text()).unwrap();
        assert_eq!(crowd.owner_of(headers["x-token"].as_str().unwrap()), Some(Crowd::name(number)));
    }
}
