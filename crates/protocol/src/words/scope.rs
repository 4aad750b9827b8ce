use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One scope: printable ASCII without space, `"` and `\` (RFC 6749 §3.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

/// The scope by which a client asks for a refresh token (OpenID Connect Core §11); it says nothing about any resource.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeRefusal {
    /// An empty scope.
    #[error("a scope is at least one character long")]
    Empty,
    /// A character that RFC 6749 §3.3 forbids.
    #[error("a scope has printable ASCII characters only, without space, quote and backslash")]
    Character,
}

impl Scope {
    /// The scope as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = ScopeRefusal;

    fn from_str(text: &str) -> Result<Self, ScopeRefusal> {
        if text.is_empty() {
            return Err(ScopeRefusal::Empty);
        }
        let allowed = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if !text.bytes().all(allowed) {
            return Err(ScopeRefusal::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeRefusal;

    fn try_from(text: String) -> Result<Self, ScopeRefusal> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of scopes, written sorted and separated by single spaces.
///
/// They are few, so a sorted list is smaller and faster than a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// No scope at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many scopes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `scope` is in the set, by equality; hierarchies are resolved before.
    #[must_use]
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.binary_search(scope).is_ok()
    }

    /// Whether every scope of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|scope| other.contains(scope))
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|scope| other.contains(scope)).cloned().collect())
    }

    /// The scopes that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).cloned().collect()
    }

    /// The scopes of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|scope| !other.contains(scope)).cloned().collect())
    }

    /// Adds a scope.
    pub fn insert(&mut self, scope: Scope) {
        if let Err(place) = self.0.binary_search(&scope) {
            self.0.insert(place, scope);
        }
    }

    /// The scopes in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromStr for Scopes {
    type Err = ScopeRefusal;

    /// Reads a space-separated list. Surplus spaces are ignored, as many clients send them.
    fn from_str(text: &str) -> Result<Self, ScopeRefusal> {
        text.split(' ').filter(|part| !part.is_empty()).map(str::parse).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes.shrink_to_fit();
        Self(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_sorted_and_without_repeats() {
        let scopes: Scopes = "write  read write ".parse().unwrap();
        assert_eq!(scopes.to_string(), "read write");
    }

    #[test]
    fn sets_stay_sorted_and_without_repeats_whatever_is_done_with_them() {
        let scopes = |text: &str| text.parse::<Scopes>().unwrap();
        let (left, right) = (scopes("a c e"), scopes("b c d"));
        assert_eq!(left.union(&right), scopes("a b c d e"));
        assert_eq!(left.intersection(&right), scopes("c"));
        assert_eq!(left.difference(&right), scopes("a e"));
        assert!(scopes("c a").is_subset(&left) && scopes("").is_subset(&right) && !right.is_subset(&left));
        let mut more = left;
        for scope in ["d", "a", "f", "d"] {
            more.insert(scope.parse().unwrap());
        }
        assert_eq!(more.to_string(), "a c d e f");
        assert!(more.contains(&"f".parse().unwrap()) && !more.contains(&"b".parse().unwrap()));
    }

    #[test]
    fn forbidden_characters_are_refused() {
        for bad in ["a\"b", "a\\b", "a\nb", "ä", "a\u{7f}"] {
            assert_eq!(bad.parse::<Scopes>(), Err(ScopeRefusal::Character), "{bad:?}");
        }
    }
}
