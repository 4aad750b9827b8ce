//! What lists show: SPEC GW-17, GW-18.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use coatroom::guard::{Authentication, Lists};
use futures_util::stream;
use http::{Method, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::fixture::{ALICE, ALICE_WRITES, Answer, BOB, Endpoint, MODERN, call, modern, request};

const MODERN_LIST: [(&str, &str); 2] = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// A list with a tool of each kind: anybody's, two that need scopes, one that is denied, one that needs a role.
fn tools(more: &str) -> String {
    let tools: Vec<Value> = ["whoami", "create_issue", "create_hook", "drop", "audit"]
        .map(|name| json!({"name": name, "inputSchema": {"type": "object"}}))
        .into();
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{} , "nextCursor":"n"{more}}}}}"#, json!(tools))
}

fn names(answer: &Answer) -> String {
    let answer = answer.json();
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

async fn listed(endpoint: &Endpoint, token: &str) -> String {
    endpoint.will_say("application/json", tools(""));
    names(&endpoint.post(token, &[], LIST).await)
}

// GW-17
#[tokio::test]
async fn a_list_shows_what_the_caller_may_use() {
    let endpoint = Endpoint::new();
    assert_eq!(listed(&endpoint, ALICE).await, "whoami");
    assert_eq!(listed(&endpoint, ALICE_WRITES).await, "whoami create_issue create_hook");
    assert_eq!(listed(&endpoint, BOB).await, "whoami audit");
}

// GW-17
#[tokio::test]
async fn a_list_can_show_what_more_scopes_would_open_or_everything() {
    let reachable = Endpoint::with(|builder| builder.with_lists(Lists::Reachable));
    assert_eq!(listed(&reachable, ALICE).await, "whoami create_issue create_hook");
    assert_eq!(listed(&reachable, BOB).await, "whoami create_issue create_hook audit");
    let all = Endpoint::with(|builder| builder.with_lists(Lists::All));
    all.will_say("application/json", tools(r#","cacheScope":"public""#));
    assert_eq!(all.post(ALICE, &[], LIST).await.body, tools(r#","cacheScope":"public""#));
}

// GW-17, GW-19, RS-02
#[tokio::test]
async fn in_optional_mode_anybody_sees_lists_and_is_challenged_at_the_call_that_needs_a_token() {
    let optional = |lists| {
        Endpoint::with(move |builder| builder.with_authentication(Authentication::Optional).with_lists(lists))
    };
    let endpoint = optional(Lists::Usable);
    assert_eq!(listed(&endpoint, "").await, "whoami");
    let reachable = optional(Lists::Reachable);
    assert_eq!(listed(&reachable, "").await, "whoami create_issue create_hook audit");
    for method in ["initialize", "prompts/list", "ping", "notifications/initialized"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        assert_eq!(endpoint.post("", &[], &body).await.status, 200, "{method}");
    }
    let discover = [("mcp-protocol-version", MODERN), ("mcp-method", "server/discover")];
    assert_eq!(endpoint.post("", &discover, &modern("server/discover", None)).await.status, 200);
    assert_eq!(endpoint.post("", &[], &call("whoami")).await.status, 200);
    endpoint.reached();

    let challenge = endpoint.post("", &[], &call("create_hook")).await;
    assert_eq!(challenge.status, 401);
    assert!(challenge.header("www-authenticate").ends_with(r#", scope="hooks repos:write""#));
    assert!(!challenge.header("www-authenticate").contains("error="));
    assert_eq!(endpoint.post("", &[], &call("drop")).await.status, 403);
    assert_eq!(endpoint.post("coat_at_bad", &[], &call("whoami")).await.status, 401);
    assert_eq!(endpoint.post("coat_at_bad", &[], LIST).await.status, 401);
    for unusable in ["", "Bearer", "Bearer a b"] {
        let answer = endpoint.post("", &[("authorization", unusable)], LIST).await;
        assert!([400, 401].contains(&answer.status.as_u16()), "{unusable:?}: only absence is anonymous");
    }
    assert!(endpoint.reached().is_empty());

    let off = Endpoint::with(|builder| {
        builder.with_authentication(Authentication::Off).with_lists(Lists::Reachable)
    });
    assert_eq!(listed(&off, "").await, "whoami", "where nobody signs in, nothing more can be reached");
}

// GW-18
#[tokio::test]
async fn a_list_with_rules_is_private_on_every_page() {
    let endpoint = Endpoint::new();
    for more in ["", r#","ttlMs":5,"cacheScope":"public""#, r#","cacheScope":"private""#] {
        endpoint.will_say("application/json", tools(more));
        let answer = endpoint.post(ALICE, &MODERN_LIST, &modern("tools/list", None)).await;
        assert_eq!(answer.json()["result"]["cacheScope"], "private", "{more}");
        assert_eq!(answer.json()["result"]["nextCursor"], "n");
        assert_eq!(names(&answer), "whoami");
    }
    let empty_page = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}"#;
    endpoint.will_say("application/json", empty_page);
    let answer = endpoint.post(ALICE, &MODERN_LIST, &modern("tools/list", None)).await;
    assert_eq!(answer.json()["result"], json!({"tools": [], "cacheScope": "private"}));
    endpoint.will_say("application/json", empty_page);
    assert_eq!(endpoint.post(ALICE, &[], LIST).await.body, empty_page, "older revisions have no such member");
}

// GW-17
#[tokio::test]
async fn lists_without_rules_and_other_answers_pass_byte_for_byte() {
    let endpoint = Endpoint::new();
    let odd =
        "{ \"result\":{\"prompts\":[{\"name\":\"drop\"} ],\"tools\":[{\"name\":\"drop\"}]} ,\"id\":1}\r\n";
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"prompts/list"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/templates/list"}"#.to_owned(),
        call("whoami"),
    ] {
        let answer = Response::builder().header("content-type", "application/json").header("etag", "\"e\"");
        let answer = answer.header("content-length", odd.len()).body(Body::from(odd)).unwrap();
        endpoint.will_answer(answer);
        let passed = endpoint.post(ALICE, &[], &body).await;
        assert_eq!(passed.body, odd);
        assert_eq!(
            (passed.header("etag"), passed.header("content-length")),
            ("\"e\"", odd.len().to_string().as_str())
        );
    }
    // What is changed has another length, and is known by no tag of the server.
    let answer = Response::builder().header("content-type", "application/json").header("etag", "\"e\"");
    let answer = answer.header("content-length", tools("").len()).body(Body::from(tools(""))).unwrap();
    endpoint.will_answer(answer);
    let filtered = endpoint.post(ALICE, &[], LIST).await;
    assert_eq!((filtered.header("etag"), filtered.header("content-length")), ("", ""));
}

// GW-17
#[tokio::test]
async fn what_cannot_be_filtered_is_refused() {
    let endpoint = Endpoint::new();
    let huge = format!(r#"{{"id":1,"result":{{"tools":[],"x":"{}"}}}}"#, "x".repeat(9 * 1024 * 1024));
    let twice = r#"{"id":1,"result":{"tools":[]},"result":{"tools":[{"name":"drop"}]}}"#;
    for (media, body) in [
        ("application/json", "{".to_owned()),
        ("application/json", twice.to_owned()),
        ("application/json", huge),
        ("text/html", tools("")),
        ("application/octet-stream", tools("")),
    ] {
        endpoint.will_say(media, body);
        let answer = endpoint.post(ALICE, &[], LIST).await;
        assert_eq!(answer.refusal(), (502, -32603), "{media}");
        assert_eq!(answer.json()["id"], 1);
    }
    let encoded =
        Response::builder().header("content-type", "application/json").header("content-encoding", "gzip");
    endpoint.will_answer(encoded.body(Body::from(tools(""))).unwrap());
    assert_eq!(endpoint.post(ALICE, &[], LIST).await.refusal(), (502, -32603));
    // An error says nothing of tools, and an answer without a type is JSON to some clients.
    let error = Response::builder()
        .status(500)
        .header("content-type", "text/plain")
        .body(Body::from("oops"))
        .unwrap();
    endpoint.will_answer(error);
    assert_eq!(endpoint.post(ALICE, &[], LIST).await.status, 500);
    endpoint.will_answer(Response::new(Body::from(tools(""))));
    assert_eq!(names(&endpoint.post(ALICE, &[], LIST).await), "whoami");
    endpoint.will_answer(Response::builder().status(404).body(Body::from(tools(""))).unwrap());
    assert_eq!(names(&endpoint.post(ALICE, &[], LIST).await), "whoami", "whatever its status is");
}

// GW-12, GW-17
#[tokio::test]
async fn lists_of_a_batch_are_filtered_and_its_other_answers_are_not() {
    let endpoint = Endpoint::new();
    let batch = format!("[{LIST},{}]", call("whoami").replace("\"id\":1", "\"id\":2"));
    let other = r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"drop"}] }}"#;
    endpoint.will_say("application/json", format!("[{other},{}]", tools("")));
    let answer = endpoint.post(ALICE, &[], &batch).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains(other), "{text}");
    assert_eq!(answer.json()[1]["result"]["tools"].as_array().unwrap().len(), 1);
    // The same, one by one in a stream.
    let events = format!("data: {other}\n\ndata: {}\n\n", tools(""));
    endpoint.will_say("text/event-stream", events);
    let text = String::from_utf8(endpoint.post(ALICE, &[], &batch).await.body.to_vec()).unwrap();
    assert!(text.starts_with(&format!("data: {other}\n\n")) && !text.contains("create_issue"), "{text}");
}

const PROGRESS: &str =
    "event: message\nid: 4\nretry: 10\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n";

// GW-17, GW-20
#[tokio::test]
async fn a_list_in_an_event_stream_is_filtered_however_it_is_cut() {
    let endpoint = Endpoint::new();
    let pretty = tools("").replace(r#","nextCursor""#, ",\n\"nextCursor\"").replace('\n', "\ndata:");
    for (events, newline) in [
        (format!(": hello\n\n{PROGRESS}event: message\ndata: {pretty}\n\n: bye\n\n"), "\n"),
        (format!("{PROGRESS}data: {}\n\n", tools("")), "\r\n"),
        (format!("\u{feff}data: {}\n\n", tools("")), "\r"),
        (format!("{PROGRESS}data: {}", tools("")), "\n"),
    ] {
        let events = events.replace('\n', newline);
        let mut expected = None;
        for size in [1, 2, 3, 7, 64, events.len()] {
            let pieces: Vec<_> = events
                .as_bytes()
                .chunks(size)
                .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)))
                .collect();
            endpoint.will_say("text/event-stream", Body::from_stream(stream::iter(pieces)));
            let answer = endpoint.post(ALICE, &[], LIST).await;
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert!(text.contains("whoami") && text.contains("nextCursor"), "{text}");
            for hidden in ["create_", "drop", "audit"] {
                assert!(!text.contains(hidden), "{size}: {text}");
            }
            let list = events.find("data: {\"jsonrpc\":\"2.0\",\"id\"").unwrap_or_else(|| {
                events.find("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\"").unwrap_or(0)
            });
            if newline != "\r" {
                assert!(text.starts_with(&events[..list]), "what came before stays as it was: {text}");
            }
            assert_eq!(expected.get_or_insert(text.clone()), &text, "{size}");
        }
    }
}

