//! Making text that strangers wrote fit to be shown.

use std::borrow::Cow;

use coatroom_protocol::words::is_deceptive;

/// A text on one line, without characters that hide or reorder text, and at most `limit` characters long.
///
/// Spaces at the ends and repeated spaces disappear. The result may be empty.
pub(super) fn plain(text: &str, limit: usize) -> String {
    let visible = text.chars().filter(|&c| !is_deceptive(c)).map(|c| if c.is_control() { ' ' } else { c });
    let visible: String = visible.collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    let mut short: String = line.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A name as it stands inside a sentence: its writing direction cannot reach the words around it (Unicode UAX #9).
/// ASCII has no letters that are written from right to left and needs no marks.
pub(super) fn isolated(name: &str) -> Cow<'_, str> {
    if name.is_ascii() { Cow::Borrowed(name) } else { Cow::Owned(format!("\u{2068}{name}\u{2069}")) }
}

/// The letter that stands for a name: its first letter or digit, in upper case.
pub(super) fn initial(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "?".to_owned(), |c| c.to_uppercase().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_reorder_or_hide_text_are_removed() {
        assert_eq!(plain("Evil\u{202e}edoC\u{2066} \u{200b}x\u{feff}", 60), "EviledoC x");
    }

    #[test]
    fn a_name_stays_on_one_line_and_within_its_limit() {
        assert_eq!(plain("  a\r\n\t b\u{85}c\0 ", 60), "a b c");
        assert_eq!(plain("äöüß", 4), "äöüß");
        assert_eq!(plain("äöüßx", 4), "äöü…");
        assert_eq!(plain(" \u{200b} ", 4), "");
    }

    #[test]
    fn names_of_every_script_keep_their_letters() {
        for name in ["Klaus Müller", "Ольга", "אליס", "علي", "日本語", "👩\u{200d}💻"] {
            assert_eq!(plain(name, 60), name);
        }
    }

    #[test]
    fn a_name_from_right_to_left_is_kept_apart_from_the_sentence() {
        assert_eq!(isolated("אליס"), "\u{2068}אליס\u{2069}");
        assert_eq!(isolated("Alice"), "Alice");
    }

    #[test]
    fn the_initial_is_a_letter_or_a_question_mark() {
        assert_eq!(initial("«claude»"), "C");
        assert_eq!(initial("élan"), "É");
        assert_eq!(initial("!"), "?");
    }
}
