//! Another resource server asks about tokens (RFC 7662).

use std::time::{Duration, Instant};

use coatroom_e2e::oauth::{http, random};
use coatroom_e2e::upstream::Behind;
use serde_json::{Value, json};

const SECRET: &str = "the-secret-of-the-api";

async fn start(more: &str) -> Behind {
    let introspection = format!("[introspection.api]\nsecret = \"{SECRET}\"\nservers = [\"echo\"]\n\n{more}");
    Behind::start("", &introspection).await
}

async fn ask(world: &Behind, token: &str) -> reqwest::Response {
    let url = format!("{}/introspect", world.gateway.origin());
    http().post(url).basic_auth("api", Some(SECRET)).form(&[("token", token)]).send().await.unwrap()
}

// INT-01 to INT-06.
#[tokio::test]
async fn a_resource_server_learns_what_a_token_is_good_for() {
    let world = start("").await;
    let (client, tokens) = world.signed_in("Alice").await;
    let endpoint = client.server["introspection_endpoint"].as_str().unwrap();
    assert_eq!(endpoint, format!("{}/introspect", world.gateway.origin()));
    let answer = ask(&world, &tokens.access).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let answer: Value = answer.json().await.unwrap();
    assert_eq!((answer["active"].as_bool(), answer["token_type"].as_str()), (Some(true), Some("Bearer")));
    assert_eq!(answer["client_id"], client.id());
    assert_eq!(answer["aud"], world.gateway.mcp_url());
    assert_eq!(answer["iss"], world.gateway.origin());
    assert_eq!(answer["exp"].as_u64().unwrap() - answer["iat"].as_u64().unwrap(), 3600);
    let by_header = world.headers(&world.mcp(&tokens.access)).await;
    assert_eq!(answer["sub"], by_header["x-coatroom-user"], "the same name everywhere");
    for other in [&tokens.refresh, "garbage", &format!("coat_at_{}", random())] {
        assert_eq!(ask(&world, other).await.text().await.unwrap(), r#"{"active":false}"#, "{other}");
    }
    let stranger = http().post(endpoint).form(&[("token", &tokens.access)]).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    assert!(stranger.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    let wrong = http().post(endpoint).basic_auth("api", Some("wrong")).form(&[("token", &tokens.access)]);
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let got = http().get(endpoint).send().await.unwrap();
    assert_eq!((got.status().as_u16(), got.headers()["allow"].to_str().unwrap()), (405, "POST"));

    client.revoke(&tokens.refresh).await;
    let revoked = Instant::now();
    assert_eq!(ask(&world, &tokens.access).await.text().await.unwrap(), r#"{"active":false}"#);
    assert!(revoked.elapsed() < Duration::from_secs(1));
    assert!(!world.gateway.log().contains(SECRET) && !world.gateway.log().contains(&tokens.access));
}

// INT-07.
#[tokio::test]
async fn guessing_tokens_is_answered_with_429() {
    let world = start("[rates]\nloopback = true\nfailed_token = \"10/1h\"").await;
    let (_, tokens) = world.signed_in("Alice").await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(ask(&world, &format!("coat_at_{}", random())).await.status().as_u16());
    }
    assert_eq!(statuses, [[200; 10].as_slice(), &[429; 2]].concat());
    let answer = ask(&world, "x").await;
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=360).contains(&wait), "{wait}");
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], json!("slow_down"));
    assert_eq!(ask(&world, &tokens.access).await.json::<Value>().await.unwrap()["active"], true);
}