// GW-20
#[tokio::test]
async fn events_before_the_list_pass_while_it_is_not_there_yet() {
    let endpoint = Endpoint::new();
    let (send, receive) = tokio::sync::mpsc::channel::<Bytes>(4);
    let pieces = stream::unfold(receive, |mut receive| async move {
        Some((Ok::<_, Infallible>(receive.recv().await?), receive))
    });
    endpoint.will_say("text/event-stream", Body::from_stream(pieces));
    let mut body = endpoint.open(request(Method::POST, ALICE, &[], LIST)).await.into_body();
    for piece in [": keep-alive\n", PROGRESS, ": keep-alive\n\n"] {
        send.send(Bytes::from(piece)).await.unwrap();
        let passed = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(passed, piece);
    }
    send.send(Bytes::from(format!("data: {}", tools("")))).await.unwrap();
    send.send(Bytes::from("\n\n")).await.unwrap();
    drop(send);
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest.starts_with(b"data: {") && !String::from_utf8_lossy(&rest).contains("drop"));
}

// GW-17
#[tokio::test]
async fn what_cannot_be_filtered_in_a_stream_takes_the_form_of_an_error() {
    let endpoint = Endpoint::new();
    let twice = r#"{"id":1,"result":{"tools":[{"name":"drop"}],"tools":[]}}"#;
    let huge = "x".repeat(9 * 1024 * 1024);
    for (events, ends) in [(format!("data: {twice}\n\n{PROGRESS}"), false), (format!("data: {huge}"), true)] {
        endpoint.will_say("text/event-stream", events);
        let answer = endpoint.post(ALICE, &[], LIST).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(
            text.starts_with("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603"),
            "{}",
            &text[..100]
        );
        assert_eq!(text.ends_with(PROGRESS), !ends);
        assert!(text.len() < 1000);
    }
    // A ping that is no JSON says nothing, and goes nowhere.
    endpoint.will_say("text/event-stream", format!("event: ping\ndata: 12:30\n\ndata: {}\n\n", tools("")));
    let text = String::from_utf8(endpoint.post(ALICE, &[], LIST).await.body.to_vec()).unwrap();
    assert!(text.starts_with("data: {") && text.contains("whoami"), "{text}");
}

