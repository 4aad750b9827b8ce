//! The `WWW-Authenticate: Bearer` challenge of a protected resource (RFC 6750 §3, RFC 9728 §5.1).
//!
//! Widely used clients read it with a simple pattern and stop on repetition: so one line, every value quoted, always the
//! same members in the same order, and the same text for the same refusal.

use crate::words::{OFFLINE_ACCESS, Scope, Scopes};

/// A challenge: the value of one `WWW-Authenticate` header and the status that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    status: u16,
    value: String,
}

impl Challenge {
    /// No token was sent: 401 without an `error`, naming the scopes that the attempted operation needs.
    #[must_use]
    pub fn missing_token(resource_metadata: &str, scopes: &Scopes) -> Self {
        Self::new(401, resource_metadata, None, scopes)
    }

    /// The token is not good here, for whatever reason: 401 `invalid_token`.
    #[must_use]
    pub fn invalid_token(resource_metadata: &str, scopes: &Scopes, description: &str) -> Self {
        Self::new(401, resource_metadata, Some(("invalid_token", description)), scopes)
    }

    /// The token lacks scopes: 403 `insufficient_scope`, naming all that the operation needs.
    #[must_use]
    pub fn insufficient_scope(resource_metadata: &str, scopes: &Scopes, description: &str) -> Self {
        Self::new(403, resource_metadata, Some(("insufficient_scope", description)), scopes)
    }

    /// The credentials are malformed, or come twice: 400 `invalid_request`.
    #[must_use]
    pub fn invalid_request(resource_metadata: &str, description: &str) -> Self {
        Self::new(400, resource_metadata, Some(("invalid_request", description)), &Scopes::none())
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The value of the header: visible ASCII and spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.value
    }

    fn new(status: u16, resource_metadata: &str, error: Option<(&str, &str)>, scopes: &Scopes) -> Self {
        let asked: Scopes = scopes.iter().filter(|scope| scope.as_str() != OFFLINE_ACCESS).cloned().collect();
        let mut value = format!("Bearer resource_metadata=\"{}\"", uri(resource_metadata));
        if let Some((code, _)) = error {
            member(&mut value, "error", code);
        }
        if !asked.is_empty() {
            // A scope has neither quotes nor backslashes.
            member(&mut value, "scope", &asked.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "));
        }
        if let Some((_, description)) = error.filter(|(_, description)| !description.is_empty()) {
            member(&mut value, "error_description", &plain(description));
        }
        Self { status, value }
    }
}

fn member(value: &mut String, name: &str, text: &str) {
    value.push_str(", ");
    value.push_str(name);
    value.push_str("=\"");
    value.push_str(text);
    value.push('"');
}

/// Replaces what RFC 6750 §3 forbids in `error_description`; nothing is escaped, since simple readers do not unescape.
fn plain(description: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    description.chars().map(|c| if allowed(c) { c } else { '?' }).collect()
}

/// Percent-encodes what no URI has, so that it can neither end the quotes nor the line.
fn uri(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, NOT_IN_URIS).to_string()
}

const NOT_IN_URIS: &percent_encoding::AsciiSet =
    &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'\\').add(b'<').add(b'>');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const METADATA: &str = "https://h.example/.well-known/oauth-protected-resource/mcp";

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    /// Reads a member as simple clients do: from the first `name="` up to the next quote.
    fn read<'a>(value: &'a str, name: &str) -> Option<&'a str> {
        let (_, rest) = value.split_once(&format!(", {name}=\""))?;
        rest.split_once('"').map(|(text, _)| text)
    }

    #[test]
    fn a_missing_token_is_challenged_without_an_error() {
        let challenge = Challenge::missing_token(METADATA, &scopes("write read"));
        assert_eq!(challenge.status(), 401);
        assert_eq!(
            challenge.as_str(),
            "Bearer resource_metadata=\"https://h.example/.well-known/oauth-protected-resource/mcp\", scope=\"read write\""
        );
    }

    #[test]
    fn the_members_stand_in_the_order_that_simple_readers_need() {
        let challenge = Challenge::insufficient_scope(METADATA, &scopes("a b"), "this needs \"a\" and b");
        assert_eq!(challenge.status(), 403);
        assert_eq!(
            challenge.as_str(),
            "Bearer resource_metadata=\"https://h.example/.well-known/oauth-protected-resource/mcp\", \
             error=\"insufficient_scope\", scope=\"a b\", error_description=\"this needs ?a? and b\""
        );
    }

    #[test]
    fn each_refusal_has_its_status_and_error() {
        let invalid = Challenge::invalid_token(METADATA, &Scopes::none(), "the token has expired");
        assert_eq!((invalid.status(), read(invalid.as_str(), "error")), (401, Some("invalid_token")));
        assert_eq!(read(invalid.as_str(), "scope"), None);
        let malformed = Challenge::invalid_request(METADATA, "two tokens");
        assert_eq!((malformed.status(), read(malformed.as_str(), "error")), (400, Some("invalid_request")));
    }

    #[test]
    fn offline_access_is_never_asked_for_in_a_challenge() {
        let challenge = Challenge::missing_token(METADATA, &scopes("offline_access read"));
        assert_eq!(read(challenge.as_str(), "scope"), Some("read"));
        let challenge = Challenge::missing_token(METADATA, &scopes("offline_access"));
        assert_eq!(read(challenge.as_str(), "scope"), None);
    }

    #[test]
    fn equal_refusals_have_equal_challenges() {
        let challenge = || Challenge::insufficient_scope(METADATA, &scopes("b a"), "x");
        assert_eq!(challenge(), challenge());
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_quotes(url in any::<String>(), scope in "[!#-\\[\\]-~]{1,9}", description in any::<String>()) {
            let challenge = Challenge::insufficient_scope(&url, &scopes(&scope), &description);
            let value = challenge.as_str();
            prop_assert!(value.bytes().all(|b| matches!(b, b' '..=b'~')));
            prop_assert!(!value.contains('\\'));
            let members = if description.is_empty() { 3 } else { 4 };
            prop_assert_eq!(value.matches('"').count(), 2 * members);
            let expected = if scope == OFFLINE_ACCESS { None } else { Some(scope.as_str()) };
            prop_assert!(value.starts_with("Bearer resource_metadata=\""));
            prop_assert_eq!(read(value, "scope"), expected);
        }
    }
}
