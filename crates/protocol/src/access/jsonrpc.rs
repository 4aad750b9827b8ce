//! Judges the body of one POST: is it JSON that every parser reads in the same way, and what does it ask for?
//!
//! Policy is decided on the bytes that are forwarded, so a body that two parsers could read differently is refused
//! (ARCHITECTURE.md, rule 6): invalid UTF-8, a byte order mark, anything after the value, deep nesting, duplicate
//! keys at any depth, numbers out of range, lone surrogates; and, in the envelope, `params`, `_meta` and `ref`, keys
//! that equal a name of the protocol only after unescaping, case folding or dropping NULs.
//!
//! The grammar is serde_json's, walked once without building a tree: whatever is accepted here, `serde_json::Value`
//! accepts too and agrees on every value that was peeked at.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::body_refusal::{BodyRefusal, LONGEST_BATCH, Refused};
use super::disguise::is_disguised_method;
use super::era::MODERN;
use super::message::{Call, Capabilities, Id, Judged, Member, Message, Meta, Target, has_repeated_id};
use super::walk::{Anything, Inside, Members, Seen, State, TextsOnly, Value, refuse};

/// Judges the body of one POST.
///
/// JSON-RPC 2.0; MCP 2025-03-26 for batches, whose every element is judged. Which revisions allow what is decided by
/// [`super::era`].
///
/// # Errors
/// [`Refused`] with the first reason that was met.
pub fn judge(body: &[u8]) -> Result<Judged<'_>, Refused> {
    let text = std::str::from_utf8(body).map_err(|_| BodyRefusal::NotUtf8)?;
    if text.starts_with('\u{feff}') {
        return Err(BodyRefusal::ByteOrderMark.into());
    }
    let mut state = State::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let is_batch = text.trim_start_matches(JSON_SPACE).starts_with('[');
    let read = if is_batch {
        json.deserialize_seq(Elements { state: &mut state })
    } else {
        Value::new(&mut state, 0).deserialize(&mut json).map(|message| vec![message])
    };
    let read = read.and_then(|read| json.end().map(|()| read));
    let mut elements = read.map_err(|_| state.fault.unwrap_or(BodyRefusal::NotJson))?;
    if !is_batch {
        return message(elements.pop().unwrap_or(Seen::Null)).map(Judged::One);
    }
    if elements.is_empty() {
        return Err(BodyRefusal::EmptyBatch.into());
    }
    // An error about a whole batch echoes no id.
    let messages = elements.into_iter().map(|element| message(element).map_err(|refused| refused.reason));
    let messages: Vec<Message<'_>> = messages.collect::<Result<_, BodyRefusal>>()?;
    if has_repeated_id(&messages) {
        return Err(BodyRefusal::RepeatedId.into());
    }
    Ok(Judged::Batch(messages))
}

// === What an envelope means ===

/// The members of a message that are peeked at.
#[derive(Default)]
struct Envelope<'de> {
    jsonrpc: Member<'de>,
    id: Option<&'de str>,
    method: Member<'de>,
    params: Option<Seen<'de, Params<'de>>>,
    has_result: bool,
    has_error: bool,
}

/// The members of `params` that are peeked at.
#[derive(Default)]
struct Params<'de> {
    name: Member<'de>,
    uri: Member<'de>,
    task: Member<'de>,
    reference: Reference<'de>,
    notifications: Notifications<'de>,
    meta: Meta<'de>,
}

/// `params.notifications` of `subscriptions/listen`.
#[derive(Default)]
struct Notifications<'de> {
    resources: Option<Seen<'de, TextsOnly>>,
}

/// `params.ref` of `completion/complete`.
#[derive(Default)]
struct Reference<'de> {
    kind: Member<'de>,
    name: Member<'de>,
    uri: Member<'de>,
}

fn message<'de>(seen: Seen<'de, Envelope<'de>>) -> Result<Message<'de>, Refused> {
    let Seen::Object(envelope) = seen else { return Err(BodyRefusal::NotAMessage.into()) };
    envelope.into_message()
}

