//! How often one address may ask, from outside. Here this machine is limited too, and has several addresses.

use coatroom_e2e::upstream::Behind;
use coatroom_e2e::{Gateway, oauth::random};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

const SMALL: &str = "[rates]\nloopback = true\nregister = \"3/1h\"\nauthorize = \"20/1h\"\ntoken = \"10/1h\"\n\
                     discovery = \"30/1h\"\nfailed_token = \"5/1h\"\ncalls = \"40/1h\"\ncalls_per_user = \"15/1h\"\n";

/// A client with an address of its own.
fn at(last: u8) -> Client {
    let address = [127, 0, 0, last].into();
    Client::builder()
        .local_address(Some(address))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

async fn ask(client: &Client, gateway: &Gateway, method: Method, path: &str) -> reqwest::Response {
    let url = format!("{}{path}", gateway.origin().replace("localhost", "127.0.0.1"));
    let host = gateway.origin().replace("http://", "");
    let mut request = client.request(method.clone(), url).header("host", host);
    if path == "/register" {
        request = request.json(&json!({ "redirect_uris": ["http://127.0.0.1/cb"] }));
    } else if method == Method::POST {
        request =
            request.header("content-type", "application/x-www-form-urlencoded").body("client_id=x&token=y");
    }
    request.send().await.unwrap()
}

// DCR-22, AZ-41, TOK-10, RS-26: each door by itself, with 429 and the time to wait; another address is not affected.
#[tokio::test]
async fn every_door_is_limited_by_address() {
    let world = Behind::start("", SMALL).await;
    let gateway = &world.gateway;
    for (number, (method, path, allowed)) in [
        (Method::POST, "/register", 3),
        (Method::GET, "/authorize?client_id=x", 20),
        (Method::POST, "/token", 10),
        (Method::POST, "/revoke", 10),
        (Method::GET, "/.well-known/oauth-authorization-server", 30),
        (Method::GET, "/jwks.json", 30),
        (Method::GET, "/nothing/here", 30),
        (Method::POST, "/mcp", 40),
    ]
    .into_iter()
    .enumerate()
    {
        let number = u8::try_from(number).unwrap() * 2 + 10;
        let (here, there) = (at(number), at(number + 1));
        let mut limited = None;
        for count in 0..=allowed {
            let answer = ask(&here, gateway, method.clone(), path).await;
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                limited = Some((count, answer));
                break;
            }
            assert!(!answer.status().is_server_error());
        }
        let (count, answer) = limited.unwrap_or_else(|| panic!("{path} is not limited"));
        assert_eq!(count, allowed, "{path}");
        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3600).contains(&wait), "{path}: {wait}");
        assert!(answer.headers()["cache-control"].to_str().unwrap().contains("no-store"), "{path}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(
            kind.starts_with(if path.starts_with("/authorize") { "text/html" } else { "application/json" }),
            "{kind}"
        );
        assert_ne!(ask(&there, gateway, method.clone(), path).await.status(), 429, "{path}: another address");
    }
}

// RS-26: trying tokens is slow; a good client goes on, at the same address and at another.
#[tokio::test]
async fn trying_tokens_is_slow_and_good_clients_go_on() {
    let world = Behind::start("", SMALL).await;
    let (_, tokens) = world.signed_in("Alice").await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(
            world.mcp(&format!("coat_at_{}", random())).call("headers", json!({})).await.status.as_u16(),
        );
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    let refused = world.mcp("coat_at_x").call("headers", json!({})).await;
    assert!(refused.headers.contains_key("retry-after") && !refused.headers.contains_key("www-authenticate"));
    assert_eq!(world.mcp(&tokens.access).call("headers", json!({})).await.status, 200);
}

// RS-26: by user, whatever the address and the client.
#[tokio::test]
async fn calls_of_one_user_are_limited_and_another_user_is_not() {
    let world = Behind::start("", SMALL).await;
    let ((_, alice), (_, bob)) = tokio::join!(world.signed_in("Alice"), world.signed_in("Bob"));
    let mcp = world.mcp(&alice.access);
    let mut answers = Vec::new();
    for _ in 0..16 {
        answers.push(mcp.call("headers", json!({})).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(
        (statuses[..15].iter().all(|status| *status == 200), statuses[15]),
        (true, 429),
        "{statuses:?}"
    );
    let message: &Value = &answers[15].body["error"]["message"];
    assert_eq!(message, "too many calls of this user; wait before the next one");
    assert_eq!(world.mcp(&bob.access).call("headers", json!({})).await.status, 200);
}

// OPS-08: administration is by commands, on the machine itself.
#[tokio::test]
async fn nothing_for_administrators_is_at_the_public_address() {
    let world = Behind::start("", "").await;
    let here = at(2);
    for path in [
        "/admin",
        "/keys",
        "/block",
        "/grants",
        "/config",
        "/metrics",
        "/debug/pprof",
        "/status",
        "/api",
        "/store",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = ask(&here, &world.gateway, method.clone(), path).await;
            assert_eq!(answer.status(), 404, "{method} {path}");
        }
    }
}
