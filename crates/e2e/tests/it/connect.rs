//! A user who signed in at one provider connects a second one, from inside a call.

use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp, OidcProvider};
use coatroom_e2e::{Answer, FormBrowser, Gateway, Mcp, OAuthClient, Page, Tokens, tools};
use serde_json::{Value, json};

/// A server that wants two accounts of its users: the one with which they sign in, and one more.
struct Scene {
    gateway: Gateway,
    echo: EchoServer,
    /// Where they sign in.
    github: GitHub,
    /// Where they have the other account.
    slack: GitHub,
}

impl Scene {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With more lines for the server's section.
    async fn with(more: &str) -> Self {
        let (github, slack) = (GitHub::start(GitHubApp::OAuth).await, GitHub::start(GitHubApp::OAuth).await);
        let echo = EchoServer::start().await;
        let port = tools::free_port();
        let providers =
            format!("{}{}label = \"Slack\"\n", github.configuration(), slack.configuration_as("slack"));
        let gateway = Gateway::serve_at(port, &configuration(port, &echo, &providers, more)).await;
        Self { gateway, echo, github, slack }
    }

    /// A client that `account` has signed in to, and the browser in which they did.
    async fn signed_in(&self, account: &str) -> (OAuthClient, FormBrowser, Tokens) {
        let client = OAuthClient::connect(&self.gateway.mcp_url()).await;
        let (person, pending) = (FormBrowser::new(), client.start(None));
        person.approve(&pending.url, account).await;
        let callback = client.callback(&pending).await;
        let tokens = client.redeem(&pending, &callback).await.tokens();
        (client, person, tokens)
    }

    async fn client(&self, version: &'static str, token: &str, capabilities: Value) -> Mcp {
        Mcp::connect_as(&self.gateway.mcp_url(), version, token, capabilities).await
    }

    /// What the server got with its last call of a tool.
    fn last_call(&self) -> Value {
        let arrived = self.echo.arrived();
        arrived
            .into_iter()
            .rfind(|request| request["message"]["method"] == "tools/call")
            .expect("no call arrived")
    }
}

fn configuration(port: u16, echo: &EchoServer, providers: &str, more: &str) -> String {
    format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
         keys_file = \"{{data}}/keys.toml\"\n\n{providers}\n[servers.echo]\ntitle = \"Team tools\"\npath = \"/mcp\"\nupstream = \"{}\"\n\
         provider = \"github\"\nheaders = {{ Authorization = \"Bearer {{github.access_token}}\", X-Slack = \"{{slack.access_token}}\" }}\n{more}\n",
        echo.url
    )
}

fn url_mode() -> Value {
    json!({"elicitation": {"url": {}}})
}

/// The link of an answer that asks for input.
fn asked(answer: &Answer) -> (String, String) {
    let result = &answer.body["result"];
    assert_eq!(result["resultType"], "input_required", "{}", answer.body);
    let link = result["inputRequests"]["connect_slack"]["params"]["url"].as_str().expect("a link");
    (link.to_owned(), result["requestState"].as_str().expect("a state").to_owned())
}

fn again(state: &str, action: &str) -> Value {
    json!({
        "name": "headers", "arguments": {}, "requestState": state,
        "inputResponses": {"connect_slack": {"action": action}},
    })
}

/// Goes from a link to the end, as `account` of the other provider.
async fn connect(person: &FormBrowser, link: &str, account: &str) -> Page {
    let page = person.open(link).await;
    assert_eq!(page.status, 200, "{}", page.html);
    let provider = person.press(&page, "Continue to Slack").await;
    person.press(&provider, account).await
}

