//! Arguments of tools that are mirrored into headers: `x-mcp-header` in a tool's schema, `Mcp-Param-*` in a call.
//!
//! MCP 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters" and "Server Validation"; SEP-2243. Which
//! arguments are mirrored stands in the answer to `tools/list`, which passes through the guard: [`LearnedTools`] reads it
//! there. A call of a tool that was learned is then checked by [`Mirrored::check`]. About the headers of a tool that was
//! not learned nothing is decided, and they are forwarded as they came.

use super::era::{Field, decode};
use super::lists::ListKind;
use super::object::{Object, elements};
use super::rpc_error::{RpcCode, RpcError};
use super::walk::has_repeat;

/// The mirrored arguments of one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored(Vec<Mirror>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirror {
    /// The keys that lead to the argument.
    path: Vec<String>,
    /// The name of the header, in lower case.
    header: String,
}

/// What one answer to `tools/list` says about headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LearnedTools {
    /// The tools with mirrored arguments.
    pub mirrored: Vec<(String, Mirrored)>,
    /// The other tools: whatever was known of them is no longer true.
    pub plain: Vec<String>,
}

/// Why the headers of a call do not say what its arguments say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum MirrorRefusal {
    /// A header with forbidden characters, or one that is not valid base64 inside its marks.
    #[error("header mismatch: {0} is malformed")]
    Malformed(String),
    /// The argument is there, its header is not.
    #[error("header mismatch: {0} is missing")]
    Missing(String),
    /// The header says something else than the argument.
    #[error("header mismatch: {0} differs from the body")]
    Differs(String),
}

impl LearnedTools {
    /// Reads one JSON-RPC message that answers `tools/list`, before anything was taken out of it; `None` when there is no
    /// list in it.
    ///
    /// A tool whose annotations break the rules of MCP counts as one without: clients must not offer it.
    #[must_use]
    pub fn read(answer: &str) -> Option<Self> {
        let tools = Object::read(answer)?.object("result")?.get(ListKind::Tools.member())?;
        // Nearly no server mirrors anything.
        let looks = tools.contains(ANNOTATION);
        let mut learned = Self::default();
        for tool in elements(tools)? {
            let Some(tool) = Object::read(tool) else { continue };
            let Some(name) = tool.text("name") else { continue };
            let mirrored =
                if looks { tool.object("inputSchema").and_then(|schema| read_schema(&schema)) } else { None };
            match mirrored {
                Some(mirrored) => learned.mirrored.push((name, mirrored)),
                None => learned.plain.push(name),
            }
        }
        Some(learned)
    }
}

/// Finds the annotations that are reachable by `properties` alone; `None` when there are none, or one breaks the rules.
fn read_schema(schema: &Object<'_>) -> Option<Mirrored> {
    let mut mirrors = Vec::new();
    read_properties(schema, &mut Vec::new(), &mut mirrors)?;
    let mut names: Vec<&str> = mirrors.iter().map(|mirror| mirror.header.as_str()).collect();
    let unique = !has_repeat(&mut names);
    (unique && (1..=MOST_MIRRORS).contains(&mirrors.len())).then_some(Mirrored(mirrors))
}

fn read_properties(schema: &Object<'_>, path: &mut Vec<String>, found: &mut Vec<Mirror>) -> Option<()> {
    let Some(properties) = schema.object("properties") else { return Some(()) };
    if path.len() >= DEEPEST_PATH {
        return None;
    }
    for (key, value) in properties.members() {
        if !value.contains(ANNOTATION) {
            continue;
        }
        let property = Object::read(value)?;
        path.push(key.to_owned());
        if property.get(ANNOTATION).is_some() {
            let name = property.text(ANNOTATION).filter(|name| is_token(name))?;
            let kind = property.text("type")?;
            if !["string", "integer", "boolean"].contains(&kind.as_str()) {
                return None;
            }
            found.push(Mirror {
                path: path.clone(),
                header: format!("{PREFIX}{}", name.to_ascii_lowercase()),
            });
        }
        read_properties(&property, path, found)?;
        path.pop();
    }
    Some(())
}

