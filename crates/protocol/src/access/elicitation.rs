//! How a client is told that its user must open a link: URL-mode elicitation, and what stands in for it.
//!
//! MCP 2026-07-28, Elicitation and Multi Round-Trip Requests; MCP 2025-11-25, Elicitation, "URL Elicitation Required
//! Error". It leads to third parties alone: who may use the MCP server itself is decided before, by the challenge of a 401.
//! No form ever asks for a secret, since no form is ever sent.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::era::{Era, LEGACY};
use super::message::{Call, Id, Judged, Message, Target};
use super::rpc_error::{RpcCode, RpcError};

/// How a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever answers must know every way")]
pub enum Way {
    /// MCP 2026-07-28: a result that asks for input, upon which the client calls again.
    InputRequired,
    /// MCP 2025-11-25: the error that lists what must be opened first.
    UrlRequired,
    /// A tool's result that is an error and says in words what to do.
    ToolResult,
    /// MCP 2026-07-28, where there is no tool whose result could say it: the error that names the missing capability.
    LacksCapability,
    /// An error that says in words what to do.
    Words,
}

/// What is known of the client that made a call.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the guard must decide about every part")]
pub struct Speaker<'a> {
    /// The way in which the call is spoken.
    pub era: Era,
    /// Its `MCP-Protocol-Version`.
    pub version: Option<&'a str>,
    /// Whether the client declared elicitation in URL mode: in this request, or when its session began.
    pub declared: bool,
}

/// A third party that the user must connect before a call can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the guard builds it whole")]
pub struct Unconnected {
    /// Its configured name, by which the client's response is found again.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// Where the user connects it; `None` where there is no page for that.
    pub link: Option<String>,
    /// Names this request to open the link (MCP 2025-11-25).
    pub id: String,
}

/// An answer to a call: JSON-RPC, in this HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair")]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Way {
    /// The way for one call: never one that the client's revision does not have, or that it did not declare.
    #[must_use]
    pub fn of(speaker: Speaker<'_>, call: &Call<'_>) -> Self {
        let may_ask = MULTI_ROUND.contains(&call.method.as_ref());
        match (speaker.era, speaker.declared, Self::in_words(call)) {
            (Era::Modern, true, _) if may_ask => Self::InputRequired,
            (Era::Legacy, true, _) if speaker.version == Some(URL_ERROR_IN) => Self::UrlRequired,
            (Era::Modern, false, Self::Words) if may_ask => Self::LacksCapability,
            (Era::Modern | Era::Legacy, _, words) => words,
        }
    }

    /// The way that needs nothing of the client: a model reads a tool's result, and sees no error of the protocol.
    fn in_words(call: &Call<'_>) -> Self {
        if call.method == "tools/call" { Self::ToolResult } else { Self::Words }
    }
}

/// Whether a call uses something of the server, so that it needs the user's accounts. Handshakes, lists, notifications and
/// listening to nothing in particular do not: a client that could not even list would never show its user what to connect.
#[must_use]
pub fn uses_something(judged: &Judged<'_>) -> bool {
    let mut calls = judged.messages().iter().filter_map(Message::call);
    calls.any(|call| match &call.target {
        Target::None => false,
        Target::Subscriptions(uris) => !uris.is_empty(),
        _ => true,
    })
}

/// The answer to a judged body whose user has yet to connect these. `state` is what the client echoes where it calls
/// again. `None` when nothing in the body waits for an answer.
#[must_use]
pub fn ask(
    speaker: Speaker<'_>,
    judged: &Judged<'_>,
    missing: &[Unconnected],
    state: Option<&str>,
) -> Option<Reply> {
    let has_page = missing.iter().all(|it| it.link.is_some());
    answer(judged, |id, call| match if has_page { Way::of(speaker, call) } else { Way::in_words(call) } {
        Way::InputRequired => input_required(id, missing, state),
        Way::UrlRequired => url_required(id, missing),
        Way::LacksCapability => lacks_capability(id, missing),
        way @ (Way::ToolResult | Way::Words) => in_words(way, speaker.era, id, &instructions(missing)),
    })
}

