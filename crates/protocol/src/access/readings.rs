//! What servers may make of the URI of a resource.
//!
//! Some take it as it is. Most SDKs resolve it first, as browsers do (WHATWG URL): they lower the case of the scheme, walk
//! dot segments, drop `localhost` from file URIs, turn backslashes. A server of files decodes it after that. A rule about
//! `file:///secret/*` is meant for all of these.

use percent_encoding::percent_decode_str;
use url::Url;

/// The further readings of a URI: resolved, and decoded. Empty when it is no absolute URI, which nobody resolves.
pub(super) fn further_readings(uri: &str) -> Vec<String> {
    let Some(resolved) = resolved(uri) else { return Vec::new() };
    let decoded = decoded(&resolved);
    let mut readings = vec![resolved];
    if !readings.contains(&decoded) {
        readings.push(decoded);
    }
    readings
}

/// The same for the text of a pattern, in which what stands before the first `*` is read like a URI.
pub(super) fn further_readings_of_pattern(pattern: &str) -> Vec<String> {
    let Some((before, after)) = pattern.split_once('*') else { return further_readings(pattern) };
    let ends_in_authority =
        before.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '\\', '?']));
    let whole = |reading: String| {
        // The parser ends an authority with a slash; the pattern's goes on.
        let reading = if ends_in_authority { reading.trim_end_matches('/') } else { &reading };
        format!("{reading}*{after}")
    };
    further_readings(before).into_iter().map(whole).collect()
}

/// A template in which `wild` stands for any text, read the same way.
pub(super) fn further_readings_of_template(template: &str, wild: char) -> Vec<String> {
    let marked = template.replace(wild, MARK);
    let unmarked =
        |reading: String| reading.replace(MARK, &wild.to_string()).replace(ENCODED_MARK, &wild.to_string());
    let mut readings: Vec<_> = further_readings(&marked).into_iter().map(unmarked).collect();
    readings.dedup();
    readings
}

fn resolved(uri: &str) -> Option<String> {
    Url::parse(uri).ok().map(String::from)
}

/// Decoded as often as it goes, since what decodes twice is what some server decodes twice, and resolved in between: an
/// encoded slash or dot may make a segment.
fn decoded(resolved: &str) -> String {
    let mut text = resolved.to_owned();
    for _ in 0..MOST_ROUNDS {
        let plain = without_empty_segments(&percent_decode_str(&text).decode_utf8_lossy());
        let again = self::resolved(&plain).unwrap_or_else(|| plain.clone());
        let settled = percent_decode_str(&again).decode_utf8_lossy().into_owned();
        if settled == text {
            break;
        }
        text = settled;
    }
    text
}

/// `file:////a//b` is `file:///a/b` to a file system.
fn without_empty_segments(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let start = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(start).unwrap_or((rest, ""));
    let mut text = format!("{scheme}://{authority}");
    for c in path.chars() {
        if c != '/' || !text.ends_with('/') || text.ends_with("://") {
            text.push(c);
        }
    }
    text
}

/// Private use, so no template has it; a letter of a path to the parser, which encodes it there.
const MARK: &str = "\u{f8ff}";
const ENCODED_MARK: &str = "%EF%A3%BF";

/// How often a URI may be encoded over and over and is still seen through.
const MOST_ROUNDS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_secret_has_the_secret_among_its_readings() {
        for uri in [
            "file:///secret/x",
            "FILE:///secret/x",
            "file:///pub/../secret/x",
            "file:///./secret/x",
            "file://localhost/secret/x",
            "file:/secret/x",
            "file:secret/x",
            "file:///secret\\x",
            "file:\\\\\\secret\\x",
            " file:///secret/x",
            "file:///secret/x ",
            "fi\tle:///sec\nret/x",
            "file:///%73ecret/x",
            "file:///%2573ecret/x",
            "file:///secret%2fx",
            "file:///pub%2f..%2fsecret/x",
            "file:///pub/%2e%2e/secret/x",
            "file:///pub/%252e%252e/secret/x",
            "file:////secret/x",
            "file:///secret//x",
        ] {
            let readings = further_readings(uri);
            assert!(readings.iter().any(|reading| reading == "file:///secret/x"), "{uri}: {readings:?}");
        }
        assert_eq!(further_readings("no uri"), [""; 0]);
        assert_eq!(further_readings("note:a/b"), ["note:a/b"]);
    }

    #[test]
    fn a_pattern_is_read_up_to_its_first_star() {
        for (pattern, read) in [
            ("FILE:///secret/*", "file:///secret/*"),
            ("file:///my notes/*.md", "file:///my%20notes/*.md"),
            ("https://H.example/*/x", "https://h.example/*/x"),
            ("https://h*", "https://h*"),
            ("DB://Rows/*", "db://Rows/*"),
        ] {
            let readings = further_readings_of_pattern(pattern);
            assert!(readings.iter().any(|reading| reading == read), "{pattern}: {readings:?}");
        }
        assert_eq!(further_readings_of_pattern("*/secret/*"), [""; 0]);
        assert_eq!(further_readings_of_pattern("https://*"), [""; 0]);
    }

    #[test]
    fn a_template_keeps_its_expressions() {
        let readings = further_readings_of_template("FILE:///pub/../secret/\0", '\0');
        assert_eq!(readings, ["file:///secret/\0"]);
        assert_eq!(further_readings_of_template("\0://secret", '\0'), [""; 0]);
    }
}
