//! What a server says, on its way to a client.

use std::borrow::Cow;

use super::draft::{Draft, quoted};
use super::envelope::Envelope;
use super::handshake::{SERVER_INFO, Welcome};

/// The answer of an older server, as a client of MCP 2026-07-28 expects it; `None` when it is none.
///
/// Each result says that it is complete and who answers, and one that could be kept says that it should not be: an older server
/// never said how long, nor for whom. A resource that is not there has another number.
#[must_use]
pub fn to_modern(text: &str, id: &str, method: &str, welcome: &Welcome) -> Option<String> {
    let envelope = Envelope::read(text)?;
    let mut draft = Draft::read(text)?;
    draft.set("id", id);
    if let Some(result) = envelope.result() {
        if let Some(result) = completed(result, method, welcome) {
            draft.set("result", result);
        }
    } else if envelope.error_code() == Some(RESOURCE_NOT_FOUND) {
        let mut error = Draft::read(envelope.error()?)?;
        error.set("code", INVALID_PARAMS.to_string());
        let error = error.to_text();
        draft.set("error", error);
    }
    Some(draft.to_text())
}

/// A result with what every result of MCP 2026-07-28 has; `None` when it is no object.
#[must_use]
pub fn completed(result: &str, method: &str, welcome: &Welcome) -> Option<String> {
    let mut draft = Draft::read(result)?;
    draft.add("resultType", "\"complete\"");
    if CACHEABLE.contains(&method) {
        draft.add("ttlMs", "0");
        draft.add("cacheScope", "\"private\"");
    }
    if let Some(info) = welcome.server_info() {
        let meta = {
            let mut meta = draft.object_or_new("_meta").unwrap_or_default();
            meta.add(SERVER_INFO, info);
            meta.to_text()
        };
        draft.set("_meta", meta);
    }
    Some(draft.to_text())
}

/// A notification with the progress token that its client chose.
#[must_use]
pub fn with_token(text: &str, token: &str) -> Option<String> {
    with_param(text, |params| {
        params.set("progressToken", token.to_owned());
        Some(())
    })
}

pub(super) fn with_param(text: &str, edit: impl FnOnce(&mut Draft<'_>) -> Option<()>) -> Option<String> {
    let mut draft = Draft::read(text)?;
    let params = {
        let mut params = draft.object_or_new("params")?;
        edit(&mut params)?;
        params.to_text()
    };
    draft.set("params", Cow::Owned(params));
    Some(draft.to_text())
}

/// Whether a log message of this level is to be sent to who asked for `least` (RFC 5424). Both are JSON text; what is not known is sent.
#[must_use]
pub fn is_severe_enough(level: &str, least: &str) -> bool {
    let rank = |level: &str| LEVELS.iter().position(|known| quoted(known) == level);
    rank(level).zip(rank(least)).is_none_or(|(level, least)| level >= least)
}

const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// MCP 2026-07-28, Caching.
const CACHEABLE: [&str; 6] = [
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];

/// MCP 2025-11-25 and before.
const RESOURCE_NOT_FOUND: i64 = -32002;
const INVALID_PARAMS: i64 = -32602;

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome() -> Welcome {
        Welcome::Legacy(r#"{"serverInfo":{"name":"s"}}"#.to_owned())
    }

    #[test]
    fn a_result_says_that_it_is_complete_and_may_not_be_kept() {
        let answer = |method: &str, result: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#);
            to_modern(&text, "\"x\"", method, &welcome()).unwrap()
        };
        assert_eq!(
            answer("tools/list", r#"{"tools":[ ],"new":1}"#),
            r#"{"jsonrpc":"2.0","id":"x","result":{"tools":[ ],"new":1,"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}}"#
        );
        assert_eq!(
            answer("tools/call", r#"{"resultType":"task","_meta":{"a":1}}"#),
            r#"{"jsonrpc":"2.0","id":"x","result":{"resultType":"task","_meta":{"a":1,"io.modelcontextprotocol/serverInfo":{"name":"s"}}}}"#
        );
        assert_eq!(answer("tools/call", "1"), r#"{"jsonrpc":"2.0","id":"x","result":1}"#);
    }

    // BC-09
    #[test]
    fn a_resource_that_is_not_there_has_the_number_of_its_era() {
        let error = |code: i64| {
            format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":{code},"message":"m","data":1}}}}"#)
        };
        let modern = |code| to_modern(&error(code), "7", "resources/read", &welcome()).unwrap();
        assert_eq!(modern(-32002), error(-32602));
        assert_eq!(modern(-32000), error(-32000));
    }

    #[test]
    fn progress_is_told_under_the_clients_token() {
        let text = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":0.5}}"#;
        assert_eq!(with_token(text, "\"p\"").unwrap(), text.replace('7', "\"p\""));
    }

    #[test]
    fn log_messages_are_severe_enough_from_a_level_on() {
        assert!(is_severe_enough("\"error\"", "\"warning\"") && is_severe_enough("\"info\"", "\"info\""));
        assert!(!is_severe_enough("\"debug\"", "\"info\""));
        assert!(is_severe_enough("\"own\"", "\"info\"") && is_severe_enough("1", "\"info\""));
    }
}
