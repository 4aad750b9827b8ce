//! MCP servers that take the tokens of an authorization server elsewhere: the official SDKs register there, their users sign in
//! there, and Coatroom verifies what they bring.

use std::time::{Duration, Instant};

use coatroom_e2e::foreign::{Script, Transcript};
use coatroom_e2e::oauth::CALLBACK_TEXT;
use coatroom_e2e::upstream::{Canaille, EchoServer, OidcProvider};
use coatroom_e2e::{Answer, Browser, Era, FormBrowser, Gateway, Mcp, oauth, tools};
use serde_json::{Value, json};
use url::Url;

struct Scene {
    gateway: Gateway,
    echo: EchoServer,
    idp: OidcProvider,
}

impl Scene {
    /// A gateway whose file has `issuers`, in which `{issuer}` stands for the issuer, and these variables.
    async fn new(issuers: &str, variables: &[&str]) -> Self {
        let port = tools::free_port();
        let idp = OidcProvider::start_for(&format!("http://localhost:{port}/mcp")).await;
        Self::at(port, idp, issuers, variables).await
    }

    async fn at(port: u16, idp: OidcProvider, issuers: &str, variables: &[&str]) -> Self {
        let echo = EchoServer::start().await;
        let configuration = configuration(port, &echo, &issuers.replace("{issuer}", &idp.issuer));
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|name| (*name, idp.issuer.as_str())).collect();
        let gateway = Gateway::serve_with(port, &configuration, &variables).await;
        Self { gateway, echo, idp }
    }

    async fn drive(&self, script: Script, plan: &Value, account: &str) -> Transcript {
        let person = FormBrowser::new();
        let sign_in = async |url: &str| {
            let page = person.open(url).await;
            let (here, there) = (page.url.origin(), Url::parse(&self.idp.issuer).unwrap().origin());
            assert_eq!(here, there, "the person is sent to {}", page.url);
            let mut end = person.press(&page, account).await;
            if end.url.path() == "/consent" {
                end = person.press(&end, "Allow").await;
            }
            assert_eq!(end.status, 200, "{}: {}", end.url, end.html);
        };
        script.run_where(&self.gateway.mcp_url(), plan, sign_in).await
    }

    /// What the MCP server got with its last call of a tool.
    fn last_call(&self) -> Value {
        let is_call = |request: &Value| request["message"]["method"] == "tools/call";
        self.echo.arrived().into_iter().rfind(is_call).expect("no call arrived")
    }
}

/// One server behind an issuer, with two scopes.
fn configuration(port: u16, echo: &EchoServer, issuers: &str) -> String {
    format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
         {issuers}\n[servers.notes]\nupstream = \"{}\"\nheaders = {{ X-Roles = \"{{user.roles}}\", X-Name = \"{{user.name}}\" }}\n\
         [servers.notes.scopes]\n\"notes:read\" = {{ default = true }}\n\"notes:write\" = {{}}\n\
         [servers.notes.tools]\n\"create_*\" = {{ scopes = [\"notes:write\"] }}\n",
        echo.url
    )
}

const BY_HAND: &str = "[issuers.idp]\nkind = \"custom\"\nissuer = \"{issuer}\"\n";

async fn goes_the_whole_way(script: Script) {
    let scene = Scene::new(BY_HAND, &[]).await;
    let plan = json!(["list", { "call": "headers" }, "refresh", { "call": "headers" }]);
    for (account, roles) in [("Alice", "admin"), ("Bob", "reader")] {
        let transcript = scene.drive(script, &plan, account).await;
        assert_eq!(transcript.steps[2]["refreshed"], true, "{transcript:#?}");
        assert_eq!(transcript.visits, 1, "{transcript:#?}");
        let tools = transcript.steps[0]["tools"].as_array().unwrap();
        assert!(!tools.contains(&json!("create_x")), "what the token does not open is not listed: {tools:?}");
        let headers = &scene.last_call()["headers"];
        assert_eq!(headers["x-coatroom-user"], format!("idp:{}", account.to_lowercase()), "{headers}");
        assert_eq!(
            (&headers["x-roles"], &headers["x-name"]),
            (&json!(roles), &json!(format!("{account} Example")))
        );
        assert_eq!(headers["x-coatroom-scopes"], "notes:read", "{headers}");
        for request in scene.echo.arrived() {
            assert!(
                request["headers"]["authorization"].is_null(),
                "the client's token travels on: {request}"
            );
        }
        for secret in &transcript.secrets {
            assert!(!scene.gateway.log().contains(secret), "a token is in the log");
        }
    }
}

