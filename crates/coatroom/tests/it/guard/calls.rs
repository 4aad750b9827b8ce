//! What a call says and what is forwarded of it: SPEC section 14 and 21, as far as the guard decides them.

use axum::body::{Body, Bytes};
use coatroom::guard::GuardAnswer;
use coatroom::protocol::access::Era;
use http::{Method, Response};
use serde_json::json;

use super::fixture::{ALICE, ALICE_WRITES, Endpoint, MODERN, call, modern, request};

const TOOL_CALL: [(&str, &str); 3] =
    [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "x")];

#[tokio::test]
async fn the_bytes_that_were_judged_are_the_bytes_that_are_forwarded() {
    let endpoint = Endpoint::new();
    let body = " {\"params\" : {\"name\":\"x\", \"arguments\": {\"ä\": 1.0}}, \"method\":\"tools\\/call\",\r\n\"id\":1,\"jsonrpc\":\"2.0\"} ";
    assert_eq!(endpoint.post(ALICE, &[("transfer-encoding", "chunked")], body).await.status, 200);
    let reached = endpoint.reached();
    assert_eq!(reached[0].body, body.as_bytes());
    assert!(!reached[0].headers.contains_key("transfer-encoding"));
    assert_eq!(reached[0].headers["content-length"], body.len().to_string().as_str());
    assert_eq!((reached[0].era, reached[0].judged), (Some(Era::Legacy), true));
}

// GW-01, GW-02, GW-03, BC-07
#[tokio::test]
async fn modern_headers_and_body_say_the_same() {
    let endpoint = Endpoint::new();
    let body = modern("tools/call", Some("x"));
    assert_eq!(endpoint.post(ALICE, &TOOL_CALL, &body).await.status, 200);
    assert_eq!(endpoint.reached()[0].era, Some(Era::Modern));
    for (change, value) in [
        ("mcp-method", None),
        ("mcp-name", None),
        ("mcp-protocol-version", None),
        ("mcp-method", Some("TOOLS/CALL")),
        ("mcp-method", Some("tools/list")),
        ("mcp-name", Some("y")),
        ("mcp-protocol-version", Some("2025-11-25")),
    ] {
        let headers = TOOL_CALL.iter().filter_map(|&(name, old)| {
            if name == change { value.map(|value| (name, value)) } else { Some((name, old)) }
        });
        let answer = endpoint.post(ALICE, &headers.collect::<Vec<_>>(), &body).await;
        assert_eq!(answer.refusal(), (400, -32020), "{change} {value:?}");
        assert_eq!(answer.json()["id"], 7, "{change} {value:?}");
    }
    assert!(endpoint.reached().is_empty());
}

// GW-04, GW-05, GW-06, BC-07
#[tokio::test]
async fn modern_refusals_have_the_code_of_their_reason() {
    let endpoint = Endpoint::new();
    let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "server/discover")];
    let without_meta = r#"{"jsonrpc":"2.0","id":7,"method":"server/discover","params":{}}"#;
    assert_eq!(endpoint.post(ALICE, &headers, without_meta).await.refusal(), (400, -32602));

    let unknown = modern("server/discover", None).replace(MODERN, "1900-01-01");
    let headers = [("mcp-protocol-version", "1900-01-01"), ("mcp-method", "server/discover")];
    let answer = endpoint.post(ALICE, &headers, &unknown).await;
    assert_eq!(answer.refusal(), (400, -32022));
    assert_eq!(answer.json()["error"]["data"], json!({ "supported": [MODERN], "requested": "1900-01-01" }));

    let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "ping")];
    let answer = endpoint.post(ALICE, &headers, &modern("ping", None)).await;
    assert_eq!((answer.refusal(), answer.json()["id"].as_i64()), ((404, -32601), Some(7)));
    assert!(endpoint.reached().is_empty());
}

// GW-09, GW-10, GW-14
#[tokio::test]
async fn policy_is_decided_on_the_body() {
    let endpoint = Endpoint::new();
    let denied = call("drop");
    assert_eq!(endpoint.post(ALICE, &[("mcp-protocol-version", "2025-06-18")], &denied).await.status, 403);
    assert_eq!(endpoint.post(ALICE, &[], &denied).await.status, 403);
    let headers =
        [("mcp-protocol-version", "2025-06-18"), ("mcp-method", "tools/call"), ("mcp-name", "safe")];
    assert_eq!(endpoint.post(ALICE, &headers, &denied).await.refusal(), (400, -32020));
    assert_eq!(endpoint.post(ALICE, &TOOL_CALL, &modern("tools/call", Some("drop"))).await.status, 400);
    let escaped = denied.replace("drop", "dr\\u006fp");
    assert_eq!(endpoint.post(ALICE, &[], &escaped).await.status, 403);
    let notification = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"drop"}}"#;
    assert_eq!(endpoint.post(ALICE, &[], notification).await.status, 403);
    assert!(endpoint.reached().is_empty());
}

