use std::collections::BTreeMap;

use super::scope::{Scope, Scopes};

/// What one scope of a resource means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeMeaning {
    /// What a person reads on the consent page, such as "See your repositories".
    pub title: String,
    /// Given when a client asks for no scope.
    pub default: bool,
    /// The narrower scopes that come with it.
    pub implies: Scopes,
}

/// The scopes of one resource, and which of them imply which.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeCatalogue(BTreeMap<Scope, ScopeMeaning>);

impl ScopeCatalogue {
    /// Whether the resource has this scope.
    #[must_use]
    pub fn knows(&self, scope: &Scope) -> bool {
        self.0.contains_key(scope)
    }

    /// What a scope means; `None` when the resource does not have it.
    #[must_use]
    pub fn meaning(&self, scope: &Scope) -> Option<&ScopeMeaning> {
        self.0.get(scope)
    }

    /// The scopes that are given when a client asks for none.
    #[must_use]
    pub fn defaults(&self) -> Scopes {
        self.0.iter().filter(|(_, meaning)| meaning.default).map(|(scope, _)| scope.clone()).collect()
    }

    /// Every scope.
    #[must_use]
    pub fn all(&self) -> Scopes {
        self.0.keys().cloned().collect()
    }

    /// The given scopes with everything that they imply, directly or through others.
    #[must_use]
    pub fn expand(&self, scopes: &Scopes) -> Scopes {
        let mut expanded = scopes.clone();
        let mut to_visit: Vec<&Scope> = scopes.iter().collect();
        while let Some(scope) = to_visit.pop() {
            for implied in self.meaning(scope).into_iter().flat_map(|meaning| meaning.implies.iter()) {
                if !expanded.contains(implied) {
                    expanded.insert(implied.clone());
                    to_visit.push(implied);
                }
            }
        }
        expanded
    }
}

impl FromIterator<(Scope, ScopeMeaning)> for ScopeCatalogue {
    fn from_iter<I: IntoIterator<Item = (Scope, ScopeMeaning)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    fn catalogue() -> ScopeCatalogue {
        let entry = |scope: &str, default: bool, implies: &str| {
            let meaning = ScopeMeaning { title: scope.to_owned(), default, implies: scopes(implies) };
            (scope.parse().unwrap(), meaning)
        };
        [entry("read", true, ""), entry("write", false, "read"), entry("admin", false, "write admin")]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_broader_scope_brings_the_narrower_ones_through_any_number_of_steps() {
        assert_eq!(catalogue().expand(&scopes("admin")), scopes("admin write read"));
        assert_eq!(catalogue().expand(&scopes("read")), scopes("read"));
    }

    #[test]
    fn defaults_are_the_scopes_marked_so() {
        assert_eq!(catalogue().defaults(), scopes("read"));
        assert_eq!(catalogue().all(), scopes("admin read write"));
    }
}
