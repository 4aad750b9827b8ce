//! Where the server asks the client back: inside a call in the older revisions, by a result that asks for more input in
//! 2026-07-28.

use std::sync::Arc;

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, InputRequiredResult, InputResponses,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Map, Value, json};

use super::{complete, text, typed};

/// Signs the states that travel through the client, and checks those that come back.
#[derive(Clone)]
pub(super) struct States {
    key: Arc<hmac::Key>,
}

impl States {
    pub(super) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new());
        Self { key: Arc::new(key.expect("randomness")) }
    }

    /// Answers a call of a tool that asks for more input; `None` when it is another tool.
    pub(super) fn call(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<CallToolResponse>, ErrorData> {
        let given = |key: &str| answer(request.input_responses.as_ref(), key);
        let name_question = || ("user_name", form("What is your name?", "name", "string"));
        let (questions, state): (Vec<(&str, Value)>, Option<&str>) = match request.name.as_ref() {
            "test_streaming_elicitation" => (vec![name_question()], None),
            "test_missing_capability" => return missing_capability(context),
            "test_input_required_result_elicitation" => {
                let Some(name) = given("user_name") else { return ask(vec![name_question()], None) };
                let name = name["content"]["name"].as_str().unwrap_or("friend");
                return done(format!("Hello, {name}!"));
            }
            "test_input_required_result_sampling" => {
                let question = ("capital_question", sampling("What is the capital of France?"));
                let Some(said) = given("capital_question") else { return ask(vec![question], None) };
                return done(format!("The model says {}", Value::Object(said.clone())));
            }
            "test_input_required_result_list_roots" => {
                let Some(roots) = given("client_roots") else {
                    return ask(vec![("client_roots", roots())], None);
                };
                return done(format!("The roots are {}", Value::Object(roots.clone())));
            }
            "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
                if self.open(request)?.is_some() {
                    return done("state-ok");
                }
                (vec![("confirm", form("Please confirm", "ok", "boolean"))], Some("asked to confirm"))
            }
            "test_input_required_result_multiple_inputs" => {
                let all = ["user_name", "greeting", "client_roots"].iter().all(|key| given(key).is_some());
                if self.open(request)?.is_some() && all {
                    return done("All three came back");
                }
                let questions = vec![
                    name_question(),
                    ("greeting", sampling("Generate a greeting")),
                    ("client_roots", roots()),
                ];
                (questions, Some("asked for three"))
            }
            "test_input_required_result_multi_round" => match self.open(request)?.as_deref() {
                None => {
                    (vec![("step1", form("Step 1: What is your name?", "name", "string"))], Some("step 1"))
                }
                Some("step 1") => (
                    vec![("step2", form("Step 2: What is your favorite color?", "color", "string"))],
                    Some("step 2"),
                ),
                Some(_) => return done("Both steps are done"),
            },
            "test_input_required_result_capabilities" => {
                let client = context.meta.client_capabilities().unwrap_or_default();
                let mut questions = Vec::new();
                if client.elicitation.is_some() {
                    questions.push(name_question());
                }
                if client.sampling.is_some() {
                    questions.push(("greeting", sampling("Generate a greeting")));
                }
                if client.roots.is_some() {
                    questions.push(("client_roots", roots()));
                }
                if questions.is_empty() || request.input_responses.is_some() {
                    return done("Nothing to ask");
                }
                (questions, None)
            }
            _ => return Ok(None),
        };
        ask(questions, state.map(|state| self.seal(state)))
    }

    fn seal(&self, state: &str) -> String {
        let tag = hmac::sign(&self.key, state.as_bytes());
        format!("{}.{}", URL_SAFE_NO_PAD.encode(state), URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// The state that came back, if one did.
    fn open(&self, request: &CallToolRequestParams) -> Result<Option<String>, ErrorData> {
        let Some(sealed) = request.request_state.as_deref() else { return Ok(None) };
        let opened = sealed.split_once('.').and_then(|(state, tag)| {
            let (state, tag) = (URL_SAFE_NO_PAD.decode(state).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
            hmac::verify(&self.key, &state, &tag).ok()?;
            String::from_utf8(state).ok()
        });
        let forged = || ErrorData::invalid_params("this requestState is not one of ours", None);
        opened.map(Some).ok_or_else(forged)
    }
}

/// The prompt that asks for more input; `None` when it is another prompt.
pub(super) fn prompt(request: &GetPromptRequestParams) -> Option<GetPromptResponse> {
    if request.name != "test_input_required_result_prompt" {
        return None;
    }
    let Some(given) = answer(request.input_responses.as_ref(), "user_context") else {
        return Some(
            questions(vec![("user_context", form("What context?", "context", "string"))], None).into(),
        );
    };
    let said = format!("In the context of {}", given["content"]["context"]);
    let message = json!({"role": "user", "content": {"type": "text", "text": said}});
    Some(complete::<GetPromptResult>(json!({"messages": [message]})).into())
}

/// Asks the client's model, inside a call.
#[expect(deprecated, reason = "what only the older revisions have is tested too")]
pub(super) async fn sample(
    context: &RequestContext<RoleServer>,
    prompt: &str,
) -> Result<CallToolResult, ErrorData> {
    let asked = typed(sampling(prompt)["params"].take());
    let said = context.peer.create_message(asked).await.map_err(|error| refused(&error))?;
    let said = serde_json::to_value(said).expect("JSON");
    Ok(text(format!("LLM response: {}", said["content"]["text"].as_str().unwrap_or_default())))
}

/// Asks the client's person, inside a call.
pub(super) async fn elicit(
    context: &RequestContext<RoleServer>,
    message: &str,
    schema: &str,
) -> Result<CallToolResult, ErrorData> {
    let asked = typed(json!({"mode": "form", "message": message, "requestedSchema": requested(schema)}));
    let said = context.peer.create_elicitation(asked).await.map_err(|error| refused(&error))?;
    let said = serde_json::to_value(said).expect("JSON");
    let (action, content) = (said["action"].as_str().unwrap_or_default(), &said["content"]);
    Ok(text(format!("Elicitation completed: action={action}, content={content}")))
}

fn requested(schema: &str) -> Value {
    let titled = |start: &str, titles: [&str; 3]| -> Value {
        let choices = titles.iter().enumerate();
        choices.map(|(at, title)| json!({"const": format!("{start}{}", at + 1), "title": title})).collect()
    };
    let options = json!(["option1", "option2", "option3"]);
    match schema {
        "contact" => json!({
            "type": "object",
            "properties": {
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            },
            "required": ["username", "email"],
        }),
        "defaults" => json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "default": "John Doe"},
                "age": {"type": "integer", "default": 30},
                "score": {"type": "number", "default": 95.5},
                "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
                "verified": {"type": "boolean", "default": true},
            },
        }),
        _ => json!({
            "type": "object",
            "properties": {
                "untitledSingle": {"type": "string", "enum": options},
                "titledSingle": {"type": "string", "oneOf": titled("value", ["First Option", "Second Option", "Third Option"])},
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
                "titledMulti": {
                    "type": "array",
                    "items": {"anyOf": titled("value", ["First Choice", "Second Choice", "Third Choice"])},
                },
            },
        }),
    }
}

