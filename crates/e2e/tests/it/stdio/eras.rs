//! Clients of every revision before servers of every revision, and messages that pass as they were written.

use coatroom_e2e::mcp::Answer;
use coatroom_e2e::processes::until;
use serde_json::{Value, json};

use super::{MODERN, OLDER, REVISIONS, World, count};
use std::time::Duration;

#[tokio::test]
async fn a_client_of_every_revision_lists_and_calls_at_a_server_of_every_revision() {
    for spoken in REVISIONS {
        let world = World::start(spoken, "", "").await;
        for revision in REVISIONS {
            let client = world.client("Alice", revision, json!({})).await;
            let listed = client.request("tools/list", json!({})).await;
            assert_eq!(listed.status, 200, "{revision} before {spoken}: {}", listed.body);
            let result = &listed.body["result"];
            let tool = &result["tools"][0];
            assert_eq!((&tool["name"], &tool["x-unknown"]), (&json!("env"), &json!([1, {"kept": 2.5}])));
            let called = client.call("count", json!({})).await;
            if revision == MODERN {
                let said = (&result["resultType"], result["ttlMs"].is_u64(), &result["cacheScope"]);
                assert_eq!(said, (&json!("complete"), true, &json!("private")), "before {spoken}: {result}");
                assert_eq!(
                    called.body["result"]["resultType"], "complete",
                    "before {spoken}: {}",
                    called.body
                );
            }
            assert!(count(&client).await["asked"].is_u64());
            let missing = client.call("no-such-tool", json!({})).await;
            assert_eq!(missing.body["error"]["code"], -32602, "{revision} before {spoken}: {}", missing.body);
        }
    }
}

#[tokio::test]
async fn a_handshake_is_answered_in_the_clients_revision_whatever_the_server_speaks() {
    for spoken in REVISIONS {
        let world = World::start(spoken, "", "").await;
        let (_, tokens) = world.signed_in("Alice").await;
        let url = world.gateway.mcp_url();
        for revision in OLDER {
            let client =
                coatroom_e2e::Mcp::without_handshake(&url, coatroom_e2e::Era::Legacy, &tokens.access);
            let hello = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}});
            let answer = client.request("initialize", hello).await;
            let result = &answer.body["result"];
            // A client may know no other.
            assert_eq!(result["protocolVersion"], revision, "before {spoken}: {}", answer.body);
            assert_eq!(result["serverInfo"]["name"], "probe", "{result}");
            assert_eq!(result["serverInfo"]["x-unknown"], json!({"kept": true}), "{result}");
            assert_eq!(result["capabilities"]["tools"]["listChanged"], true, "{result}");
            assert!(answer.headers.contains_key("mcp-session-id"));
        }
        let client = coatroom_e2e::Mcp::without_handshake(&url, coatroom_e2e::Era::Modern, &tokens.access);
        let discovered = client.request("server/discover", json!({})).await;
        let result = &discovered.body["result"];
        assert!(
            result["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)),
            "before {spoken}: {result}"
        );
        assert_eq!(result["capabilities"]["tools"]["listChanged"], true, "before {spoken}: {result}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "probe", "{result}");
        assert_eq!((&result["resultType"], result["ttlMs"].is_u64()), (&json!("complete"), true), "{result}");
        assert!(discovered.headers.get("mcp-session-id").is_none(), "SES-09");
    }
}

// GW-04, GW-06.
#[tokio::test]
async fn methods_and_revisions_that_do_not_exist_are_refused_in_the_clients_era() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        let client = world.client("Alice", MODERN, json!({})).await;
        for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such/method"] {
            let answer = client.request(method, json!({})).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["error"]["code"]),
                (404, &json!(-32601)),
                "{method} before {spoken}: {}",
                answer.body
            );
        }
        let old = world.client("Alice", "2025-11-25", json!({})).await;
        let answer = old.request("no/such/method", json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["error"]["code"]),
            (200, &json!(-32601)),
            "{}",
            answer.body
        );
        assert_eq!(old.request("ping", json!({})).await.body["result"], json!({}), "before {spoken}");
    }
}

/// What the process read, as it read it.
async fn echoed(client: &coatroom_e2e::Mcp, body: &str, message: &Value) -> (String, u64) {
    let answer = client.post(message).body(body.to_owned()).send().await.unwrap();
    let answer = Answer::read(answer).await;
    let said: Value = serde_json::from_str(&answer.text()).unwrap();
    (said["line"].as_str().unwrap().to_owned(), said["lines"].as_u64().unwrap())
}

