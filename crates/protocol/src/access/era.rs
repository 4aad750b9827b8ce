//! Which revision of MCP a request speaks, and whether its headers say what its body says.
//!
//! MCP 2026-07-28, Streamable HTTP, "Request Metadata" and "Server Validation"; 2025-03-26 to 2025-11-25, Transports. A
//! request is modern when its `MCP-Protocol-Version` names a revision without sessions; everything else that is known is
//! legacy. The headers that mirror the body (`Mcp-Method`, `Mcp-Name`) are required on modern requests, and must agree
//! with the body wherever they occur. [`super::mirrored`] does the same for `Mcp-Param-*`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::message::{Call, Judged, Member, Message, Target};
use super::object::{Object, elements};
use super::rpc_error::{RpcCode, RpcError};

/// The way in which a request is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum Era {
    /// 2025-11-25 and before: handshake, sessions, GET streams; before 2025-06-18 also batches.
    Legacy,
    /// 2026-07-28: each request carries what it needs, POST alone.
    Modern,
}

/// The headers of a request that mirror its body.
#[derive(Debug, Clone, Copy, Default)]
pub struct MirrorHeaders<'a> {
    /// `MCP-Protocol-Version`.
    pub version: Field<'a>,
    /// `Mcp-Method`.
    pub method: Field<'a>,
    /// `Mcp-Name`.
    pub name: Field<'a>,
}

/// One header that may occur once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum Field<'a> {
    /// It is not there.
    #[default]
    Absent,
    /// It is there once, without the white space around it.
    Text(&'a str),
    /// It is there more than once, or has characters other than printable ASCII, space and tab (RFC 9110 §5.5).
    Malformed,
}