#[tokio::test]
async fn the_typescript_sdk_1_signs_in_at_a_remote_issuer() {
    goes_the_whole_way(Script::Node("ts-sdk-1.mjs")).await;
}

#[tokio::test]
async fn the_typescript_sdk_2_signs_in_at_a_remote_issuer() {
    goes_the_whole_way(Script::Node("ts-sdk-2.mjs")).await;
}

/// Where clients cannot register, an operator registers them.
#[tokio::test]
async fn a_client_that_is_registered_already_signs_in_at_an_issuer_that_registers_none() {
    let port = tools::free_port();
    let client = json!({
        "client_id": "notes-app", "application_type": "native", "redirect_uris": ["http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    });
    let settings = json!({ "registers": false, "clients": [client], "keys": [["one", "ES256"]] });
    let idp = OidcProvider::start_for_with(&format!("http://localhost:{port}/mcp"), settings).await;
    let scene = Scene::at(port, idp, BY_HAND, &[]).await;
    let plan = json!([{ "registered": { "client_id": "notes-app" } }, { "call": "headers" }, "refresh"]);
    for script in [Script::Node("ts-sdk-1.mjs"), Script::Node("ts-sdk-2.mjs")] {
        let transcript = scene.drive(script, &plan, "Bob").await;
        assert_eq!(transcript.steps[1]["refreshed"], true, "{transcript:#?}");
        let headers = &scene.last_call()["headers"];
        assert_eq!(
            (&headers["x-coatroom-user"], &headers["x-coatroom-client"]),
            (&json!("idp:bob"), &json!("notes-app"))
        );
    }
    let asked = scene.idp.change(json!({})).await;
    assert!(asked["/reg"].is_null(), "nobody registered: {asked}");
}

/// The issuer publishes a further key that signs from now on, and later withdraws the old one.
#[tokio::test]
async fn an_issuer_changes_its_keys() {
    let scene = Scene::new(BY_HAND, &[]).await;
    let plan = json!([{ "call": "headers" }]);
    let sign_in = async || {
        let transcript = scene.drive(Script::Node("ts-sdk-1.mjs"), &plan, "Alice").await;
        transcript.secrets.into_iter().next().unwrap()
    };
    let status = async |token: &str| {
        let mcp = Mcp::without_handshake(&scene.gateway.mcp_url(), Era::Modern, token);
        mcp.call("headers", json!({})).await.status.as_u16()
    };
    let first = sign_in().await;
    let fetched = async || scene.idp.change(json!({})).await["/jwks"].as_u64().unwrap();
    assert_eq!(fetched().await, 1);
    scene.idp.change(json!({ "keys": [["two", "RS256"]] })).await;
    assert_eq!(status(&first).await, 200, "its key is known, and may have been withdrawn since");
    let second = sign_in().await;
    assert_eq!(fetched().await, 2, "a key that is not known makes one look at the keys");
    assert_eq!(status(&second).await, 200);
    // A token that was found to be good is remembered for a second.
    let began = Instant::now();
    while status(&first).await == 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "the old key is not there any more");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What others send makes nobody ask the issuer without end.
    for _ in 0..5 {
        assert_eq!(status(&first).await, 401);
    }
    assert_eq!(fetched().await, 2);
}

/// Canaille's access tokens name the clients that it lists as their audiences, of which the MCP server is one.
#[tokio::test]
async fn a_client_signs_in_at_canaille() {
    let (port, listener) = (tools::free_port(), tools::free_port());
    let resource = format!("http://localhost:{port}/mcp");
    let callback = format!("http://127.0.0.1:{listener}/callback");
    let canaille = Canaille::start_for(&resource, "notes-app", &callback).await;
    let issuers = BY_HAND.replace("{issuer}", &canaille.provider.issuer);
    let echo = EchoServer::start().await;
    let gateway = Gateway::serve_at(port, &configuration(port, &echo, &issuers)).await;
    let plan = json!([{ "registered": { "client_id": "notes-app", "port": listener } }, "list", { "call": "headers" }]);
    let person = async |url: &str| {
        let person = FormBrowser::new();
        let login = person.open(url).await;
        canaille.sign_in(&person, &login, "alice").await;
    };
    Script::Node("ts-sdk-1.mjs").run_where(&gateway.mcp_url(), &plan, person).await;
    let call =
        echo.arrived().into_iter().rfind(|request| request["message"]["method"] == "tools/call").unwrap();
    assert_eq!(call["headers"]["x-coatroom-user"], "idp:alice");
    assert_eq!(call["headers"]["x-name"], "Alice Example");
}

/// The SDK of the older line registers as a web client, which Better Auth does not let return to loopback.
#[tokio::test]
async fn a_client_signs_in_at_better_auth_which_variables_name() {
    let port = tools::free_port();
    let idp = OidcProvider::better_auth_for(&format!("http://localhost:{port}/mcp")).await;
    let scene = Scene::at(port, idp, "", &["MCP_USE_OAUTH_BETTER_AUTH_URL"]).await;
    let plan = json!(["list", { "call": "headers" }]);
    for (account, roles) in [("Alice", "admin"), ("Bob", "reader")] {
        let transcript = scene.drive(Script::Node("ts-sdk-2.mjs"), &plan, account).await;
        assert_eq!(transcript.visits, 1, "{transcript:#?}");
        let headers = &scene.last_call()["headers"];
        assert!(headers["x-coatroom-user"].as_str().unwrap().starts_with("better-auth:"), "{headers}");
        assert_eq!(headers["x-name"], format!("{account} Example"), "{headers}");
        assert_eq!(headers["x-roles"], roles, "{headers}");
        assert!(headers["authorization"].is_null(), "the client's token travels on: {headers}");
    }
}

/// In a real browser, with the pages that the issuer needs.
async fn in_chromium(scene: &Scene, buttons: &[&str], user: &str) {
    let browser = Browser::start().await;
    let person = browser.profile().await;
    let sign_in = async |url: &str| {
        person.open(url).await;
        for button in buttons {
            person.click(button).await;
        }
        person.wait_for(CALLBACK_TEXT).await;
    };
    let plan = json!(["list", { "call": "headers" }]);
    Script::Node("ts-sdk-2.mjs").run_where(&scene.gateway.mcp_url(), &plan, sign_in).await;
    let headers = &scene.last_call()["headers"];
    assert!(headers["x-coatroom-user"].as_str().unwrap().starts_with(user), "{headers}");
    assert_eq!(headers["x-name"], "Alice Example", "{headers}");
    browser.close().await;
}

#[tokio::test]
async fn a_person_signs_in_at_a_remote_issuer_in_chromium() {
    in_chromium(&Scene::new(BY_HAND, &[]).await, &["Alice Example"], "idp:alice").await;
}

#[tokio::test]
async fn a_person_signs_in_at_better_auth_in_chromium() {
    let port = tools::free_port();
    let idp = OidcProvider::better_auth_for(&format!("http://localhost:{port}/mcp")).await;
    let scene = Scene::at(port, idp, "", &["COATROOM_BETTER_AUTH_URL"]).await;
    in_chromium(&scene, &["Alice Example", "Allow"], "better-auth:").await;
}

/// The provider keeps its keys where Better Auth does.
#[tokio::test]
async fn variables_that_deployments_have_name_the_issuer() {
    let scene = Scene::new("", &["MCP_USE_OAUTH_BETTER_AUTH_URL"]).await;
    let plan = json!([{ "call": "headers" }]);
    scene.drive(Script::Node("ts-sdk-1.mjs"), &plan, "Alice").await;
    assert_eq!(scene.last_call()["headers"]["x-coatroom-user"], "better-auth:alice");
}

#[tokio::test]
async fn there_is_no_authorization_server_beside_a_remote_issuer() {
    let scene = Scene::new(BY_HAND, &[]).await;
    let (http, origin) = (oauth::http(), scene.gateway.origin());
    let relayed: Value = http
        .get(format!("{origin}/.well-known/oauth-authorization-server"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(relayed["issuer"], scene.idp.issuer);
    assert_eq!(relayed["registration_endpoint"], format!("{}/reg", scene.idp.issuer));
    for path in ["/authorize", "/account", "/.well-known/openid-configuration"] {
        assert_eq!(http.get(format!("{origin}{path}")).send().await.unwrap().status(), 404, "{path}");
    }
    for path in ["/register", "/token"] {
        assert_eq!(http.post(format!("{origin}{path}")).send().await.unwrap().status(), 404, "{path}");
    }
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let opaque = http.post(scene.gateway.mcp_url()).bearer_auth("opaque").json(&call).send().await.unwrap();
    assert_eq!(Answer::read(opaque).await.status, 401);
    assert!(scene.gateway.log().contains("it is opaque"), "the log says why");
}