#[tokio::test]
async fn members_that_nobody_knows_pass_untouched() {
    for revision in REVISIONS {
        let world = World::start(revision, "", "").await;
        let client = world.client("Alice", revision, json!({})).await;
        let message =
            client.message("tools/call", json!({"name": "echo-raw", "arguments": {"text": "TEXT"}}));
        let odd = r#""number":1.50,"large":123456789012345678901234567890,"exponent":1E+2,"spaced" : [ 1,2 ],"escaped":"\u00e9\/é","empty":{},"null":null"#;
        let body = message
            .to_string()
            .replace("\"text\":\"TEXT\"", odd)
            .replace("\"method\"", "\"x-unknown\":{\"b\":1,\"a\":[true]},\"method\"");
        let (line, _) = echoed(&client, &body, &message).await;
        assert!(line.contains(odd), "{revision}: {line}");
        assert!(line.contains("\"x-unknown\":{\"b\":1,\"a\":[true]}"), "{revision}: {line}");
    }
}

// One judged message is one line, however it was broken; what is inside of strings stays what it means.
#[tokio::test]
async fn a_body_with_line_breaks_is_one_line_for_the_server() {
    for revision in ["2025-11-25", MODERN] {
        let world = World::start(revision, "", "").await;
        let client = world.client("Alice", revision, json!({})).await;
        let message = client.message("tools/call", json!({"name": "echo-raw", "arguments": {}}));
        let (_, before) = echoed(&client, &message.to_string(), &message).await;
        let text = "a\u{85}b\u{2028}c\u{2029}d\\n\\r";
        let hidden = r#"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"#;
        for newline in ["\n", "\r", "\r\n", "\n\n\r"] {
            let message =
                client.message("tools/call", json!({"name": "echo-raw", "arguments": {"text": "TEXT"}}));
            let body = message.to_string().replace("TEXT", &format!("{text}{hidden}"));
            let body = body.replace("\"method\"", &format!("{newline}\"method\"{newline}"));
            let body = body.replacen('{', &format!("{{{newline}"), 1);
            let (line, _) = echoed(&client, &body, &message).await;
            assert!(!line.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']), "{revision}: {line:?}");
            let read: Value = serde_json::from_str(&line).unwrap();
            let sent: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(read["params"]["arguments"], sent["params"]["arguments"], "{revision}");
        }
        let (_, after) = echoed(&client, &message.to_string(), &message).await;
        assert_eq!(after - before, 5, "{revision}: one message, one line");
    }
}

#[tokio::test]
async fn progress_reaches_the_client_that_asked_for_it_under_its_own_token() {
    for spoken in ["2025-03-26", "2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        for revision in ["2025-06-18", MODERN] {
            let (_, tokens) = world.signed_in("Alice").await;
            let url = world.gateway.mcp_url();
            // Two calls at once of one process, with the same token.
            let calls = (0..2).map(async |number: u64| {
                let client = coatroom_e2e::Mcp::connect_as(&url, revision, &tokens.access, json!({})).await;
                let params = json!({"name": "sleep", "arguments": {"seconds": 1 + number}, "_meta": {"progressToken": "same"}});
                let mut stream = client.open("tools/call", params).await;
                let (before, answer) = stream.answer().await;
                assert!(answer["result"].is_object(), "{revision} before {spoken}: {answer}");
                let notes: Vec<&Value> = before.iter().filter(|note| note["method"] == "notifications/progress").collect();
                assert_eq!(notes.len(), 10, "{revision} before {spoken}: {before:?}");
                for (step, note) in (1..).zip(notes) {
                    assert_eq!((&note["params"]["progressToken"], &note["params"]["progress"]), (&json!("same"), &json!(step)));
                }
            });
            futures_util::future::join_all(calls).await;
        }
    }
}

