//! Servers that ask the client back, in every combination of eras.

use coatroom_e2e::Mcp;
use serde_json::{Value, json};

use super::{MODERN, World};

/// What a client of either era does when it is asked: it calls the tool, answers what it is asked, and gives the result.
async fn asked(client: &Mcp, is_modern: bool, tool: &str, method: &str, said: Value) -> Value {
    let params = json!({"name": tool, "arguments": {}});
    if !is_modern {
        let mut stream = client.open("tools/call", params).await;
        let question = stream.next().await.expect("a question");
        assert_eq!(question["method"], method, "{question}");
        assert!(client.reply(&question, said).await.is_success());
        return stream.answer().await.1;
    }
    let mut params = params;
    let first = client.request("tools/call", params.clone()).await;
    let result = &first.body["result"];
    assert_eq!(result["resultType"], "input_required", "{}", first.body);
    let questions = result["inputRequests"].as_object().expect("questions");
    let (key, question) = questions.iter().next().expect("a question");
    assert_eq!((questions.len(), &question["method"]), (1, &json!(method)), "{}", first.body);
    params["inputResponses"] = json!({key: said});
    if let Some(state) = result.get("requestState") {
        params["requestState"] = state.clone();
    }
    client.request("tools/call", params).await.body
}

#[tokio::test]
async fn a_person_a_model_and_folders_are_asked_for_in_all_four_combinations_of_eras() {
    let name = json!({"action": "accept", "content": {"name": "Zoë"}});
    let model = json!({"role": "assistant", "content": {"type": "text", "text": "Zoë"}, "model": "m"});
    let folders = json!({"roots": [{"uri": "file:///zoe", "name": "Zoë"}]});
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        for revision in ["2025-11-25", MODERN] {
            let can = json!({"elicitation": {}, "sampling": {}, "roots": {}});
            let client = world.client("Alice", revision, can).await;
            for (tool, method, said) in [
                ("elicit", "elicitation/create", &name),
                ("sample", "sampling/createMessage", &model),
                ("roots", "roots/list", &folders),
            ] {
                let answer = asked(&client, revision == MODERN, tool, method, said.clone()).await;
                let text = answer["result"]["content"][0]["text"].as_str();
                let text = text.unwrap_or_else(|| panic!("{tool}, {revision} before {spoken}: {answer}"));
                assert!(text.contains("Zoë"), "{tool}, {revision} before {spoken}: {answer}");
            }
        }
    }
}

// MR-03: nobody is asked what they cannot answer.
#[tokio::test]
async fn a_client_that_cannot_be_asked_is_not_asked() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        let modern = world.client("Alice", MODERN, json!({})).await;
        let answer = modern.call("elicit", json!({})).await;
        let body = &answer.body;
        let is_refused = body["error"]["code"] == -32021 || body["result"]["isError"] == true;
        assert!(is_refused && !body.to_string().contains("input_required"), "before {spoken}: {body}");
        let old = world.client("Alice", "2025-11-25", json!({})).await;
        let mut stream = old.open("tools/call", json!({"name": "elicit", "arguments": {}})).await;
        let (before, answer) = stream.answer().await;
        assert!(before.is_empty(), "before {spoken}: {before:?}");
        assert!(answer["result"]["isError"] == true || answer.get("error").is_some(), "{answer}");
    }
}

// MR-01, HND-01: a question belongs to whoever was asked.
#[tokio::test]
async fn nobody_answers_what_another_was_asked() {
    for spoken in ["2025-11-25", MODERN] {
        let world = World::start(spoken, "", "").await;
        let can = json!({"elicitation": {}});
        let alice = world.client("Alice", MODERN, can.clone()).await;
        let bob = world.client("Bob", MODERN, can).await;
        let mut params = json!({"name": "elicit", "arguments": {}});
        let first = alice.request("tools/call", params.clone()).await;
        let result = first.body["result"].clone();
        let key = result["inputRequests"].as_object().unwrap().keys().next().unwrap().clone();
        params["inputResponses"] = json!({key: {"action": "accept", "content": {"name": "Mallory"}}});
        if let Some(state) = result.get("requestState") {
            params["requestState"] = state.clone();
        }
        let stolen = bob.request("tools/call", params.clone()).await;
        if spoken != MODERN {
            assert!(
                stolen.body["result"].get("content").is_none() || stolen.body["result"]["isError"] == true,
                "{}",
                stolen.body
            );
        }
        let own = alice.request("tools/call", params).await;
        assert!(
            own.body["result"]["content"][0]["text"].as_str().unwrap_or_default().contains("Mallory"),
            "before {spoken}: {}",
            own.body
        );
    }
}
