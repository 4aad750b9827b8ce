//! Which entries of a list a caller sees: edits the answer to `tools/list`, `prompts/list`, `resources/list` and
//! `resources/templates/list` as it passes.
//!
//! MCP 2026-07-28, Tools, Prompts, Resources (lists may vary by authorization) and Caching (such a list is `private`). The
//! text is edited, not rewritten: whatever is not taken out keeps its bytes and its order, and an answer of which nothing
//! is taken out is the same bytes. What cannot be read is refused, never passed on unfiltered. The filter is for people
//! and models; what protects is the decision about each call.

use std::borrow::Cow;

use super::era::Era;
use super::message::{Id, Judged, Message};
use super::object::{Object, elements, write_array, write_object};
use super::rpc_error::{RpcCode, RpcError};
use super::rule::RuleKind;

/// One of the lists of MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "MCP has these four")]
pub enum ListKind {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
}

/// The lists that a body asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListsAsked {
    kinds: Vec<ListKind>,
    /// The ids of the other requests of the same batch, whose answers are not looked at.
    others: Vec<Id<'static>>,
}

/// Why an answer that should be a list is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum ListRefusal {
    /// It is not a JSON-RPC answer with a list, or has a key twice.
    #[error("the server's answer could not be read, so what you may use could not be told from the rest")]
    NotUnderstood,
    /// It is larger than what is looked through.
    #[error("the server's list is too large to be looked through")]
    TooLarge,
}

/// The largest list that is looked through, in bytes.
pub const LARGEST_LIST: usize = 8 * 1024 * 1024;

impl ListKind {
    /// The list that a method asks for.
    #[must_use]
    pub fn of_method(method: &str) -> Option<Self> {
        match method {
            "tools/list" => Some(Self::Tools),
            "prompts/list" => Some(Self::Prompts),
            "resources/list" => Some(Self::Resources),
            "resources/templates/list" => Some(Self::Templates),
            _ => None,
        }
    }

    /// The rules that are about its entries.
    #[must_use]
    pub const fn rules(self) -> RuleKind {
        match self {
            Self::Tools => RuleKind::Tool,
            Self::Prompts => RuleKind::Prompt,
            Self::Resources | Self::Templates => RuleKind::Resource,
        }
    }

    /// The member of the result that is the list.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an entry that names it.
    const fn naming(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];
}

