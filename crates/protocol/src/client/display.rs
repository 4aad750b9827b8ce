//! What strangers say of themselves, made fit to be shown: clients choose their own names and links (OAuth 2.1 §7.11).

use url::{Host, Url};

use super::app_uris::is_foreign_scheme;
use crate::words::is_deceptive;

/// A text without control, bidirectional and invisible characters, in one line, of at most `max_chars` characters;
/// `None` when nothing is left.
pub(super) fn shown_text(text: &str, max_chars: usize) -> Option<String> {
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let visible: String =
        spaced.filter(|&c| !c.is_control() && !is_deceptive(c) && !is_unneeded(c)).collect();
    let one_line = visible.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = one_line.chars().take(max_chars).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

/// A link whose scheme runs or reads something on the user's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForeignLink;

/// An https link in a browser's spelling; `None` for a link that is merely not fit to be shown.
///
/// # Errors
/// [`ForeignLink`] for `javascript:` and its like: whoever sends one means harm.
pub(super) fn shown_link(text: &str, max_length: usize) -> Result<Option<String>, ForeignLink> {
    let Ok(url) = Url::parse(text) else { return Ok(None) };
    if is_foreign_scheme(url.scheme()) {
        return Err(ForeignLink);
    }
    let plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    let link = String::from(url);
    Ok((plain && link.len() <= max_length).then_some(link))
}

/// Whether `text` is an https URL of a named host, as a document's address must be: never an address of some network.
pub(super) fn is_https_of_named_host(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let named = matches!(url.host(), Some(Host::Domain(name)) if name != "localhost");
        url.scheme() == "https" && named && url.username().is_empty() && url.password().is_none()
    })
}

/// Whether a character is invisible, and a client's name is poorer by nothing without it: joiners, variation
/// selectors, inherent vowels and blanks.
const fn is_unneeded(c: char) -> bool {
    matches!(
        c,
        '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200c}'..='\u{200d}'
            | '\u{2800}'
            | '\u{fe00}'..='\u{fe0f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_and_bidi_characters_are_stripped_from_a_name() {
        assert_eq!(shown_text("  My\u{202e} App\r\n\u{7}v2\u{200b} ", 80).as_deref(), Some("My App v2"));
        assert_eq!(shown_text("<script>", 80).as_deref(), Some("<script>"));
        assert_eq!(shown_text("Müller 工具", 80).as_deref(), Some("Müller 工具"));
        assert_eq!(shown_text("\u{200b}\u{3164}\n", 80), None);
        assert_eq!(shown_text("ab cd", 3).as_deref(), Some("ab"));
    }

    #[test]
    fn links_are_https_and_a_script_is_no_link() {
        assert_eq!(shown_link("https://h.example/a", 200), Ok(Some("https://h.example/a".to_owned())));
        for dropped in ["http://localhost:3000", "not a link", "", "https://u@h.example/", "cursor://x"] {
            assert_eq!(shown_link(dropped, 200), Ok(None), "{dropped}");
        }
        for bad in ["javascript:alert(1)", " java\nscript:alert(1)", "DATA:text/html,x", "file:///etc/passwd"]
        {
            assert_eq!(shown_link(bad, 200), Err(ForeignLink), "{bad}");
        }
        assert_eq!(shown_link("https://h.example/long", 10), Ok(None));
    }

    #[test]
    fn a_key_address_names_its_host() {
        assert!(is_https_of_named_host("https://h.example/jwks.json"));
        for bad in [
            "http://h.example/",
            "https://169.254.169.254/",
            "https://[::1]/",
            "https://localhost/",
            "x",
            "https://0x7f.1/",
        ] {
            assert!(!is_https_of_named_host(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_text_is_short_one_line_and_stable(text in any::<String>(), max in 1_usize..20) {
            if let Some(shown) = shown_text(&text, max) {
                prop_assert!(shown.chars().count() <= max);
                prop_assert!(!shown.chars().any(|c| c.is_control() || is_deceptive(c)));
                prop_assert_eq!(shown_text(&shown, max), Some(shown));
            }
        }
    }
}