impl<'de> Envelope<'de> {
    fn into_message(self) -> Result<Message<'de>, Refused> {
        let id = self.id.filter(|raw| *raw != "null");
        if let Some(raw) = id {
            check_id(raw)?;
        }
        let (id_is_null, id) = (self.id.is_some() && id.is_none(), id.map(Id::from_raw));
        let refused = |reason| Refused { reason, id: id.clone().map(Id::into_owned) };
        if self.jsonrpc != Member::Text(Cow::Borrowed("2.0")) {
            return Err(refused(BodyRefusal::NotAMessage));
        }
        let answers = self.has_result || self.has_error;
        match self.method {
            Member::Absent if self.has_result != self.has_error && self.params.is_none() => {
                Ok(Message::Response { id })
            }
            // A null id is a request to some servers and a notification to others.
            Member::Text(method) if !answers && !id_is_null => {
                let call = call(method, self.params).map_err(refused)?;
                Ok(match id {
                    Some(id) => Message::Request { id, call },
                    None => Message::Notification { call },
                })
            }
            Member::Absent | Member::Text(_) | Member::Other => Err(refused(BodyRefusal::NotAMessage)),
        }
    }
}

/// Finds what a method is applied to. A method that MCP does not know is applied to nothing that policy could name.
fn call<'de>(
    method: Cow<'de, str>,
    params: Option<Seen<'de, Params<'de>>>,
) -> Result<Call<'de>, BodyRefusal> {
    let params = match params {
        Some(Seen::Object(params)) => params,
        None | Some(Seen::Null) => Params::default(),
        Some(Seen::Text(_) | Seen::Texts(_) | Seen::Other) => return Err(BodyRefusal::ParamsNotAnObject),
    };
    check_plain(&method)?;
    if is_disguised_method(&method) {
        return Err(BodyRefusal::DisguisedMethod);
    }
    let target = match method.as_ref() {
        "tools/call" => Target::Tool(text(params.name)?),
        "prompts/get" => Target::Prompt(text(params.name)?),
        // Gone from the modern wire, whatever they name: the era says so, in the words that a client looks for.
        "resources/subscribe" | "resources/unsubscribe"
            if params.uri == Member::Absent && is_modern(&params.meta) =>
        {
            Target::Resource(Cow::Borrowed(""))
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            Target::Resource(text(params.uri)?)
        }
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => Target::Task(text(params.task)?),
        "completion/complete" => params.reference.target()?,
        "subscriptions/listen" => params.notifications.target()?,
        _ => Target::None,
    };
    Ok(Call { method, target, meta: params.meta })
}

impl<'de> Reference<'de> {
    fn target(self) -> Result<Target<'de>, BodyRefusal> {
        match text(self.kind)?.as_ref() {
            "ref/prompt" => text(self.name).map(Target::Prompt),
            "ref/resource" => text(self.uri).map(Target::Template),
            _ => Err(BodyRefusal::NoTarget),
        }
    }
}

fn is_modern(meta: &Meta<'_>) -> bool {
    matches!(&meta.version, Member::Text(version) if version == MODERN)
}

impl<'de> Notifications<'de> {
    fn target(self) -> Result<Target<'de>, BodyRefusal> {
        match self.resources {
            None | Some(Seen::Null) => Ok(Target::None),
            Some(Seen::Texts(uris)) => {
                uris.into_iter().map(text).collect::<Result<_, _>>().map(Target::Subscriptions)
            }
            Some(Seen::Object(_) | Seen::Text(_) | Seen::Other) => Err(BodyRefusal::NoTarget),
        }
    }
}

fn text(member: Member<'_>) -> Result<Cow<'_, str>, BodyRefusal> {
    let Member::Text(text) = member else { return Err(BodyRefusal::NoTarget) };
    check_plain(&text)?;
    Ok(text)
}

/// A server that cuts a name at a NUL, or trims it, would call something that no rule was asked about.
fn check_plain(text: &str) -> Result<(), BodyRefusal> {
    let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_printable && text.chars().any(char::is_control) {
        Err(BodyRefusal::ControlCharacter)
    } else {
        Ok(())
    }
}

/// `RawValue` skips over a value without looking into it, so the id is read once more, as what it may be.
fn check_id(raw: &str) -> Result<(), BodyRefusal> {
    let good = raw.len() <= LONGEST_ID
        && match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(raw).is_ok(),
            Some(b'-' | b'0'..=b'9') => serde_json::from_str::<f64>(raw).is_ok(),
            _ => false,
        };
    if good { Ok(()) } else { Err(BodyRefusal::BadId) }
}