/// A tool that can do nothing for a client without a model: -32021, with what it lacks.
fn missing_capability(context: &RequestContext<RoleServer>) -> Result<Option<CallToolResponse>, ErrorData> {
    if context.meta.client_capabilities().unwrap_or_default().sampling.is_some() {
        return done("The client has a model");
    }
    Err(ErrorData::missing_required_client_capability(typed(json!({"sampling": {}}))))
}

/// An answer to an earlier question, which must be an object.
fn answer<'a>(answers: Option<&'a InputResponses>, key: &str) -> Option<&'a Map<String, Value>> {
    answers?.get(key)?.as_object()
}

fn ask(asked: Vec<(&str, Value)>, state: Option<String>) -> Result<Option<CallToolResponse>, ErrorData> {
    Ok(Some(questions(asked, state).into()))
}

fn done(said: impl Into<String>) -> Result<Option<CallToolResponse>, ErrorData> {
    Ok(Some(text(said).into()))
}

fn questions(asked: Vec<(&str, Value)>, state: Option<String>) -> InputRequiredResult {
    let mut result = json!({"resultType": "input_required", "inputRequests": {}});
    for (key, question) in asked {
        result["inputRequests"][key] = question;
    }
    if let Some(state) = state {
        result["requestState"] = json!(state);
    }
    typed(result)
}

fn form(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
    json!({"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}})
}

fn sampling(prompt: &str) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
    json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 100}})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

fn refused(error: &impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(format!("the client did not answer: {error}"), None)
}