impl ListsAsked {
    /// The lists of the kinds that `is_filtered` says which a body asks for; `None` when there are none.
    #[must_use]
    pub fn of(judged: &Judged<'_>, is_filtered: impl Fn(ListKind) -> bool) -> Option<Self> {
        // A server may answer what has no id, too.
        let list_of = |message: &Message<'_>| {
            ListKind::of_method(&message.call()?.method).filter(|kind| is_filtered(*kind))
        };
        // Most bodies ask for none, and cost nothing here.
        if judged.messages().iter().all(|message| list_of(message).is_none()) {
            return None;
        }
        let mut asked = Self { kinds: Vec::new(), others: Vec::new() };
        for message in judged.messages() {
            match (list_of(message), message) {
                (Some(kind), _) if asked.kinds.contains(&kind) => {}
                (Some(kind), _) => asked.kinds.push(kind),
                (None, Message::Request { id, .. }) => asked.others.push(id.clone().into_owned()),
                (None, Message::Notification { .. } | Message::Response { .. }) => {}
            }
        }
        Some(asked)
    }

    /// Every list of the kinds that `is_filtered` says: for a stream that sends earlier answers again.
    #[must_use]
    pub fn any(is_filtered: impl Fn(ListKind) -> bool) -> Option<Self> {
        let kinds: Vec<ListKind> = ListKind::ALL.into_iter().filter(|kind| is_filtered(*kind)).collect();
        (!kinds.is_empty()).then_some(Self { kinds, others: Vec::new() })
    }

    /// Takes out of an answer what `shows` does not show; `None` when nothing had to be changed.
    ///
    /// `text` is one JSON-RPC message or a batch of them. A message that is no result, and a result that answers another
    /// request of the batch, stay as they are. On the modern wire the result is marked `private`.
    ///
    /// # Errors
    /// [`ListRefusal::NotUnderstood`]; the answer must not be passed on.
    pub fn filter(
        &self,
        era: Era,
        text: &str,
        mut shows: impl FnMut(ListKind, &str) -> bool,
    ) -> Result<Option<String>, ListRefusal> {
        if !text.trim_start().starts_with('[') {
            return self.filter_message(era, text, &mut shows);
        }
        let messages = elements(text).ok_or(ListRefusal::NotUnderstood)?;
        let mut changed = false;
        let mut written: Vec<Cow<'_, str>> = Vec::with_capacity(messages.len());
        for message in messages {
            written.push(match self.filter_message(era, message, &mut shows)? {
                Some(message) => {
                    changed = true;
                    Cow::Owned(message)
                }
                None => Cow::Borrowed(message),
            });
        }
        Ok(changed.then(|| write_array(&written)))
    }

    fn filter_message(
        &self,
        era: Era,
        text: &str,
        shows: &mut impl FnMut(ListKind, &str) -> bool,
    ) -> Result<Option<String>, ListRefusal> {
        let message = Object::read(text).ok_or(ListRefusal::NotUnderstood)?;
        let Some(result) = message.get("result") else { return Ok(None) };
        if message.get("id").is_some_and(|id| self.others.iter().any(|other| is_same(other.raw(), id))) {
            return Ok(None);
        }
        let result = Object::read(result).ok_or(ListRefusal::NotUnderstood)?;
        let Some(result) = self.filter_result(era, &result, shows)? else { return Ok(None) };
        let members = message.members().map(|(key, value)| {
            (key, if key == "result" { Cow::Borrowed(result.as_str()) } else { Cow::Borrowed(value) })
        });
        Ok(Some(write_object(members)))
    }

    fn filter_result(
        &self,
        era: Era,
        result: &Object<'_>,
        shows: &mut impl FnMut(ListKind, &str) -> bool,
    ) -> Result<Option<String>, ListRefusal> {
        let mut changed = false;
        let mut is_private = false;
        let mut members: Vec<(&str, Cow<'_, str>)> = Vec::new();
        for (key, value) in result.members() {
            let value = if key == CACHE_SCOPE {
                is_private = true;
                let private = serde_json::from_str::<String>(value).is_ok_and(|scope| scope == "private");
                changed |= !private;
                Cow::Borrowed(if private { value } else { PRIVATE })
            } else if let Some(kind) = self.kinds.iter().find(|kind| kind.member() == key) {
                let list = filter_list(*kind, value, shows)?;
                changed |= list.is_some();
                list.map_or(Cow::Borrowed(value), Cow::Owned)
            } else {
                Cow::Borrowed(value)
            };
            members.push((key, value));
        }
        if era == Era::Modern && !is_private {
            changed = true;
            members.push((CACHE_SCOPE, Cow::Borrowed(PRIVATE)));
        }
        Ok(changed.then(|| write_object(members)))
    }
}

/// Takes entries out of a list; also those that have no name, which nobody could ask for.
fn filter_list(
    kind: ListKind,
    list: &str,
    shows: &mut impl FnMut(ListKind, &str) -> bool,
) -> Result<Option<String>, ListRefusal> {
    let entries = elements(list).ok_or(ListRefusal::NotUnderstood)?;
    let all = entries.len();
    let mut is_shown = |entry: &&str| {
        let name = Object::read(entry).and_then(|entry| entry.text(kind.naming()));
        name.is_some_and(|name| shows(kind, &name))
    };
    let left: Vec<&str> = entries.into_iter().filter(|entry| is_shown(entry)).collect();
    Ok((left.len() < all).then(|| write_array(&left)))
}

/// Whether two JSON texts are the same id. Numbers that are written in two ways are not: then the answer is looked through.
fn is_same(left: &str, right: &str) -> bool {
    let read = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    left == right || read(left).is_some_and(|left| read(right) == Some(left))
}

impl From<ListRefusal> for RpcError {
    fn from(refusal: ListRefusal) -> Self {
        match refusal {
            ListRefusal::NotUnderstood | ListRefusal::TooLarge => {
                Self::new(RpcCode::InternalError, refusal.to_string())
            }
        }
    }
}

