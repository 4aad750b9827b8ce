//! Whether a server may ask its client for input in this answer.
//!
//! MCP 2026-07-28, Multi Round-Trip Requests, "Supported Requests" and "Server Requirements"; basic/index, `_meta`. Only the
//! answers to `tools/call`, `prompts/get` and `resources/read` ask for input, and only for what the client declared in
//! this very request. `requestState` is the server's own: it is not looked at, and passes byte for byte.

use serde_json::{Map, Value, json};

use super::message::Capabilities;
use super::object::Object;
use super::rpc_error::{RpcCode, RpcError};

/// Why an answer that asks for input is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum InputRefusal {
    /// The method has no such answers.
    #[error("the server asked for input where MCP {version} does not allow it", version = super::era::MODERN)]
    NotHere,
    /// It asks for nothing, in no way that MCP knows, or cannot be read.
    #[error("the server asked for input in a way that MCP does not know")]
    Senseless,
    /// It asks for what the client did not declare.
    #[error("this call needs client capabilities that were not declared")]
    Undeclared {
        /// What is missing, as the client would have declared it.
        required: Value,
    },
}

/// Every answer that asks for input contains these bytes, unless a server escapes letters that need none.
pub const INPUT_REQUIRED: &str = "input_required";

/// Checks one JSON-RPC message of a server's answer to `method`. One that asks for no input is not looked at further.
///
/// # Errors
/// [`InputRefusal`]; the answer must not be passed on.
pub fn check_input_required(method: &str, declared: Capabilities, message: &str) -> Result<(), InputRefusal> {
    let Some(result) = Object::read(message).and_then(|message| message.object("result")) else {
        return Ok(());
    };
    if result.text("resultType").as_deref() != Some(INPUT_REQUIRED) {
        return Ok(());
    }
    if !["tools/call", "prompts/get", "resources/read"].contains(&method) {
        return Err(InputRefusal::NotHere);
    }
    let Some(requests) = result.get("inputRequests") else {
        let has_state = result.text("requestState").is_some();
        return if has_state { Ok(()) } else { Err(InputRefusal::Senseless) };
    };
    let requests = Object::read(requests).ok_or(InputRefusal::Senseless)?;
    let mut missing = Capabilities::default();
    for (_, request) in requests.members() {
        note(&mut missing, declared, request).ok_or(InputRefusal::Senseless)?;
    }
    if missing == Capabilities::default() {
        return Ok(());
    }
    Err(InputRefusal::Undeclared { required: declaration(missing) })
}

/// Notes what a request asks for that was not declared; `None` when it is none that MCP knows.
fn note(missing: &mut Capabilities, declared: Capabilities, request: &str) -> Option<()> {
    let request = Object::read(request)?;
    let params = request.object("params");
    match request.text("method")?.as_str() {
        "elicitation/create" => match params.and_then(|params| params.text("mode")).as_deref() {
            Some("url") => missing.elicits_urls |= !declared.elicits_urls,
            None | Some("form") => missing.elicits_forms |= !declared.elicits_forms,
            Some(_) => return None,
        },
        "sampling/createMessage" => {
            let has_tools = params.is_some_and(|params| params.get("tools").is_some());
            missing.samples |= !declared.samples;
            missing.samples_with_tools |= has_tools && !declared.samples_with_tools;
        }
        "roots/list" => missing.roots |= !declared.roots,
        _ => return None,
    }
    Some(())
}

/// The `ClientCapabilities` object in which a client would have declared these.
fn declaration(of: Capabilities) -> Value {
    let mut declared = Map::new();
    if of.elicits_forms || of.elicits_urls {
        let modes = [("form", of.elicits_forms), ("url", of.elicits_urls)];
        let modes = modes.into_iter().filter(|(_, is_meant)| *is_meant);
        declared
            .insert("elicitation".to_owned(), modes.map(|(mode, _)| (mode.to_owned(), json!({}))).collect());
    }
    if of.samples || of.samples_with_tools {
        let tools = if of.samples_with_tools { json!({ "tools": {} }) } else { json!({}) };
        declared.insert("sampling".to_owned(), tools);
    }
    if of.roots {
        declared.insert("roots".to_owned(), json!({}));
    }
    Value::Object(declared)
}

impl InputRefusal {
    /// The HTTP status of the answer, where it can still be chosen.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotHere | Self::Senseless => 502,
            Self::Undeclared { .. } => 400,
        }
    }
}

