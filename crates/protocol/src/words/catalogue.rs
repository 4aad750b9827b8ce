//! The scopes of one protected resource: what they are called, which are granted by default, which imply which.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::{Scope, ScopeRefusal, Scopes};

/// The scopes of one protected resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeCatalogue {
    entries: BTreeMap<Scope, ScopeEntry>,
}

/// What is known of one scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeEntry {
    /// What a person reads on the consent page: "See your repositories".
    pub title: String,
    /// A second line for the page.
    pub description: Option<String>,
    /// Whether it is granted when a client asks for no scope, and asked for by the first challenge.
    pub default: bool,
    /// The scopes that this one includes.
    pub implies: Scopes,
}

/// Why a catalogue cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueRefusal {
    /// A name that is no scope.
    #[error("{name:?} is no scope: {refusal}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        refusal: ScopeRefusal,
    },
    /// A scope implies one that is not in the catalogue.
    #[error("scope {scope} implies {implied}, which is not defined")]
    UnknownImplied {
        /// The scope that implies.
        scope: Scope,
        /// What it implies.
        implied: Scope,
    },
}

impl ScopeEntry {
    /// A scope under this title, which nobody gets unasked.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a second line for the page.
    #[must_use]
    pub fn with_description(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// Is granted when a client asks for no scope, and asked for by the first challenge.
    #[must_use]
    pub fn by_default(self) -> Self {
        Self { default: true, ..self }
    }

    /// Includes these scopes.
    #[must_use]
    pub fn implying(self, implies: Scopes) -> Self {
        Self { implies, ..self }
    }
}

impl ScopeCatalogue {
    /// Takes the scopes of a resource by their names.
    ///
    /// # Errors
    /// [`CatalogueRefusal`] of a name that is no scope, and as [`new`](Self::new).
    pub fn of<'a>(
        entries: impl IntoIterator<Item = (&'a str, ScopeEntry)>,
    ) -> Result<Self, CatalogueRefusal> {
        let named = |(name, entry): (&str, ScopeEntry)| {
            let scope = name.parse();
            let refused = |refusal| CatalogueRefusal::Name { name: name.to_owned(), refusal };
            scope.map(|scope: Scope| (scope, entry)).map_err(refused)
        };
        Self::new(entries.into_iter().map(named).collect::<Result<_, _>>()?)
    }

    /// Takes the scopes of a resource.
    ///
    /// # Errors
    /// [`CatalogueRefusal`] when a scope implies an unknown one.
    pub fn new(entries: BTreeMap<Scope, ScopeEntry>) -> Result<Self, CatalogueRefusal> {
        for (scope, entry) in &entries {
            if let Some(implied) = entry.implies.iter().find(|implied| !entries.contains_key(implied)) {
                return Err(CatalogueRefusal::UnknownImplied {
                    scope: scope.clone(),
                    implied: implied.clone(),
                });
            }
        }
        Ok(Self { entries })
    }

    /// What is known of a scope.
    #[must_use]
    pub fn find(&self, scope: &Scope) -> Option<&ScopeEntry> {
        self.entries.get(scope)
    }

    /// What people read for a scope: its title, or the scope itself where nothing is known of it.
    #[must_use]
    pub fn title<'a>(&'a self, scope: &'a Scope) -> &'a str {
        self.find(scope).map_or(scope.as_str(), |entry| entry.title.as_str())
    }

    /// All scopes, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&Scope, &ScopeEntry)> {
        self.entries.iter()
    }

    /// All scopes as a set.
    #[must_use]
    pub fn all(&self) -> Scopes {
        self.entries.keys().cloned().collect()
    }

    /// The scopes that are granted when a client asks for none.
    #[must_use]
    pub fn defaults(&self) -> Scopes {
        self.iter().filter(|(_, entry)| entry.default).map(|(scope, _)| scope.clone()).collect()
    }

