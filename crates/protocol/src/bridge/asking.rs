//! What servers ask of clients: requests of their own (2025-11-25 and before), or results that ask for input (MCP 2026-07-28, Multi
//! Round-Trip Requests).

use serde_json::{Map, Value, json};

use super::draft::{Draft, quoted};
use super::envelope::{Envelope, answer, request};
use crate::access::INPUT_REQUIRED;
use crate::access::object::{Object, elements};

/// A request of an older server that waits for its client's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its name among the requests of one result.
    pub key: String,
    /// The server's id, as JSON text.
    pub id: String,
    /// What it asks for.
    pub method: String,
    /// Its params, as JSON text.
    pub params: String,
}

/// What a call brings along that is made again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retried {
    /// `requestState`.
    pub state: Option<String>,
    /// `inputResponses`: answers by key, as JSON text.
    pub responses: Vec<(String, String)>,
}

/// What a server of MCP 2026-07-28 asks for in a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRequired {
    /// Its requests: each by its key, method and params.
    pub requests: Vec<Asked>,
    /// `requestState`, as JSON text.
    pub state: Option<String>,
}

/// An error by which a server of MCP 2025-11-25 asks for links to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlElicitation(Vec<Asked>);

impl Retried {
    /// What a request of MCP 2026-07-28 brings along.
    #[must_use]
    pub fn of_request(text: &str) -> Self {
        let Some(params) = Envelope::read(text).and_then(|envelope| Object::read(envelope.params()?)) else {
            return Self::default();
        };
        let responses = params.object("inputResponses");
        let responses = responses.iter().flat_map(Object::members);
        Self {
            state: params.text("requestState"),
            responses: responses.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    /// The answer to a request of this key.
    #[must_use]
    pub fn response(&self, key: &str) -> Option<&str> {
        self.responses.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// What makes a call the same call when it is made again: its method and params, without what each request says anew.
#[must_use]
pub fn essence(text: &str) -> Value {
    let Some(envelope) = Envelope::read(text) else { return Value::Null };
    let mut params: Map<String, Value> =
        envelope.params().and_then(|params| serde_json::from_str(params).ok()).unwrap_or_default();
    for key in ["_meta", "inputResponses", "requestState"] {
        params.remove(key);
    }
    json!({ "method": Object::read(text).and_then(|message| message.text("method")), "params": params })
}

/// The result that asks a client of MCP 2026-07-28 for what an older server asked. `id` is JSON text.
#[must_use]
pub fn input_required(id: &str, asked: &[Asked], state: Option<&str>) -> String {
    let requests: Vec<String> = asked.iter().map(Asked::to_member).collect();
    let state = state.map(|state| format!(r#","requestState":{}"#, quoted(state))).unwrap_or_default();
    let requests = requests.join(",");
    answer(id, &format!(r#"{{"resultType":"{INPUT_REQUIRED}","inputRequests":{{{requests}}}{state}}}"#))
}

impl Asked {
    fn to_member(&self) -> String {
        let params = Draft::read(&self.params).map_or_else(
            || "{}".to_owned(),
            |mut params| {
                // MCP 2026-07-28 has no such member, and tokens for progress are for requests alone.
                params.remove("elicitationId");
                params.remove("_meta");
                params.to_text()
            },
        );
        format!(r#"{}:{{"method":{},"params":{params}}}"#, quoted(&self.key), quoted(&self.method))
    }

    /// The request, for a client that is asked by requests. `id` is JSON text, `elicitation` a fresh id for a link.
    #[must_use]
    pub fn to_request(&self, id: &str, elicitation: &str) -> String {
        let mut params = Draft::read(&self.params).unwrap_or_default();
        if params.get("mode") == Some("\"url\"") {
            params.add("elicitationId", quoted(elicitation));
        }
        request(id, &self.method, &params.to_text())
    }

    /// What stands for the answer of a client that answered with an error; `None` where nothing can.
    #[must_use]
    pub fn without_answer(&self) -> Option<&'static str> {
        (self.method == "elicitation/create").then_some(r#"{"action":"cancel"}"#)
    }
}

impl InputRequired {
    /// Reads an answer; `None` when it asks for no input.
    #[must_use]
    pub fn of_answer(text: &str) -> Option<Self> {
        let result = Object::read(Envelope::read(text)?.result()?)?;
        if result.text("resultType").as_deref() != Some(INPUT_REQUIRED) {
            return None;
        }
        let requests = result.object("inputRequests");
        let asked = |(key, request): (&str, &str)| {
            let request = Object::read(request)?;
            Some(Asked {
                key: key.to_owned(),
                id: String::new(),
                method: request.text("method")?,
                params: request.get("params").unwrap_or("{}").to_owned(),
            })
        };
        Some(Self {
            requests: requests.iter().flat_map(Object::members).filter_map(asked).collect(),
            state: result.get("requestState").map(str::to_owned),
        })
    }
}

impl UrlElicitation {
    /// Reads an answer; `None` when it is no such error.
    #[must_use]
    pub fn of_answer(text: &str) -> Option<Self> {
        let envelope = Envelope::read(text)?;
        if envelope.error_code() != Some(URL_ELICITATION_REQUIRED) {
            return None;
        }
        let links = elements(Object::read(envelope.error()?)?.object("data")?.get("elicitations")?)?;
        let asked = links.into_iter().enumerate().map(|(at, link)| Asked {
            key: format!("link-{}", at + 1),
            id: String::new(),
            method: "elicitation/create".to_owned(),
            params: link.to_owned(),
        });
        Some(Self(asked.collect())).filter(|found| !found.0.is_empty())
    }

    /// The same for a client of MCP 2026-07-28, which calls again when its user has opened the links. `id` is JSON text.
    #[must_use]
    pub fn to_modern(&self, id: &str) -> String {
        input_required(id, &self.0, None)
    }
}

/// MCP 2025-11-25, Elicitation.
const URL_ELICITATION_REQUIRED: i64 = -32042;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(params: &str) -> Asked {
        Asked {
            key: "1".to_owned(),
            id: "9".to_owned(),
            method: "elicitation/create".to_owned(),
            params: params.to_owned(),
        }
    }

    #[test]
    fn a_request_of_an_older_server_becomes_a_result_that_asks_and_back() {
        let asked = asked(
            r#"{"mode":"url","url":"https://a","elicitationId":"e","new":[1 ],"_meta":{"progressToken":1}}"#,
        );
        let result = input_required("\"x\"", std::slice::from_ref(&asked), Some("s"));
        assert_eq!(
            result,
            r#"{"jsonrpc":"2.0","id":"x","result":{"resultType":"input_required","inputRequests":{"1":{"method":"elicitation/create","params":{"mode":"url","url":"https://a","new":[1 ]}}},"requestState":"s"}}"#
        );
        let read = InputRequired::of_answer(&result).unwrap();
        assert_eq!(read.state.as_deref(), Some("\"s\""));
        assert_eq!(
            read.requests[0].to_request("4", "fresh"),
            r#"{"jsonrpc":"2.0","id":4,"method":"elicitation/create","params":{"mode":"url","url":"https://a","new":[1 ],"elicitationId":"fresh"}}"#
        );
        assert_eq!(InputRequired::of_answer(r#"{"id":1,"result":{"resultType":"complete"}}"#), None);
    }

    #[test]
    fn a_call_that_is_made_again_is_known_by_what_it_calls() {
        let first = r#"{"id":1,"method":"tools/call","params":{"name":"t","arguments":{"a":1,"b":2},"_meta":{"x":1}}}"#;
        let again = r#"{"id":2,"method":"tools/call","params":{"arguments":{"b":2,"a":1},"name":"t","requestState":"s","inputResponses":{"1":{"action":"accept"}}}}"#;
        assert_eq!(essence(first), essence(again));
        assert_ne!(essence(first), essence(&again.replace("\"b\":2", "\"b\":3")));
        assert_ne!(essence(first), essence(&again.replace("tools/call", "prompts/get")));
        let retried = Retried::of_request(again);
        assert_eq!(retried.state.as_deref(), Some("s"));
        assert_eq!(retried.response("1"), Some(r#"{"action":"accept"}"#));
        assert_eq!((retried.response("2"), Retried::of_request(first)), (None, Retried::default()));
    }

    #[test]
    fn an_error_that_asks_for_links_becomes_a_result_that_asks() {
        let error = r#"{"id":1,"error":{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a","message":"m"}]}}}"#;
        assert_eq!(
            UrlElicitation::of_answer(error).unwrap().to_modern("3"),
            r#"{"jsonrpc":"2.0","id":3,"result":{"resultType":"input_required","inputRequests":{"link-1":{"method":"elicitation/create","params":{"mode":"url","url":"https://a","message":"m"}}}}}"#
        );
        assert_eq!(UrlElicitation::of_answer(&error.replace("-32042", "-32000")), None);
    }
}
