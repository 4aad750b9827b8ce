//! Whether a copy that a client kept is still good (RFC 9110 §8.8.3 and §13.1.2).

/// Whether one of the tags of all `If-None-Match` values is `etag`, or `*` stands there.
///
/// Tags are compared weakly, as the norm says for this header: `W/"a"` is `"a"`. What is no list of tags matches nothing, so
/// that the whole document is sent.
#[must_use]
pub fn is_current<'a>(if_none_match: impl IntoIterator<Item = &'a [u8]>, etag: &str) -> bool {
    let etag = etag.strip_prefix("W/").unwrap_or(etag);
    if_none_match.into_iter().any(|value| {
        std::str::from_utf8(value)
            .is_ok_and(|value| value.trim() == "*" || tags(value).any(|tag| tag == etag))
    })
}

/// The opaque tags of a list with their quotes; commas may stand inside of the quotes. Ends at the first mistake.
fn tags(mut list: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let text = list.trim_start_matches([' ', '\t', ',']);
        let text = text.strip_prefix("W/").unwrap_or(text);
        let end = text.strip_prefix('"')?.find('"')?;
        let (tag, rest) = text.split_at_checked(end.checked_add(2)?)?;
        list = rest;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn current(values: &[&str]) -> bool {
        is_current(values.iter().map(|value| value.as_bytes()), "\"a,b\"")
    }

    // PRM-14
    #[test]
    fn tags_are_compared_weakly_one_by_one() {
        for good in ["\"a,b\"", "W/\"a,b\"", "\"x\", \"a,b\"", "\"x\",W/\"a,b\" , \"y\"", "*", " * "] {
            assert!(current(&[good]), "{good}");
        }
        assert!(current(&["\"x\"", "\"a,b\""]), "several lines are one list");
        for other in ["", "a,b", "\"a\"", "\"a,b", "\"x\" x \"a,b\"", "w/\"a,b\"", "\"*\"", "\"x, *\""] {
            assert!(!current(&[other]), "{other}");
        }
        assert!(!current(&[]));
    }

    proptest! {
        #[test]
        fn no_value_panics(value in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = is_current([value.as_slice()], "\"x\"");
        }
    }
}
