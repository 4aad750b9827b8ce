//! What is looked at in answers besides lists: mirrored arguments, input that a server asks for, versions, and their end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use coatroom::Revocations;
use coatroom::protocol::words::GrantId;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use super::fixture::{ALICE, ALICE_ELSEWHERE, Answer, BOB, Endpoint, MODERN, call, modern, request};

const MODERN_LIST: [(&str, &str); 2] = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];

/// Lists a tool whose `region` is mirrored, or is no more.
async fn list(endpoint: &Endpoint, token: &str, annotated: bool, media_type: &str) {
    let mut region = json!({"type": "string"});
    if annotated {
        region["x-mcp-header"] = json!("Region");
    }
    let schema = json!({"type": "object", "properties": {"region": region, "n": {"type": "integer", "x-mcp-header": "N"}}});
    let schema = if annotated { schema } else { json!({"type": "object", "properties": {"region": region}}) };
    let answer =
        json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": [{"name": "query", "inputSchema": schema}]}});
    let answer =
        if media_type == "application/json" { answer.to_string() } else { format!("data: {answer}\n\n") };
    endpoint.will_say(media_type, answer);
    let answer = endpoint.post(token, &MODERN_LIST, &modern("tools/list", None)).await;
    assert!(answer.status.is_success() && !answer.body.is_empty());
    endpoint.reached();
}

