//! Hosts, origins and browsers: SPEC RS-19 to RS-23.

use coatroom::guard::GuardLayer;
use coatroom::protocol::words::Resource;
use http::Method;
use std::sync::Arc;

use super::fixture::{ALICE, Answer, Endpoint, Tokens, call, request};

fn local() -> Endpoint {
    let resource = Resource::parse("http://localhost:8787/github").unwrap();
    let layer = GuardLayer::builder(resource, Arc::new(Tokens::new())).build().unwrap();
    Endpoint { layer, ..Endpoint::new() }
}

async fn from(endpoint: &Endpoint, host: &str, origin: &str) -> Answer {
    let mut request = request(Method::POST, "", &[("origin", origin)], &call("x"));
    request.headers_mut().insert("host", host.parse().unwrap());
    endpoint.send(request).await
}

// RS-19
#[tokio::test]
async fn a_foreign_origin_is_refused_before_anything_else() {
    let endpoint = Endpoint::new();
    for token in ["", ALICE] {
        let answer = endpoint.post(token, &[("origin", "https://evil.example")], "garbage").await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.header("access-control-allow-origin"), "");
        assert_eq!(answer.header("www-authenticate"), "");
    }
    assert_eq!(endpoint.post("", &[], &call("x")).await.status, 401);
    assert_eq!(endpoint.post(ALICE, &[("origin", "https://mcp.example.com")], &call("x")).await.status, 200);
}

// RS-20
#[tokio::test]
async fn dns_rebinding_ends_at_the_door_of_a_local_server() {
    let endpoint = local();
    let evil = from(&endpoint, "evil.example.com", "http://evil.example.com").await;
    assert_eq!(evil.status, 403);
    assert_eq!(from(&endpoint, "evil.example.com", "http://localhost:8787").await.status, 403);
    assert_eq!(from(&endpoint, "localhost:8787", "http://evil.example.com").await.status, 403);
    assert_eq!(from(&endpoint, "localhost:8787", "http://localhost:8787").await.status, 401);
}

// RS-22
#[tokio::test]
async fn a_preflight_needs_no_token_and_names_what_mcp_sends() {
    let endpoint = local();
    let preflight = |origin: &str, asked: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", asked),
        ];
        let mut request = request(Method::OPTIONS, "", &headers, "");
        request.headers_mut().insert("host", "localhost:8787".parse().unwrap());
        request
    };
    let asked = "authorization,content-type,mcp-protocol-version,mcp-param-region,Mcp-Param-Zone,x-evil";
    let answer = endpoint.send(preflight("http://localhost:6274", asked)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:6274");
    assert_eq!(answer.header("access-control-allow-methods"), "GET, POST, DELETE");
    assert_eq!(
        answer.header("access-control-allow-headers"),
        "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Last-Event-ID, Mcp-Method, \
         Mcp-Name, DPoP, mcp-param-region, Mcp-Param-Zone"
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(answer.header("vary"), "Origin");
    assert_eq!(endpoint.send(preflight("http://evil.example", asked)).await.status, 403);
    assert!(endpoint.reached().is_empty());
}

// RS-22
#[tokio::test]
async fn a_page_may_read_challenges_and_answers() {
    let endpoint = local();
    let answer = from(&endpoint, "localhost:8787", "http://localhost:6274").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:6274");
    assert_eq!(
        answer.header("access-control-expose-headers"),
        "Mcp-Session-Id, WWW-Authenticate, Retry-After"
    );
}

// RS-22
#[tokio::test]
async fn the_guard_alone_says_which_pages_may_read() {
    let endpoint = Endpoint::new();
    assert_eq!(endpoint.post(ALICE, &[], &call("x")).await.header("access-control-allow-origin"), "");
    let origin = "https://mcp.example.com";
    let answer = endpoint.post(ALICE, &[("origin", origin)], &call("x")).await;
    assert_eq!(answer.header("access-control-allow-origin"), origin);
    let twice = [("origin", origin), ("origin", origin)];
    assert_eq!(endpoint.post(ALICE, &twice, &call("x")).await.status, 403);
}

// RS-23
#[tokio::test]
async fn no_spelling_of_the_path_passes_the_guard() {
    let endpoint = Endpoint::new();
    for path in ["//github", "/github/", "/github%2f", "/x/../github", "/GITHUB", "/github;a", "*"] {
        let mut request = request(Method::POST, "", &[], &call("x"));
        *request.uri_mut() = path.parse().unwrap();
        assert_eq!(endpoint.send(request).await.status, 401, "{path}");
    }
    assert!(endpoint.reached().is_empty());
}

#[tokio::test]
async fn configured_origins_and_hosts_are_at_home() {
    let endpoint = Endpoint::with(|builder| {
        builder
            .with_origin("https://inspector.example")
            .with_host("alias.example.com")
            .with_listen("127.0.0.1:8787".parse().unwrap())
            .with_listen("10.0.0.1:8787".parse().unwrap())
    });
    assert_eq!(from(&endpoint, "alias.example.com", "https://inspector.example").await.status, 401);
    assert_eq!(from(&endpoint, "127.0.0.1:8787", "https://inspector.example").await.status, 401);
    assert_eq!(from(&endpoint, "10.0.0.1:8787", "https://inspector.example").await.status, 403);
}