/// A field name of HTTP (RFC 9110 §5.6.2), short enough to be one of MCP's.
fn is_token(name: &str) -> bool {
    let is_tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_tchar)
}

impl Mirrored {
    /// Checks that the headers of a call say what its arguments say.
    ///
    /// `body` is one judged `tools/call`; `header` finds a header by its lower-case name. An argument that is absent or null
    /// has no header, and neither has an object or array. Where a header is not `required`, it must agree all the same.
    ///
    /// # Errors
    /// [`MirrorRefusal`]; each is answered with 400, -32020.
    pub fn check<'h>(
        &self,
        body: &str,
        required: bool,
        header: impl Fn(&str) -> Field<'h>,
    ) -> Result<(), MirrorRefusal> {
        let arguments = Object::read(body).and_then(|message| message.object("params")?.object("arguments"));
        for Mirror { path, header: name } in &self.0 {
            let argument = arguments.as_ref().and_then(|arguments| find(arguments, path));
            let argument = argument.filter(|argument| *argument != "null");
            let is_simple = argument.is_some_and(|argument| !argument.starts_with(['{', '[']));
            let refused =
                |refusal: fn(String) -> MirrorRefusal| refusal(format!("Mcp-Param-{}", suffix(name)));
            let text = match header(name) {
                Field::Absent if is_simple && required => return Err(refused(MirrorRefusal::Missing)),
                Field::Absent => continue,
                Field::Malformed => return Err(refused(MirrorRefusal::Malformed)),
                Field::Text(text) => decode(text).ok_or_else(|| refused(MirrorRefusal::Malformed))?,
            };
            if !argument.is_some_and(|argument| says(&text, argument)) {
                return Err(refused(MirrorRefusal::Differs));
            }
        }
        Ok(())
    }

    /// About how many bytes it takes to remember this.
    #[must_use]
    pub fn size(&self) -> usize {
        let of = |mirror: &Mirror| {
            64 + mirror.header.len() + mirror.path.iter().map(|key| 24 + key.len()).sum::<usize>()
        };
        self.0.iter().map(of).sum()
    }
}

fn suffix(header: &str) -> &str {
    header.strip_prefix(PREFIX).unwrap_or(header)
}

fn find<'a>(arguments: &Object<'a>, path: &[String]) -> Option<&'a str> {
    let (last, before) = path.split_last()?;
    let mut steps = before.iter();
    let Some(first) = steps.next() else { return arguments.get(last) };
    let inner = steps.try_fold(arguments.object(first)?, |object, key| object.object(key))?;
    inner.get(last)
}

/// Whether a header says what an argument says: strings as they are, numbers by their value.
fn says(header: &str, argument: &str) -> bool {
    match argument.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(argument).is_ok_and(|text| text == header),
        Some(b'-' | b'0'..=b'9') => decimal(argument).is_some_and(|number| decimal(header) == Some(number)),
        Some(b't' | b'f') => argument == header,
        _ => false,
    }
}

