//! Finds values in what a provider says: by a member's name, by names with dots between, or by a text with such names in
//! braces.

use serde_json::{Map, Value};

/// The value at a path. A member that is called exactly so comes first, since some names have dots themselves
/// (`https://slack.com/team_id`); a number is a place in a list.
pub(super) fn find<'a>(said: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = said.get(path) {
        return Some(value);
    }
    let mut names = path.split('.');
    let first = said.get(names.next()?)?;
    names.try_fold(first, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    })
}

/// The text at a path, or the text that a path with braces makes: `{team.id}.{user.id}`.
///
/// What stands for the braces must be made of letters, digits, `-` and `_` alone. So two different pairs of values never
/// make the same text, as long as something else stands between the braces, and nothing breaks out of a URL.
pub(super) fn find_text(said: &Map<String, Value>, path: &str) -> Option<String> {
    if !path.contains('{') {
        return find(said, path).and_then(text_or_number);
    }
    let (mut made, mut rest) = (String::new(), path);
    while let Some((before, name_and_more)) = rest.split_once('{') {
        let (name, after) = name_and_more.split_once('}')?;
        let part = find(said, name).and_then(text_or_number).filter(|part| is_plain(part))?;
        made.push_str(before);
        made.push_str(&part);
        rest = after;
    }
    made.push_str(rest);
    Some(made)
}

/// The texts at a path: a list of them, or a single one.
pub(super) fn find_texts(said: &Map<String, Value>, path: &str) -> Option<Vec<String>> {
    match find(said, path)? {
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        Value::String(text) if !text.is_empty() => Some(vec![text.clone()]),
        _ => None,
    }
}

/// Whether a path with braces is well-formed and tells its parts apart; every other path is.
pub(super) fn is_path(path: &str) -> bool {
    let clean = |name: &str| !name.is_empty() && name.trim() == name && !name.contains(['{', '}']);
    if !path.contains(['{', '}']) {
        return clean(path);
    }
    let mut pieces = path.split('{');
    let before = pieces.next().unwrap_or_default();
    let count = pieces.clone().count();
    let mut whole = pieces.enumerate().map(|(index, piece)| {
        let is_last = index + 1 == count;
        piece.split_once('}').is_some_and(|(name, after)| {
            clean(name) && !after.contains('}') && (is_last || after.contains(|c: char| !is_plain_char(c)))
        })
    });
    !before.contains('}') && count > 0 && whole.all(|good| good)
}

/// A text that is not empty, or a whole number.
fn text_or_number(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

fn is_plain(part: &str) -> bool {
    part.chars().all(is_plain_char)
}

fn is_plain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(said: &Value, path: &str) -> Option<String> {
        find_text(said.as_object().unwrap(), path)
    }

    #[test]
    fn a_member_a_path_and_a_place_in_a_list_are_found() {
        let said = json!({"a": {"b": [{"c": "x"}, 7]}, "https://idp.example/id": "y", "": "z"});
        assert_eq!(text(&said, "a.b.0.c").as_deref(), Some("x"));
        assert_eq!(text(&said, "a.b.1").as_deref(), Some("7"));
        assert_eq!(text(&said, "https://idp.example/id").as_deref(), Some("y"));
        for missing in ["a", "a.b", "a.b.2", "a.b.0.c.d", "a.b.-1", "c"] {
            assert_eq!(text(&said, missing), None, "{missing}");
        }
    }

    #[test]
    fn braces_make_a_text_of_plain_parts_only() {
        let said = json!({"team": {"id": "T1"}, "user": 7, "bad": "a.b", "slash": "a/b", "none": null});
        assert_eq!(text(&said, "{team.id}.{user}").as_deref(), Some("T1.7"));
        assert_eq!(
            text(&said, "https://cdn.example/{user}.png").as_deref(),
            Some("https://cdn.example/7.png")
        );
        for refused in ["{team.id}.{bad}", "{slash}", "{none}", "{missing}", "{user"] {
            assert_eq!(text(&said, refused), None, "{refused}");
        }
    }

    #[test]
    fn parts_that_could_run_into_each_other_are_no_path() {
        for good in ["sub", "a.b", "{a}", "{a}.{b.c}", "https://cdn.example/{a}/{b}.png", "https://x/y"] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", " a", "{}", "{a}{b}", "{a}-{b}", "{a", "a}", "{a}}", "{{a}}", "{a}x{b}"] {
            assert!(!is_path(bad), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn different_pairs_make_different_texts(a in ".{0,6}", b in ".{0,6}", c in ".{0,6}", d in ".{0,6}") {
            let made = |one: &str, two: &str| text(&json!({"one": one, "two": two}), "{one}.{two}");
            if let (Some(first), Some(second)) = (made(&a, &b), made(&c, &d)) {
                proptest::prop_assert_eq!(first == second, (a, b) == (c, d));
            }
        }
    }
}
