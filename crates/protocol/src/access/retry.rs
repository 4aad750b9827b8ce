//! A call that is made again after its user was asked for something (MCP 2026-07-28, Multi Round-Trip Requests).
//!
//! Whoever asked finds their own `requestState` in the call, and treats it as an attacker's until its seal, its time and the
//! digest of the call have been checked. What the client added for us is cut out of the bytes before they are judged,
//! so that the server behind sees the call as it was first made; everything else stays byte for byte. State that is not
//! ours belongs to that server, and is not touched.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::Object;
use super::rpc_error::{RpcCode, RpcError};
use crate::words::{Timestamp, sha256};

/// What a client answered to one request for input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "MCP has these three")]
pub enum Action {
    /// The user agreed to open the link. It says nothing about what came of it.
    Accept,
    /// The user said no.
    Decline,
    /// The user said nothing.
    Cancel,
}

/// What a client adds to a call that it makes again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to a retry")]
pub struct Retry {
    /// The state that was given to it, unverified.
    pub state: String,
    /// What it answered, by the key under which it was asked. What cannot be read is left out.
    pub answers: HashMap<String, Action>,
}

/// What our own state says, once its seal was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "whoever seals it must decide about every part")]
pub struct RequestState {
    /// The [`digest`] of the call that was answered, as base64url.
    pub call: String,
    /// From when on it is good no more.
    pub ends_at: Timestamp,
}

/// Why a state of ours is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum StateRefusal {
    /// Changed, or given to somebody else, or for another server.
    #[error("it was changed, or belongs to somebody else")]
    Forged,
    /// Too old.
    #[error("it expired")]
    Expired,
    /// Given for another call.
    #[error("it was given for another call")]
    OtherCall,
}

impl From<StateRefusal> for RpcError {
    fn from(refusal: StateRefusal) -> Self {
        match refusal {
            // The client learns one thing: that it must begin anew.
            StateRefusal::Forged | StateRefusal::Expired | StateRefusal::OtherCall => Self::new(
                RpcCode::InvalidParams,
                "requestState is not good for this call; call again without it",
            ),
        }
    }
}

impl RequestState {
    /// Checks a state that opened for this caller and server.
    ///
    /// # Errors
    /// [`StateRefusal`]; the call must be refused.
    pub fn check(&self, call: &str, now: Timestamp) -> Result<(), StateRefusal> {
        if now.has_reached(self.ends_at) {
            return Err(StateRefusal::Expired);
        }
        if self.call != call {
            return Err(StateRefusal::OtherCall);
        }
        Ok(())
    }
}

/// Reads what a client added to a judged call; `None` when it has no state to echo.
#[must_use]
pub fn read(body: &str) -> Option<Retry> {
    let params = Object::read(body)?.object("params")?;
    let answers = params.object("inputResponses");
    let action = |(key, value): (&str, &str)| {
        let Answer { action } = serde_json::from_str(value).ok()?;
        Some((key.to_owned(), action))
    };
    Some(Retry {
        state: params.text("requestState")?,
        answers: answers.iter().flat_map(Object::members).filter_map(action).collect(),
    })
}

/// The call as it was first made: a judged body without `inputResponses` and `requestState` in its `params`, and every
/// other byte as it was. `None` when the body has no such members.
#[must_use]
pub fn original(body: &str) -> Option<String> {
    let mut text = Cow::Borrowed(body);
    for name in RETRY_MEMBERS {
        if let Some(cut) = without(&text, name) {
            text = Cow::Owned(cut);
        }
    }
    if let Cow::Owned(text) = text { Some(text) } else { None }
}

/// What makes a call the same when it is made again: its method and its parameters, without what is added for the retry
/// and without `_meta`, which is of each message. `None` for what is no call.
#[must_use]
pub fn digest(body: &str) -> Option<[u8; 32]> {
    let mut message: Value = serde_json::from_str(body).ok()?;
    let method = message.get("method")?.as_str()?.to_owned();
    let params = message.get_mut("params").map(Value::take).unwrap_or_default();
    let params = match params {
        Value::Object(mut members) => {
            members.retain(|name, _| name != "_meta" && !RETRY_MEMBERS.contains(&name.as_str()));
            Value::Object(members)
        }
        other => other,
    };
    Some(sha256(serde_json::json!([method, params]).to_string().as_bytes()))
}

/// Cuts one member out of `params`, with the comma that goes with it.
fn without(body: &str, name: &str) -> Option<String> {
    let value = Object::read(body)?.object("params")?.get(name)?;
    let start = value.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let before = body.get(..start)?.trim_end_matches(SPACE).strip_suffix(':')?.trim_end_matches(SPACE);
    // The judge lets no other spelling of the key pass.
    let before = before.strip_suffix('"')?.strip_suffix(name)?.strip_suffix('"')?;
    let after = body.get(start.checked_add(value.len())?..)?;
    if let Some(after) = after.trim_start_matches(SPACE).strip_prefix(',') {
        return Some(format!("{before}{}", after.trim_start_matches(SPACE)));
    }
    let before = before.trim_end_matches(SPACE).strip_suffix(',').unwrap_or(before);
    Some(format!("{before}{after}"))
}

#[derive(Deserialize)]
struct Answer {
    action: Action,
}

/// What a client adds to the parameters of a call that it makes again.
const RETRY_MEMBERS: [&str; 2] = ["inputResponses", "requestState"];

