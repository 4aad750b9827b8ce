//! One message that passes the bridge: what it is, and its members as they were written.

use super::draft::{Draft, quoted};
use crate::access::object::{Object, elements};

/// One JSON-RPC message.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    object: Object<'a>,
}

/// What a message is. Ids are JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Asks for an answer.
    Request {
        /// Names the request in its answer.
        id: &'a str,
        /// What is asked for.
        method: String,
    },
    /// Asks for none.
    Notification {
        /// What is told.
        method: String,
    },
    /// Answers a request with a result.
    Result {
        /// Which request it answers.
        id: &'a str,
    },
    /// Answers a request with an error.
    Error {
        /// Which request it answers, where that could be read.
        id: Option<&'a str>,
    },
}

impl<'a> Envelope<'a> {
    /// Reads one message; `None` when the text is none.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let object = Object::read(text)?;
        let id = object.get("id").filter(|id| *id != "null");
        let kind = match (object.text("method"), id) {
            (Some(method), Some(id)) => Kind::Request { id, method },
            (Some(method), None) => Kind::Notification { method },
            (None, Some(id)) if object.get("result").is_some() => Kind::Result { id },
            (None, id) if object.get("error").is_some() => Kind::Error { id },
            (None, _) => return None,
        };
        Some(Self { kind, object })
    }

    /// `params`, as they were written.
    #[must_use]
    pub fn params(&self) -> Option<&'a str> {
        self.object.get("params")
    }

    /// `result`, as it was written.
    #[must_use]
    pub fn result(&self) -> Option<&'a str> {
        self.object.get("result")
    }

    /// `error`, as it was written.
    #[must_use]
    pub fn error(&self) -> Option<&'a str> {
        self.object.get("error")
    }

    /// The number of an error.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        serde_json::from_str(self.object.object("error")?.get("code")?).ok()
    }

    /// A member of `params`, as it was written.
    #[must_use]
    pub fn param(&self, key: &str) -> Option<&'a str> {
        Object::read(self.params()?)?.get(key)
    }

    /// A member of `params._meta`, as it was written.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&'a str> {
        Object::read(Object::read(self.params()?)?.get("_meta")?)?.get(key)
    }
}

/// The messages of a text, which is one message or a batch of them (MCP 2025-03-26), each as it was written.
#[must_use]
pub fn messages(text: &str) -> Vec<&str> {
    if text.trim_start().starts_with('[') { elements(text).unwrap_or_default() } else { vec![text] }
}

/// The same message under another id, which is JSON text.
#[must_use]
pub fn with_id(text: &str, id: &str) -> Option<String> {
    let mut draft = Draft::read(text)?;
    draft.set("id", id);
    Some(draft.to_text())
}

/// A request. `params` are JSON text.
#[must_use]
pub fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{},"params":{params}}}"#, quoted(method))
}

/// A notification. `params` are JSON text.
#[must_use]
pub fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":{},"params":{params}}}"#, quoted(method))
}

/// An answer. `result` is JSON text.
#[must_use]
pub fn answer(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// An error answer.
#[must_use]
pub fn refusal(id: &str, code: i32, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{}}}}}"#, quoted(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_members() {
        let kind = |text: &'static str| Envelope::read(text).map(|envelope| envelope.kind);
        let method = "ping".to_owned();
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#),
            Some(Kind::Request { id: "\"a\"", method: method.clone() })
        );
        assert_eq!(kind(r#"{"jsonrpc":"2.0","method":"ping"}"#), Some(Kind::Notification { method }));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#), Some(Kind::Result { id: "1.0" }));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#), Some(Kind::Error { id: None }));
        for none in ["listening on port 3000", "{}", "[]", r#"{"id":1}"#, r#"{"id":1,"id":2,"method":"x"}"#] {
            assert_eq!(kind(none), None, "{none}");
        }
    }

    #[test]
    fn another_id_changes_nothing_else() {
        let text = r#"{"id" : 7,"jsonrpc":"2.0","new":[1 ],"method":"x"}"#;
        assert_eq!(with_id(text, "\"b\"").unwrap(), r#"{"id":"b","jsonrpc":"2.0","new":[1 ],"method":"x"}"#);
    }
}