impl From<InputRefusal> for RpcError {
    fn from(refusal: InputRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            InputRefusal::NotHere | InputRefusal::Senseless => Self::new(RpcCode::InternalError, message),
            InputRefusal::Undeclared { required } => {
                let data = json!({ "requiredCapabilities": required });
                Self { data: Some(data), ..Self::new(RpcCode::MissingClientCapability, message) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Capabilities = Capabilities {
        elicits_forms: true,
        elicits_urls: true,
        samples: true,
        samples_with_tools: true,
        roots: true,
    };

    fn asks(requests: &Value) -> String {
        json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "input_required", "inputRequests": requests}}).to_string()
    }

    fn elicits(mode: &str) -> String {
        asks(&json!({"a": {"method": "elicitation/create", "params": {"mode": mode}}}))
    }

    // MR-02
    #[test]
    fn only_three_methods_ask_for_input() {
        for method in ["tools/call", "prompts/get", "resources/read"] {
            assert_eq!(check_input_required(method, ALL, &elicits("form")), Ok(()), "{method}");
        }
        for method in ["tools/list", "server/discover", "subscriptions/listen", "tasks/get", "unknown"] {
            let refusal = check_input_required(method, ALL, &elicits("form")).unwrap_err();
            assert_eq!((refusal.status(), RpcError::from(refusal).code.number()), (502, -32603), "{method}");
        }
        // A task that waits for input is a complete answer.
        let task = r#"{"id":1,"result":{"resultType":"complete","status":"input_required"}}"#;
        assert_eq!(check_input_required("tasks/get", Capabilities::default(), task), Ok(()));
        let error = r#"{"id":1,"error":{"message":"input_required"}}"#;
        assert_eq!(check_input_required("tools/list", Capabilities::default(), error), Ok(()));
    }

    // MR-02
    #[test]
    fn an_answer_that_asks_for_input_says_what_for_or_has_a_state() {
        let check = |result: &str| {
            let message = format!(r#"{{"id":1,"result":{{"resultType":"input_required"{result}}}}}"#);
            check_input_required("tools/call", Capabilities::default(), &message)
        };
        assert_eq!(check(r#","requestState":"s""#), Ok(()));
        assert_eq!(check(r#","inputRequests":{}"#), Ok(()));
        for senseless in [
            "",
            r#","requestState":1"#,
            r#","inputRequests":[]"#,
            r#","inputRequests":{"a":{"method":"tools/call"}}"#,
            r#","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"other"}}}"#,
            r#","inputRequests":{"a":1}"#,
            r#","inputRequests":{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}"#,
        ] {
            assert_eq!(check(senseless), Err(InputRefusal::Senseless), "{senseless}");
        }
    }

    // MR-03
    #[test]
    fn a_server_asks_only_for_what_the_client_declared() {
        let required = |declared: Capabilities, message: &str| match check_input_required(
            "tools/call",
            declared,
            message,
        ) {
            Ok(()) => Value::Null,
            Err(refusal) => {
                assert_eq!(refusal.status(), 400);
                let error = RpcError::from(refusal);
                assert_eq!(error.code.number(), -32021);
                error.data.unwrap()["requiredCapabilities"].clone()
            }
        };
        let none = Capabilities::default();
        assert_eq!(required(none, &elicits("form")), json!({"elicitation": {"form": {}}}));
        assert_eq!(required(none, &elicits("url")), json!({"elicitation": {"url": {}}}));
        let forms = Capabilities { elicits_forms: true, ..none };
        assert_eq!(required(forms, &elicits("form")), Value::Null);
        assert_eq!(required(forms, &elicits("url")), json!({"elicitation": {"url": {}}}));
        let several = asks(&json!({
            "a": {"method": "sampling/createMessage", "params": {"messages": [], "tools": []}},
            "b": {"method": "roots/list"},
            "c": {"method": "elicitation/create"},
        }));
        assert_eq!(
            required(none, &several),
            json!({"sampling": {"tools": {}}, "roots": {}, "elicitation": {"form": {}}})
        );
        let samples = Capabilities { samples: true, roots: true, elicits_forms: true, ..none };
        assert_eq!(required(samples, &several), json!({"sampling": {"tools": {}}}));
        assert_eq!(required(ALL, &several), Value::Null);
    }
}