async fn query(endpoint: &Endpoint, token: &str, arguments: &Value, mirrored: &[(&str, &str)]) -> Answer {
    let mut body: Value = serde_json::from_str(&modern("tools/call", Some("query"))).unwrap();
    body["params"]["arguments"] = arguments.clone();
    let mut headers =
        vec![("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "query")];
    headers.extend(mirrored);
    endpoint.post(token, &headers, &body.to_string()).await
}

// GW-07, GW-08
#[tokio::test]
async fn headers_that_mirror_arguments_are_checked_once_the_schema_is_known() {
    for media_type in ["application/json", "text/event-stream"] {
        let endpoint = Endpoint::new();
        let hello = json!({"region": "Hello", "n": 42});
        // Nothing is decided on what nobody knows, and it is forwarded as it came.
        let answer = query(&endpoint, ALICE, &hello, &[("mcp-param-region", "other")]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(endpoint.reached()[0].headers["mcp-param-region"], "other");

        list(&endpoint, ALICE, true, media_type).await;
        for (region, n, refused) in [
            (Some("Hello"), Some("42"), false),
            (Some("=?base64?SGVsbG8=?="), Some("42.0"), false),
            (Some("hello"), Some("42"), true),
            (Some("=?base64?SGVsbG8?="), Some("42"), true),
            (Some("Hello"), Some("41"), true),
            (Some("Hello"), None, true),
            (None, Some("42"), true),
        ] {
            let mut headers = Vec::new();
            headers.extend(region.map(|value| ("mcp-param-region", value)));
            headers.extend(n.map(|value| ("mcp-param-n", value)));
            headers.push(("mcp-param-unknown", "kept"));
            let answer = query(&endpoint, ALICE, &hello, &headers).await;
            if refused {
                assert_eq!(
                    (answer.refusal(), answer.json()["id"].as_i64()),
                    ((400, -32020), Some(7)),
                    "{headers:?}"
                );
                assert!(endpoint.reached().is_empty());
            } else {
                assert_eq!(answer.status, 200, "{headers:?}");
                assert_eq!(endpoint.reached()[0].headers["mcp-param-unknown"], "kept");
            }
        }
        for absent in [json!({}), json!({"region": null, "n": null})] {
            assert_eq!(query(&endpoint, ALICE, &absent, &[]).await.status, 200);
            let answer = query(&endpoint, ALICE, &absent, &[("mcp-param-region", "x")]).await;
            assert_eq!(answer.refusal(), (400, -32020));
        }
    }
}

// GW-08
#[tokio::test]
async fn what_one_users_list_says_decides_about_no_other_user() {
    let endpoint = Endpoint::new();
    list(&endpoint, ALICE, true, "application/json").await;
    let bare = json!({"region": "x"});
    assert_eq!(query(&endpoint, BOB, &bare, &[]).await.status, 200);
    assert_eq!(query(&endpoint, ALICE_ELSEWHERE, &bare, &[]).await.refusal(), (400, -32020));
    list(&endpoint, BOB, false, "application/json").await;
    assert_eq!(query(&endpoint, ALICE, &bare, &[]).await.refusal(), (400, -32020));
    list(&endpoint, ALICE, false, "application/json").await;
    assert_eq!(query(&endpoint, ALICE, &bare, &[]).await.status, 200, "a later list counts");
}

// GW-10
#[tokio::test]
async fn older_revisions_need_no_mirrors_and_may_not_contradict() {
    let endpoint = Endpoint::new();
    list(&endpoint, ALICE, true, "application/json").await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query", "arguments": {"region": "x"}}});
    assert_eq!(endpoint.post(ALICE, &[], &body.to_string()).await.status, 200);
    let contradiction = [("mcp-param-region", "y")];
    assert_eq!(endpoint.post(ALICE, &contradiction, &body.to_string()).await.refusal(), (400, -32020));
}

// GW-04
#[tokio::test]
async fn the_versions_to_choose_from_are_those_that_the_server_named() {
    let endpoint = Endpoint::new();
    let unknown = [("mcp-protocol-version", "1900-01-01"), ("mcp-method", "tools/list")];
    let body = modern("tools/list", None).replace(MODERN, "1900-01-01");
    let supported =
        async || endpoint.post(ALICE, &unknown, &body).await.json()["error"]["data"]["supported"].clone();
    assert_eq!(supported().await, json!([MODERN]));
    endpoint.will_say(
        "application/json",
        r#"{"id":7,"result":{"supportedVersions":["2025-11-25","2026-07-28","2099-01-01"]}}"#,
    );
    let discover = [("mcp-protocol-version", MODERN), ("mcp-method", "server/discover")];
    endpoint.post(ALICE, &discover, &modern("server/discover", None)).await;
    assert_eq!(supported().await, json!([MODERN, "2025-11-25"]));
}

fn asks(mode: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 7, "result": {
        "resultType": "input_required", "requestState": "opaque \u{e4} state",
        "inputRequests": {"a": {"method": "elicitation/create", "params": {"mode": mode}}},
    }})
    .to_string()
}

fn capable(body: &str, capabilities: &str) -> String {
    body.replace(r#"clientCapabilities":{}"#, &format!(r#"clientCapabilities":{capabilities}"#))
}

const MODERN_CALL: [(&str, &str); 3] =
    [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "x")];

// MR-01, MR-03
#[tokio::test]
async fn a_server_asks_for_no_input_that_the_client_did_not_declare() {
    let endpoint = Endpoint::new();
    let body = modern("tools/call", Some("x"));
    for (capabilities, mode, missing) in [
        ("{}", "form", Some(json!({"elicitation": {"form": {}}}))),
        (r#"{"elicitation":{}}"#, "form", None),
        (r#"{"elicitation":{}}"#, "url", Some(json!({"elicitation": {"url": {}}}))),
        (r#"{"elicitation":{"url":{}}}"#, "url", None),
        (r#"{"elicitation":{"url":{}}}"#, "form", Some(json!({"elicitation": {"form": {}}}))),
        (r#"{"sampling":{},"roots":{}}"#, "form", Some(json!({"elicitation": {"form": {}}}))),
    ] {
        let body = capable(&body, capabilities);
        endpoint.will_say("application/json", asks(mode));
        let answer = endpoint.post(ALICE, &MODERN_CALL, &body).await;
        match &missing {
            None => assert_eq!(
                answer.body,
                asks(mode),
                "what may pass keeps its bytes, and the state is the server's"
            ),
            Some(missing) => {
                assert_eq!((answer.refusal(), answer.json()["id"].as_i64()), ((400, -32021), Some(7)));
                assert_eq!(&answer.json()["error"]["data"]["requiredCapabilities"], missing);
            }
        }
        let progress = "data: {\"method\":\"notifications/progress\"}\n\n";
        endpoint.will_say("text/event-stream", format!("{progress}data: {}\n\n", asks(mode)));
        let answer = endpoint.post(ALICE, &MODERN_CALL, &body).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(text.starts_with(progress), "{text}");
        assert_eq!(text.contains("-32021"), missing.is_some(), "{text}");
        assert_eq!(text.contains("inputRequests"), missing.is_none(), "{text}");
    }
    // However the answer is cut into pieces.
    let asked = asks("form");
    for size in [1, 2, 5, 13, 40] {
        let pieces: Vec<_> = asked
            .as_bytes()
            .chunks(size)
            .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)))
            .collect();
        endpoint.will_say("application/json", Body::from_stream(stream::iter(pieces)));
        assert_eq!(endpoint.post(ALICE, &MODERN_CALL, &body).await.refusal(), (400, -32021), "{size}");
    }
}

// MR-02
#[tokio::test]
async fn a_method_that_has_no_input_is_answered_with_an_error() {
    let endpoint = Endpoint::new();
    let everything = r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{}}"#;
    for method in ["tools/list", "server/discover", "resources/templates/list", "vendor/method"] {
        endpoint.will_say("application/json", asks("form"));
        let headers = [("mcp-protocol-version", MODERN), ("mcp-method", method)];
        let answer = endpoint.post(ALICE, &headers, &capable(&modern(method, None), everything)).await;
        assert_eq!(answer.refusal(), (502, -32603), "{method}");
    }
}

#[tokio::test]
async fn large_answers_that_ask_for_nothing_pass_in_their_own_pieces() {
    let endpoint = Endpoint::new();
    let pieces =
        [Bytes::from(vec![b' '; 50_000]), Bytes::from(vec![b' '; 50_000]), Bytes::from("input_required")];
    let whole: Vec<u8> = pieces.concat();
    let held = stream::iter(pieces.map(Ok::<_, Infallible>));
    endpoint.will_say("application/json", Body::from_stream(held));
    let answer = endpoint.post(ALICE, &MODERN_CALL, &modern("tools/call", Some("x"))).await;
    assert_eq!((answer.status.as_u16(), answer.body.to_vec()), (200, whole));
}

#[tokio::test]
async fn an_answer_that_is_not_changed_is_the_servers_own_memory() {
    let endpoint = Endpoint::new();
    let nothing = Bytes::from(r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#.to_owned());
    let event = Bytes::from("data: {}\n\n".repeat(100));
    let list = Bytes::from(r#"{"id":7,"result":{"tools":[],"cacheScope":"private"}}"#.to_owned());
    let older = [("mcp-protocol-version", "2025-11-25")];
    for (media_type, bytes, headers, body) in [
        ("application/json", &nothing, &older[..], call("x")),
        ("application/json", &nothing, &MODERN_CALL, modern("tools/call", Some("x"))),
        ("application/json", &list, &MODERN_LIST, modern("tools/list", None)),
        ("text/event-stream", &event, &older, call("x")),
    ] {
        endpoint.will_say(media_type, bytes.clone());
        let mut body = endpoint.open(request(Method::POST, ALICE, headers, &body)).await.into_body();
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(
            (frame.as_ptr(), frame.len()),
            (bytes.as_ptr(), bytes.len()),
            "{headers:?}: it was copied"
        );
    }
}

// BC-09, GW-06
#[tokio::test]
async fn errors_of_the_server_pass_with_their_status_and_code() {
    let endpoint = Endpoint::new();
    for (status, code) in [(404, -32601), (200, -32002), (200, -32602), (400, -32021), (400, -32022)] {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":{code},"message":"m","data":{{"x":1}}}}}}"#);
        let answer = Response::builder().status(status).header("content-type", "application/json");
        endpoint.will_answer(answer.body(Body::from(body.clone())).unwrap());
        let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "vendor/method")];
        let answer = endpoint.post(ALICE, &headers, &modern("vendor/method", None)).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (status, body.as_bytes()));
    }
}

// BC-10
#[tokio::test]
async fn a_stream_that_is_not_there_is_no_session_that_ended() {
    let endpoint = Endpoint::new();
    let missing = || Response::builder().status(404).body(Body::empty()).unwrap();
    endpoint.will_answer(missing());
    let answer = endpoint.send(request(Method::GET, ALICE, &[], "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST, OPTIONS"));
    endpoint.will_answer(missing());
    assert_eq!(endpoint.post(ALICE, &[], &call("x")).await.status, 404);
}

const GRANT: GrantId = GrantId::from_bytes([1; 16]);

fn revocable() -> (Arc<Revocations>, Endpoint) {
    let revocations = Arc::new(Revocations::new());
    let clock =
        Arc::new(coatroom::clock::ManualClock::at(coatroom::protocol::words::Timestamp::from_unix(1_000)));
    let endpoint = Endpoint::with(|builder| builder.with_revocations(Arc::clone(&revocations), clock));
    (revocations, endpoint)
}

/// One piece, and then nothing for ever.
fn slow(first: &'static str) -> Body {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(first.as_bytes()))]);
    Body::from_stream(futures_util::StreamExt::chain(first, stream::pending()))
}

// RS-25
#[tokio::test]
async fn every_answer_that_is_under_way_ends_with_its_grant() {
    let (revocations, endpoint) = revocable();
    for (media_type, is_stream) in [("text/event-stream", true), ("application/octet-stream", false)] {
        endpoint.will_say(media_type, slow("data: 1\n\n"));
        let mut body = endpoint.open(request(Method::POST, BOB, &[], &call("x"))).await.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        let ended = tokio::spawn(async move { body.frame().await });
        revocations.announce(GrantId::from_bytes([3; 16]), Duration::ZERO);
        let last = tokio::time::timeout(Duration::from_secs(1), ended).await.unwrap().unwrap();
        assert_eq!(last.is_none(), is_stream, "an answer of another kind breaks off");
        revocations.announce(GRANT, Duration::from_hours(1));
    }
}

// RS-25
#[tokio::test]
async fn a_call_that_waits_for_its_answer_is_given_up_when_its_grant_ends() {
    let (revocations, endpoint) = revocable();
    let server =
        tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let waiting = endpoint.layer.layer(server).oneshot(request(Method::POST, ALICE, &[], &call("x")));
    let waiting = tokio::spawn(waiting);
    tokio::task::yield_now().await;
    revocations.announce(GRANT, Duration::ZERO);
    let answer = tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    // A list that is being held is given up as well.
    endpoint.will_say("application/json", slow("{"));
    let held = endpoint.send(request(Method::POST, ALICE, &MODERN_LIST, &modern("tools/list", None)));
    assert_eq!(tokio::time::timeout(Duration::from_secs(1), held).await.unwrap().status, 401);
}
