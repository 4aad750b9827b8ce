//! A judged message as the one line that it is on stdio (MCP 2026-07-28, Transports, stdio: messages are delimited by newlines and
//! contain none).
//!
//! Between tokens JSON may have line breaks, and within strings characters that some readers take for one. Whoever reads lines would make
//! several messages of what was judged as one, and the others would never have been judged.

use std::borrow::Cow;

/// The message without line breaks, for every reader of lines: carriage returns and line feeds are left out, and U+0085, U+2028 and U+2029 are
/// escaped. Nothing else changes, and most messages change not at all.
///
/// `message` is JSON, where carriage returns and line feeds stand between tokens alone, and the other three within strings alone
/// (RFC 8259 §2, §7).
#[must_use]
pub fn one_line(message: &[u8]) -> Cow<'_, [u8]> {
    if !message.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2)) {
        return Cow::Borrowed(message);
    }
    let mut line = Vec::with_capacity(message.len());
    let mut rest = message;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\n' | b'\r', _) => {}
            (0xC2, [0x85, after @ ..]) => {
                line.extend(br"\u0085");
                rest = after;
            }
            (0xE2, [0x80, last @ (0xA8 | 0xA9), after @ ..]) => {
                line.extend(if *last == 0xA8 { br"\u2028" } else { br"\u2029" });
                rest = after;
            }
            _ => line.push(*first),
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What any reader takes for the end of a line: those of Python's `splitlines` are the most.
    fn ends_a_line(c: char) -> bool {
        matches!(
            c,
            '\n' | '\r'
                | '\u{b}'
                | '\u{c}'
                | '\u{1c}'
                | '\u{1d}'
                | '\u{1e}'
                | '\u{85}'
                | '\u{2028}'
                | '\u{2029}'
        )
    }

    #[test]
    fn line_breaks_between_tokens_are_left_out_and_those_within_strings_escaped() {
        let message = "{\r\n \"a\" :\n[ 1,\r2 ], \"b\": \"x\u{85}y\u{2028}z\u{2029}\\n\" }\n";
        let line = one_line(message.as_bytes());
        assert_eq!(
            std::str::from_utf8(&line).unwrap(),
            r#"{ "a" :[ 1,2 ], "b": "x\u0085y\u2028z\u2029\n" }"#
        );
        assert!(matches!(one_line(br#"{"a":"b"}"#), Cow::Borrowed(_)));
        let others = "{\"a\":\"ÂÃ é € “”\"}";
        assert_eq!(one_line(others.as_bytes()), others.as_bytes());
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[\u{85}\u{2028}\u{2029}a-cÂ€\n\r\"\\\\]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[\u{85}\u{2028}a]{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_message_becomes_one_line_and_says_the_same(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let line = one_line(text.as_bytes()).into_owned();
            let line = String::from_utf8(line).unwrap();
            prop_assert!(!line.contains(ends_a_line), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
            prop_assert_eq!(one_line(line.as_bytes()), line.as_bytes());
        }
    }
}