// GW-17, SES-06
#[tokio::test]
async fn a_stream_that_sends_a_list_again_is_filtered_as_well() {
    let endpoint = Endpoint::new();
    endpoint.will_say("text/event-stream", format!("{PROGRESS}data: {}\n\n", tools("")));
    let answer = endpoint.send(request(Method::GET, ALICE, &[], "")).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.starts_with(PROGRESS) && text.contains("whoami") && !text.contains("drop"), "{text}");
}

// GW-17, BC-09
#[tokio::test]
async fn a_refusal_in_words_lists_nothing_and_passes() {
    let endpoint = Endpoint::new();
    let untyped =
        |status: u16, body: String| Response::builder().status(status).body(Body::from(body)).unwrap();
    for ask in [request(Method::GET, ALICE, &[], ""), request(Method::POST, ALICE, &[], LIST)] {
        endpoint.will_answer(untyped(405, "Method Not Allowed".to_owned()));
        let answer = endpoint.send(ask).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (405, &b"Method Not Allowed"[..]));
    }
    for disguised in ["", " \n", "\u{feff}", "\u{feff} ", "\0", "\u{b}"] {
        endpoint.will_answer(untyped(405, format!("{disguised}{}", tools(""))));
        let answer = endpoint.post(ALICE, &[], LIST).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains("drop"), "{disguised:?}");
    }
    endpoint.will_answer(untyped(200, "Method Not Allowed".to_owned()));
    assert_eq!(endpoint.post(ALICE, &[], LIST).await.refusal(), (502, -32603), "no list where one is due");
}
