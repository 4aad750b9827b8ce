//! Sessions of the legacy transports: SPEC SES-01 to SES-09.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::Method;

use super::fixture::{ALICE, ALICE_ELSEWHERE, ALICE_REFRESHED, BOB, Endpoint, MODERN, call, modern, request};

const UPSTREAM: &str = "upstream.session-1";

async fn begun(endpoint: &Endpoint, token: &str) -> String {
    *endpoint.session.lock().unwrap() = Some(UPSTREAM);
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let answer = endpoint.post(token, &[], initialize).await;
    *endpoint.session.lock().unwrap() = None;
    endpoint.reached();
    answer.header("mcp-session-id").to_owned()
}

async fn status(endpoint: &Endpoint, token: &str, session: &str) -> u16 {
    endpoint.post(token, &[("mcp-session-id", session)], &call("x")).await.status.as_u16()
}

// SES-01, SES-02
#[tokio::test]
async fn a_session_id_is_random_visible_and_no_credential() {
    let endpoint = Endpoint::new();
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let id = begun(&endpoint, ALICE).await;
        assert!(id.bytes().all(|b| b.is_ascii_graphic()), "{id}");
        assert!(seen.insert(id));
    }
    let id = begun(&endpoint, ALICE).await;
    assert_eq!(status(&endpoint, "", &id).await, 401);
    assert_eq!(status(&endpoint, ALICE, &id).await, 200);
    assert_eq!(endpoint.reached()[0].headers["mcp-session-id"], UPSTREAM);
}

// SES-03, SES-05, SES-06
#[tokio::test]
async fn a_session_is_its_users_and_outlives_a_refresh() {
    let endpoint = Endpoint::new();
    let id = begun(&endpoint, ALICE).await;
    assert_eq!(status(&endpoint, ALICE_REFRESHED, &id).await, 200);
    endpoint.reached();
    for token in [BOB, ALICE_ELSEWHERE] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let headers = [("mcp-session-id", id.as_str()), ("last-event-id", "1")];
            let answer = endpoint.send(request(method, token, &headers, &call("x"))).await;
            assert_eq!(answer.status, 404);
        }
    }
    assert!(endpoint.reached().is_empty());
    assert_eq!(status(&endpoint, ALICE, &id).await, 200);
}

// SES-04
#[tokio::test]
async fn unknown_forged_and_ended_sessions_are_not_found() {
    let endpoint = Endpoint::new();
    let id = begun(&endpoint, ALICE).await;
    let (head, _) = id.split_once('.').unwrap();
    let other_upstream = format!("{head}.another");
    for forged in ["", "unknown", UPSTREAM, ".x", other_upstream.as_str(), head] {
        assert_eq!(status(&endpoint, ALICE, forged).await, 404, "{forged}");
    }
    assert!(endpoint.reached().is_empty());
    let delete = request(Method::DELETE, ALICE, &[("mcp-session-id", &id)], "");
    assert_eq!(endpoint.send(delete).await.status, 200);
    let answer = endpoint.post(ALICE, &[("mcp-session-id", &id)], &call("x")).await;
    assert_eq!((answer.status.as_u16(), answer.json()["id"].as_i64()), (404, Some(1)));
}

// SES-08
#[tokio::test]
async fn sessions_end_when_idle_and_a_user_has_only_so_many() {
    let endpoint = Endpoint::new();
    let first = begun(&endpoint, ALICE).await;
    let hers_elsewhere = begun(&endpoint, BOB).await;
    endpoint.clock.advance(Duration::from_secs(1));
    let mut later = Vec::new();
    for _ in 0..3 {
        later.push(begun(&endpoint, ALICE).await);
        endpoint.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(status(&endpoint, ALICE, &first).await, 404);
    assert_eq!(status(&endpoint, BOB, &hers_elsewhere).await, 200);
    for id in &later {
        assert_eq!(status(&endpoint, ALICE, id).await, 200);
    }
    endpoint.clock.advance(Duration::from_hours(24));
    assert_eq!(status(&endpoint, ALICE, &later[0]).await, 404);
}

#[tokio::test]
async fn an_answer_that_repeats_the_session_shows_the_clients_id() {
    let endpoint = Endpoint::new();
    let id = begun(&endpoint, ALICE).await;
    *endpoint.session.lock().unwrap() = Some(UPSTREAM);
    let answer = endpoint.post(ALICE, &[("mcp-session-id", &id)], &call("x")).await;
    assert_eq!(answer.header("mcp-session-id"), id);
}

// SES-09
#[tokio::test]
async fn the_modern_wire_has_no_sessions() {
    let endpoint = Endpoint::new();
    *endpoint.session.lock().unwrap() = Some(UPSTREAM);
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
        ("mcp-session-id", "anything"),
        ("last-event-id", "1"),
    ];
    let answer = endpoint.post(ALICE, &headers, &modern("tools/list", None)).await;
    assert_eq!((answer.status.as_u16(), answer.header("mcp-session-id")), (200, ""));
    let reached = endpoint.reached();
    assert!(!reached[0].headers.contains_key("mcp-session-id"));
    assert!(!reached[0].headers.contains_key("last-event-id"));
}