const CACHE_SCOPE: &str = "cacheScope";
const PRIVATE: &str = r#""private""#;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::access::judge;

    fn asked(body: &str) -> ListsAsked {
        ListsAsked::of(&judge(body.as_bytes()).unwrap(), |_| true).unwrap()
    }

    fn request(method: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)
    }

    /// What is left when everything that is called `no…` is taken out.
    fn filter(method: &str, era: Era, answer: &str) -> Result<Option<String>, ListRefusal> {
        asked(&request(method)).filter(era, answer, |_, name| !name.starts_with("no"))
    }

    // GW-17
    #[test]
    fn what_is_not_shown_is_taken_out_and_all_else_keeps_its_bytes_and_order() {
        let answer = r#"{"result" : {"nextCursor":"c", "tools":[ {"name":"a", "x": 1.50, "\u00e4":[]} ,{"name":"no_b"},{"title":"t","name":"c"}],"_meta":{"ä" : 1}},"id":1,"jsonrpc":"2.0","more":[1, 2]}"#;
        assert_eq!(
            filter("tools/list", Era::Legacy, answer).unwrap().unwrap(),
            r#"{"result":{"nextCursor":"c","tools":[{"name":"a", "x": 1.50, "\u00e4":[]},{"title":"t","name":"c"}],"_meta":{"ä" : 1}},"id":1,"jsonrpc":"2.0","more":[1, 2]}"#
        );
        let untouched = r#"{"id": 1,"jsonrpc":"2.0","result":{"tools":[ {"name":"a"} ]}}"#;
        assert_eq!(filter("tools/list", Era::Legacy, untouched), Ok(None));
        assert_eq!(
            filter("tools/list", Era::Modern, &untouched.replace("]}", r#"],"cacheScope":"private"}"#)),
            Ok(None)
        );
    }

    // GW-17
    #[test]
    fn each_list_is_known_by_its_own_member_and_name() {
        for (method, list, name) in [
            ("tools/list", "tools", "name"),
            ("prompts/list", "prompts", "name"),
            ("resources/list", "resources", "uri"),
            ("resources/templates/list", "resourceTemplates", "uriTemplate"),
        ] {
            let answer = format!(r#"{{"id":1,"result":{{"{list}":[{{"{name}":"no"}},{{"{name}":"a"}}]}}}}"#);
            let left = filter(method, Era::Legacy, &answer).unwrap().unwrap();
            assert_eq!(left, format!(r#"{{"id":1,"result":{{"{list}":[{{"{name}":"a"}}]}}}}"#));
        }
    }

    // GW-18
    #[test]
    fn a_list_of_the_modern_wire_is_private_on_every_page_and_an_old_one_is_not_public() {
        let scope = |era, members: &str| {
            let answer = format!(r#"{{"id":1,"result":{{"tools":[]{members}}}}}"#);
            let left = filter("tools/list", era, &answer).unwrap().unwrap_or(answer);
            serde_json::from_str::<Value>(&left).unwrap()["result"]["cacheScope"].clone()
        };
        for members in ["", r#","cacheScope":"public""#, r#","cacheScope":1"#, r#","cacheScope":"private""#] {
            assert_eq!(scope(Era::Modern, members), "private", "{members}");
        }
        assert_eq!(scope(Era::Legacy, ""), Value::Null);
        assert_eq!(scope(Era::Legacy, r#","cacheScope":"public""#), "private");
    }

    #[test]
    fn errors_notifications_and_requests_of_the_server_pass() {
        for message in [
            r#"{"id":1,"error":{"code":1,"message":"m"}}"#,
            r#"{"method":"notifications/progress","params":{"tools":[{"name":"no"}]}}"#,
            r#"{"id":9,"method":"sampling/createMessage","params":{"tools":[{"name":"no"}]}}"#,
        ] {
            assert_eq!(filter("tools/list", Era::Modern, message), Ok(None), "{message}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_an_entry_that_cannot_be_read_is_left_out() {
        for answer in [
            "",
            "no JSON",
            "\u{feff}{}",
            r#"{"id":1,"result":[]}"#,
            r#"{"id":1,"result":{"tools":{}}}"#,
            r#"{"id":1,"result":{"tools":[]},"result":{"tools":[{"name":"no"}]}}"#,
            r#"{"id":1,"result":{"tools":[],"tools":[{"name":"no"}]}}"#,
            r#"{"id":1,"result":{"tools":[],"t\u006fols":[{"name":"no"}]}}"#,
            r#"{"id":1,"result":{"tools":[]}} {}"#,
        ] {
            assert_eq!(
                filter("tools/list", Era::Legacy, answer),
                Err(ListRefusal::NotUnderstood),
                "{answer}"
            );
        }
        let answer = r#"{"id":1,"result":{"tools":[{"title":"t"},{"name":1},"a",null,{"name":"a","name":"no"},{"name":"a"}]}}"#;
        assert_eq!(
            filter("tools/list", Era::Legacy, answer).unwrap().unwrap(),
            r#"{"id":1,"result":{"tools":[{"name":"a"}]}}"#
        );
        let escaped = r#"{"id":1,"res\u0075lt":{"t\u006fols":[{"n\u0061me":"\u006eo"}]}}"#;
        assert_eq!(
            filter("tools/list", Era::Legacy, escaped).unwrap().unwrap(),
            r#"{"id":1,"result":{"tools":[]}}"#
        );
    }

    // GW-12, GW-17
    #[test]
    fn in_a_batch_the_answers_to_other_requests_stay_as_they_are() {
        let batch = format!(
            r#"[{},{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"x"}}}},{{"jsonrpc":"2.0","id":"3","method":"prompts/list"}}]"#,
            request("tools/list")
        );
        let asked = asked(&batch);
        let list = r#"{"tools":[{"name":"no"}],"prompts":[{"name":"no"}]}"#;
        let left = |id: &str| {
            let answer = format!(r#"[{{"id":{id},"result":{list}}}]"#);
            let left = asked.filter(Era::Legacy, &answer, |_, name| name != "no").unwrap();
            left.map(|left| serde_json::from_str::<Value>(&left).unwrap()[0]["result"].clone())
        };
        assert_eq!(left("2"), None);
        // An id that nobody gave, or that is written in another way, answers a list for all we know.
        for id in ["1", "\"3\"", "2.0", "\"2\"", "null"] {
            assert_eq!(left(id), Some(json!({"tools": [], "prompts": []})), "{id}");
        }
        let silent = r#"{"jsonrpc":"2.0","method":"tools/list"}"#;
        assert!(ListsAsked::of(&judge(silent.as_bytes()).unwrap(), |_| true).is_some());
        let none = format!("[{}]", request("ping"));
        assert_eq!(ListsAsked::of(&judge(none.as_bytes()).unwrap(), |_| true), None);
        assert_eq!(ListsAsked::of(&judge(batch.as_bytes()).unwrap(), |_| false), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_hidden_is_ever_passed_on(
            names in proptest::collection::vec("(no)?[a\"\\\\ä]{0,3}", 0..6),
            scope in proptest::option::of("p[a-z]{0,3}"),
            at in any::<proptest::sample::Index>(),
            byte in proptest::sample::select(b"\0\\\"{}[]:,u0aN ".to_vec()),
            damage in any::<bool>(),
        ) {
            let tools: Vec<Value> = names.iter().map(|name| json!({"name": name, "x": [name]})).collect();
            let mut answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "nextCursor": "n"}});
            if let Some(scope) = scope {
                answer["result"]["cacheScope"] = json!(scope);
            }
            let mut text = answer.to_string();
            if damage {
                let mut bytes = text.into_bytes();
                let at = at.index(bytes.len());
                bytes[at] = byte;
                let Ok(damaged) = String::from_utf8(bytes) else { return Ok(()) };
                text = damaged;
            }
            let Ok(left) = filter("tools/list", Era::Modern, &text) else { return Ok(()) };
            let left = left.unwrap_or(text);
            // What a parser that takes the last of two equal keys sees.
            let Ok(tree) = serde_json::from_str::<Value>(&left) else { return Ok(()) };
            for tool in tree["result"]["tools"].as_array().into_iter().flatten() {
                prop_assert!(!tool["name"].as_str().unwrap().starts_with("no"), "{left}");
            }
            if !damage {
                let kept = names.iter().filter(|name| !name.starts_with("no")).count();
                prop_assert_eq!(tree["result"]["tools"].as_array().unwrap().len(), kept);
                prop_assert_eq!(&tree["result"]["cacheScope"], "private");
            }
        }
    }
}