/// Why a request is not spoken in any way that is accepted here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum EraRefusal {
    /// A mirroring header that occurs twice, has forbidden characters or is not valid base64 inside its marks.
    #[error("header mismatch: {0} is malformed")]
    Malformed(&'static str),
    /// A mirroring header that this request needs is not there.
    #[error("header mismatch: {0} is missing")]
    Missing(&'static str),
    /// A mirroring header says something else than the body.
    #[error("header mismatch: {0} differs from the body")]
    Differs(&'static str),
    /// A revision that is not spoken here.
    #[error("unsupported protocol version")]
    Unsupported {
        /// What was asked for.
        requested: String,
        /// What may be asked for instead.
        supported: Vec<&'static str>,
    },
    /// A modern request whose `_meta` lacks a member, or has it with another type.
    #[error("invalid params: _meta lacks {0}")]
    MetaLacks(&'static str),
    /// A method that MCP 2026-07-28 removed.
    #[error("method not found in MCP {MODERN}")]
    MethodRemoved,
    /// A response on the modern wire, where servers ask nothing.
    #[error("MCP {MODERN} has no responses from clients")]
    ModernResponse,
    /// A batch in a revision without batches, or one with `initialize`.
    #[error("batches exist in MCP 2025-03-26 only, and without initialize")]
    Batch,
}

/// The modern revision.
pub const MODERN: &str = "2026-07-28";

/// The revisions with handshake and sessions, newest first.
pub const LEGACY: [&str; 5] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07"];

impl<'a> Field<'a> {
    /// Reads all values of one header.
    #[must_use]
    pub fn read(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        let Some(value) = values.next() else { return Self::Absent };
        let is_allowed = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        match std::str::from_utf8(value) {
            Ok(text) if is_allowed && values.next().is_none() => Self::Text(text.trim_ascii()),
            _ => Self::Malformed,
        }
    }
}

impl Era {
    /// Decides the era of a POST, and that its headers agree with its body.
    ///
    /// # Errors
    /// [`EraRefusal`]; each is answered with 400 and a JSON-RPC error that echoes the request's id, except
    /// [`EraRefusal::MethodRemoved`], which is 404.
    pub fn of_post(headers: &MirrorHeaders<'_>, judged: &Judged<'_>) -> Result<Self, EraRefusal> {
        match judged {
            Judged::One(message) => of_message(headers, message),
            Judged::Batch(messages) => of_batch(headers, messages),
        }
    }

    /// Decides the era of a request without body: GET, HEAD, DELETE.
    ///
    /// # Errors
    /// [`EraRefusal`] for a malformed or unknown `MCP-Protocol-Version`.
    pub fn of_bodiless(version: Field<'_>) -> Result<Self, EraRefusal> {
        match version {
            Field::Absent => Ok(Self::Legacy),
            Field::Text(version) => Self::of_version(version),
            Field::Malformed => Err(EraRefusal::Malformed(VERSION)),
        }
    }

    fn of_version(version: &str) -> Result<Self, EraRefusal> {
        if version == MODERN {
            return Ok(Self::Modern);
        }
        if LEGACY.contains(&version) {
            return Ok(Self::Legacy);
        }
        Err(EraRefusal::Unsupported { requested: version.to_owned(), supported: vec![MODERN] })
    }
}

fn of_message(headers: &MirrorHeaders<'_>, message: &Message<'_>) -> Result<Era, EraRefusal> {
    let Some(call) = message.call() else {
        return match Era::of_bodiless(headers.version)? {
            Era::Legacy => Ok(Era::Legacy),
            Era::Modern => Err(EraRefusal::ModernResponse),
        };
    };
    let era = of_call(headers.version, call)?;
    let is_request = matches!(message, Message::Request { .. });
    // Which headers a notification carries is not defined; where they occur, they agree.
    let required = is_request && era == Era::Modern;
    check_method(headers.method, call, required)?;
    // Before the name: a method that is not there needs none.
    if required && REMOVED.contains(&call.method.as_ref()) {
        return Err(EraRefusal::MethodRemoved);
    }
    check_name(headers.name, call, required)?;
    if required {
        if call.meta.version == Member::Absent {
            return Err(EraRefusal::MetaLacks(META_VERSION));
        }
        if call.meta.capabilities.is_none() {
            return Err(EraRefusal::MetaLacks(META_CAPABILITIES));
        }
    }
    Ok(era)
}

/// The version in the header decides; a version in the body must be the same.
fn of_call(header: Field<'_>, call: &Call<'_>) -> Result<Era, EraRefusal> {
    let in_body = match &call.meta.version {
        Member::Absent => None,
        Member::Text(version) => Some(version.as_ref()),
        Member::Other => return Err(EraRefusal::MetaLacks(META_VERSION)),
    };
    match (header, in_body) {
        (Field::Malformed, _) => Err(EraRefusal::Malformed(VERSION)),
        (Field::Absent, None) => Ok(Era::Legacy),
        (Field::Absent, Some(_)) => Err(EraRefusal::Missing(VERSION)),
        (Field::Text(header), Some(body)) if header != body => Err(EraRefusal::Differs(VERSION)),
        (Field::Text(header), _) => Era::of_version(header),
    }
}

/// A batch has no one method or name, so no mirroring header can agree with it.
fn of_batch(headers: &MirrorHeaders<'_>, messages: &[Message<'_>]) -> Result<Era, EraRefusal> {
    let allowed = match headers.version {
        Field::Absent => true,
        Field::Text(version) => Era::of_version(version)? == Era::Legacy && version == WITH_BATCHES,
        Field::Malformed => return Err(EraRefusal::Malformed(VERSION)),
    };
    if !allowed {
        return Err(EraRefusal::Batch);
    }
    for (header, name) in [(headers.method, METHOD), (headers.name, NAME)] {
        if header != Field::Absent {
            return Err(EraRefusal::Differs(name));
        }
    }
    for call in messages.iter().filter_map(Message::call) {
        of_call(headers.version, call)?;
        if call.method == "initialize" {
            return Err(EraRefusal::Batch);
        }
    }
    Ok(Era::Legacy)
}

fn check_method(header: Field<'_>, call: &Call<'_>, required: bool) -> Result<(), EraRefusal> {
    match header {
        Field::Absent if required => Err(EraRefusal::Missing(METHOD)),
        Field::Absent => Ok(()),
        Field::Text(method) if method == call.method => Ok(()),
        Field::Text(_) => Err(EraRefusal::Differs(METHOD)),
        Field::Malformed => Err(EraRefusal::Malformed(METHOD)),
    }
}

fn check_name(header: Field<'_>, call: &Call<'_>, required: bool) -> Result<(), EraRefusal> {
    let required = required && NAMED.contains(&call.method.as_ref());
    let in_body = match &call.target {
        Target::Tool(text)
        | Target::Prompt(text)
        | Target::Resource(text)
        | Target::Template(text)
        | Target::Task(text) => Some(text),
        Target::Subscriptions(_) | Target::None => None,
    };
    let header = match header {
        Field::Absent if required => return Err(EraRefusal::Missing(NAME)),
        Field::Absent => return Ok(()),
        Field::Text(text) => decode(text).ok_or(EraRefusal::Malformed(NAME))?,
        Field::Malformed => return Err(EraRefusal::Malformed(NAME)),
    };
    if in_body == Some(&header) { Ok(()) } else { Err(EraRefusal::Differs(NAME)) }
}

/// The revisions that a server says it supports, of those that are served here: what the answer to `server/discover`
/// lists. `None` when the message is no such answer.
#[must_use]
pub fn discovered_versions(answer: &str) -> Option<Vec<&'static str>> {
    let listed = Object::read(answer)?.object("result")?.get("supportedVersions").and_then(elements)?;
    let listed: Vec<String> = listed.into_iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let known = std::iter::once(MODERN).chain(LEGACY);
    Some(known.filter(|version| listed.iter().any(|listed| listed == version)).collect())
}

/// Decodes `=?base64?…?=`; a value without both marks is literal. Base64 has its padding and no surplus bits.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(text));
    };
    let bytes = STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