/// The last answer to a call whose user chose not to connect these: an error, and no second question.
#[must_use]
pub fn give_up(era: Era, judged: &Judged<'_>, missing: &[Unconnected]) -> Option<Reply> {
    let words =
        format!("The user chose not to connect {}, which this needs. Nothing was done.", names(missing));
    answer(judged, |id, call| in_words(Way::in_words(call), era, id, &words))
}

/// Whether an `initialize` declares elicitation in URL mode. An empty `elicitation` is form mode alone.
#[must_use]
pub fn declared_at_initialize(judged: &Judged<'_>, body: &[u8]) -> bool {
    let Judged::One(Message::Request { call, .. }) = judged else { return false };
    call.method == "initialize"
        && serde_json::from_slice::<Body>(body).is_ok_and(|body| body.params.capabilities.has_url_mode())
}

/// The key under which the client is asked to open the link for a provider, and answers.
#[must_use]
pub fn key_of(provider: &str) -> String {
    format!("{KEY}{provider}")
}

// === Shapes ===

fn answer(judged: &Judged<'_>, reply: impl Fn(&Id<'_>, &Call<'_>) -> Reply) -> Option<Reply> {
    let requests = |message: &Message<'_>| match message {
        Message::Request { id, call } => Some(reply(id, call)),
        Message::Notification { .. } | Message::Response { .. } => None,
    };
    let mut replies = judged.messages().iter().filter_map(requests);
    match judged {
        Judged::One(_) => replies.next(),
        // A batch is answered by a batch (MCP 2025-03-26).
        Judged::Batch(_) => {
            let bodies: Vec<String> = replies.map(|reply| reply.body).collect();
            (!bodies.is_empty()).then(|| Reply { status: 200, body: format!("[{}]", bodies.join(",")) })
        }
    }
}

fn input_required(id: &Id<'_>, missing: &[Unconnected], state: Option<&str>) -> Reply {
    let mut requests = Map::new();
    for it in missing {
        let params = json!({ "mode": "url", "url": it.link, "message": message(it) });
        requests.insert(key_of(&it.name), json!({ "method": "elicitation/create", "params": params }));
    }
    let mut asked = json!({ "resultType": "input_required", "inputRequests": requests });
    if let (Some(state), Some(members)) = (state, asked.as_object_mut()) {
        members.insert("requestState".to_owned(), json!(state));
    }
    result(id, &asked)
}

fn url_required(id: &Id<'_>, missing: &[Unconnected]) -> Reply {
    let elicitation = |it: &Unconnected| json!({ "mode": "url", "elicitationId": it.id, "url": it.link, "message": message(it) });
    let elicitations: Vec<Value> = missing.iter().map(elicitation).collect();
    let mut refusal = RpcError::new(RpcCode::UrlElicitationRequired, instructions(missing));
    refusal.data = Some(json!({ "elicitations": elicitations }));
    error(200, id, &refusal)
}

fn lacks_capability(id: &Id<'_>, missing: &[Unconnected]) -> Reply {
    let mut refusal = RpcError::new(RpcCode::MissingClientCapability, instructions(missing));
    refusal.data = Some(json!({ "requiredCapabilities": { "elicitation": { "url": {} } } }));
    error(400, id, &refusal)
}

fn in_words(way: Way, era: Era, id: &Id<'_>, words: &str) -> Reply {
    if way != Way::ToolResult {
        return error(200, id, &RpcError::new(RpcCode::Refused, words.to_owned()));
    }
    let content = json!([{ "type": "text", "text": words }]);
    let told = match era {
        Era::Modern => json!({ "resultType": "complete", "content": content, "isError": true }),
        Era::Legacy => json!({ "content": content, "isError": true }),
    };
    result(id, &told)
}

fn result(id: &Id<'_>, result: &Value) -> Reply {
    Reply { status: 200, body: format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.raw()) }
}

fn error(status: u16, id: &Id<'_>, error: &RpcError) -> Reply {
    Reply { status, body: error.to_json(Some(id)) }
}

// === Words ===

/// For a client that shows the link itself.
fn message(it: &Unconnected) -> String {
    format!("This needs your {} account. Open the link, connect the account, then come back.", it.label)
}