// GW-11, BC-07
#[tokio::test]
async fn what_two_parsers_could_read_differently_is_refused() {
    let endpoint = Endpoint::new();
    for (body, code) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","name":"drop"}}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","NAME":"drop"}}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x\u0000drop"}}"#, -32602),
        ("\u{feff}{}", -32700),
        ("{} {}", -32700),
        ("", -32700),
    ] {
        assert_eq!(endpoint.post(ALICE, &[], body).await.refusal(), (400, code), "{body}");
    }
    let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(endpoint.post(ALICE, &[], &deep).await.refusal(), (400, -32600));
    for twice in ["mcp-protocol-version", "mcp-name", "mcp-param-region", "mcp-session-id"] {
        let answer = endpoint.post(ALICE, &[(twice, "a"), (twice, "a")], &call("x")).await;
        assert_eq!(answer.refusal(), (400, -32020), "{twice}");
    }
    assert_eq!(endpoint.post(ALICE, &[("mcp_name", "drop")], &call("x")).await.refusal(), (400, -32020));
    for encoding in ["gzip", "identity, gzip", "br"] {
        assert_eq!(endpoint.post(ALICE, &[("content-encoding", encoding)], &call("x")).await.status, 415);
    }
    for media in ["text/plain", "application/json; charset=utf-16", "application/x-www-form-urlencoded"] {
        assert_eq!(endpoint.post(ALICE, &[("content-type", media)], &call("x")).await.status, 415, "{media}");
    }
    assert!(endpoint.reached().is_empty());
    for media in ["Application/JSON", "application/json; charset=\"UTF-8\"", "application/json;profile=x"] {
        assert_eq!(endpoint.post(ALICE, &[("content-type", media)], &call("x")).await.status, 200, "{media}");
    }
}

// GW-12
#[tokio::test]
async fn one_bad_call_refuses_its_whole_batch() {
    let endpoint = Endpoint::new();
    let numbered =
        |(number, tool): (usize, &&str)| call(tool).replace(r#""id":1"#, &format!(r#""id":{number}"#));
    let batch = |tools: &[&str]| {
        format!("[{}]", tools.iter().enumerate().map(numbered).collect::<Vec<_>>().join(","))
    };
    assert_eq!(endpoint.post(ALICE, &[], &batch(&["a", "drop"])).await.status, 403);
    assert!(endpoint.reached().is_empty());
    assert_eq!(endpoint.post(ALICE, &[], &batch(&["a", "b"])).await.status, 200);
    for version in ["2025-06-18", "2025-11-25", MODERN] {
        let answer = endpoint.post(ALICE, &[("mcp-protocol-version", version)], &batch(&["a"])).await;
        assert_eq!(answer.refusal(), (400, -32600), "{version}");
    }
}

// GW-13
#[tokio::test]
async fn responses_of_clients_pass_on_the_legacy_wire_alone() {
    let endpoint = Endpoint::new();
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(
        endpoint.post(ALICE, &[("mcp-protocol-version", MODERN)], response).await.refusal(),
        (400, -32600)
    );
    assert_eq!(endpoint.post(ALICE, &[("mcp-protocol-version", "2025-11-25")], response).await.status, 200);
}

// GW-15
#[tokio::test]
async fn sizes_have_limits() {
    let endpoint = Endpoint::with(|builder| builder.with_body_limit(200).with_header_limit(2_000));
    let long = "a".repeat(2_000);
    assert_eq!(endpoint.post(ALICE, &[("x-long", &long)], &call("x")).await.status, 431);
    assert_eq!(endpoint.post(ALICE, &[], &call(&"a".repeat(200))).await.status, 413);
    assert_eq!(endpoint.post(ALICE, &[("content-length", "201")], &call("x")).await.status, 413);
    assert!(endpoint.reached().is_empty());
    assert_eq!(endpoint.post(ALICE, &[], &call("x")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_arrives_is_not_waited_for() {
    let endpoint = Endpoint::new();
    let never = futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>();
    let request = request(Method::POST, ALICE, &[], "").map(|_| Body::from_stream(never));
    let answer = tokio::time::timeout(std::time::Duration::from_mins(2), endpoint.send(request)).await;
    assert_eq!(answer.unwrap().refusal(), (408, -32600));
    assert!(endpoint.reached().is_empty());
}

// GW-14, BC-05
#[tokio::test]
async fn bodiless_requests_forward_no_body_and_need_a_revision_that_has_them() {
    let endpoint = Endpoint::new();
    for method in [Method::GET, Method::HEAD, Method::DELETE] {
        let answer = endpoint.send(request(method.clone(), ALICE, &[], &call("drop"))).await;
        assert_eq!(answer.status, 200, "{method}");
        let reached = endpoint.reached();
        assert!(reached[0].body.is_empty() && !reached[0].judged, "{method}");
        assert!(!reached[0].headers.contains_key("content-length"), "{method}");
        let modern = [("mcp-protocol-version", MODERN)];
        let answer = endpoint.send(request(method.clone(), ALICE, &modern, "")).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST, OPTIONS"), "{method}");
        let unknown = [("mcp-protocol-version", "9999-01-01")];
        assert_eq!(endpoint.send(request(method, ALICE, &unknown, "")).await.refusal(), (400, -32022));
    }
    assert_eq!(
        endpoint.post(ALICE, &[("mcp-protocol-version", "9999-01-01")], &call("x")).await.refusal(),
        (400, -32022)
    );
    assert_eq!(endpoint.post(ALICE, &[], &call("x")).await.status, 200);
}

// BC-06
#[tokio::test]
async fn a_legacy_header_with_a_modern_body_is_a_contradiction() {
    let endpoint = Endpoint::new();
    let headers = [("mcp-protocol-version", "2025-11-25")];
    assert_eq!(endpoint.post(ALICE, &headers, &modern("tools/list", None)).await.refusal(), (400, -32020));
    let initialize =
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    assert_eq!(endpoint.post(ALICE, &[], initialize).await.status, 200);
}

// RS-05
#[tokio::test]
async fn a_challenge_that_a_handler_asks_for_names_what_the_rules_ask_for_too() {
    let endpoint = Endpoint::new();
    let mut answer = Response::new(Body::empty());
    answer.extensions_mut().insert(GuardAnswer::Scopes("extra".parse().unwrap()));
    endpoint.will_answer(answer);
    let refused = endpoint.post(ALICE_WRITES, &[], &call("create_issue")).await;
    assert_eq!(refused.status, 403);
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains(r#"scope="extra repos:write""#), "{challenge}");
}
