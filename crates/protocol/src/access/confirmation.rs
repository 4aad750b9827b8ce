//! Whether a token is good only together with the proof of a key (RFC 7800 §3.1; RFC 9449 §6, RFC 8705 §3).

use serde_json::{Map, Value};

/// Whether the claims of a token, or what introspection says about it, bind it to a key of its client.
///
/// Such a token that is presented as a bearer must be refused (RFC 9449 §7.2): it may be a stolen one. A `cnf` whose meaning
/// is not known counts too.
#[must_use]
pub fn is_sender_constrained(claims: &Map<String, Value>) -> bool {
    claims.get("cnf").is_some_and(|confirmation| !confirmation.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // RS-28
    #[test]
    fn any_confirmation_binds_a_token() {
        let bound = |claims: Value| is_sender_constrained(claims.as_object().unwrap());
        for yes in
            [json!({ "cnf": { "jkt": "x" } }), json!({ "cnf": { "x5t#S256": "x" } }), json!({ "cnf": {} })]
        {
            assert!(bound(yes.clone()), "{yes}");
        }
        for no in [json!({}), json!({ "cnf": null }), json!({ "sub": "cnf" })] {
            assert!(!bound(no.clone()), "{no}");
        }
    }
}
