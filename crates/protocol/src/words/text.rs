use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes bytes as base64url without padding (RFC 4648 §5): unreserved characters only.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url without padding. `None` for any other spelling, trailing bits included, so that a value has
/// exactly one spelling.
#[must_use]
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
#[must_use]
pub fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Whether a character has no shape of its own and changes how others are read: direction marks, embeddings,
/// overrides and isolates, zero-width spaces and joiners of words, blank letters, tags, and interlinear marks.
///
/// The joiners U+200C and U+200D and the variation selectors are not among them: names of people need them.
#[must_use]
pub const fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_exactly_one_spelling() {
        assert_eq!(from_base64url("AA").as_deref(), Some(&[0_u8][..]));
        assert_eq!(from_base64url("AB"), None);
        assert_eq!(from_base64url("AA=="), None);
        assert_eq!(from_base64url("A+"), None);
    }
}