// SES-06
#[tokio::test]
async fn events_are_replayed_within_a_session_alone() {
    let endpoint = Endpoint::new();
    let id = begun(&endpoint, ALICE).await;
    let another = begun(&endpoint, ALICE).await;
    let stream = "id: 1.a\r\ndata: {}\r\n\r\nid\ndata: x\n\nid: \ndata: y\n\n: id: 1\n\nid: 2";
    let events = async |session: &str, cut: usize| {
        let pieces: Vec<_> =
            stream.as_bytes().chunks(cut).map(|piece| Ok::<_, Infallible>(piece.to_vec())).collect();
        endpoint.will_say("text/event-stream", Body::from_stream(stream::iter(pieces)));
        let answer = endpoint.post(ALICE, &[("mcp-session-id", session)], &call("x")).await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    let passed = events(&id, 1000).await;
    assert_eq!(events(&id, 1).await, passed);
    let lines: Vec<&str> = passed.lines().collect();
    let first = lines[0].strip_prefix("id: ").unwrap();
    let last = passed.rsplit("id: ").next().unwrap().trim_end();
    assert!(first.ends_with(".1.a") && last.ends_with(".2") && first.len() > 20, "{passed}");
    assert_eq!(
        passed.replace(first, "1.a").replace(last, "2").replace("\r\n", "\n").trim_end(),
        stream.replace("\r\n", "\n")
    );
    assert_ne!(events(&another, 1000).await, passed);
    endpoint.reached();
    let replayed = async |session: &str, event: &str| {
        let headers = [("last-event-id", event), ("mcp-session-id", session)];
        let headers = if session.is_empty() { &headers[..1] } else { &headers };
        assert_eq!(endpoint.send(request(Method::GET, ALICE, headers, "")).await.status, 200);
        let seen = endpoint.reached()[0].headers.get("last-event-id").cloned();
        seen.map(|event| event.to_str().unwrap().to_owned())
    };
    assert_eq!(replayed(&id, first).await.as_deref(), Some("1.a"));
    assert_eq!(replayed(&id, last).await.as_deref(), Some("2"));
    for (session, event) in [
        (&id, "1.a"),
        (&id, "1"),
        (&another, first),
        (&id, &format!("{first}x")),
        (&id, ""),
        (&String::new(), first),
    ] {
        assert_eq!(replayed(session, event).await, None, "{event}");
    }
}

#[tokio::test]
async fn names_that_a_server_could_read_as_others_never_travel_on() {
    let endpoint = Endpoint::new();
    let odd = [("last_event_id", "1"), ("x.coatroom.user", "bob"), ("content_length", "0"), ("x-fine", "1")];
    endpoint.send(request(Method::GET, ALICE, &odd, "")).await;
    let headers = &endpoint.reached()[0].headers;
    assert!(odd[..3].iter().all(|(name, _)| !headers.contains_key(*name)), "{headers:?}");
    assert!(headers.contains_key("x-fine"));
}

#[tokio::test]
async fn a_session_id_that_mcp_forbids_never_reaches_the_client() {
    let endpoint = Endpoint::new();
    *endpoint.session.lock().unwrap() = Some("two words");
    assert_eq!(endpoint.post(ALICE, &[], &call("x")).await.status, 503);
}