// EL-01, EL-03, EL-09, MR-01: a client of 2026-07-28 that opens links.
#[tokio::test]
async fn a_modern_client_calls_again_after_its_user_connected_the_account() {
    let scene = Scene::new().await;
    let (client, person, tokens) = scene.signed_in("Alice").await;
    let mcp = scene.client("2026-07-28", &tokens.access, url_mode()).await;
    assert_eq!(mcp.request("tools/list", json!({})).await.status, 200, "a list needs no account");
    let before = scene.echo.arrived().len();
    let (link, state) = asked(&mcp.call("headers", json!({})).await);
    let (_, state_again) = asked(&mcp.request("tools/call", again(&state, "accept")).await);
    assert_eq!(scene.echo.arrived().len(), before, "the server is not called");
    let done = connect(&person, &link, "Alice").await;
    assert!(done.text().contains("Slack is connected"), "{}", done.text());

    let answer = mcp.request("tools/call", again(&state_again, "accept")).await;
    let headers: Value = serde_json::from_str(&answer.text()).unwrap();
    let slack = headers["x-slack"].as_str().unwrap();
    assert_eq!(scene.slack.owner_of(slack).as_deref(), Some("alice"));
    let github = headers["authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap();
    assert_eq!(scene.github.owner_of(github).as_deref(), Some("alice"));
    let params = &scene.last_call()["message"]["params"];
    assert_eq!(params.get("requestState").or(params.get("inputResponses")), None, "{params}");

    let (log, disk) = (scene.gateway.log(), scene.gateway.bytes_on_disk());
    let issued = [scene.slack.secrets(), scene.github.secrets(), client.secrets()].concat();
    for secret in issued {
        assert!(!log.contains(&secret), "a secret is in the log");
        assert!(!disk.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "a secret is on disk");
    }
}

// EL-01, EL-02: the other clients.
#[tokio::test]
async fn each_client_hears_of_it_in_its_own_way() {
    let scene = Scene::new().await;
    let (_, person, tokens) = scene.signed_in("Alice").await;
    let mut link = String::new();
    for (version, capabilities) in [
        ("2026-07-28", json!({})),
        ("2026-07-28", json!({"elicitation": {}})),
        ("2025-11-25", json!({"elicitation": {}})),
        ("2025-06-18", url_mode()),
        ("2025-06-18", json!({})),
    ] {
        let answer = scene
            .client(version, &tokens.access, capabilities.clone())
            .await
            .call("headers", json!({}))
            .await;
        assert_eq!(answer.body["result"]["isError"], true, "{version} {capabilities}: {}", answer.body);
        let text = answer.text();
        link = text.rsplit(' ').next().unwrap().to_owned();
        assert!(link.starts_with(&format!("{}/connect/", scene.gateway.origin())), "{text}");
        assert!(!answer.body.to_string().contains("inputRequests"), "{}", answer.body);
    }
    let mcp = scene.client("2025-11-25", &tokens.access, url_mode()).await;
    assert!(mcp.session().is_some(), "it remembers what the client declared");
    let answer = mcp.call("headers", json!({})).await;
    assert_eq!(answer.body["error"]["code"], -32042, "{}", answer.body);
    let elicitation = &answer.body["error"]["data"]["elicitations"][0];
    assert_eq!((&elicitation["mode"], elicitation["elicitationId"].is_string()), (&json!("url"), true));
    let answer = mcp.call("headers", json!({})).await;
    assert_eq!(answer.body["error"]["code"], -32042, "again, as nothing was connected (EL-03)");

    connect(&person, &link, "Bob").await;
    let headers: Value = serde_json::from_str(&mcp.call("headers", json!({})).await.text()).unwrap();
    let owner = scene.slack.owner_of(headers["x-slack"].as_str().unwrap());
    assert_eq!(owner.as_deref(), Some("bob"), "Alice's own choice of an account there");
    assert!(headers.get("mcp-session-id").is_none(), "a session that the server has not is not told to it");
}

// EL-06, EL-07, EL-08: links that were passed on, edited, or used before.
#[tokio::test]
async fn a_link_serves_its_user_once_and_nobody_else() {
    let scene = Scene::new().await;
    let (_, alices, alice) = scene.signed_in("Alice").await;
    let (_, bobs, bob) = scene.signed_in("Bob").await;
    let mcp = scene.client("2026-07-28", &alice.access, url_mode()).await;
    let (link, _) = asked(&mcp.call("headers", json!({})).await);

    let refused = bobs.open(&link).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.url.as_str(), link, "he is sent nowhere");
    assert!(refused.text().contains("This link is for somebody else"), "{}", refused.text());
    assert!(!refused.text().contains("A strict client"), "nor told whose it is");
    let stranger = FormBrowser::new();
    let page = stranger.open(&link).await;
    assert!(page.text().contains("Sign in first"), "{}", page.text());
    let provider = stranger.press(&page, "Sign in with GitHub").await;
    let back = stranger.press(&provider, "Bob").await;
    assert_eq!(
        (back.status.as_u16(), back.url.as_str()),
        (403, link.as_str()),
        "signing in as Bob does not help"
    );
    let edited = link.replace(&link[link.len() - 6..], "AAAAAA");
    assert_eq!(alices.open(&edited).await.status, 400);

    let elsewhere = FormBrowser::new();
    let page = elsewhere.open(&link).await;
    let provider = elsewhere.press(&page, "Sign in with GitHub").await;
    let page = elsewhere.press(&provider, "Alice").await;
    assert!(page.text().contains("Connect your Slack account?"), "{}", page.text());
    let provider = elsewhere.press(&page, "Continue to Slack").await;
    let callback =
        elsewhere.send_only(&provider, provider.form("Alice")).await.leads_to().expect("the way back");
    assert_eq!(bobs.open(callback.as_str()).await.status.as_u16() / 100, 4, "another browser");
    let done = elsewhere.open(callback.as_str()).await;
    assert!(done.text().contains("Slack is connected"), "{}", done.text());
    assert_eq!(elsewhere.open(callback.as_str()).await.status, 400, "once");
    assert!(alices.open(&link).await.text().contains("Slack is connected"), "there is nothing left to do");

    let bobs = scene.client("2026-07-28", &bob.access, url_mode()).await;
    asked(&bobs.call("headers", json!({})).await);
    assert!(mcp.call("headers", json!({})).await.text().contains("x-slack"));
}