/// A number of JSON in its one shortest form: sign, digits without zeros around them, power of ten. So numbers are compared
/// exactly, however large they are.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if !(1..=6).contains(&digits.len()) || !is_digits(digits) {
                return None;
            }
            (mantissa, exponent.parse::<i64>().ok()?)
        }
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (mantissa, ""),
    };
    if whole.is_empty()
        || !is_digits(whole)
        || !is_digits(fraction)
        || (whole.len() > 1 && whole.starts_with('0'))
    {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
    let power = exponent - i64::try_from(fraction.len()).ok()? + dropped;
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    Some((negative, significant.to_owned(), power))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

impl From<MirrorRefusal> for RpcError {
    fn from(refusal: MirrorRefusal) -> Self {
        match refusal {
            MirrorRefusal::Malformed(_) | MirrorRefusal::Missing(_) | MirrorRefusal::Differs(_) => {
                Self::new(RpcCode::HeaderMismatch, refusal.to_string())
            }
        }
    }
}

const ANNOTATION: &str = "x-mcp-header";
const PREFIX: &str = "mcp-param-";

/// Clients send at most this many headers for one call; more would not fit a header block either.
const MOST_MIRRORS: usize = 64;
const DEEPEST_PATH: usize = 16;
const LONGEST_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn learned(schema: &Value) -> Option<Mirrored> {
        let answer =
            json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "t", "inputSchema": schema}]}});
        LearnedTools::read(&answer.to_string()).unwrap().mirrored.pop().map(|(_, mirrored)| mirrored)
    }

    fn property(kind: &str, header: &str) -> Value {
        json!({"type": kind, "x-mcp-header": header})
    }

    fn check(schema: &Value, arguments: &Value, headers: &[(&str, &str)]) -> Result<(), MirrorRefusal> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": arguments}});
        learned(schema).unwrap().check(&body.to_string(), true, |name| {
            Field::read(
                headers.iter().filter(|(header, _)| *header == name).map(|(_, value)| value.as_bytes()),
            )
        })
    }

    fn region(arguments: &Value, header: Option<&str>) -> Result<(), MirrorRefusal> {
        let schema = json!({"properties": {"region": property("string", "Region")}});
        let headers: Vec<_> = header.map(|value| ("mcp-param-region", value)).into_iter().collect();
        check(&schema, arguments, &headers)
    }

    fn name() -> String {
        "Mcp-Param-region".to_owned()
    }

    // GW-08
    #[test]
    fn a_header_says_what_its_argument_says() {
        let given = json!({"region": "us-west1"});
        assert_eq!(region(&given, Some("us-west1")), Ok(()));
        assert_eq!(region(&given, Some(" us-west1 ")), Ok(()));
        assert_eq!(region(&given, Some("US-WEST1")), Err(MirrorRefusal::Differs(name())));
        assert_eq!(region(&given, None), Err(MirrorRefusal::Missing(name())));
        for none in [json!({}), json!({"region": null}), json!(null), json!({"region": {"a": 1}})] {
            assert_eq!(region(&none, None), Ok(()), "{none}");
            assert_eq!(region(&none, Some("us-west1")), Err(MirrorRefusal::Differs(name())), "{none}");
        }
        assert_eq!(RpcError::from(MirrorRefusal::Missing(name())).code.number(), -32020);
    }

    // GW-07
    #[test]
    fn base64_is_decoded_strictly_and_half_a_mark_is_literal() {
        let hello = json!({"region": "Hello"});
        assert_eq!(region(&hello, Some("=?base64?SGVsbG8=?=")), Ok(()));
        for bad in
            ["=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?/w==?=", "H\u{e9}llo", "a\u{1}b"]
        {
            assert_eq!(region(&hello, Some(bad)), Err(MirrorRefusal::Malformed(name())), "{bad}");
        }
        assert_eq!(region(&json!({"region": "SGVsbG8="}), Some("SGVsbG8=")), Ok(()));
        assert_eq!(region(&json!({"region": "=?base64?SGVsbG8="}), Some("=?base64?SGVsbG8=")), Ok(()));
        assert_eq!(region(&json!({"region": " a\n"}), Some("=?base64?IGEK?=")), Ok(()));
    }

    // GW-08
    #[test]
    fn numbers_are_compared_by_value_and_exactly() {
        let schema = json!({"properties": {"n": property("integer", "N"), "b": property("boolean", "B")}});
        let n = |argument: &str, header: &str| {
            let arguments: Value = serde_json::from_str(&format!(r#"{{"n":{argument}}}"#)).unwrap();
            check(&schema, &arguments, &[("mcp-param-n", header)]).is_ok()
        };
        for (argument, header) in [
            ("42", "42"),
            ("42", "42.0"),
            ("42", "4.2e1"),
            ("42.0", "42"),
            ("-7", "-7"),
            ("0", "-0"),
            ("0", "0.0"),
        ] {
            assert!(n(argument, header), "{argument} {header}");
        }
        for (argument, header) in [
            ("42", "43"),
            ("42", "042"),
            ("42", "+42"),
            ("42", "42."),
            ("42", ""),
            ("42", "forty-two"),
            ("42", "0x2a"),
            ("7", "-7"),
            ("9007199254740993", "9007199254740992"),
            ("1", "1e9999999999"),
            ("1", "\u{661}"),
            ("\"42\"", "42.0"),
            ("true", "1"),
        ] {
            assert!(!n(argument, header), "{argument} {header}");
        }
        assert!(n("\"42\"", "42"), "a string is compared as a string");
        let flag =
            |argument: Value, header| check(&schema, &json!({"b": argument}), &[("mcp-param-b", header)]);
        assert_eq!(flag(json!(true), "true"), Ok(()));
        assert!(flag(json!(true), "True").is_err() && flag(json!(false), "true").is_err());
    }

    #[test]
    fn arguments_inside_of_objects_are_found_by_their_path() {
        let schema = json!({"properties": {"a": {"type": "object", "properties": {"b": {"properties": {"c": property("string", "C")}}}}}});
        let deep = json!({"a": {"b": {"c": "x"}}});
        assert_eq!(check(&schema, &deep, &[("mcp-param-c", "x")]), Ok(()));
        assert!(check(&schema, &deep, &[]).is_err());
        assert_eq!(check(&schema, &json!({"a": {"c": "x"}, "c": "x"}), &[]), Ok(()));
        assert_eq!(check(&schema, &json!({"a": "b"}), &[]), Ok(()));
    }

    // GW-08
    #[test]
    fn annotations_that_break_the_rules_teach_nothing() {
        for bad in [
            property("string", ""),
            property("number", "A"),
            property("object", "A"),
            property("null", "A"),
            property("string", "My Region"),
            property("string", "Region:x"),
            property("string", "R\u{e9}gion"),
            property("string", "a\nb"),
            json!({"x-mcp-header": "A"}),
            json!({"type": "string", "x-mcp-header": 1}),
            json!({"type": ["string", "null"], "x-mcp-header": "A"}),
        ] {
            assert_eq!(
                learned(&json!({"properties": {"ok": property("string", "Ok"), "a": bad}})),
                None,
                "{bad}"
            );
        }
        let twice =
            json!({"properties": {"a": property("string", "MyField"), "b": property("string", "myfield")}});
        assert_eq!(learned(&twice), None);
        // Out of reach, so no value of a call is meant.
        assert_eq!(
            learned(&json!({"properties": {"a": {"type": "array", "items": property("string", "A")}}})),
            None
        );
        assert_eq!(learned(&json!({"oneOf": [{"properties": {"a": property("string", "A")}}]})), None);
    }

    #[test]
    fn what_a_list_says_of_each_tool_is_told_apart() {
        let answer = json!({"id": 1, "result": {"tools": [
            {"name": "plain", "inputSchema": {"properties": {"a": {"type": "string"}}}},
            {"name": "mirrored", "inputSchema": {"properties": {"a": property("string", "A")}}},
            {"title": "no name"}, 7,
        ]}});
        let learned = LearnedTools::read(&answer.to_string()).unwrap();
        assert_eq!(learned.plain, ["plain"]);
        assert_eq!(learned.mirrored[0].0, "mirrored");
        assert!(learned.mirrored[0].1.size() > 64);
        for none in [r#"{"id":1,"error":{}}"#, "[]", "", r#"{"id":1,"result":{"tools":{}}}"#] {
            assert_eq!(LearnedTools::read(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn what_clients_are_told_to_send_is_accepted_and_says_nothing_else(text in ".{0,8}", other in ".{0,8}") {
            let arguments = json!({"region": text});
            let encoded = format!("=?base64?{}?=", STANDARD.encode(&text));
            prop_assert_eq!(region(&arguments, Some(&encoded)), Ok(()));
            let plain = text.bytes().all(|b| b.is_ascii_graphic()) && !text.starts_with("=?");
            if plain {
                prop_assert_eq!(region(&arguments, Some(&text)), Ok(()));
            }
            if text != other {
                let encoded = format!("=?base64?{}?=", STANDARD.encode(&other));
                prop_assert_eq!(region(&arguments, Some(&encoded)), Err(MirrorRefusal::Differs(name())));
            }
        }

        #[test]
        fn a_number_is_its_own_value(n in any::<i64>(), zeros in 0_usize..4) {
            let longer = format!("{n}.0{}", "0".repeat(zeros));
            prop_assert!(says(&n.to_string(), &longer));
            prop_assert!(!says(&n.to_string(), &n.wrapping_add(1).to_string()));
        }
    }
}
