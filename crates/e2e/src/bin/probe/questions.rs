//! Tools that ask the client back: inside the call in the older revisions, by a result that asks for more in 2026-07-28.

use serde_json::{Value, json};

use crate::tools::Outcome;
use crate::wire::{self, Wire};

/// Asks the person behind the client a question.
pub(crate) fn elicit(wire: &Wire, message: &Value) -> Outcome {
    if !wire.has_elicitation() {
        return Outcome::Failed("this revision knows no elicitation".to_owned());
    }
    let text = message["params"]["arguments"]["message"].as_str().unwrap_or("What is your name?");
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let mut params = json!({"message": text, "requestedSchema": schema});
    if wire.is_modern() {
        params["mode"] = json!("form");
    }
    ask(wire, message, "elicitation", "elicitation/create", &params)
}

/// Asks the client's model.
pub(crate) fn sample(wire: &Wire, message: &Value) -> Outcome {
    let said = json!({"role": "user", "content": {"type": "text", "text": "What is the capital of France?"}});
    ask(wire, message, "sampling", "sampling/createMessage", &json!({"messages": [said], "maxTokens": 100}))
}

/// Asks for the client's folders.
pub(crate) fn roots(wire: &Wire, message: &Value) -> Outcome {
    ask(wire, message, "roots", "roots/list", &json!({}))
}

/// Asks once, and tells what the client said. In 2026-07-28 the state that comes back must be the one that went.
fn ask(wire: &Wire, message: &Value, capability: &str, method: &str, question: &Value) -> Outcome {
    let (id, params) = (&message["id"], &message["params"]);
    if wire.client_capabilities(params).get(capability).is_none() {
        if !wire.is_modern() {
            return Outcome::Failed(format!("the client has no {capability}"));
        }
        let needed = json!({"requiredCapabilities": {capability: {}}});
        return Outcome::Answer(wire::error(id, -32021, "the client lacks a capability", needed));
    }
    if !wire.is_modern() {
        return match wire.ask(method, question) {
            Some(answer) if answer.get("error").is_some() => {
                Outcome::Failed(format!("refused: {}", answer["error"]))
            }
            Some(answer) => Outcome::Text(answer["result"].to_string()),
            None => Outcome::Failed("nobody answered".to_owned()),
        };
    }
    let state = format!("state of {method}: \u{e9}/+=");
    match params["inputResponses"].get("question") {
        Some(_) if params["requestState"] != json!(state) => {
            Outcome::Failed("another state came back".to_owned())
        }
        Some(answer) => Outcome::Text(answer.to_string()),
        None => Outcome::Result(json!({
            "resultType": "input_required",
            "inputRequests": {"question": {"method": method, "params": question}},
            "requestState": state,
        })),
    }
}