impl EraRefusal {
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::MethodRemoved => 404,
            Self::Malformed(_)
            | Self::Missing(_)
            | Self::Differs(_)
            | Self::Unsupported { .. }
            | Self::MetaLacks(_)
            | Self::ModernResponse
            | Self::Batch => 400,
        }
    }
}

impl From<EraRefusal> for RpcError {
    fn from(refusal: EraRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            EraRefusal::Malformed(_) | EraRefusal::Missing(_) | EraRefusal::Differs(_) => {
                Self::new(RpcCode::HeaderMismatch, message)
            }
            EraRefusal::Unsupported { requested, supported } => {
                let data = json!({ "supported": supported, "requested": requested });
                Self { data: Some(data), ..Self::new(RpcCode::UnsupportedProtocolVersion, message) }
            }
            EraRefusal::MetaLacks(_) => Self::new(RpcCode::InvalidParams, message),
            EraRefusal::MethodRemoved => Self::new(RpcCode::MethodNotFound, message),
            EraRefusal::ModernResponse | EraRefusal::Batch => Self::new(RpcCode::InvalidRequest, message),
        }
    }
}

const VERSION: &str = "MCP-Protocol-Version";
const METHOD: &str = "Mcp-Method";
const NAME: &str = "Mcp-Name";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The one revision with batches.
const WITH_BATCHES: &str = "2025-03-26";

/// The methods that name in `Mcp-Name` what they are applied to: of the core, and of the tasks extension (SEP-2663).
const NAMED: [&str; 6] =
    ["tools/call", "prompts/get", "resources/read", "tasks/get", "tasks/update", "tasks/cancel"];