// EL-04: a no ends the call.
#[tokio::test]
async fn a_user_who_declines_ends_the_call() {
    let scene = Scene::new().await;
    let (_, _, tokens) = scene.signed_in("Alice").await;
    let mcp = scene.client("2026-07-28", &tokens.access, url_mode()).await;
    for no in ["decline", "cancel"] {
        let (_, state) = asked(&mcp.call("headers", json!({})).await);
        let answer = mcp.request("tools/call", again(&state, no)).await;
        assert_eq!(answer.body["result"]["isError"], true, "{}", answer.body);
        assert!(!answer.text().contains("http"), "{}", answer.text());
    }
    let forged = mcp.request("tools/call", again("coat_rs_x", "accept")).await;
    assert_eq!(
        forged.body["result"]["resultType"], "input_required",
        "not ours: a first call like any other"
    );
    let (_, state) = asked(&forged);
    let other = json!({"name": "other", "arguments": {}, "requestState": state});
    let refused = mcp.request("tools/call", other).await;
    assert_eq!((refused.status.as_u16(), &refused.body["error"]["code"]), (400, &json!(-32602)));
}

// What an operator may say about it.
#[tokio::test]
async fn only_what_is_named_must_be_connected() {
    let scene = Scene::with("connects = []").await;
    let (_, _, tokens) = scene.signed_in("Alice").await;
    let mcp = scene.client("2026-07-28", &tokens.access, url_mode()).await;
    let text = mcp.call("headers", json!({})).await.text();
    assert!(!text.contains("x-slack") && text.contains("authorization"), "the header is left out: {text}");
    let scene = Scene::with("[servers.echo.tools]\n\"slack_*\" = { connects = [\"slack\"] }").await;
    let (_, _, tokens) = scene.signed_in("Alice").await;
    let mcp = scene.client("2026-07-28", &tokens.access, url_mode()).await;
    assert!(mcp.call("headers", json!({})).await.text().contains("authorization"));
    asked(&mcp.call("slack_post", json!({})).await);
}

// EL-13: the further provider is a certified OpenID provider, with nonce, issuer and all.
#[tokio::test]
async fn a_certified_openid_provider_is_connected() {
    let port = tools::free_port();
    let github = GitHub::start(GitHubApp::OAuth).await;
    let corp = OidcProvider::start(&format!("http://localhost:{port}/callback/slack"), 3600).await;
    let echo = EchoServer::start().await;
    let providers = format!("{}{}label = \"Slack\"\n", github.configuration(), corp.configuration("slack"));
    let gateway = Gateway::serve_at(port, &configuration(port, &echo, &providers, "")).await;
    let scene = Scene { gateway, echo, slack: github.clone(), github };
    let (_, person, tokens) = scene.signed_in("Alice").await;
    let mcp = scene.client("2026-07-28", &tokens.access, url_mode()).await;
    let (link, state) = asked(&mcp.call("headers", json!({})).await);
    let done = connect(&person, &link, "Bob").await;
    assert!(done.text().contains("Slack is connected"), "{}: {}", done.url, done.text());
    let answer = mcp.request("tools/call", again(&state, "accept")).await;
    let headers: Value = serde_json::from_str(&answer.text()).unwrap();
    let userinfo = coatroom_e2e::oauth::http().get(format!("{}/me", corp.issuer));
    let userinfo = userinfo.bearer_auth(headers["x-slack"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(userinfo.json::<Value>().await.unwrap()["sub"], "bob");
}
