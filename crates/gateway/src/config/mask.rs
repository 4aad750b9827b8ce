//! Hides secrets in lines of the configuration file before they are quoted in a report.
//!
//! A report is about mistakes, and a mistyped key (`client_secert`) is one, so what is a secret cannot be told by its
//! name. Only values that were read as something that is no secret are quoted; of a file whose syntax is wrong, none.
//! Lines and columns stay where they are.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// The text with every value hidden except those at `quotable`, and without its comments.
pub(super) fn hide_values(text: &str, table: &DeTable<'_>, quotable: &[Range<usize>]) -> String {
    let mut values = Vec::new();
    table.iter().for_each(|(_, value)| collect(value, &mut values));
    let mut bytes = text.as_bytes().to_vec();
    for span in values.iter().filter(|span| !quotable.contains(span)) {
        hide(&mut bytes, span.clone());
    }
    let is_in_value = |at: usize| values.iter().any(|span| span.contains(&at));
    for (at, _) in text.match_indices('#').filter(|(at, _)| !is_in_value(*at)) {
        hide(&mut bytes, at + 1..line_end(text, at));
    }
    hide_passwords_of_urls(text, &mut bytes);
    readable(bytes)
}

/// The text with everything hidden that could be a value: only the heads of tables are shown, and the first word of
/// lines that have a `=`.
pub(super) fn hide_lines(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let ends = |c: char| matches!(c, '=' | '"' | '\'' | '#' | ' ' | '\t' | '\n');
        let word = line.get(indent..).and_then(|rest| rest.find(ends)).map_or(line.len(), |at| indent + at);
        let is_shown = line.contains('=') || line.trim_start().starts_with('[');
        let from = if is_shown { word } else { 0 };
        hide(&mut bytes, start + from..start + line.len());
        start += line.len();
    }
    readable(bytes)
}

fn collect(value: &toml::Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, value)| collect(value, spans)),
        DeValue::Array(items) => items.iter().for_each(|item| collect(item, spans)),
        _ => spans.push(value.span()),
    }
}

/// Hides user names and passwords in URLs that are quoted, such as a store's.
fn hide_passwords_of_urls(text: &str, bytes: &mut [u8]) {
    for (at, found) in text.match_indices("://") {
        let from = at + found.len();
        let rest = text.get(from..line_end(text, from)).unwrap_or("");
        let url = rest.split(['"', '\'', ' ']).next().unwrap_or("");
        if let Some(end) = url.rfind('@') {
            hide(bytes, from..from + end);
        }
    }
}

fn line_end(text: &str, from: usize) -> usize {
    text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| from + length)
}

/// Overwrites whole characters, so that the rest stays UTF-8.
fn hide(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).unwrap_or_default() {
        if !matches!(*byte, b'\r' | b'\n' | b' ' | b'=' | b'"' | b'\'') {
            *byte = b'*';
        }
    }
}

fn readable(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, quotable: &[&str]) -> String {
        let table = DeTable::parse(text).unwrap();
        let spans: Vec<_> = quotable.iter().map(|part| text.find(part).unwrap()).collect();
        let spans: Vec<_> = spans.iter().zip(quotable).map(|(at, part)| *at..at + part.len()).collect();
        hide_values(text, table.get_ref(), &spans)
    }

    #[test]
    fn a_value_is_shown_only_when_it_was_read_as_no_secret() {
        let text = "listen = \"here\"\nclient_secert = \"canary\"\n";
        assert_eq!(values(text, &["\"here\""]), "listen = \"here\"\nclient_secert = \"******\"\n");
        let text = "a = { secret = 'canary', list = [\"canary\", 12] } # canary";
        let masked = values(text, &[]);
        assert!(!masked.contains("canary") && !masked.contains("12"), "{masked}");
        assert_eq!(masked.len(), text.len());
        assert!(!values("a = '''\ncanary\n'''", &[]).contains("canary"));
    }

    #[test]
    fn passwords_of_urls_are_hidden_also_where_the_url_is_shown() {
        let url = "\"postgres://user:can/ary@host/db\"";
        let masked = values(&format!("store = {url}"), &[url]);
        assert_eq!(masked, "store = \"postgres://************@host/db\"");
    }

    #[test]
    fn of_wrong_syntax_only_keys_and_heads_are_shown() {
        let text =
            "[servers.a\nlisten = \"canary\nclient_s[ecret = canary\nsecret \"canary\"\ncanary ö\nx'canary'";
        let masked = hide_lines(text);
        assert!(!masked.contains("canary"), "{masked}");
        assert!(masked.starts_with("[servers.a\nlisten = \"******\nclient_s[ecret = ******\n"), "{masked}");
        assert_eq!(masked.len(), text.len());
    }
}