/// The methods that 2026-07-28 removed.
const REMOVED: [&str; 5] =
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::access::judge;

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    fn modern(method: &str, params: &str) -> String {
        let comma = if params.is_empty() { "" } else { "," };
        format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}{comma}{META}}}}}"#)
    }

    fn field(text: &str) -> Field<'_> {
        if text.is_empty() { Field::Absent } else { Field::read([text.as_bytes()]) }
    }

    fn era(version: &str, method: &str, name: &str, body: &str) -> Result<Era, EraRefusal> {
        let headers = MirrorHeaders { version: field(version), method: field(method), name: field(name) };
        Era::of_post(&headers, &judge(body.as_bytes()).unwrap())
    }

    fn code(refusal: EraRefusal) -> i32 {
        RpcError::from(refusal).code.number()
    }

    // GW-01
    #[test]
    fn a_modern_request_carries_the_headers_that_mirror_it() {
        let call = modern("tools/call", r#""name":"t""#);
        assert_eq!(era(MODERN, "tools/call", "t", &call), Ok(Era::Modern));
        assert_eq!(era("", "tools/call", "t", &call), Err(EraRefusal::Missing(VERSION)));
        assert_eq!(era(MODERN, "", "t", &call), Err(EraRefusal::Missing(METHOD)));
        assert_eq!(era(MODERN, "tools/call", "", &call), Err(EraRefusal::Missing(NAME)));
        assert_eq!(era(MODERN, "tools/list", "", &modern("tools/list", "")), Ok(Era::Modern));
        let read = modern("resources/read", r#""uri":"file:///a""#);
        assert_eq!(era(MODERN, "resources/read", "file:///a", &read), Ok(Era::Modern));
        assert_eq!(era(MODERN, "resources/read", "", &read), Err(EraRefusal::Missing(NAME)));
        let task = modern("tasks/get", r#""taskId":"k""#);
        assert_eq!(era(MODERN, "tasks/get", "k", &task), Ok(Era::Modern));
        assert_eq!(era(MODERN, "tasks/get", "", &task), Err(EraRefusal::Missing(NAME)));
        assert_eq!(era(MODERN, "tasks/get", "l", &task), Err(EraRefusal::Differs(NAME)));
        let complete = modern("completion/complete", r#""ref":{"type":"ref/prompt","name":"p"}"#);
        assert_eq!(era(MODERN, "completion/complete", "", &complete), Ok(Era::Modern));
        let listen = modern("subscriptions/listen", r#""notifications":{"resourceSubscriptions":["u"]}"#);
        assert_eq!(era(MODERN, "subscriptions/listen", "", &listen), Ok(Era::Modern));
        assert_eq!(code(EraRefusal::Missing(NAME)), -32020);
    }

    // GW-02
    #[test]
    fn headers_agree_with_the_body_in_every_era() {
        let call = modern("tools/call", r#""name":"t""#);
        for (method, name) in [
            ("tools/list", "t"),
            ("TOOLS/CALL", "t"),
            ("tools/call", "u"),
            ("tools/call", "T"),
            ("tools/call", "t t"),
        ] {
            assert_eq!(code(era(MODERN, method, name, &call).unwrap_err()), -32020, "{method} {name}");
        }
        assert_eq!(era(MODERN, " tools/call\t", "  t  ", &call), Ok(Era::Modern));
        let list = modern("tools/list", "");
        assert_eq!(era(MODERN, "tools/list", "t", &list), Err(EraRefusal::Differs(NAME)));
        let legacy = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
        assert_eq!(era("2025-11-25", "", "", legacy), Ok(Era::Legacy));
        assert_eq!(era("2025-11-25", "tools/call", "t", legacy), Ok(Era::Legacy));
        assert_eq!(era("2025-11-25", "tools/call", "safe", legacy), Err(EraRefusal::Differs(NAME)));
        assert_eq!(era("", "tools/list", "", legacy), Err(EraRefusal::Differs(METHOD)));
    }

    // GW-03, GW-04
    #[test]
    fn the_version_is_known_and_said_twice_alike() {
        let list = |version: &str| modern("tools/list", "").replace(MODERN, version);
        assert_eq!(era(MODERN, "tools/list", "", &list("v999")), Err(EraRefusal::Differs(VERSION)));
        assert_eq!(era("v999", "tools/list", "", &list(MODERN)), Err(EraRefusal::Differs(VERSION)));
        let refusal = era("1900-01-01", "tools/list", "", &list("1900-01-01")).unwrap_err();
        let error = RpcError::from(refusal);
        assert_eq!(error.code.number(), -32022);
        assert_eq!(error.data, Some(json!({ "supported": ["2026-07-28"], "requested": "1900-01-01" })));
    }

    // GW-04
    #[test]
    fn a_server_says_itself_which_of_the_known_versions_it_supports() {
        let answer = r#"{"id":1,"result":{"supportedVersions":["2025-11-25","2099-01-01","2026-07-28",1]}}"#;
        assert_eq!(discovered_versions(answer), Some(vec!["2026-07-28", "2025-11-25"]));
        for none in [r#"{"id":1,"error":{}}"#, r#"{"id":1,"result":{"supportedVersions":"x"}}"#, "[]", ""] {
            assert_eq!(discovered_versions(none), None, "{none}");
        }
    }

    // GW-05
    #[test]
    fn a_modern_request_says_version_and_capabilities_in_its_meta() {
        let body = |meta: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{"_meta":{{{meta}}}}}}}"#
            )
        };
        let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        let capabilities = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
        let era = |body: &str| era(MODERN, "server/discover", "", body);
        assert_eq!(era(&body("")), Err(EraRefusal::MetaLacks(META_VERSION)));
        assert_eq!(era(&body(capabilities)), Err(EraRefusal::MetaLacks(META_VERSION)));
        assert_eq!(era(&body(version)), Err(EraRefusal::MetaLacks(META_CAPABILITIES)));
        assert_eq!(
            era(&body(&format!("{version},{}", capabilities.replace("{}", "[]")))),
            Err(EraRefusal::MetaLacks(META_CAPABILITIES))
        );
        assert_eq!(era(&body(&format!("{version},{capabilities}"))), Ok(Era::Modern));
        assert_eq!(
            era(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#),
            Err(EraRefusal::MetaLacks(META_VERSION))
        );
        assert_eq!(code(EraRefusal::MetaLacks(META_VERSION)), -32602);
    }

    // GW-06
    #[test]
    fn methods_of_the_legacy_wire_are_not_found_on_the_modern_one() {
        for method in ["initialize", "ping", "logging/setLevel"] {
            let refusal = era(MODERN, method, "", &modern(method, "")).unwrap_err();
            assert_eq!((refusal.status(), code(refusal)), (404, -32601), "{method}");
        }
        let subscribe = modern("resources/subscribe", r#""uri":"u""#);
        for name in ["u", ""] {
            assert_eq!(era(MODERN, "resources/subscribe", name, &subscribe), Err(EraRefusal::MethodRemoved));
        }
        for method in ["resources/subscribe", "resources/unsubscribe"] {
            let names_nothing = modern(method, "");
            assert_eq!(era(MODERN, method, "", &names_nothing), Err(EraRefusal::MethodRemoved), "{method}");
        }
    }

    // GW-07
    #[test]
    fn names_in_base64_are_decoded_strictly() {
        let hello = modern("tools/call", r#""name":"Hello, 世界""#);
        let era = |name: &str, body: &str| era(MODERN, "tools/call", name, body);
        assert_eq!(era("=?base64?SGVsbG8sIOS4lueVjA==?=", &hello), Ok(Era::Modern));
        for bad in [
            "=?base64?SGVsbG8sIOS4lueVjA?=",
            "=?base64?SGVs!!!bG8=?=",
            "=?base64?SGVsbG8sIOS4lueVjB==?=",
            "=?base64?/w==?=",
            "=?base64?SGVs bG8=?=",
        ] {
            assert_eq!(era(bad, &hello), Err(EraRefusal::Malformed(NAME)), "{bad}");
        }
        let literal = modern("tools/call", r#""name":"=?base64?SGVsbG8=""#);
        assert_eq!(era("=?base64?SGVsbG8=", &literal), Ok(Era::Modern));
        let marked = modern("tools/call", r#""name":"=?base64?literal?=""#);
        assert_eq!(era("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", &marked), Ok(Era::Modern));
        assert_eq!(era("=?base64?literal?=", &marked), Err(EraRefusal::Malformed(NAME)));
    }

    // GW-11
    #[test]
    fn a_header_that_occurs_twice_or_has_other_characters_is_malformed() {
        assert_eq!(Field::read([b"a".as_slice(), b"a"]), Field::Malformed);
        assert_eq!(Field::read(["ä".as_bytes()]), Field::Malformed);
        assert_eq!(Field::read([b"a\x01".as_slice()]), Field::Malformed);
        assert_eq!(Field::read([]), Field::Absent);
        assert_eq!(Field::read([b"".as_slice()]), Field::Text(""));
        let headers = MirrorHeaders { version: Field::Malformed, ..MirrorHeaders::default() };
        let body = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let refusal = Era::of_post(&headers, &judge(body.as_bytes()).unwrap()).unwrap_err();
        assert_eq!(refusal, EraRefusal::Malformed(VERSION));
    }

    // GW-12
    #[test]
    fn batches_are_for_2025_03_26_alone() {
        let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
        assert_eq!(era("", "", "", batch), Ok(Era::Legacy));
        assert_eq!(era("2025-03-26", "", "", batch), Ok(Era::Legacy));
        for version in ["2025-06-18", "2025-11-25", MODERN] {
            assert_eq!(era(version, "", "", batch), Err(EraRefusal::Batch), "{version}");
        }
        assert_eq!(code(EraRefusal::Batch), -32600);
        assert_eq!(era("", "ping", "", batch), Err(EraRefusal::Differs(METHOD)));
        let handshake = r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#;
        assert_eq!(era("", "", "", handshake), Err(EraRefusal::Batch));
        assert_eq!(
            era("", "", "", &format!("[{}]", modern("tools/list", ""))),
            Err(EraRefusal::Missing(VERSION))
        );
    }

    // GW-13
    #[test]
    fn clients_respond_on_the_legacy_wire_alone() {
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(era(MODERN, "", "", response), Err(EraRefusal::ModernResponse));
        assert_eq!(era("2025-11-25", "", "", response), Ok(Era::Legacy));
        assert_eq!(era("", "", "", response), Ok(Era::Legacy));
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        assert_eq!(era(MODERN, "", "", notification), Ok(Era::Modern));
        assert_eq!(era(MODERN, "notifications/y", "", notification), Err(EraRefusal::Differs(METHOD)));
    }

    // BC-05, BC-06
    #[test]
    fn the_era_is_classified_by_header_and_body_together() {
        let plain = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}"#;
        let with_meta = modern("tools/list", "");
        assert_eq!(era("", "", "", plain), Ok(Era::Legacy));
        assert_eq!(era("", "", "", initialize), Ok(Era::Legacy));
        assert_eq!(era("2025-11-25", "", "", initialize), Ok(Era::Legacy));
        for version in LEGACY {
            assert_eq!(era(version, "", "", plain), Ok(Era::Legacy), "{version}");
            assert_eq!(era(version, "", "", &with_meta), Err(EraRefusal::Differs(VERSION)), "{version}");
        }
        assert_eq!(code(era("9999-01-01", "", "", plain).unwrap_err()), -32022);
        assert_eq!(Era::of_bodiless(Field::Absent), Ok(Era::Legacy));
        assert_eq!(Era::of_bodiless(Field::Text(MODERN)), Ok(Era::Modern));
        assert!(Era::of_bodiless(Field::Text("9999-01-01")).is_err());
        let typed =
            plain.replace('}', r#","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":1}}}"#);
        assert_eq!(era("", "", "", &typed), Err(EraRefusal::MetaLacks(META_VERSION)));
    }

    proptest! {
        #[test]
        fn what_is_accepted_as_modern_names_what_the_body_names(
            name in ".{0,12}",
            header in proptest::collection::vec(any::<u8>(), 0..16),
        ) {
            let body = modern("tools/call", &format!(r#""name":{}"#, json!(name)));
            let headers = MirrorHeaders {
                version: Field::Text(MODERN),
                method: Field::Text("tools/call"),
                name: Field::read([header.as_slice()]),
            };
            let Ok(judged) = judge(body.as_bytes()) else { return Ok(()) };
            if Era::of_post(&headers, &judged).is_ok() {
                let text = std::str::from_utf8(&header).unwrap().trim_matches([' ', '\t']);
                prop_assert_eq!(decode(text).unwrap(), name.as_str());
            }
            let encoded = format!("=?base64?{}?=", STANDARD.encode(&name));
            let headers = MirrorHeaders { name: Field::Text(&encoded), ..headers };
            prop_assert_eq!(Era::of_post(&headers, &judged), Ok(Era::Modern));
        }
    }
}
