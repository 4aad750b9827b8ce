//! Names with `*` in them, by which rules say what they are about.

/// A name, or a pattern in which each `*` stands for any text, the empty text and slashes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Shape);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Exact(String),
    Glob { prefix: String, middle: Vec<String>, suffix: String },
}

impl Pattern {
    /// Reads a name or pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = text.split('*');
        let prefix = parts.next().unwrap_or("").to_owned();
        let Some(suffix) = parts.next_back() else { return Self(Shape::Exact(prefix)) };
        let middle = parts.filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self(Shape::Glob { prefix, middle, suffix: suffix.to_owned() })
    }

    /// Whether the pattern is about this name, byte for byte. Takes a time proportional to the name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (prefix, middle, suffix) = match &self.0 {
            Shape::Exact(exact) => return exact == name,
            Shape::Glob { prefix, middle, suffix } => (prefix, middle, suffix),
        };
        let inner = name.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_suffix(suffix.as_str()));
        let Some(mut inner) = inner else { return false };
        for part in middle {
            let Some((_, rest)) = inner.split_once(part.as_str()) else { return false };
            inner = rest;
        }
        true
    }

    /// Whether there is a text that both the pattern and `template` could stand for, where each [`WILD`] of the template
    /// is any text. Takes a time proportional to the product of both lengths.
    pub(super) fn overlaps(&self, template: &str) -> bool {
        let template: Vec<char> = template.chars().collect();
        // Whether what is left of the pattern overlaps with the template from each place on; at first nothing is left.
        let mut rest: Vec<bool> = Vec::with_capacity(template.len() + 1);
        rest.push(true);
        for c in template.iter().rev() {
            rest.push(*c == WILD && rest.last() == Some(&true));
        }
        for p in self.chars().iter().rev() {
            // Both go from the end of the template to its beginning.
            let mut here = Vec::with_capacity(rest.len());
            let at_end = *p == '*' && rest.first() == Some(&true);
            here.push(at_end);
            let places = rest.iter().zip(rest.iter().skip(1)).zip(template.iter().rev());
            let mut shorter = at_end;
            for ((after, same), c) in places {
                shorter = if *p == '*' || *c == WILD { shorter || *same } else { p == c && *after };
                here.push(shorter);
            }
            rest = here;
        }
        rest.last() == Some(&true)
    }

    fn chars(&self) -> Vec<char> {
        match &self.0 {
            Shape::Exact(exact) => exact.chars().collect(),
            Shape::Glob { prefix, middle, suffix } => {
                let parts = middle.iter().chain([suffix]);
                let rest = parts.flat_map(|part| std::iter::once('*').chain(part.chars()));
                prefix.chars().chain(rest).collect()
            }
        }
    }

    pub(super) const fn is_exact(&self) -> bool {
        matches!(self.0, Shape::Exact(_))
    }

    pub(super) fn into_text(self) -> String {
        match self.0 {
            Shape::Exact(exact) => exact,
            Shape::Glob { .. } => self.chars().into_iter().collect(),
        }
    }
}

/// Stands for any text in a template. No name that may be called contains it.
pub(super) const WILD: char = '\0';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, good, bad) in [
            ("create_*", "create_", "create"),
            ("*", "", "\0never"),
            ("*_issue", "a_issue", "issue"),
            ("a*b*c", "a1b2b3c", "acb"),
            ("a*a", "aa", "a"),
            ("a**b", "ab", "b"),
            ("*x*x*", "xx", "x"),
            ("exact", "exact", "exactly"),
        ] {
            assert!(Pattern::new(pattern).matches(good), "{pattern} {good}");
            assert!(pattern == "*" || !Pattern::new(pattern).matches(bad), "{pattern} {bad}");
        }
    }

    /// The definition of a pattern, in its slowest form.
    fn matches_by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                matches_by_definition(rest, name)
                    || name.split_first().is_some_and(|(_, name)| matches_by_definition(pattern, name))
            }
            (Some((p, pattern)), Some((n, name))) => p == n && matches_by_definition(pattern, name),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_nothing_but_its_definition(pattern in "[ab*]{0,7}", name in "[ab]{0,9}") {
            let expected = matches_by_definition(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), expected);
        }

        #[test]
        fn a_pattern_overlaps_with_a_template_when_some_text_is_of_both(
            pattern in "[ab*]{0,5}",
            template in "[ab\0]{0,4}",
        ) {
            let overlaps = Pattern::new(&pattern).overlaps(&template);
            let template = Pattern::new(&template.replace(WILD, "*"));
            // Every text over the alphabet that is long enough for both.
            let mut texts = vec![String::new()];
            let mut found = false;
            while !found && texts[0].len() < 10 {
                found = texts.iter().any(|text| Pattern::new(&pattern).matches(text) && template.matches(text));
                texts = texts.iter().flat_map(|text| ["a", "b"].map(|c| format!("{text}{c}"))).collect();
            }
            prop_assert_eq!(overlaps, found);
        }
    }
}
