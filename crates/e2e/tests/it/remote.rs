//! MCP servers that take the tokens of an authorization server elsewhere: the official SDKs register there, their users sign in
//! there, and Coatroom verifies what they bring.

use coatroom_e2e::foreign::{Script, Transcript};
use coatroom_e2e::upstream::{EchoServer, OidcProvider};
use coatroom_e2e::{Answer, FormBrowser, Gateway, oauth, tools};
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
        let issuers = issuers.replace("{issuer}", &idp.issuer);
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
             {issuers}\n[servers.notes]\nupstream = \"{}\"\nheaders = {{ X-Roles = \"{{user.roles}}\", X-Name = \"{{user.name}}\" }}\n\
             [servers.notes.scopes]\n\"notes:read\" = {{ default = true }}\n\"notes:write\" = {{}}\n\
             [servers.notes.tools]\n\"create_*\" = {{ scopes = [\"notes:write\"] }}\n",
            echo.url
        );
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