    /// The granted scopes with everything that they imply, directly or through others. Scopes that are not in the
    /// catalogue stay.
    #[must_use]
    pub fn expand(&self, granted: &Scopes) -> Scopes {
        let mut expanded = BTreeSet::new();
        let mut open: Vec<&Scope> = granted.iter().collect();
        while let Some(scope) = open.pop() {
            if expanded.insert(scope) {
                open.extend(self.find(scope).into_iter().flat_map(|entry| entry.implies.iter()));
            }
        }
        expanded.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    fn catalogue(implications: &[(&str, &str)]) -> ScopeCatalogue {
        let entry = |implies: &str| ScopeEntry { implies: scopes(implies), ..ScopeEntry::default() };
        let entries = implications.iter().map(|(scope, implies)| (scope.parse().unwrap(), entry(implies)));
        ScopeCatalogue::new(entries.collect()).unwrap()
    }

    // RS-15
    #[test]
    fn a_broad_scope_includes_what_it_implies_through_others() {
        let catalogue = catalogue(&[("admin", "write"), ("write", "read"), ("read", ""), ("mail", "")]);
        assert_eq!(catalogue.expand(&scopes("admin")), scopes("admin write read"));
        assert_eq!(catalogue.expand(&scopes("read mail")), scopes("read mail"));
        assert_eq!(catalogue.expand(&scopes("elsewhere")), scopes("elsewhere"));
    }

    #[test]
    fn scopes_that_imply_each_other_are_no_endless_loop() {
        let catalogue = catalogue(&[("a", "b"), ("b", "a")]);
        assert_eq!(catalogue.expand(&scopes("a")), scopes("a b"));
    }

    #[test]
    fn an_unknown_implied_scope_is_refused() {
        let entry = ScopeEntry { implies: scopes("reed"), ..ScopeEntry::default() };
        let refusal = ScopeCatalogue::new([("write".parse().unwrap(), entry)].into()).unwrap_err();
        assert_eq!(refusal.to_string(), "scope write implies reed, which is not defined");
    }

    #[test]
    fn scopes_are_written_by_name_with_what_is_said_of_them() {
        let catalogue = ScopeCatalogue::of([
            ("repos:read", ScopeEntry::new("See your repositories").by_default()),
            ("repos:write", ScopeEntry::new("Change them").implying(scopes("repos:read"))),
        ]);
        let catalogue = catalogue.unwrap();
        assert_eq!(catalogue.defaults(), scopes("repos:read"));
        assert_eq!(catalogue.expand(&scopes("repos:write")), scopes("repos:read repos:write"));
        let refusal = ScopeCatalogue::of([("two words", ScopeEntry::new("?"))]).unwrap_err();
        assert!(refusal.to_string().starts_with("\"two words\" is no scope"), "{refusal}");
    }

    #[test]
    fn the_defaults_are_the_marked_scopes() {
        let marked = |default| ScopeEntry { default, ..ScopeEntry::default() };
        let entries = [("read".parse().unwrap(), marked(true)), ("write".parse().unwrap(), marked(false))];
        assert_eq!(ScopeCatalogue::new(entries.into()).unwrap().defaults(), scopes("read"));
    }

    proptest! {
        #[test]
        fn expanding_adds_and_adds_nothing_the_second_time(
            implications in proptest::collection::btree_map("[a-e]", "[a-e]( [a-e]){0,2}", 0..5),
            granted in "[a-f]( [a-f]){0,2}",
        ) {
            let mut entries: BTreeMap<Scope, ScopeEntry> = BTreeMap::new();
            for name in ["a", "b", "c", "d", "e"] {
                let implies = implications.get(name).map_or("", String::as_str);
                entries.insert(name.parse().unwrap(), ScopeEntry { implies: scopes(implies), ..ScopeEntry::default() });
            }
            let catalogue = ScopeCatalogue::new(entries).unwrap();
            let once = catalogue.expand(&scopes(&granted));
            prop_assert!(scopes(&granted).is_subset(&once));
            prop_assert_eq!(catalogue.expand(&once), once);
        }
    }
}
