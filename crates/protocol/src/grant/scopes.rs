//! Narrowing: what a refresh may ask of a grant (OAuth 2.1 §4.3, RFC 6749 §6).

use crate::words::{OFFLINE_ACCESS, Scopes};

/// A refresh asked for more than was granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the scope {missing} was not granted")]
pub struct ScopeNarrowing {
    /// What was asked beyond the grant.
    pub missing: Scopes,
}

/// The scopes of the next access token: all that were granted when none are asked, else what is asked.
///
/// `offline_access` is taken as asked and given: it asked for the refresh token that is being presented. A narrowed
/// access token does not shrink the grant.
///
/// # Errors
/// [`ScopeNarrowing`] names what was not granted (wire: `invalid_scope`).
pub fn narrow_scopes(granted: &Scopes, asked: Option<&Scopes>) -> Result<Scopes, ScopeNarrowing> {
    let Some(asked) = asked else { return Ok(granted.clone()) };
    let asked: Scopes = asked.iter().filter(|scope| scope.as_str() != OFFLINE_ACCESS).cloned().collect();
    let missing = asked.difference(granted);
    if !missing.is_empty() {
        return Err(ScopeNarrowing { missing });
    }
    if asked.is_empty() { Ok(granted.clone()) } else { Ok(asked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_asked_gives_all_that_was_granted() {
        assert_eq!(narrow_scopes(&scopes("a b"), None), Ok(scopes("a b")));
        assert_eq!(narrow_scopes(&scopes("a b"), Some(&scopes("offline_access"))), Ok(scopes("a b")));
    }

    #[test]
    fn less_is_given_and_more_is_refused() {
        assert_eq!(narrow_scopes(&scopes("a b"), Some(&scopes("a offline_access"))), Ok(scopes("a")));
        let refused = narrow_scopes(&scopes("a b"), Some(&scopes("a c"))).unwrap_err();
        assert_eq!(refused.to_string(), "the scope c was not granted");
    }
}