/// White space of JSON (RFC 8259 §2).
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::access::judge;

    const CALL: &str =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"b":1,"a":[2]}}}"#;

    fn cut(body: &str) -> String {
        original(body).unwrap_or_else(|| panic!("nothing to cut: {body}"))
    }

    // EL-03
    #[test]
    fn what_a_client_adds_is_read() {
        let body = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t","requestState":"s",
            "inputResponses":{"connect_a":{"action":"accept"},"connect_b":{"action":"decline","content":{}},
                "c":{"action":"cancel"},"d":{"action":"later"},"e":7,"f":{"role":"assistant"}}}}"#;
        let retry = read(body).unwrap();
        assert_eq!(retry.state, "s");
        let expected = [("connect_a", Action::Accept), ("connect_b", Action::Decline), ("c", Action::Cancel)];
        assert_eq!(retry.answers, expected.map(|(key, action)| (key.to_owned(), action)).into());
        assert_eq!(read(CALL), None);
        for bad in [r#""requestState":7"#, r#""requestState":null"#, r#""inputResponses":{}"#] {
            assert_eq!(read(&CALL.replace(r#""name":"t""#, &format!(r#""name":"t",{bad}"#))), None, "{bad}");
        }
        let odd = CALL.replace(r#""name":"t""#, r#""name":"t","requestState":"s","inputResponses":[1]"#);
        assert_eq!(read(&odd).unwrap().answers, HashMap::new());
    }

    // MR-01
    #[test]
    fn what_was_added_is_cut_out_and_every_other_byte_stays() {
        for (with, without) in [
            (r#"{"params":{"requestState":"s"}}"#, r#"{"params":{}}"#),
            (r#"{"params":{"requestState":"s","name":"t"}}"#, r#"{"params":{"name":"t"}}"#),
            (r#"{"params":{"name":"t","requestState":"s"}}"#, r#"{"params":{"name":"t"}}"#),
            (r#"{"params":{"a":1 , "requestState" : "s" , "b":2}}"#, r#"{"params":{"a":1 , "b":2}}"#),
            (r#"{"params":{ "a":1 , "requestState":"s" }}"#, r#"{"params":{ "a":1  }}"#),
            (
                r#"{"params":{"inputResponses":{"a":{"action":"accept"}},"requestState":"s","name":"t"}}"#,
                r#"{"params":{"name":"t"}}"#,
            ),
            (
                r#"{"params":{"name":"t","requestState":"s","x":{"requestState":"kept"},"inputResponses":{}}}"#,
                r#"{"params":{"name":"t","x":{"requestState":"kept"}}}"#,
            ),
            (
                r#"{"requestState":"kept","params":{"caf\u00e9":"é","requestState":"s","n":1.0e2}}"#,
                r#"{"requestState":"kept","params":{"caf\u00e9":"é","n":1.0e2}}"#,
            ),
        ] {
            assert_eq!(cut(with), without);
        }
        assert_eq!(original(CALL), None);
        assert_eq!(original(r#"{"params":{"arguments":{"requestState":"s"}}}"#), None);
    }

    // MR-01
    #[test]
    fn a_call_is_the_same_when_it_is_made_again_and_no_other_call_is() {
        let again = r#"{"jsonrpc":"2.0","id":"other","method":"tools/call","params":{"requestState":"s",
            "arguments":{"a":[2],"b":1},"_meta":{"progressToken":9},"inputResponses":{},"name":"t"}}"#;
        assert_eq!(digest(CALL), digest(again));
        for other in [
            CALL.replace("tools/call", "prompts/get"),
            CALL.replace(r#""t""#, r#""u""#),
            CALL.replace("[2]", "[3]"),
            CALL.replace(r#""b":1"#, r#""b":1,"c":null"#),
        ] {
            assert_ne!(digest(CALL), digest(&other), "{other}");
        }
        assert_eq!(digest("[]"), None);
    }

    // MR-01
    #[test]
    fn a_state_is_good_for_its_call_until_its_second() {
        let state = RequestState { call: "a".to_owned(), ends_at: Timestamp::from_unix(100) };
        assert_eq!(state.check("a", Timestamp::from_unix(99)), Ok(()));
        assert_eq!(state.check("a", Timestamp::from_unix(100)), Err(StateRefusal::Expired));
        assert_eq!(state.check("b", Timestamp::from_unix(99)), Err(StateRefusal::OtherCall));
        for refusal in [StateRefusal::Forged, StateRefusal::Expired, StateRefusal::OtherCall] {
            assert_eq!(RpcError::from(refusal).code.number(), -32602);
        }
    }

    proptest! {
        #[test]
        fn cutting_restores_the_call_whatever_stands_around(
            name in ".{0,12}", other in "[a-z]{1,8}", text in ".{0,20}", space in "[ \t\r\n]{0,3}", at in 0_usize..4,
        ) {
            let members = [
                format!("\"name\":{}", json!(name)),
                format!("{}{space}:{space}{}", json!(format!("x{other}")), json!(text)),
                format!("\"arguments\":{{\"requestState\":{}}}", json!(text)),
            ];
            let around = |members: &[String]| format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{{}}}}}",
                members.join(&format!("{space},"))
            );
            let mut added = members.to_vec();
            added.insert(at.min(3), format!("\"requestState\"{space}:{space}{}", json!(text)));
            added.insert(at / 2, "\"inputResponses\":{\"k\":{\"action\":\"accept\"}}".to_owned());
            let (first, again) = (around(&members), around(&added));
            prop_assert!(judge(first.as_bytes()).is_ok() == judge(again.as_bytes()).is_ok());
            let cut = cut(&again);
            prop_assert_eq!(judge(cut.as_bytes()), judge(first.as_bytes()));
            prop_assert_eq!(digest(&cut), digest(&first));
            prop_assert_eq!(digest(&again), digest(&first));
            let read: Value = serde_json::from_str(&cut).unwrap();
            let meant: Value = serde_json::from_str(&first).unwrap();
            prop_assert_eq!(read, meant);
        }
    }
}
