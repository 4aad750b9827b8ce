//! Requests and notifications of clients, on their way to a server.
//!
//! Many clients of one user may share a server's process, so every request gets an id of the bridge's own there, and its progress
//! token, which the client chose just as freely, becomes the same number.

use std::borrow::Cow;

use super::draft::{Draft, quoted};
use super::envelope::{Envelope, notification};
use crate::access::era::MODERN;
use crate::access::object::Object;

/// What is said about its client in each request of MCP 2026-07-28. All of it is JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModernClient {
    /// `io.modelcontextprotocol/clientCapabilities`.
    pub capabilities: Option<String>,
    /// `io.modelcontextprotocol/clientInfo`.
    pub info: Option<String>,
    /// `io.modelcontextprotocol/logLevel`.
    pub log_level: Option<String>,
}

/// A request as the server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message.
    pub text: String,
    /// The progress token that the client chose, as JSON text.
    pub token: Option<String>,
}

impl ModernClient {
    /// What a request of MCP 2026-07-28 says about its client.
    #[must_use]
    pub fn of_request(text: &str) -> Self {
        let params = Envelope::read(text).and_then(|envelope| Object::read(envelope.params()?));
        let meta = params.and_then(|params| params.object("_meta"));
        let said = |key| meta.as_ref().and_then(|meta| meta.get(key)).map(str::to_owned);
        Self { capabilities: said(CAPABILITIES), info: said(INFO), log_level: said(LOG_LEVEL) }
    }

    /// What `initialize` said about the client.
    #[must_use]
    pub fn of_initialize(params: &str) -> Self {
        let params = Draft::read(params).unwrap_or_default();
        let said = |key| params.get(key).map(str::to_owned);
        Self { capabilities: said("capabilities"), info: said("clientInfo"), log_level: None }
    }
}

/// A request as it came, for a server that speaks as its client does; `None` when it is none.
#[must_use]
pub fn unchanged(text: &str, id: u64) -> Option<Outgoing> {
    edited(text, id, |_, _| {})
}

/// A request of MCP 2026-07-28 for an older server: without what `initialize` said there.
#[must_use]
pub fn to_legacy(text: &str, id: u64) -> Option<Outgoing> {
    edited(text, id, |params, meta| {
        for key in [VERSION, CAPABILITIES, INFO, LOG_LEVEL] {
            meta.remove(key);
        }
        for key in ["inputResponses", "requestState"] {
            params.remove(key);
        }
    })
}

/// A request of an older client for a server of MCP 2026-07-28: with what its session said once.
#[must_use]
pub fn to_modern(text: &str, id: u64, client: &ModernClient) -> Option<Outgoing> {
    edited(text, id, |_, meta| {
        meta.set(VERSION, quoted(MODERN));
        meta.set(CAPABILITIES, client.capabilities.clone().unwrap_or_else(|| "{}".to_owned()));
        for (key, said) in [(INFO, &client.info), (LOG_LEVEL, &client.log_level)] {
            if let Some(said) = said {
                meta.set(key, said.clone());
            }
        }
    })
}

/// A request once more, with what its client answered: for a server of MCP 2026-07-28 that asked an older client.
#[must_use]
pub fn with_input(text: &str, responses: &str, state: Option<&str>) -> Option<String> {
    let mut draft = Draft::read(text)?;
    let params = {
        let mut params = draft.object_or_new("params")?;
        params.set("inputResponses", responses);
        match state {
            Some(state) => params.set("requestState", state),
            None => drop(params.remove("requestState")),
        }
        params.to_text()
    };
    draft.set("params", params);
    Some(draft.to_text())
}