// === What is peeked at ===

impl<'de> Members<'de> for Envelope<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        inside: Inside<'_, 'de>,
    ) -> Result<(), A::Error> {
        match key {
            "jsonrpc" => self.jsonrpc = inside.text(map)?,
            "id" => self.id = Some(map.next_value::<&'de RawValue>()?.get()),
            "method" => self.method = inside.text(map)?,
            "params" => self.params = Some(inside.value(map)?),
            "result" => {
                self.has_result = true;
                inside.anything(map)?;
            }
            "error" => {
                self.has_error = true;
                inside.anything(map)?;
            }
            _ => inside.anything(map)?,
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Params<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        inside: Inside<'_, 'de>,
    ) -> Result<(), A::Error> {
        match key {
            "name" => self.name = inside.text(map)?,
            "uri" => self.uri = inside.text(map)?,
            "taskId" => self.task = inside.text(map)?,
            "ref" => {
                if let Seen::Object(reference) = inside.value(map)? {
                    self.reference = reference;
                }
            }
            "notifications" => {
                if let Seen::Object(notifications) = inside.value(map)? {
                    self.notifications = notifications;
                }
            }
            "_meta" => {
                if let Seen::Object(meta) = inside.value(map)? {
                    self.meta = meta;
                }
            }
            _ => inside.anything(map)?,
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Notifications<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        inside: Inside<'_, 'de>,
    ) -> Result<(), A::Error> {
        match key {
            "resourceSubscriptions" => self.resources = Some(inside.value(map)?),
            _ => inside.anything(map)?,
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Reference<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        inside: Inside<'_, 'de>,
    ) -> Result<(), A::Error> {
        match key {
            "type" => self.kind = inside.text(map)?,
            "name" => self.name = inside.text(map)?,
            "uri" => self.uri = inside.text(map)?,
            _ => inside.anything(map)?,
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Meta<'de> {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        inside: Inside<'_, 'de>,
    ) -> Result<(), A::Error> {
        match key {
            "io.modelcontextprotocol/protocolVersion" => self.version = inside.text(map)?,
            "io.modelcontextprotocol/clientCapabilities" => {
                if let Seen::Object(capabilities) = inside.value(map)? {
                    self.capabilities = Some(capabilities);
                }
            }
            _ => inside.anything(map)?,
        }
        Ok(())
    }
}

impl<'de> Members<'de> for Capabilities {
    const NAMED: bool = false;

    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        inside: Inside<'_, 'de>,
    ) -> Result<(), A::Error> {
        match key {
            "elicitation" => {
                if let Seen::Object(Modes { form, url, .. }) = inside.value(map)? {
                    (self.elicits_forms, self.elicits_urls) = (form || !url, url);
                }
            }
            "sampling" => {
                if let Seen::Object(Modes { tools, .. }) = inside.value(map)? {
                    (self.samples, self.samples_with_tools) = (true, tools);
                }
            }
            "roots" => self.roots = matches!(inside.value::<Anything, A>(map)?, Seen::Object(_)),
            _ => inside.anything(map)?,
        }
        Ok(())
    }
}

/// The members of a capability that say more of it.
#[derive(Default)]
struct Modes {
    form: bool,
    url: bool,
    tools: bool,
}

impl<'de> Members<'de> for Modes {
    const NAMED: bool = false;

    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        inside: Inside<'_, 'de>,
    ) -> Result<(), A::Error> {
        let is_object = matches!(inside.value::<Anything, A>(map)?, Seen::Object(_));
        match key {
            "form" => self.form = is_object,
            "url" => self.url = is_object,
            "tools" => self.tools = is_object,
            _ => {}
        }
        Ok(())
    }
}

/// Reads the elements of a batch.
struct Elements<'s, 'de> {
    state: &'s mut State<'de>,
}

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = Vec<Seen<'de, Envelope<'de>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(Value::new(self.state, 1))? {
            if elements.len() == LONGEST_BATCH {
                return Err(refuse(self.state, BodyRefusal::BatchTooLong));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// White space of JSON (RFC 8259 §2).
const JSON_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// An id is echoed in errors, and errors stay small.
const LONGEST_ID: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::super::body_refusal::DEEPEST;
    use super::*;

    fn refusal(body: &str) -> BodyRefusal {
        judge(body.as_bytes()).expect_err(body).reason
    }

    fn one(body: &str) -> Message<'_> {
        match judge(body.as_bytes()).unwrap() {
            Judged::One(message) => message,
            Judged::Batch(_) => panic!("a batch: {body}"),
        }
    }

    fn called(body: &str) -> Call<'_> {
        match one(body) {
            Message::Request { call, .. } | Message::Notification { call } => call,
            Message::Response { .. } => panic!("a response: {body}"),
        }
    }

    #[test]
    fn a_tool_call_says_what_it_calls_and_which_revision_it_speaks() {
        let body = r#"{"jsonrpc":"2.0","id":"a-1","method":"tools/call","params":{"name":"create_issue",
            "arguments":{"name":"delete_repository"},
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
                     "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        let Message::Request { id, call } = one(body) else { panic!("not a request") };
        assert_eq!(id.raw(), r#""a-1""#);
        assert_eq!(call.method, "tools/call");
        assert_eq!(call.target, Target::Tool("create_issue".into()));
        assert_eq!(call.meta.version, Member::Text("2026-07-28".into()));
        assert_eq!(call.meta.capabilities, Some(Capabilities::default()));
    }

    #[test]
    fn each_method_names_its_target_in_its_own_member() {
        let target = |method: &str, params: Json| {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
            judge(body.as_bytes())
                .map(|judged| judged.into_owned().messages()[0].call().unwrap().target.clone())
        };
        assert_eq!(target("prompts/get", json!({"name": "p"})), Ok(Target::Prompt("p".into())));
        assert_eq!(target("resources/read", json!({"uri": "f:/a"})), Ok(Target::Resource("f:/a".into())));
        assert_eq!(target("resources/subscribe", json!({"uri": "u"})), Ok(Target::Resource("u".into())));
        assert_eq!(target("tasks/get", json!({"taskId": "t"})), Ok(Target::Task("t".into())));
        assert_eq!(target("tools/list", json!({"name": "n"})), Ok(Target::None));
        assert_eq!(
            target("completion/complete", json!({"ref": {"type": "ref/prompt", "name": "p"}})),
            Ok(Target::Prompt("p".into()))
        );
        assert_eq!(
            target("completion/complete", json!({"ref": {"type": "ref/resource", "uri": "u"}})),
            Ok(Target::Template("u".into()))
        );
        assert_eq!(
            target("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": ["u", "v"]}})),
            Ok(Target::Subscriptions(vec!["u".into(), "v".into()]))
        );
        for nothing in [json!({}), json!({"notifications": {"toolsListChanged": true}})] {
            assert_eq!(target("subscriptions/listen", nothing), Ok(Target::None));
        }
        for (method, params) in [
            ("tools/call", json!({})),
            ("tools/call", json!({"name": 1})),
            ("tools/call", json!({"name": null})),
            ("resources/read", json!({"name": "n"})),
            ("resources/subscribe", json!({})),
            ("tasks/cancel", json!({"name": "n"})),
            ("completion/complete", json!({"ref": {"type": "ref/other", "name": "p"}})),
            ("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": "u"}})),
            ("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": ["u", 1]}})),
        ] {
            let refused = target(method, params.clone()).unwrap_err();
            assert_eq!(refused.reason, BodyRefusal::NoTarget, "{method} {params}");
            assert_eq!(refused.id.unwrap().raw(), "1");
        }
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        assert!(matches!(one(r#"{"jsonrpc":"2.0","method":"x"}"#), Message::Notification { .. }));
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","method":"x","params":null}"#),
            Message::Notification { .. }
        ));
        assert!(matches!(one(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Message::Response { id: Some(_) }));
        assert!(matches!(one(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#), Message::Response { id: None }));
        assert!(matches!(
            one(" {\"jsonrpc\":\"2.0\",\"id\":-1.5e3,\"method\":\"x\"}\n"),
            Message::Request { .. }
        ));
    }

    #[test]
    fn what_servers_could_take_for_something_else_is_no_message() {
        for body in [
            r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"params":{},"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#,
            r#"{"jsonrpc":2.0,"id":1,"method":"x"}"#,
            r#"{"id":1,"method":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":["x"]}"#,
            r#""text""#,
            "null",
            "1",
        ] {
            assert_eq!(refusal(body), BodyRefusal::NotAMessage, "{body}");
        }
        for id in ["[1]", "{}", "true", r#""\ud800""#, "1e999"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#);
            assert_eq!(refusal(&body), BodyRefusal::BadId, "{body}");
        }
        let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"x"}}"#, "a".repeat(LONGEST_ID));
        assert_eq!(refusal(&long), BodyRefusal::BadId);
        assert_eq!(
            refusal(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#),
            BodyRefusal::ParamsNotAnObject
        );
    }

    // GW-11
    #[test]
    fn what_is_not_one_json_value_is_refused() {
        assert_eq!(judge(b"{\"a\":\"\xff\"}").unwrap_err().reason, BodyRefusal::NotUtf8);
        assert_eq!(refusal("\u{feff}{}"), BodyRefusal::ByteOrderMark);
        for body in [
            "",
            " ",
            "{",
            "{}}",
            "{} {}",
            "{},",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":1,}",
            "[1,]",
            "NaN",
            "// x\n{}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":1e999}",
            "{\"a\":\"\u{1}\"}",
            "{}\0",
            "\u{a0}{}",
            "[",
            "[{}",
        ] {
            assert_eq!(refusal(body), BodyRefusal::NotJson, "{body:?}");
        }
    }

    // GW-11
    #[test]
    fn duplicate_keys_are_refused_at_any_depth() {
        for body in [
            r#"{"jsonrpc":"2.0","method":"a","method":"b"}"#,
            r#"{"jsonrpc":"2.0","method":"a","params":{"name":"x","name":"x"}}"#,
            r#"{"jsonrpc":"2.0","method":"a","params":{"arguments":{"x":[{"k":1,"l":2,"k":3}]}}}"#,
            r#"{"jsonrpc":"2.0","method":"a","params":{"arguments":{"k":1,"\u006b":2}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"":1,"":2}}"#,
        ] {
            assert_eq!(refusal(body), BodyRefusal::DuplicateKey, "{body}");
        }
        let same_key_apart =
            r#"{"jsonrpc":"2.0","method":"a","params":{"a":{"k":1},"b":{"k":1},"k":[{"k":1},{"k":1}]}}"#;
        assert!(judge(same_key_apart.as_bytes()).is_ok());
    }

    // GW-11
    #[test]
    fn protocol_names_in_disguise_are_refused_where_servers_look_for_them() {
        for key in [
            "Method",
            "METHOD",
            "m\\u0065thod",
            "method\\u0000",
            "\\u0000method",
            "Id",
            "JSONRPC",
            "param\u{17f}",
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"x","id":1,"{key}":1}}"#);
            assert_eq!(refusal(&body), BodyRefusal::DisguisedKey, "{body}");
        }
        for key in
            ["Name", "na\\u006de", "URI", "_META", "Arguments", "taskid", "tas\u{212a}Id", "n\\u0000ame"]
        {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"x","params":{{"{key}":1}}}}"#);
            assert_eq!(refusal(&body), BodyRefusal::DisguisedKey, "{body}");
        }
        let key = "io.modelcontextprotocol/protocolversion";
        let body = format!(r#"{{"jsonrpc":"2.0","method":"x","params":{{"_meta":{{"{key}":1}}}}}}"#);
        assert_eq!(refusal(&body), BodyRefusal::DisguisedKey);
    }

    #[test]
    fn arguments_may_have_any_keys() {
        let body = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"t","arguments":
            {"Name":1,"METHOD":2,"\u006eame":3,"n\u0000ame":4}}}"#;
        assert_eq!(called(body).target, Target::Tool("t".into()));
    }

    #[test]
    fn escaped_values_are_unescaped_before_policy_sees_them() {
        let body = r#"{"jsonrpc":"2.0","method":"tools\/call","params":{"name":"del\u0065te"}}"#;
        assert_eq!(called(body).target, Target::Tool("delete".into()));
    }

    #[test]
    fn names_with_control_characters_are_refused() {
        for name in ["a\\u0000", "a\\n", "\\u007f", "\\u0085"] {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"{name}"}}}}"#);
            assert_eq!(refusal(&body), BodyRefusal::ControlCharacter, "{body}");
        }
        assert_eq!(refusal(r#"{"jsonrpc":"2.0","method":"x\u0000"}"#), BodyRefusal::ControlCharacter);
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |levels: usize| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
        };
        assert!(judge(nested(usize::from(DEEPEST) - 1).as_bytes()).is_ok());
        assert_eq!(refusal(&nested(usize::from(DEEPEST))), BodyRefusal::TooDeep);
        assert_eq!(refusal(&nested(100_000)), BodyRefusal::TooDeep);
        assert_eq!(refusal(&"[".repeat(100_000)), BodyRefusal::TooDeep);
    }

    // GW-12
    #[test]
    fn every_element_of_a_batch_is_judged() {
        let good = r#"{"jsonrpc":"2.0","method":"x"}"#;
        let judged =
            judge(br#" [{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","id":1,"result":{}}]"#).unwrap();
        assert_eq!(judged.messages().len(), 2);
        assert_eq!(refusal("[]"), BodyRefusal::EmptyBatch);
        assert_eq!(refusal(&format!("[{good},1]")), BodyRefusal::NotAMessage);
        assert_eq!(refusal(&format!("[{good},[{good}]]")), BodyRefusal::NotAMessage);
        assert_eq!(refusal(&format!(r#"[{good},{{"a":1,"a":1}}]"#)), BodyRefusal::DuplicateKey);
        assert_eq!(
            refusal(&format!("[{}]", vec![good; LONGEST_BATCH + 1].join(","))),
            BodyRefusal::BatchTooLong
        );
    }

    // GW-12: an answer is filtered by the request that it is for.
    #[test]
    fn no_two_requests_of_a_batch_have_the_same_id() {
        let batch = |first: &str, second: &str| {
            let of = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
            format!("[{},{}]", of(first), of(second))
        };
        for (first, second) in [
            ("1", "1"),
            ("1", "1.0"),
            ("0", "-0.0"),
            (r#""a""#, r#""\u0061""#),
            ("100000000000000000000", "1e20"),
            ("9007199254740993", "9007199254740992"),
        ] {
            assert_eq!(refusal(&batch(first, second)), BodyRefusal::RepeatedId, "{first} {second}");
        }
        for (first, second) in [("1", "2"), ("1", r#""1""#), (r#""a""#, r#""A""#)] {
            assert!(judge(batch(first, second).as_bytes()).is_ok(), "{first} {second}");
        }
        let answers = r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
        assert!(judge(answers.as_bytes()).is_ok(), "an answer to the server has an id of the server");
    }

    fn names() -> impl Strategy<Value = String> {
        let known = proptest::sample::select(vec![
            "jsonrpc",
            "id",
            "method",
            "params",
            "name",
            "uri",
            "_meta",
            "taskId",
            "ref",
            "type",
            "result",
            "error",
            "arguments",
            "Name",
            "io.modelcontextprotocol/protocolVersion",
            "x",
        ]);
        prop_oneof![4 => known.prop_map(str::to_owned), 1 => ".{0,6}"]
    }

    fn texts() -> impl Strategy<Value = String> {
        let known =
            proptest::sample::select(vec!["2.0", "tools/call", "resources/read", "completion/complete", "t"]);
        prop_oneof![4 => known.prop_map(str::to_owned), 1 => ".{0,6}"]
    }

    fn values() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            texts().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<bool>().prop_map(Json::from),
            Just(Json::Null),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                proptest::collection::btree_map(names(), inner, 0..6)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    fn messages() -> impl Strategy<Value = Json> {
        (texts(), values(), values(), any::<bool>()).prop_map(|(method, params, rest, whole)| {
            let mut message =
                if let (true, Json::Object(rest)) = (whole, rest) { rest } else { serde_json::Map::new() };
            message.insert("jsonrpc".to_owned(), json!("2.0"));
            message.insert("method".to_owned(), json!(method));
            message.insert("params".to_owned(), params);
            Json::Object(message)
        })
    }

    /// Everything that was peeked at is what a parser that builds a tree finds.
    fn agrees(message: &Message<'_>, tree: &Json) {
        let id = match message {
            Message::Request { id, .. } => Some(id),
            Message::Response { id } => id.as_ref(),
            Message::Notification { .. } => None,
        };
        let id = id.map_or(Json::Null, |id| serde_json::from_str(id.raw()).unwrap());
        assert_eq!(id, tree["id"]);
        assert_eq!(tree["jsonrpc"], json!("2.0"));
        let Some(call) = message.call() else {
            assert!(tree.get("method").is_none());
            return;
        };
        assert_eq!(tree["method"], json!(call.method));
        let params = &tree["params"];
        match &call.target {
            Target::None => {}
            Target::Tool(name) => assert_eq!(params["name"], json!(name)),
            Target::Prompt(name) => {
                assert!([&params["name"], &params["ref"]["name"]].contains(&&json!(name)));
            }
            Target::Resource(uri) => assert_eq!(params["uri"], json!(uri)),
            Target::Template(uri) => assert_eq!(params["ref"]["uri"], json!(uri)),
            Target::Subscriptions(uris) => {
                assert_eq!(params["notifications"]["resourceSubscriptions"], json!(uris));
            }
            Target::Task(id) => assert_eq!(params["taskId"], json!(id)),
        }
        let meta = &params["_meta"];
        let version = meta.get("io.modelcontextprotocol/protocolVersion");
        match &call.meta.version {
            Member::Absent => assert!(version.is_none()),
            Member::Text(text) => assert_eq!(version, Some(&json!(text))),
            Member::Other => assert!(!version.unwrap().is_string()),
        }
        let capabilities = meta.get("io.modelcontextprotocol/clientCapabilities");
        assert_eq!(call.meta.capabilities.is_some(), capabilities.is_some_and(Json::is_object));
    }

    fn judge_like_a_tree(body: &[u8]) {
        let Ok(judged) = judge(body) else { return };
        let tree: Json = serde_json::from_slice(body).expect("what is accepted is JSON");
        match (&judged, &tree) {
            (Judged::One(message), tree) => agrees(message, tree),
            (Judged::Batch(messages), Json::Array(trees)) => {
                assert_eq!(messages.len(), trees.len());
                messages.iter().zip(trees).for_each(|(message, tree)| agrees(message, tree));
            }
            (Judged::Batch(_), _) => panic!("a batch that is not an array"),
        }
        assert_eq!(judged.clone().into_owned(), judged);
    }

    proptest! {
        #[test]
        fn no_parser_differential_on_messages(message in messages()) {
            judge_like_a_tree(message.to_string().as_bytes());
            judge_like_a_tree(json!([message]).to_string().as_bytes());
        }

        #[test]
        fn no_parser_differential_on_damaged_messages(
            message in messages(),
            at in any::<proptest::sample::Index>(),
            byte in proptest::sample::select(b"\0\\\"{}[]:,u0aN \xff\xef".to_vec()),
            insert in any::<bool>(),
        ) {
            let mut body = message.to_string().into_bytes();
            let at = at.index(body.len());
            if insert { body.insert(at, byte) } else { body[at] = byte }
            judge_like_a_tree(&body);
        }

        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            judge_like_a_tree(&body);
        }
    }
}
