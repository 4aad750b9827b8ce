//! How often a protected endpoint may be called.

use std::sync::Arc;

use axum::body::Body;
use coatroom::ClientAddress;
use coatroom::clock::ManualClock;
use coatroom::guard::CallLimits;
use coatroom::protocol::words::Timestamp;
use coatroom::settings::{Rate, Rates, Settings};
use http::{Method, Request};

use super::fixture::{ALICE, ALICE_ELSEWHERE, Answer, BOB, Endpoint, call, request};

fn limited(rates: &Rates) -> Endpoint {
    let mut settings = Settings::default();
    settings.rates = *rates;
    let limits = CallLimits::new(&settings, Arc::new(ManualClock::at(Timestamp::from_unix(0))));
    Endpoint::with(|builder| builder.with_limits(Arc::new(limits)))
}

fn from(address: &str, token: &str) -> Request<Body> {
    let mut request = request(Method::POST, token, &[], &call("x"));
    request.extensions_mut().insert(ClientAddress(address.parse().unwrap()));
    request
}

async fn statuses(endpoint: &Endpoint, address: &str, token: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(endpoint.send(from(address, token)).await.status.as_u16());
    }
    statuses
}

fn is_told_to_wait(answer: &Answer, words: &str) {
    assert_eq!(answer.refusal().0, 429);
    assert_eq!(answer.header("retry-after"), "20");
    assert_eq!(answer.header("www-authenticate"), "", "429 is no challenge");
    assert_eq!(answer.header("cache-control"), "no-store");
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(words), "{message}");
}

// RS-26: whoever tries tokens waits; good ones go on working, there and elsewhere.
#[tokio::test]
async fn bad_tokens_without_pause_are_answered_with_429() {
    let endpoint = limited(&Rates { failed_token: Some(Rate::per_minute(3)), ..Rates::none() });
    assert_eq!(statuses(&endpoint, "192.0.2.1", "coat_at_bad", 4).await, [401, 401, 401, 429]);
    let answer = endpoint.send(from("192.0.2.1", "coat_at_worse")).await;
    is_told_to_wait(&answer, "access tokens that are not valid here");
    assert_eq!(statuses(&endpoint, "192.0.2.1", ALICE, 2).await, [200, 200], "a neighbour with a good token");
    assert_eq!(statuses(&endpoint, "192.0.2.2", "coat_at_bad", 1).await, [401], "another address");
    assert_eq!(statuses(&endpoint, "192.0.2.1", "", 1).await, [401], "no token at all is no guess");
    assert_eq!(statuses(&endpoint, "127.0.0.1", "coat_at_bad", 5).await, [401; 5], "this machine");
}

#[tokio::test]
async fn calls_are_limited_by_address_by_user_and_by_client() {
    let rate = Some(Rate::per_minute(3));
    let endpoint = limited(&Rates { calls: rate, ..Rates::none() });
    assert_eq!(statuses(&endpoint, "192.0.2.1", ALICE, 4).await, [200, 200, 200, 429]);
    is_told_to_wait(&endpoint.send(from("192.0.2.1", "")).await, "calls from this address");
    assert_eq!(statuses(&endpoint, "192.0.2.2", ALICE, 1).await, [200]);

    let endpoint = limited(&Rates { calls_per_user: rate, ..Rates::none() });
    assert_eq!(statuses(&endpoint, "192.0.2.1", ALICE, 2).await, [200, 200]);
    assert_eq!(statuses(&endpoint, "192.0.2.2", ALICE_ELSEWHERE, 2).await, [200, 429], "whatever the client");
    is_told_to_wait(&endpoint.send(from("192.0.2.1", ALICE)).await, "calls of this user");
    assert_eq!(statuses(&endpoint, "192.0.2.1", BOB, 1).await, [200]);

    let endpoint = limited(&Rates { calls_per_client: rate, ..Rates::none() });
    assert_eq!(statuses(&endpoint, "192.0.2.1", ALICE, 2).await, [200, 200]);
    assert_eq!(statuses(&endpoint, "192.0.2.2", BOB, 2).await, [200, 429]);
    is_told_to_wait(&endpoint.send(from("192.0.2.1", BOB)).await, "calls by this client");
}

#[tokio::test]
async fn by_default_good_calls_are_not_limited() {
    let endpoint = limited(&Rates::default());
    assert!(statuses(&endpoint, "192.0.2.1", ALICE, 2000).await.iter().all(|status| *status == 200));
    let refused = statuses(&endpoint, "192.0.2.1", "coat_at_bad", 601).await;
    assert_eq!((refused[599], refused[600]), (401, 429));
}