#[tokio::test]
async fn what_a_server_logs_reaches_the_client_that_may_hear_it() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        for (revision, asks, heard) in
            [("2025-11-25", true, true), (MODERN, true, true), (MODERN, false, false)]
        {
            let client = world.client("Alice", revision, json!({})).await;
            let mut params = json!({"name": "log", "arguments": {}});
            let mut aside = None;
            if revision != MODERN {
                let set = client.request("logging/setLevel", json!({"level": "info"})).await;
                assert_eq!(set.body["result"], json!({}), "before {spoken}: {}", set.body);
                aside = Some(client.listen().await);
            } else if asks {
                params["_meta"] = json!({"io.modelcontextprotocol/logLevel": "info"});
            }
            let mut stream = client.open("tools/call", params).await;
            let (mut before, answer) = stream.answer().await;
            assert!(answer["result"].is_object(), "{answer}");
            // What an older server says belongs to no call, and may come on the other stream.
            if let Some(aside) = &mut aside {
                let more = tokio::time::timeout(Duration::from_millis(300), aside.next()).await;
                before.extend(more.ok().flatten());
            }
            let logged = before.iter().filter(|note| note["method"] == "notifications/message").count();
            assert_eq!(logged == 1, heard, "{revision} (asks: {asks}) before {spoken}: {before:?}, {answer}");
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_in_the_modern_era_alone() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        for (revision, cancels) in [(MODERN, true), ("2025-11-25", false)] {
            let client = world.client("Alice", revision, json!({})).await;
            count(&client).await;
            let params = json!({"name": "sleep", "arguments": {"seconds": 3}, "_meta": {"progressToken": 1}});
            let mut stream = client.open("tools/call", params).await;
            stream.next().await.expect("progress");
            drop(stream);
            let cancelled = async || client.call("cancellations", json!({})).await.text() == "1";
            if cancels {
                let mut told = false;
                for _ in 0..20 {
                    told |= cancelled().await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                assert!(told, "{revision} before {spoken}: nobody told the server");
            } else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert!(
                    !cancelled().await,
                    "{revision} before {spoken}: a broken connection cancels nothing"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_notification_cancels_a_call_of_the_same_client_and_no_other() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        let (_, tokens) = world.signed_in("Alice").await;
        let url = world.gateway.mcp_url();
        let client = coatroom_e2e::Mcp::connect_as(&url, "2025-06-18", &tokens.access, json!({})).await;
        let other = coatroom_e2e::Mcp::connect_as(&url, "2025-06-18", &tokens.access, json!({})).await;
        let params = json!({"name": "sleep", "arguments": {"seconds": 4}, "_meta": {"progressToken": 1}});
        let (mut first, mut second) =
            (client.open("tools/call", params.clone()).await, other.open("tools/call", params).await);
        first.next().await.expect("progress");
        assert_eq!(first.id, second.id);
        let noted = client.notify("notifications/cancelled", json!({"requestId": first.id})).await;
        assert_eq!(noted, 202);
        let (_, answer) = second.answer().await;
        assert!(answer["result"].is_object(), "before {spoken}: {answer}");
        assert_eq!(client.call("cancellations", json!({})).await.text(), "1", "before {spoken}");
        assert_eq!(other.call("cancellations", json!({})).await.text(), "0", "before {spoken}");
    }
}

#[tokio::test]
async fn whoever_listens_hears_that_a_list_changed() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        let modern = world.client("Alice", MODERN, json!({})).await;
        let mut stream =
            modern.open("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})).await;
        let acknowledged = stream.next().await.unwrap();
        assert_eq!(
            acknowledged["method"], "notifications/subscriptions/acknowledged",
            "before {spoken}: {acknowledged}"
        );
        assert_eq!(acknowledged["params"]["notifications"]["toolsListChanged"], true, "{acknowledged}");
        let tag = |note: &Value| note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
        assert_eq!(tag(&acknowledged), stream.id, "SUB-01");
        let mut deaf =
            modern.open("subscriptions/listen", json!({"notifications": {"promptsListChanged": true}})).await;
        deaf.next().await.expect("acknowledged");
        modern.call("list-changed", json!({})).await;
        let told = stream.next().await.unwrap();
        assert_eq!(
            (&told["method"], tag(&told)),
            (&json!("notifications/tools/list_changed"), stream.id.clone())
        );
        let listed = modern.request("tools/list", json!({})).await;
        assert!(listed.body.to_string().contains("\"more\""), "{}", listed.body);
        let silence = tokio::time::timeout(Duration::from_millis(300), deaf.next()).await;
        assert!(silence.is_err(), "before {spoken}: it did not ask for that: {silence:?}");

        let old = world.client("Bob", "2025-11-25", json!({})).await;
        let mut stream = old.listen().await;
        assert_eq!(stream.status, 200, "before {spoken}");
        old.call("list-changed", json!({})).await;
        assert_eq!(
            stream.next().await.unwrap()["method"],
            "notifications/tools/list_changed",
            "before {spoken}"
        );
    }
}

// SUB-01, rule 5: a stream does not outlive what was allowed.
#[tokio::test]
async fn streams_end_when_the_grant_does() {
    let world = World::start(MODERN, "", "").await;
    let (client, tokens) = world.signed_in("Alice").await;
    let modern =
        coatroom_e2e::Mcp::connect_as(&world.gateway.mcp_url(), MODERN, &tokens.access, json!({})).await;
    let mut stream =
        modern.open("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})).await;
    stream.next().await.expect("acknowledged");
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    let ended =
        tokio::time::timeout(Duration::from_secs(2), async { while stream.next().await.is_some() {} }).await;
    assert!(ended.is_ok(), "the stream goes on");
    until(Duration::from_secs(1), "the process goes on", || world.processes().is_empty()).await;
}
