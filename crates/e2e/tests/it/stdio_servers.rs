//! The servers on stdio that other tests put behind the gateway, met without it: a test that leans on a broken one proves nothing.

use coatroom_e2e::stdio::text;
use coatroom_e2e::{StdioServer, tools};
use serde_json::{Value, json};

const EVERYTHING: &str = env!("CARGO_BIN_EXE_everything");
const PROBE: &str = env!("CARGO_BIN_EXE_probe");
const OLDER: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
const MODERN: &str = "2026-07-28";

fn probe(revision: &str) -> StdioServer {
    StdioServer::start(&[PROBE], &[("PROBE_REVISION", revision), ("TOKEN", "token-of-alice")])
}

/// A probe of a revision with which hands were shaken, if that revision has any.
async fn ready(revision: &'static str, capabilities: Value) -> StdioServer {
    let mut server = probe(revision);
    if revision != MODERN {
        let hello = server.shake_hands(revision, capabilities).await;
        assert_eq!(hello["result"]["protocolVersion"], revision, "{hello}");
    }
    server
}

#[tokio::test]
async fn the_reference_server_speaks_the_revisions_that_it_is_told_to() {
    for (mode, older, modern) in [("all", true, true), ("legacy", true, false), ("modern", false, true)] {
        let mut server = StdioServer::start(&[EVERYTHING, mode], &[]);
        let listed = server.request("tools/list", json!({})).await;
        assert_eq!(listed["result"]["tools"].is_array(), modern, "{mode}: {listed}");
        for revision in OLDER {
            let mut server = StdioServer::start(&[EVERYTHING, mode], &[]);
            let hello = server.shake_hands(revision, json!({})).await;
            assert_eq!(hello["result"]["protocolVersion"] == revision, older, "{mode}: {hello}");
            if older {
                let answer = server.call("test_simple_text", json!({})).await;
                assert!(text(&answer).contains("simple text"), "{answer}");
                assert_eq!(server.finish().await.0, Some(0));
            }
        }
    }
}

#[tokio::test]
async fn the_servers_of_others_start_and_speak_the_era_that_they_are_of() {
    let node = tools::folder().join("bin/node").display().to_string();
    let packages = tools::folder().join("node/node_modules/@modelcontextprotocol");
    let script = |name: &str| packages.join(name).join("dist/index.js").display().to_string();
    let time = tools::folder().join("python-servers/bin/mcp-server-time").display().to_string();
    let (everything, files, github) =
        (script("server-everything"), script("server-filesystem"), script("server-github"));
    for (command, tool, is_modern) in [
        (vec![node.as_str(), &everything], "echo", false),
        (vec![node.as_str(), &files, "/tmp"], "read_text_file", false),
        (vec![node.as_str(), &github], "search_repositories", false),
        (vec![time.as_str()], "get_current_time", true),
    ] {
        let mut server = StdioServer::start(&command, &[]);
        let discovered = server.request("server/discover", json!({})).await;
        assert_eq!(discovered["error"].is_null(), is_modern, "{discovered}");
        let mut server = StdioServer::start(&command, &[]);
        server.shake_hands("2025-06-18", json!({})).await;
        let listed = server.request("tools/list", json!({})).await;
        assert!(listed.to_string().contains(&format!("\"{tool}\"")), "{listed}");
    }
}

#[tokio::test]
async fn the_probe_speaks_one_revision_and_is_strict() {
    for revision in OLDER {
        let mut server = probe(revision);
        let early = server.call("count", json!({})).await;
        assert_eq!(early["error"]["code"], -32600, "{early}");
        let discovered = server.request("server/discover", json!({})).await;
        assert_eq!(discovered["error"]["code"], -32601, "{discovered}");
        server.shake_hands(revision, json!({})).await;
        let again = server.request("initialize", json!({})).await;
        assert_eq!(again["error"]["code"], -32600, "{again}");
        server.send("[{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"method\":\"ping\"}]").await;
        let batch = server.next().await;
        assert_eq!(batch.as_array().map(Vec::len), (revision == "2025-03-26").then_some(2), "{batch}");
    }
    let mut server = probe(MODERN);
    assert_eq!(server.request("initialize", json!({})).await["error"]["code"], -32601);
    let discovered = server.request("server/discover", json!({})).await;
    assert_eq!(discovered["result"]["supportedVersions"], json!([MODERN]), "{discovered}");
    server.send(r#"{"jsonrpc":"2.0","id":"bare","method":"tools/list"}"#).await;
    assert_eq!(server.answer(&json!("bare")).await["error"]["code"], -32602);
}

#[tokio::test]
async fn the_probe_tells_what_it_was_given_and_what_it_read() {
    for revision in ["2025-11-25", MODERN] {
        let mut server = ready(revision, json!({})).await;
        let environment: Value = serde_json::from_str(&text(&server.call("env", json!({})).await)).unwrap();
        assert_eq!(environment["TOKEN"], "token-of-alice");
        assert!(environment.get("CARGO").is_none(), "{environment}");
        let who: Value = serde_json::from_str(&text(&server.call("whoami", json!({})).await)).unwrap();
        assert!(who["uid"].is_u64() && who["processes"].as_array().unwrap().contains(&who["pid"]), "{who}");
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        let line = format!(
            r#"{{"jsonrpc":"2.0", "x":1.50,"id":"raw","method":"tools/call","params":{{"name":"echo-raw","arguments":{{}},{meta}}}}}"#
        );
        server.send(&line).await;
        let told = text(&server.answer(&json!("raw")).await);
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["line"], line);
        let (first, second) = (server.call("count", json!({})).await, server.call("count", json!({})).await);
        assert!(text(&first).contains("\"asked\":1") && text(&second).contains("\"asked\":2"), "{second}");
        let missing = server.call("read-file", json!({"path": "/nowhere"})).await;
        assert_eq!(missing["result"]["isError"], true, "{missing}");
    }
}

