//! What one client does is nothing to another: ids, batches, sessions.

use coatroom_e2e::Mcp;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{MODERN, OLDER, REVISIONS, World, count};

#[tokio::test]
async fn two_grants_have_two_processes_and_calls_of_one_go_to_the_same() {
    for revision in ["2025-11-25", MODERN] {
        let world = World::start(revision, "", "").await;
        let (alice, bob) =
            (world.client("Alice", MODERN, json!({})).await, world.client("Bob", MODERN, json!({})).await);
        let first = count(&alice).await;
        let second = count(&alice).await;
        let of_bob = count(&bob).await;
        assert_eq!((&first["asked"], &second["asked"], &of_bob["asked"]), (&json!(1), &json!(2), &json!(1)));
        for (said, account) in [(&first, "alice"), (&of_bob, "bob")] {
            let owner = world.github.owner_of(said["token"].as_str().unwrap());
            assert_eq!(owner.as_deref(), Some(account));
        }
        assert_eq!(world.processes().len(), 2);
    }
}

#[tokio::test]
async fn each_session_of_an_older_client_has_a_process_that_ends_with_it() {
    let world = World::start("2025-11-25", "", "").await;
    let (_, tokens) = world.signed_in("Alice").await;
    let url = world.gateway.mcp_url();
    let first = Mcp::connect_as(&url, "2025-06-18", &tokens.access, json!({})).await;
    let second = Mcp::connect_as(&url, "2025-11-25", &tokens.access, json!({})).await;
    assert!(first.session().is_some() && first.session() != second.session());
    count(&first).await;
    assert_eq!(count(&second).await["asked"], 1);
    assert_eq!(count(&first).await["asked"], 2);
    assert_eq!(world.processes().len(), 2);
    assert!(first.end().await.is_success());
    coatroom_e2e::processes::until(
        std::time::Duration::from_secs(8),
        "the process of an ended session goes on",
        || world.processes().len() == 1,
    )
    .await;
    assert_eq!(first.call("count", json!({})).await.status, 404, "SES-04");
    assert_eq!(count(&second).await["asked"], 2);
}

#[tokio::test]
async fn a_stranger_finds_no_session_and_starts_no_process() {
    let world = World::start("2025-11-25", "", "").await;
    let mut alice = world.client("Alice", "2025-11-25", json!({})).await;
    count(&alice).await;
    let (_, bob) = world.signed_in("Bob").await;
    alice.use_token(&bob.access);
    assert_eq!(alice.call("count", json!({})).await.status, 404);
    assert_eq!(alice.listen().await.status, 404);
    assert_eq!(alice.end().await, 404);
    assert_eq!(world.processes().len(), 1, "the stranger started nothing");
}

/// Many clients of one grant count from the same number, and none gets the answer of another.
#[tokio::test]
async fn ids_of_different_clients_collide_and_each_gets_its_own_answer() {
    for revision in ["2025-03-26", "2025-11-25", MODERN] {
        let world = World::start(revision, "", "").await;
        let (_, tokens) = world.signed_in("Alice").await;
        let url = world.gateway.mcp_url();
        let clients: Vec<Mcp> = (0..20)
            .map(|_| Mcp::without_handshake(&url, coatroom_e2e::Era::Modern, &tokens.access))
            .collect();
        let calls = clients.iter().enumerate().map(async |(number, client)| {
            for id in [json!(1), json!("1"), json!(-7), json!("é \" \\ 1")] {
                let arguments = json!({"text": format!("client {number}")});
                let mut message =
                    client.message("tools/call", json!({"name": "echo-raw", "arguments": arguments}));
                message["id"] = id.clone();
                let answer = client.post(&message).send().await.unwrap();
                let answer = coatroom_e2e::Answer::read(answer).await;
                assert_eq!(answer.body["id"], id, "{}", answer.body);
                let said: Value = serde_json::from_str(&answer.text()).unwrap();
                let line: Value = serde_json::from_str(said["line"].as_str().unwrap()).unwrap();
                assert_eq!(line["params"]["arguments"], arguments, "the answer to another client");
            }
        });
        join_all(calls).await;
        assert_eq!(world.processes().len(), 1, "one grant, one process");
    }
}

// GW-12: batches are for clients of 2025-03-26, whatever the server speaks.
#[tokio::test]
async fn every_request_of_a_batch_gets_one_answer() {
    for revision in REVISIONS {
        let world = World::start(revision, "", "").await;
        let client = world.client("Alice", "2025-03-26", json!({})).await;
        let call = |id: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "count", "arguments": {}}});
        let noted =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "nobody"}});
        let batch = json!([call("a"), noted, call("b"), {"jsonrpc": "2.0", "id": "c", "method": "ping"}]);
        let mut stream = coatroom_e2e::Answer::read(client.post(&batch).send().await.unwrap()).await;
        assert_eq!(stream.status, 200, "{revision}: {}", stream.body);
        let answers = stream.body.as_array_mut().unwrap_or_else(|| panic!("{revision}: no batch of answers"));
        answers.sort_by_key(|answer| answer["id"].to_string());
        let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
        assert_eq!(ids, ["a", "b", "c"], "{revision}: {answers:?}");
        assert!(answers.iter().all(|answer| answer.get("result").is_some()), "{revision}: {answers:?}");
    }
    let world = World::start("2025-11-25", "", "").await;
    for revision in OLDER.into_iter().skip(1).chain([MODERN]) {
        let client = world.client("Bob", revision, json!({})).await;
        let batch = json!([client.message("tools/list", json!({}))]);
        let refused = client.post(&batch).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{revision}");
    }
}
