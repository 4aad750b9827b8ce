//! HTTP+SSE (MCP 2024-11-05): servers and clients on the official SDKs, and what strangers try (SES-11, BC-11).

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use coatroom_e2e::evidence::{self, Secret};
use coatroom_e2e::foreign::Script;
use coatroom_e2e::oauth::{challenge_parameter, http};
use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp, SseServer};
use coatroom_e2e::{Answer, Browser, Era, Gateway, Mcp, OAuthClient, Tokens, tools};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use url::Url;

use crate::upstreams::configuration;

/// A gateway before a server that speaks HTTP+SSE at `url`; everybody is refused its tool `drop`.
async fn serve(url: &str, github: &GitHub, more: &str) -> Gateway {
    let port = tools::free_port();
    let text = configuration(port, &EchoServer::nowhere(), "github", &github.configuration());
    let upstream = text.lines().find(|line| line.starts_with("upstream")).unwrap();
    let text = text.replace(upstream, &format!("upstream = \"{url}\"\ntransport = \"sse\""));
    Gateway::serve_at(port, &format!("{text}{more}\n[servers.echo.tools]\ndrop = {{ deny = true }}\n")).await
}

/// What Alice and Bob do at the same moment, each with a client and a browser profile of their own.
async fn drive(server: &SseServer, script: Script) {
    let github = GitHub::start(GitHubApp::OAuth).await;
    let gateway = serve(&server.url, &github, "").await;
    let browser = Browser::start().await;
    let (alice, bob) = (browser.profile().await, browser.profile().await);
    let whoami = json!({"call": "whoami"});
    let plan = json!(["list", whoami, {"refused": "drop"}, "refresh", whoami]);
    let url = gateway.mcp_url();
    let transcripts: [_; 2] =
        tokio::join!(script.run(&url, &plan, &alice, "Alice"), script.run(&url, &plan, &bob, "Bob")).into();
    browser.close().await;
    let arrived = Value::Array(server.arrived()).to_string();
    assert!(!arrived.contains("dropped"), "a refused call reached the server");
    for (transcript, login) in transcripts.iter().zip(["alice", "bob"]) {
        let steps = &transcript.steps;
        assert_eq!(steps[0], json!({"tools": ["whoami"]}), "the list in the stream is filtered");
        for step in [&steps[1], &steps[4]] {
            let token = step["text"].as_str().unwrap().strip_prefix("Bearer ").expect("a credential");
            assert_eq!(github.owner_of(token).as_deref(), Some(login), "{step}");
        }
        assert_eq!(steps[2]["refused"], "drop");
        let why = steps[2]["why"].as_str().expect("an error of JSON-RPC");
        assert!(why.contains("this operation is not available here"), "{why}");
        assert_eq!(steps[3], json!({"refreshed": true, "rotated": true}));
        assert_eq!(transcript.visits, 1);
        for secret in &transcript.secrets {
            assert!(!arrived.contains(secret), "the client's token reached the server (TP-01)");
            assert!(!gateway.log().contains(secret.as_str()), "a token is in the log");
        }
    }
}

#[tokio::test]
async fn the_typescript_sdk_1_at_a_sse_server_of_the_python_sdk() {
    drive(&SseServer::python().await, Script::Node("ts-sdk-1-sse.mjs")).await;
}

#[tokio::test]
async fn the_python_sdk_1_at_a_sse_server_of_the_typescript_sdk() {
    drive(&SseServer::typescript().await, Script::Python("python-1", "sdk_1_sse.py")).await;
}

/// A client whose every byte is the test's own.
struct Raw<S> {
    messages: Url,
    token: String,
    events: S,
}

async fn open(gateway: &Gateway, tokens: &Tokens) -> Raw<impl Stream<Item = String> + Unpin + use<>> {
    let opening =
        http().get(gateway.mcp_url()).bearer_auth(&tokens.access).header("accept", "text/event-stream");
    let stream = opening.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(!stream.headers().contains_key("mcp-session-id"));
    let state = (stream.bytes_stream(), String::new());
    let mut events = Box::pin(futures_util::stream::unfold(state, async |(mut pieces, mut text)| {
        loop {
            if let Some((event, rest)) = text.replace("\r\n", "\n").split_once("\n\n") {
                return Some((event.to_owned(), (pieces, rest.to_owned())));
            }
            text.push_str(std::str::from_utf8(&pieces.next().await?.ok()?).unwrap());
        }
    }));
    let first = events.next().await.expect("an event");
    let reference = first.strip_prefix("event: endpoint\ndata: ").expect("it names the URL for messages");
    let messages = Url::parse(&gateway.mcp_url()).unwrap().join(reference).unwrap();
    assert!(messages.as_str().starts_with(&format!("{}?", gateway.mcp_url())), "{messages} (SES-11)");
    let session = messages.query_pairs().next().expect("a session").1.into_owned();
    evidence::secret(Secret::Credential, &session);
    Raw { messages, token: tokens.access.clone(), events }
}

impl<S: Stream<Item = String> + Unpin> Raw<S> {
    async fn post_as(&self, token: Option<&str>, message: &Value) -> Answer {
        let mut request = http().post(self.messages.clone()).json(message);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    /// Sends a request, and reads what the stream says next.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params});
        let taken = self.post_as(Some(&self.token), &message).await;
        assert_eq!(taken.status, 202, "{}", taken.body);
        let event =
            tokio::time::timeout(Duration::from_secs(10), self.events.next()).await.expect("an answer");
        let event = event.expect("the stream goes on");
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        let answer: Value = serde_json::from_str(data).unwrap();
        assert_eq!(answer["id"], method, "{answer}");
        answer
    }

