use std::sync::Arc;

use bytes::Bytes;
use coatroom::clock::SystemClock;
use coatroom::entropy::SystemEntropy;
use coatroom::protocol::words::{Issuer, base64url, sha256};
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::*;
use crate::demo::provider::{Provider, Sources, routes};
use crate::demo::{CLIENT_ID, PROVIDER_PATH};

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
const OLD: &str = "2025-11-25";
const NEW: &str = "2026-07-28";

/// The provider and the MCP server on real sockets.
struct Site {
    origin: String,
    mcp: String,
    provider: Arc<Provider>,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", outside.local_addr().unwrap());
        let mcp = format!("http://{}{MCP_PATH}", inside.local_addr().unwrap());
        let sources =
            Sources { clock: Arc::new(SystemClock::new()), entropy: Arc::new(SystemEntropy::new()) };
        let issuer = Issuer::parse(&origin).unwrap();
        let provider = Provider::open(folder.path(), issuer, Provider::ACCESS_TOKEN_LIFE, sources).unwrap();
        let app = routes(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(outside, app).await });
        let api: Uri = format!("{origin}{PROVIDER_PATH}").parse().unwrap();
        tokio::spawn(async move { serve(inside, &api).await });
        Self { origin, mcp, provider, _folder: folder }
    }

    /// The access token that the gateway would hold for this user.
    async fn token(&self, account: &str, scope: &str) -> String {
        let origin = &self.origin;
        let challenge = base64url(&sha256(VERIFIER.as_bytes()));
        let form = format!(
            "client_id={CLIENT_ID}&redirect_uri={origin}/callback/demo&response_type=code&state=s\
             &code_challenge={challenge}&code_challenge_method=S256&scope={scope}&account={account}"
        );
        let request = Request::post(format!("{origin}/demo-provider/sign-in")).header("origin", origin);
        let (head, _) = send(request.body(form.into()).unwrap()).await;
        let location = url::Url::parse(head.headers[LOCATION].to_str().unwrap()).unwrap();
        let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let form = format!(
            "grant_type=authorization_code&code={code}&redirect_uri={origin}/callback/demo\
             &code_verifier={VERIFIER}&client_id={CLIENT_ID}&client_secret={}",
            self.provider.client_secret().expose()
        );
        let request = Request::post(format!("{origin}/demo-provider/token"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let (_, tokens) = send(request.body(form.into()).unwrap()).await;
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// One JSON-RPC request as a client of this protocol version sends it, through a gateway that adds the token.
    async fn rpc(&self, version: &str, token: Option<&str>, method: &str, mut params: Value) -> Value {
        let mut request = Request::post(&self.mcp)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", version);
        if version == NEW {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": NEW,
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            request = request.header("mcp-method", method);
            if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
                request = request.header("mcp-name", name);
            }
        }
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (head, answer) = send(request.body(body.to_string().into()).unwrap()).await;
        assert!(!head.headers.contains_key("mcp-session-id"), "no session that a restart could lose");
        answer
    }

    /// Calls a tool and returns its result.
    async fn call(&self, version: &str, token: &str, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.rpc(version, Some(token), "tools/call", params).await;
        assert!(answer["result"].is_object(), "{answer}");
        assert!(!answer.to_string().contains(token), "a token never stands in an answer");
        answer["result"].clone()
    }
}

async fn send(request: Request<Full<Bytes>>) -> (http::response::Parts, Value) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (head, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head, serde_json::from_slice(&body).unwrap_or_default())
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn clients_of_every_era_call_tools_without_a_session() {
    let site = Site::start().await;
    let alice = site.token("alice", "repos:read").await;
    let hello = json!({
        "protocolVersion": OLD, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = site.rpc(OLD, Some(&alice), "initialize", hello).await;
    assert_eq!(answer["result"]["protocolVersion"], OLD);
    assert_eq!(answer["result"]["serverInfo"]["name"], "coatroom-demo");
    let answer = site.rpc(NEW, Some(&alice), "server/discover", json!({})).await;
    assert!(answer["result"]["supportedVersions"].to_string().contains(NEW), "{answer}");
    for version in ["2025-03-26", "2025-06-18", OLD, NEW] {
        let result = site.call(version, &alice, "whoami", json!({})).await;
        assert_eq!(result["isError"], false, "{version}");
        assert_eq!(result["structuredContent"]["login"], "alice", "{version}");
        assert_eq!(text(&result), "You are Alice (alice, alice@example.com).");
    }
    assert!(site.rpc(OLD, None, "ping", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn each_caller_sees_their_own_repositories_even_at_the_same_moment() {
    let site = Site::start().await;
    let alice = site.token("alice", "repos:read").await;
    let bob = site.token("bob", "repos:read").await;
    let calls = (0..40).map(|n| {
        let (token, mine, theirs) =
            if n % 2 == 0 { (&alice, "alice/", "bob/") } else { (&bob, "bob/", "alice/") };
        let version = if n % 4 < 2 { OLD } else { NEW };
        let site = &site;
        async move {
            let result = site.call(version, token, "get-my-repos", json!({})).await;
            assert_eq!(result["structuredContent"]["repositories"].as_array().unwrap().len(), 4);
            assert!(result.to_string().contains(mine) && !result.to_string().contains(theirs));
        }
    });
    futures_util::future::join_all(calls).await;
    let private = site.call(NEW, &bob, "get-my-repos", json!({ "visibility": "private" })).await;
    assert!(text(&private).starts_with("2 repositories:\n- bob/invoices (private, open issues: 0)"));
}

#[tokio::test]
async fn errors_of_the_api_are_tool_errors_in_its_own_words() {
    let site = Site::start().await;
    let reader = site.token("alice", "repos:read").await;
    let writer = site.token("alice", "repos:read+repos:write").await;
    let issue = |repo: &str| json!({ "repo": repo, "title": "Water the beans" });
    let opened = site.call(NEW, &writer, "create-issue", issue("alice/diary")).await;
    assert_eq!(text(&opened), "Opened alice/diary#1: Water the beans (as alice).");
    for (token, arguments, words) in [
        (&reader, issue("alice/diary"), "lacks the scope repos:write"),
        (&writer, issue("bob/invoices"), "refused this (403): bob/invoices is not a repository of Alice."),
        (&writer, issue("alice/nothing"), "(404): there is no repository alice/nothing."),
        (&writer, issue("alice/../../user"), "must be given as owner/name"),
        (&writer, json!({ "repo": "alice/diary", "title": " " }), "(422): the title must be one line"),
        (&"stale".to_owned(), issue("alice/diary"), "(401): the access token is unknown or has ended."),
    ] {
        let result = site.call(NEW, token, "create-issue", arguments).await;
        assert_eq!(result["isError"], true);
        assert!(text(&result).contains(words), "{}", text(&result));
    }
}

#[tokio::test]
async fn without_a_token_or_an_api_the_tool_says_so() {
    let site = Site::start().await;
    let answer = site.rpc(OLD, None, "tools/call", json!({ "name": "whoami", "arguments": {} })).await;
    assert_eq!(answer["result"]["isError"], true);
    let api = Api::new(&"http://127.0.0.1:1/demo-provider".parse().unwrap());
    let failure = api.get::<Value>(Some(&UpstreamToken::new("t")), "/user").await.unwrap_err();
    assert!(matches!(failure, api::ApiFailure::Unreachable));
}

#[tokio::test]
async fn the_lists_say_what_there_is() {
    let site = Site::start().await;
    for version in [OLD, NEW] {
        let answer = site.rpc(version, None, "tools/list", json!({})).await;
        let tools = answer["result"]["tools"].as_array().unwrap();
        let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["create-issue", "get-my-repos", "whoami"]);
        assert!(!answer.to_string().contains(r#""format""#), "clients warn of formats that they do not know");
        for tool in tools {
            assert!(tool["title"].is_string() && tool["outputSchema"].is_object());
            assert_eq!(tool["annotations"]["readOnlyHint"], json!(tool["name"] != "create-issue"));
        }
        let issue = &tools[0]["inputSchema"];
        assert_eq!(issue["required"], json!(["repo", "title"]));
        let visibility = tools[1]["inputSchema"].to_string();
        assert!(visibility.contains(r#"["all","public","private"]"#), "{visibility}");
        let prompts = site.rpc(version, None, "prompts/list", json!({})).await;
        assert_eq!(prompts["result"]["prompts"][0]["name"], "tidy-up");
        let read = site.rpc(version, None, "resources/read", json!({ "uri": "demo://readme" })).await;
        assert!(read["result"]["contents"][0]["text"].as_str().unwrap().starts_with("# Coatroom demo"));
        let resources = site.rpc(version, None, "resources/list", json!({})).await;
        assert_eq!(resources["result"]["resources"][0]["uri"], "demo://readme");
    }
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let site = Site::start().await;
    let request = Request::post(&site.mcp).header("host", "evil.example").body(Full::default()).unwrap();
    let (head, _) = send(request).await;
    assert_eq!(head.status, StatusCode::FORBIDDEN);
}
