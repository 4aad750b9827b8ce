//! Clients of older revisions: they read less, send less, and are served all the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coatroom_e2e::oauth::{challenge_parameter, http, random};
use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp};
use coatroom_e2e::{Answer, FormBrowser, Gateway, Listener, OAuthClient, TokenAnswer, tools};
use serde_json::{Value, json};
use url::Url;

/// What a client of 2025-03-26 knows of a server.
struct Endpoints {
    authorize: String,
    token: String,
    register: String,
}

/// Signs Alice in as a client that sends only what that revision demands: no `resource`, no `scope`, no `application_type`, and
/// neither looks for `iss`; and returns the access token.
async fn minimal_sign_in(at: &Endpoints) -> String {
    let listener = Listener::start().await;
    let registration = json!({"client_name": "An old client", "redirect_uris": [listener.uri], "token_endpoint_auth_method": "none"});
    let answer = http().post(&at.register).json(&registration).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let registered: Value = answer.json().await.unwrap();
    let client = registered["client_id"].as_str().unwrap();
    let verifier = random();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    let mut authorize = Url::parse(&at.authorize).unwrap();
    authorize.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", listener.uri.as_str()),
        ("code_challenge", &URL_SAFE_NO_PAD.encode(digest.as_ref())),
        ("code_challenge_method", "S256"),
    ]);
    FormBrowser::new().approve(authorize.as_str(), "Alice").await;
    let callback = listener.next().await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", callback.get("code").expect("a code")),
        ("code_verifier", &verifier),
        ("client_id", client),
    ];
    let answer = TokenAnswer::read(http().post(&at.token).form(&form).send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["scope"], "repos:read", "the default scopes (AZ-17)");
    answer.body["access_token"].as_str().unwrap().to_owned()
}

/// Shakes hands and calls a tool as 2025-03-26 does, which knows no `MCP-Protocol-Version` header.
async fn call_as_in_march(mcp: &str, token: &str) {
    let send = async |message: Value, session: Option<&str>| {
        let mut request =
            http().post(mcp).bearer_auth(token).header("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        Answer::read(request.json(&message).send().await.unwrap()).await
    };
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}});
    let hello = send(hello, None).await;
    assert_eq!(hello.status, 200, "{}", hello.body);
    assert_eq!(hello.body["result"]["protocolVersion"], "2025-03-26", "{}", hello.body);
    let session = hello.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    let noted =
        send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), session.as_deref()).await;
    assert_eq!(noted.status, 202);
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}});
    let answer = send(call, session.as_deref()).await;
    assert!(answer.text().to_lowercase().contains("alice"), "{}", answer.body);
}

// BC-01, ASM-29: no resource metadata is read; the metadata at the root of the MCP server's host is enough.
#[tokio::test]
async fn a_client_of_2025_03_26_finds_the_metadata_at_the_root_and_needs_no_other() {
    let gateway = Gateway::demo().await;
    let mut root = Url::parse(&gateway.mcp_url()).unwrap();
    root.set_path("/.well-known/oauth-authorization-server");
    let asked = http().get(root).header("mcp-protocol-version", "2025-03-26").send().await.unwrap();
    let metadata: Value = asked.json().await.unwrap();
    assert_eq!(metadata["issuer"], gateway.origin(), "the bare origin");
    let endpoint = |name: &str| metadata[name].as_str().unwrap().to_owned();
    let token = minimal_sign_in(&Endpoints {
        authorize: endpoint("authorization_endpoint"),
        token: endpoint("token_endpoint"),
        register: endpoint("registration_endpoint"),
    })
    .await;
    call_as_in_march(&gateway.mcp_url(), &token).await;
}

// BC-02, BC-03, BC-05: not even metadata is read; the endpoints stand where that revision says, and no header names a version.
#[tokio::test]
async fn a_client_that_reads_no_metadata_finds_the_endpoints_at_the_root() {
    let gateway = Gateway::demo().await;
    let at = |path: &str| format!("{}{path}", gateway.origin());
    let token = minimal_sign_in(&Endpoints {
        authorize: at("/authorize"),
        token: at("/token"),
        register: at("/register"),
    })
    .await;
    call_as_in_march(&gateway.mcp_url(), &token).await;
}

// BC-13: a server whose address changed is a new one for its clients. They are told where to go, register and sign in there, and
// nothing fails on the way.
#[tokio::test]
async fn clients_find_a_server_whose_address_changed() {
    let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
    let configuration = |port: u16| {
        format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
             keys_file = \"{{data}}/keys.toml\"\n{}\n[servers.echo]\nupstream = \"{}\"\nprovider = \"github\"\n",
            github.configuration(),
            echo.url
        )
    };
    let port = tools::free_port();
    let mut gateway = Gateway::serve_at(port, &configuration(port)).await;
    let before = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = before.sign_in("Alice").await;
    let port = tools::free_port();
    gateway.move_to(port, &configuration(port)).await;

    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let answer = http().post(gateway.mcp_url()).bearer_auth(&tokens.access).json(&list).send().await.unwrap();
    assert_eq!(answer.status(), 401, "the old token is good at the old address");
    let metadata = challenge_parameter(answer.headers(), "resource_metadata").expect("where to go");
    let metadata: Value = http().get(metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["authorization_servers"], json!([gateway.origin()]));
    let old = http().post(format!("{}/token", gateway.origin())).form(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh.as_str()),
        ("client_id", before.id()),
    ]);
    assert!(old.send().await.unwrap().status().as_u16() < 500);

    let after = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = after.sign_in("Alice").await;
    let answer = http().post(gateway.mcp_url()).bearer_auth(&tokens.access).json(&list).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