    async fn shake_hands(&mut self) {
        let hello = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
        assert_eq!(self.ask("initialize", hello).await["result"]["protocolVersion"], "2024-11-05");
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post_as(Some(&self.token), &done).await.status, 202);
    }
}

#[tokio::test]
async fn a_url_for_messages_is_good_for_its_own_user_alone_and_every_request_needs_a_token() {
    let (github, server) = (GitHub::start(GitHubApp::OAuth).await, SseServer::typescript().await);
    let gateway = serve(&server.url, &github, "").await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let (alice, bob) = (client.sign_in("Alice").await, client.sign_in("Bob").await);
    let nobody = http().get(gateway.mcp_url()).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(nobody.status(), 401, "BC-11");
    assert!(challenge_parameter(nobody.headers(), "resource_metadata").is_some());
    assert!(server.arrived().is_empty(), "a stranger reached the server");

    let mut hers = open(&gateway, &alice).await;
    hers.shake_hands().await;
    let mut his = open(&gateway, &bob).await;
    his.shake_hands().await;
    let before = server.arrived().len();
    let call = |tool: &str| json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
    assert_eq!(hers.post_as(Some(&bob.access), &call("whoami")).await.status, 404, "SES-03");
    assert_eq!(hers.post_as(Some(&bob.access), &call("drop")).await.status, 403);
    assert_eq!(hers.post_as(None, &call("whoami")).await.status, 401, "SES-01");
    assert_eq!(hers.post_as(Some("coat_at_bad"), &call("whoami")).await.status, 401);
    let forged = Mcp::without_handshake(&gateway.mcp_url(), Era::Legacy, &alice.access);
    let forged =
        forged.post(&call("whoami")).header("mcp-session-id", "/messages?sessionId=1").send().await.unwrap();
    assert_eq!(forged.status(), 405, "a session stands in the URL alone");
    hers.messages.query_pairs_mut().append_pair("sessionId", "x");
    assert_eq!(hers.post_as(Some(&alice.access), &call("whoami")).await.status, 405);
    hers.messages = his.messages.clone();
    assert_eq!(hers.post_as(Some(&alice.access), &call("whoami")).await.status, 404);
    assert_eq!(server.arrived().len(), before, "a refused request reached the server");

    // Nobody's stream said anything of all this.
    let answer = his.ask("tools/call", json!({"name": "whoami", "arguments": {}})).await;
    let token = answer["result"]["content"][0]["text"].as_str().unwrap().strip_prefix("Bearer ").unwrap();
    assert_eq!(github.owner_of(token).as_deref(), Some("bob"));
    let waited = tokio::time::timeout(Duration::from_millis(200), hers.events.next()).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[tokio::test]
async fn a_stream_over_sse_ends_within_a_second_when_its_grant_is_revoked() {
    let (github, server) = (GitHub::start(GitHubApp::OAuth).await, SseServer::python().await);
    let gateway = serve(&server.url, &github, "").await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let mut hers = open(&gateway, &tokens).await;
    hers.shake_hands().await;
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    let revoked = Instant::now();
    while hers.events.next().await.is_some() {}
    assert!(revoked.elapsed() < Duration::from_secs(1), "it went on for {:?}", revoked.elapsed());
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(hers.post_as(Some(&tokens.access), &ping).await.status, 401);
}

#[tokio::test]
async fn what_is_to_be_connected_first_is_told_in_the_stream() {
    let (github, server) = (GitHub::start(GitHubApp::OAuth).await, SseServer::typescript().await);
    let port = tools::free_port();
    let text = configuration(port, &EchoServer::nowhere(), "github", &github.configuration());
    let upstream = text.lines().find(|line| line.starts_with("upstream")).unwrap();
    let text = text
        .replace(upstream, &format!("upstream = \"{}\"\ntransport = \"sse\"", server.url))
        .replace("headers = { Authorization", "headers = { X-Work = \"{work.access_token}\", Authorization");
    let work = github.configuration_as("work");
    let gateway = Gateway::serve_at(port, &format!("{text}\n{work}")).await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let mut hers = open(&gateway, &client.sign_in("Alice").await).await;
    hers.shake_hands().await;
    let answer = hers.ask("tools/call", json!({"name": "whoami", "arguments": {}})).await.to_string();
    assert!(answer.contains(&format!("{}/connect", gateway.origin())), "{answer}");
}

#[tokio::test]
async fn a_server_that_sends_messages_elsewhere_is_refused() {
    let evil = async || {
        ([("content-type", "text/event-stream")], "event: endpoint\ndata: http://127.0.0.1:9/messages\n\n")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sse", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/sse", get(evil))).await });
    let github = GitHub::start(GitHubApp::OAuth).await;
    let gateway = serve(&url, &github, "").await;
    let client = OAuthClient::connect(&gateway.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let opening =
        http().get(gateway.mcp_url()).bearer_auth(&tokens.access).header("accept", "text/event-stream");
    let answer = Answer::read(opening.send().await.unwrap()).await;
    assert_eq!(answer.status, 502);
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("`endpoint` event leads to http://127.0.0.1:9,"), "{message}");
}