/// Tells a server that nobody waits for a request any more.
#[must_use]
pub fn cancelled(id: u64) -> String {
    notification("notifications/cancelled", &format!(r#"{{"requestId":{id}}}"#))
}

/// What a client's `notifications/cancelled` becomes, once it is known which request of the bridge is meant.
#[must_use]
pub fn cancels_instead(text: &str, id: u64) -> Option<String> {
    let mut draft = Draft::read(text)?;
    let params = {
        let mut params = draft.object_or_new("params")?;
        params.set("requestId", id.to_string());
        params.to_text()
    };
    draft.set("params", params);
    Some(draft.to_text())
}

fn edited(text: &str, id: u64, edit: impl FnOnce(&mut Draft<'_>, &mut Draft<'_>)) -> Option<Outgoing> {
    let mut draft = Draft::read(text)?;
    draft.set("id", id.to_string());
    let (params, token) = {
        let had_params = draft.get("params").is_some_and(|params| params != "null");
        let mut params = if had_params { draft.object_or_new("params")? } else { Draft::default() };
        let before = params.get("_meta").map(str::to_owned);
        let mut meta = before.as_deref().map_or_else(|| Some(Draft::default()), Draft::read)?;
        edit(&mut params, &mut meta);
        let token = meta.get(TOKEN).map(str::to_owned);
        if token.is_some() {
            meta.set(TOKEN, id.to_string());
        }
        match (meta.is_empty(), before.is_some()) {
            (false, _) => params.set("_meta", meta.to_text()),
            (true, true) => drop(params.remove("_meta")),
            (true, false) => {}
        }
        let text = (had_params || !params.is_empty()).then(|| params.to_text());
        (text, token)
    };
    if let Some(params) = params {
        draft.set("params", Cow::Owned(params));
    }
    Some(Outgoing { text: draft.to_text(), token })
}

pub(super) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(super) const INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(super) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const TOKEN: &str = "progressToken";

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN_CALL: &str = r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"t","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"progressToken":"p","com.example/new":[1 ]},"new":1},"more":2}"#;

    #[test]
    fn an_id_and_a_progress_token_become_numbers_of_the_bridge_and_nothing_else_changes() {
        let out = unchanged(MODERN_CALL, 7).unwrap();
        assert_eq!(
            out.text,
            MODERN_CALL
                .replace(r#""id":"x""#, r#""id":7"#)
                .replace(r#""progressToken":"p""#, r#""progressToken":7"#)
        );
        assert_eq!(out.token.as_deref(), Some("\"p\""));
        let plain = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let out = unchanged(plain, 8).unwrap();
        assert_eq!(
            (out.text.as_str(), out.token),
            (r#"{"jsonrpc":"2.0","id":8,"method":"tools/list"}"#, None)
        );
    }

    #[test]
    fn an_older_server_is_not_told_what_it_was_told_in_the_handshake() {
        let out = to_legacy(MODERN_CALL, 7).unwrap();
        assert_eq!(
            out.text,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","_meta":{"progressToken":7,"com.example/new":[1 ]},"new":1},"more":2}"#
        );
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        assert_eq!(
            to_legacy(list, 2).unwrap().text,
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}"#
        );
    }

    #[test]
    fn a_modern_server_hears_with_each_request_what_the_session_said_once() {
        let client =
            ModernClient::of_initialize(r#"{"capabilities":{"sampling":{}},"clientInfo":{"name":"c"}}"#);
        let out = to_modern(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, 3, &client).unwrap();
        let said = ModernClient::of_request(&out.text);
        assert_eq!(said, client);
        assert!(
            out.text.contains(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#),
            "{}",
            out.text
        );
    }

    #[test]
    fn a_call_is_made_again_with_answers() {
        let call = r#"{"id":1,"method":"tools/call","params":{"name":"t","requestState":"old"}}"#;
        assert_eq!(
            with_input(call, r#"{"a":{}}"#, Some("\"s\"")).unwrap(),
            r#"{"id":1,"method":"tools/call","params":{"name":"t","requestState":"s","inputResponses":{"a":{}}}}"#
        );
        assert!(!with_input(call, "{}", None).unwrap().contains("requestState"));
    }

    #[test]
    fn what_is_no_object_is_no_request() {
        for bad in ["[]", "1", r#"{"id":1,"params":[]}"#, r#"{"id":1,"params":{"_meta":1}}"#] {
            assert_eq!(unchanged(bad, 1), None, "{bad}");
        }
        let null = r#"{"id":1,"method":"m","params":null}"#;
        assert_eq!(unchanged(null, 2).unwrap().text, r#"{"id":2,"method":"m","params":null}"#);
        assert_eq!(
            cancels_instead(r#"{"method":"c","params":{"requestId":"a","reason":"r"}}"#, 4).unwrap(),
            r#"{"method":"c","params":{"requestId":4,"reason":"r"}}"#
        );
    }
}
