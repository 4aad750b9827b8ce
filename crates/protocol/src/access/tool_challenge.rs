//! Challenges in the results of tools.
//!
//! HTTP's status and `WWW-Authenticate` tell every client that it lacks a token or a scope. ChatGPT looks for that in one more
//! place, once it uses a server whose tools are partly open: it asks its user to sign in, or to allow more, only when the
//! result of a tool says so (OpenAI, Apps SDK, "Authentication": `isError` with the challenge in
//! `_meta["mcp/www_authenticate"]`).

use serde_json::json;

use super::era::Era;
use super::message::{Judged, Message, Target};

/// Whether a client that calls itself so reads challenges in results.
#[must_use]
pub fn reads_tool_challenges(user_agent: &str) -> bool {
    user_agent.starts_with("openai-mcp/")
}

/// The result that carries a challenge (RFC 6750 §3) to whoever called a tool; `None` for everything else that is called.
#[must_use]
pub fn tool_challenge(judged: &Judged<'_>, era: Era, challenge: &str, words: &str) -> Option<String> {
    let Judged::One(Message::Request { id, call }) = judged else { return None };
    if call.method != "tools/call" || !matches!(call.target, Target::Tool(_)) {
        return None;
    }
    let mut result = json!({
        "content": [{ "type": "text", "text": words }],
        "isError": true,
        "_meta": { "mcp/www_authenticate": [challenge] },
    });
    if let (Era::Modern, Some(members)) = (era, result.as_object_mut()) {
        members.insert("resultType".to_owned(), json!("complete"));
    }
    Some(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.raw()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::access::judge;

    #[test]
    fn a_tools_result_carries_the_challenge_and_nothing_else_does() {
        let told = |body: &str, era| {
            let told =
                tool_challenge(&judge(body.as_bytes()).unwrap(), era, "Bearer scope=\"w\"", "more, please");
            told.map(|told| serde_json::from_str::<Value>(&told).unwrap())
        };
        let call = r#"{"jsonrpc":"2.0","id":"\u0061","method":"tools/call","params":{"name":"t"}}"#;
        let expected = json!({ "jsonrpc": "2.0", "id": "a", "result": {
            "content": [{ "type": "text", "text": "more, please" }],
            "isError": true,
            "_meta": { "mcp/www_authenticate": ["Bearer scope=\"w\""] },
        } });
        assert_eq!(told(call, Era::Legacy), Some(expected));
        assert_eq!(told(call, Era::Modern).unwrap()["result"]["resultType"], "complete");
        for other in [
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"t"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"t"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}]"#,
        ] {
            assert_eq!(told(other, Era::Legacy), None, "{other}");
        }
    }
}
