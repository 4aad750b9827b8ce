//! The judged body: whatever is accepted is JSON without repeated keys, and every value that policy was decided on is the one
//! that servers find, be they strict or lenient.

use coatroom_protocol::access::{Call, Judged, Member, Message, Target, judge};
use serde_json::{Map, Value};

use crate::tree::{lenient, unique};

/// Checks one body of `POST /mcp`.
///
/// # Panics
/// When a server could find something else in an accepted body.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    let Ok(judged) = judge(data) else { return false };
    let tree = unique(data).expect("what is accepted is JSON without repeated keys");
    agrees(&judged, &tree);
    assert_eq!(judged.clone().into_owned(), judged);

    // A server in between may read the body and print it anew.
    let printed = tree.to_string();
    let again = judge(printed.as_bytes()).unwrap_or_else(|refused| panic!("{printed}: {refused:?}"));
    assert_eq!(calls(&again), calls(&judged));
    true
}

/// What a message is applied to, as a server finds it that builds a tree.
#[must_use]
pub(crate) fn target(message: &Value) -> Target<'static> {
    let params = &message["params"];
    let text = |value: &Value| value.as_str().expect("a target is a text").to_owned().into();
    match message["method"].as_str().unwrap_or_default() {
        "tools/call" => Target::Tool(text(&params["name"])),
        "prompts/get" => Target::Prompt(text(&params["name"])),
        // The revision that has no such method refuses it, whatever it names.
        "resources/subscribe" | "resources/unsubscribe"
            if params.get("uri").is_none() && params["_meta"][VERSION] == "2026-07-28" =>
        {
            Target::Resource("".into())
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            Target::Resource(text(&params["uri"]))
        }
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => {
            Target::Task(text(&params["taskId"]))
        }
        "completion/complete" if params["ref"]["type"] == "ref/prompt" => {
            Target::Prompt(text(&params["ref"]["name"]))
        }
        "completion/complete" => {
            assert_eq!(params["ref"]["type"], "ref/resource");
            Target::Template(text(&params["ref"]["uri"]))
        }
        "subscriptions/listen" => match &params["notifications"]["resourceSubscriptions"] {
            Value::Null => Target::None,
            uris => Target::Subscriptions(uris.as_array().expect("URIs").iter().map(text).collect()),
        },
        _ => Target::None,
    }
}

/// The names in a target.
fn names<'a>(target: &'a Target<'_>) -> Vec<&'a str> {
    match target {
        Target::Tool(name)
        | Target::Prompt(name)
        | Target::Resource(name)
        | Target::Template(name)
        | Target::Task(name) => vec![name],
        Target::Subscriptions(uris) => uris.iter().map(AsRef::as_ref).collect(),
        Target::None => Vec::new(),
    }
}

fn agrees(judged: &Judged<'_>, tree: &Value) {
    match (judged, tree) {
        (Judged::One(message), tree) => agrees_on(message, tree),
        (Judged::Batch(messages), Value::Array(trees)) => {
            assert!(!messages.is_empty() && messages.len() == trees.len());
            messages.iter().zip(trees).for_each(|(message, tree)| agrees_on(message, tree));
            let ids: Vec<&Value> =
                trees.iter().filter(|it| it["method"].is_string()).map(|it| &it["id"]).collect();
            for (at, id) in ids.iter().enumerate().filter(|(_, id)| !id.is_null()) {
                assert!(!ids[..at].contains(id), "two requests with the id {id}");
            }
        }
        (Judged::Batch(_), tree) => panic!("a batch that is no array: {tree}"),
    }
}

fn agrees_on(message: &Message<'_>, tree: &Value) {
    let envelope = tree.as_object().expect("a message is an object");
    has_no_second_reading(envelope, &["jsonrpc", "id", "method", "params", "result", "error"]);
    assert_eq!(tree["jsonrpc"], "2.0");
    let answers = envelope.contains_key("result") || envelope.contains_key("error");
    let id = match message {
        Message::Request { id, .. } => Some(id),
        Message::Response { id } => id.as_ref(),
        Message::Notification { .. } => None,
    };
    let id = id.map_or(Value::Null, |id| serde_json::from_str(id.raw()).expect("an id is JSON"));
    assert!(id == tree["id"] && (id.is_null() || id.is_string() || id.is_number()), "{id}");
    match message {
        Message::Response { .. } => assert!(answers && !envelope.contains_key("method")),
        Message::Request { call, .. } => {
            assert!(!answers && !id.is_null());
            agrees_on_call(call, tree);
        }
        Message::Notification { call } => {
            assert!(!answers && !envelope.contains_key("id"));
            agrees_on_call(call, tree);
        }
    }
}

fn agrees_on_call(call: &Call<'_>, tree: &Value) {
    assert_eq!(tree["method"], *call.method);
    assert!(!call.method.chars().any(char::is_control));
    assert_eq!(call.target, target(tree));
    for name in names(&call.target) {
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
    let params = &tree["params"];
    assert!(params.is_object() || params.is_null());
    let Some(params) = params.as_object() else { return };
    has_no_second_reading(
        params,
        &["name", "uri", "taskId", "ref", "_meta", "arguments", "cursor", "notifications"],
    );
    if let Some(listened) = params.get("notifications").and_then(Value::as_object) {
        has_no_second_reading(listened, &["resourceSubscriptions"]);
    }
    if let Some(reference) = params.get("ref").and_then(Value::as_object) {
        has_no_second_reading(reference, &["type", "name", "uri"]);
    }
    let nothing = Map::new();
    let meta = params.get("_meta").and_then(Value::as_object).unwrap_or(&nothing);
    has_no_second_reading(meta, &[VERSION, CAPABILITIES, "io.modelcontextprotocol/clientInfo"]);
    match (&call.meta.version, meta.get(VERSION)) {
        (Member::Absent, None) => {}
        (Member::Text(text), Some(Value::String(same))) => assert_eq!(text, same),
        (Member::Other, Some(other)) => assert!(!other.is_string()),
        (judged, found) => panic!("{judged:?} is {found:?}"),
    }
    let capabilities = meta.get(CAPABILITIES).filter(|value| value.is_object());
    assert_eq!(call.meta.capabilities.is_some(), capabilities.is_some());
    if let (Some(judged), Some(found)) = (call.meta.capabilities, capabilities) {
        let has = |name: &str| found.get(name).is_some_and(Value::is_object);
        assert!(!judged.roots || has("roots"), "{found}");
        assert!(!judged.samples || has("sampling"), "{found}");
        assert!(!judged.samples_with_tools || found["sampling"]["tools"].is_object(), "{found}");
        assert!(!(judged.elicits_forms || judged.elicits_urls) || has("elicitation"), "{found}");
        assert!(!judged.elicits_urls || found["elicitation"]["url"].is_object(), "{found}");
    }
}

/// A lenient server finds the same member as a strict one, or both find none.
fn has_no_second_reading(object: &Map<String, Value>, names: &[&str]) {
    for name in names {
        let strict: Vec<&Value> = object.get(*name).into_iter().collect();
        assert_eq!(lenient(object, name), strict, "{name}");
    }
}

fn calls<'a>(judged: &'a Judged<'_>) -> Vec<Option<&'a Call<'a>>> {
    judged.messages().iter().map(|message| message.call()).collect()
}

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("jsonrpc", super::check, 4_000);
    }
}