#[tokio::test]
async fn the_probe_works_on_while_it_sleeps_and_stops_when_it_is_told_to() {
    let mut server = ready("2025-11-25", json!({})).await;
    let progress = json!({"name": "sleep", "arguments": {"seconds": 20}, "_meta": {"progressToken": "p"}});
    let sleeping = server.ask("tools/call", progress).await;
    server.call("count", json!({})).await;
    while server.heard.is_empty() {
        let message = server.next().await;
        server.heard.push(message);
    }
    assert_eq!(server.heard[0]["params"]["progressToken"], "p");
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": sleeping}});
    server.send(&cancel.to_string()).await;
    assert_eq!(text(&server.call("cancellations", json!({})).await), "1");
}

#[tokio::test]
async fn the_probe_asks_back_in_the_way_of_its_revision() {
    let mut server = ready("2025-11-25", json!({"elicitation": {}})).await;
    let id = server.ask("tools/call", json!({"name": "elicit", "arguments": {}})).await;
    let asked = server.next().await;
    assert_eq!(asked["method"], "elicitation/create");
    let said = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept", "content": {"name": "Alice"}}});
    server.send(&said.to_string()).await;
    assert!(text(&server.answer(&json!(id)).await).contains("Alice"));
    let mut without = ready("2025-11-25", json!({})).await;
    assert_eq!(without.call("elicit", json!({})).await["result"]["isError"], true);

    let mut server = ready(MODERN, json!({})).await;
    assert_eq!(server.call("elicit", json!({})).await["error"]["code"], -32021);
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
    let mut params = json!({"name": "elicit", "arguments": {}, "_meta": meta});
    let asked = server.request("tools/call", params.clone()).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    params["requestState"] = asked["result"]["requestState"].clone();
    params["inputResponses"] = json!({"question": {"action": "accept", "content": {"name": "Bob"}}});
    assert!(text(&server.request("tools/call", params).await).contains("Bob"));
}

#[tokio::test]
async fn the_probe_says_that_its_list_changed_to_those_who_listen() {
    let mut server = ready("2025-11-25", json!({})).await;
    server.call("list-changed", json!({})).await;
    assert_eq!(server.heard.pop().unwrap()["method"], "notifications/tools/list_changed");
    let mut server = ready(MODERN, json!({})).await;
    let id = server.ask("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})).await;
    assert_eq!(server.next().await["method"], "notifications/subscriptions/acknowledged");
    server.call("list-changed", json!({})).await;
    let told = server.heard.pop().unwrap();
    assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id, "{told}");
    assert!(server.request("tools/list", json!({})).await.to_string().contains("\"more\""));
}

#[tokio::test]
async fn the_probe_fails_as_it_is_told_to() {
    let failing = [("PROBE_FAILURE", "no database"), ("TOKEN", "token-of-alice")];
    let (code, said) = StdioServer::start(&[PROBE], &failing).finish().await;
    assert_eq!((code, said.as_str()), (Some(1), "starting with the token token-of-alice\nno database\n"));
    for (tool, code, said) in [("crash", 3, ""), ("stderr-secret", 4, "I was given token-of-alice\n")] {
        let mut server = ready("2025-11-25", json!({})).await;
        server.ask("tools/call", json!({"name": tool, "arguments": {}})).await;
        assert_eq!(server.next_line().await, None);
        assert_eq!(server.finish().await, (Some(code), said.to_owned()));
    }
    let mut server = ready("2025-11-25", json!({})).await;
    let id = server.ask("tools/call", json!({"name": "garbage", "arguments": {}})).await;
    assert!(server.next_line().await.unwrap().starts_with("Debug:"));
    server.answer(&json!(id)).await;
    let id = server.ask("tools/call", json!({"name": "answer-twice", "arguments": {}})).await;
    assert_eq!(server.answer(&json!(id)).await, server.answer(&json!(id)).await);
    server.call("answer-nobody", json!({})).await;
    assert_eq!(server.heard.len(), 2);
    let flooded = server.call("flood", json!({"messages": 1000})).await;
    assert_eq!((server.heard.len(), text(&flooded).as_str()), (1002, "sent 1000"));
    assert_eq!(text(&server.call("big", json!({"bytes": 3_000_000})).await).len(), 3_000_000);
}