/// For a client that shows text and nothing else.
fn instructions(missing: &[Unconnected]) -> String {
    let links: Vec<&str> = missing.iter().filter_map(|it| it.link.as_deref()).collect();
    let which = names(missing);
    if links.is_empty() {
        return format!("This needs the user's {which} account, which is not connected here.");
    }
    format!(
        "This needs the user's {which} account, which is not connected yet. Ask the user to open this link in a browser, \
         to connect the account there, and to try again afterwards: {}",
        links.join(" and ")
    )
}

fn names(missing: &[Unconnected]) -> String {
    missing.iter().map(|it| it.label.as_str()).collect::<Vec<_>>().join(" and ")
}

// === What is peeked at ===

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    capabilities: Declared,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Declared {
    elicitation: Value,
}

impl Declared {
    fn has_url_mode(&self) -> bool {
        self.elicitation.get("url").is_some_and(Value::is_object)
    }
}

/// The methods whose result may ask for input (MCP 2026-07-28, "Supported Requests").
pub(super) const MULTI_ROUND: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// The one revision that has the error.
const URL_ERROR_IN: &str = LEGACY[0];

const KEY: &str = "connect_";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::judge;

    const MODERN_META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    fn request(method: &str, params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}}}}}"#)
    }

    fn slack() -> Unconnected {
        Unconnected {
            name: "slack".to_owned(),
            label: "Slack".to_owned(),
            link: Some("https://gate.example/connect/x".to_owned()),
            id: "e-1".to_owned(),
        }
    }

    fn asked(era: Era, version: Option<&str>, declared: bool, body: &str) -> (u16, Value) {
        let speaker = Speaker { era, version, declared };
        let reply = ask(speaker, &judge(body.as_bytes()).unwrap(), &[slack()], Some("state")).unwrap();
        (reply.status, serde_json::from_str(&reply.body).unwrap())
    }

    fn way(era: Era, version: &str, declared: bool, body: &str) -> Way {
        let judged = judge(body.as_bytes()).unwrap();
        Way::of(Speaker { era, version: Some(version), declared }, judged.messages()[0].call().unwrap())
    }

    // EL-01, MR-02
    #[test]
    fn the_way_is_chosen_by_revision_method_and_what_the_client_declared() {
        let call = request("tools/call", r#""name":"t""#);
        let read = request("resources/read", r#""uri":"u""#);
        let list = request("tools/list", "");
        assert_eq!(way(Era::Modern, "2026-07-28", true, &call), Way::InputRequired);
        assert_eq!(way(Era::Modern, "2026-07-28", true, &read), Way::InputRequired);
        assert_eq!(way(Era::Modern, "2026-07-28", true, &list), Way::Words);
        assert_eq!(way(Era::Modern, "2026-07-28", false, &call), Way::ToolResult);
        assert_eq!(way(Era::Modern, "2026-07-28", false, &read), Way::LacksCapability);
        assert_eq!(way(Era::Legacy, "2025-11-25", true, &call), Way::UrlRequired);
        assert_eq!(way(Era::Legacy, "2025-11-25", true, &list), Way::UrlRequired);
        assert_eq!(way(Era::Legacy, "2025-11-25", false, &call), Way::ToolResult);
        assert_eq!(way(Era::Legacy, "2025-11-25", false, &read), Way::Words);
        for older in ["2025-06-18", "2025-03-26"] {
            assert_eq!(way(Era::Legacy, older, true, &call), Way::ToolResult);
            assert_eq!(way(Era::Legacy, older, true, &read), Way::Words);
        }
    }

    // EL-01
    #[test]
    fn no_way_of_one_era_is_ever_taken_in_the_other() {
        for method in ["tools/call", "prompts/get", "resources/read", "tools/list", "tasks/get", "initialize"]
        {
            let body = request(method, r#""name":"t","uri":"u","taskId":"k""#);
            for declared in [true, false] {
                for version in ["2026-07-28", "2025-11-25", "2025-06-18"] {
                    let (_, modern) = asked(Era::Modern, Some(version), declared, &body);
                    assert_ne!(modern["error"]["code"], -32042, "{method}");
                    let (_, legacy) = asked(Era::Legacy, Some(version), declared, &body);
                    assert_eq!(legacy["result"].get("resultType"), None, "{method}");
                    assert_ne!(legacy["error"]["code"], -32021, "{method}");
                }
            }
        }
    }

    // EL-01, EL-11
    #[test]
    fn a_modern_client_is_asked_to_open_the_link_and_to_call_again() {
        let (status, told) = asked(Era::Modern, None, true, &request("tools/call", r#""name":"t""#));
        assert_eq!(status, 200);
        assert_eq!(
            told,
            json!({ "jsonrpc": "2.0", "id": 7, "result": {
                "resultType": "input_required",
                "inputRequests": { "connect_slack": { "method": "elicitation/create", "params": {
                    "mode": "url",
                    "url": "https://gate.example/connect/x",
                    "message": "This needs your Slack account. Open the link, connect the account, then come back.",
                } } },
                "requestState": "state",
            } })
        );
    }

    // EL-01
    #[test]
    fn a_client_of_2025_11_25_gets_the_error_that_lists_what_to_open() {
        let body = request("tools/call", r#""name":"t""#);
        let (status, told) = asked(Era::Legacy, Some("2025-11-25"), true, &body);
        assert_eq!((status, &told["error"]["code"]), (200, &json!(-32042)));
        assert_eq!(
            told["error"]["data"]["elicitations"],
            json!([{
                "mode": "url", "elicitationId": "e-1", "url": "https://gate.example/connect/x",
                "message": "This needs your Slack account. Open the link, connect the account, then come back.",
            }])
        );
    }

    // EL-02
    #[test]
    fn a_client_without_url_mode_gets_plain_words_with_the_link() {
        let call = request("tools/call", r#""name":"t""#);
        let (status, told) = asked(Era::Modern, None, false, &call);
        let text = told["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("Slack") && text.ends_with("https://gate.example/connect/x"), "{text}");
        assert_eq!((status, &told["result"]["isError"]), (200, &json!(true)));
        assert_eq!(told["result"]["resultType"], "complete");
        let (_, told) = asked(Era::Legacy, Some("2025-06-18"), true, &call);
        assert_eq!(told["result"]["isError"], true);
        assert!(!told.to_string().contains("elicitation"), "{told}");
        let (status, told) = asked(Era::Legacy, None, false, &request("prompts/get", r#""name":"p""#));
        assert_eq!((status, &told["error"]["code"]), (200, &json!(-32000)));
        assert!(told["error"]["message"].as_str().unwrap().contains("https://gate.example/connect/x"));
    }

    // MR-03
    #[test]
    fn where_only_the_capability_would_help_it_is_named() {
        let (status, told) = asked(Era::Modern, None, false, &request("prompts/get", r#""name":"p""#));
        assert_eq!((status, &told["error"]["code"]), (400, &json!(-32021)));
        assert_eq!(
            told["error"]["data"],
            json!({ "requiredCapabilities": { "elicitation": { "url": {} } } })
        );
    }

    // EL-04
    #[test]
    fn whoever_declined_gets_an_error_and_no_second_question() {
        let reply = |body: &str| {
            let reply = give_up(Era::Modern, &judge(body.as_bytes()).unwrap(), &[slack()]).unwrap();
            serde_json::from_str::<Value>(&reply.body).unwrap()
        };
        let told = reply(&request("tools/call", r#""name":"t""#));
        assert_eq!(told["result"]["isError"], true);
        assert_eq!(told["result"]["resultType"], "complete");
        assert!(!told.to_string().contains("https:"), "{told}");
        let told = reply(&request("prompts/get", r#""name":"p""#));
        assert_eq!(told["error"]["code"], -32000);
    }

    #[test]
    fn each_request_of_a_batch_gets_its_words_and_nothing_else_does() {
        let batch = format!(
            r#"[{},{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"t"}}}},{}]"#,
            request("tools/call", r#""name":"t""#),
            request("tools/list", "").replace('7', "8")
        );
        let (status, told) = asked(Era::Legacy, None, false, &batch);
        assert_eq!((status, told.as_array().unwrap().len()), (200, 2));
        assert_eq!((&told[0]["id"], &told[1]["id"]), (&json!(7), &json!(8)));
        assert_eq!(told[1]["error"]["code"], -32000);
        let notification =
            judge(br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"t"}}"#).unwrap();
        let speaker = Speaker { era: Era::Legacy, version: None, declared: false };
        assert_eq!(ask(speaker, &notification, &[slack()], None), None);
    }

    #[test]
    fn several_third_parties_are_asked_for_at_once() {
        let other = Unconnected { name: "corp".to_owned(), label: "Corp".to_owned(), ..slack() };
        let judged =
            judge(br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#).unwrap();
        let speaker = Speaker { era: Era::Modern, version: None, declared: true };
        let reply = ask(speaker, &judged, &[slack(), other.clone()], Some("s")).unwrap();
        let told: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(told["result"]["inputRequests"].as_object().unwrap().len(), 2);
        assert!(instructions(&[slack(), other]).contains("Slack and Corp"));
    }

    #[test]
    fn without_a_page_there_is_no_link_to_open() {
        let nowhere = Unconnected { link: None, ..slack() };
        let judged =
            judge(br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#).unwrap();
        let speaker = Speaker { era: Era::Legacy, version: Some("2025-11-25"), declared: true };
        let reply = ask(speaker, &judged, &[nowhere], None).unwrap();
        assert!(reply.body.contains("isError") && !reply.body.contains("null"), "{}", reply.body);
    }

    // EL-02
    #[test]
    fn url_mode_is_declared_by_an_object_of_that_name_and_by_nothing_else() {
        let at_initialize = |capabilities: &str| {
            let body = request("initialize", &format!(r#""capabilities":{capabilities}"#));
            declared_at_initialize(&judge(body.as_bytes()).unwrap(), body.as_bytes())
        };
        let in_request = |capabilities: &str| {
            let meta = MODERN_META.replace("{}", capabilities);
            let body = request("tools/call", &format!(r#""name":"t",{meta}"#));
            let judged = judge(body.as_bytes()).unwrap();
            judged.messages()[0]
                .call()
                .unwrap()
                .meta
                .capabilities
                .is_some_and(|declared| declared.elicits_urls)
        };
        for (capabilities, declared) in [
            (r#"{"elicitation":{"url":{}}}"#, true),
            (r#"{"elicitation":{"form":{},"url":{}}}"#, true),
            (r#"{"elicitation":{}}"#, false),
            (r#"{"elicitation":{"form":{}}}"#, false),
            (r#"{"elicitation":{"url":true}}"#, false),
            (r#"{"elicitation":{"url":null}}"#, false),
            (r#"{"elicitation":"url"}"#, false),
            (r#"{"url":{}}"#, false),
            ("{}", false),
        ] {
            assert_eq!(at_initialize(capabilities), declared, "{capabilities}");
            assert_eq!(in_request(capabilities), declared, "{capabilities}");
        }
        let other = request("tools/list", r#""capabilities":{"elicitation":{"url":{}}}"#);
        assert!(!declared_at_initialize(&judge(other.as_bytes()).unwrap(), other.as_bytes()));
    }

    #[test]
    fn only_what_uses_something_needs_the_users_accounts() {
        let uses = |body: &str| uses_something(&judge(body.as_bytes()).unwrap());
        assert!(uses(&request("tools/call", r#""name":"t""#)));
        assert!(uses(&request("resources/subscribe", r#""uri":"u""#)));
        for method in ["initialize", "tools/list", "ping", "server/discover", "resources/templates/list"] {
            assert!(!uses(&request(method, "")), "{method}");
        }
        assert!(!uses(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#));
        let listen = |uris: &str| {
            request(
                "subscriptions/listen",
                &format!(r#""notifications":{{"resourceSubscriptions":[{uris}]}}"#),
            )
        };
        assert!(!uses(&listen("")) && uses(&listen(r#""file:///a""#)));
        assert!(!uses(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
    }
}
