//! Keys and methods that are a name of the protocol only to lenient servers.

/// Whether a key equals a name of the protocol only after unescaping, case folding or dropping NULs.
pub(super) fn is_disguised(key: &str, written_plainly: bool) -> bool {
    if written_plainly && PROTOCOL_NAMES.contains(&key) {
        return false;
    }
    if written_plainly && key.is_ascii() {
        return PROTOCOL_NAMES.iter().any(|name| name.eq_ignore_ascii_case(key));
    }
    PROTOCOL_NAMES.iter().any(|name| folded(key).eq(folded(name)))
}

/// A text without NULs and without case. Upper before lower also joins the long s with `s` and the Kelvin sign with `k`.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| *c != '\0').flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// The names by which servers find what a message asks for.
const PROTOCOL_NAMES: [&str; 29] = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "name",
    "uri",
    "arguments",
    "_meta",
    "taskId",
    "task",
    "cursor",
    "ref",
    "type",
    "argument",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "requestState",
    "inputResponses",
    "progressToken",
    "requestId",
    "notifications",
    "resourceSubscriptions",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/logLevel",
];

/// Whether a method is one that is decided about, only written so that a server finds it that compares without case or trims.
pub(super) fn is_disguised_method(method: &str) -> bool {
    !JUDGED_METHODS.contains(&method)
        && JUDGED_METHODS.iter().any(|name| folded(method.trim()).eq(folded(name)))
}

/// The methods about whose targets or answers something is decided.
const JUDGED_METHODS: [&str; 12] = [
    "tools/call",
    "tools/list",
    "prompts/get",
    "prompts/list",
    "resources/read",
    "resources/list",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "subscriptions/listen",
    "initialize",
];

#[cfg(test)]
mod tests {
    use super::*;

    // GW-09
    #[test]
    fn a_method_in_disguise_is_refused() {
        for method in ["Tools/Call", "tools/call ", " tools/list", "TOOLS/LIST", "re\u{17f}ources/read"] {
            assert!(is_disguised_method(method), "{method}");
            let body =
                serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "x"}});
            let refused = crate::access::judge(body.to_string().as_bytes()).map(drop).unwrap_err();
            assert_eq!(refused.reason, crate::access::BodyRefusal::DisguisedMethod);
        }
        for fine in ["tools", "tools/call", "vendor/tools/call", "tools/call2", "ping", "PING"] {
            assert!(!is_disguised_method(fine), "{fine}");
        }
    }
}
