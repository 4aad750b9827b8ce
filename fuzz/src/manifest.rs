//! The manifest: decides as a reader of the rules would, one message at a time, with nothing compiled. Where a URI may be
//! read in several ways it is at least as strict.
//!
//! An input is a line for each rule (kind `t`, `p` or `r`, pattern, scopes joined by commas or `-`, roles likewise, and perhaps
//! `deny`), perhaps `unlisted-denied`, an empty line, the scopes that are held, the roles that are held, and the body.

use coatroom_protocol::access::{Holder, Judged, Manifest, Rule, RuleKind, Target, Unlisted, Verdict, judge};
use coatroom_protocol::words::Scopes;
use serde_json::Value;
use url::Url;

use crate::jsonrpc::target;
use crate::tree::unique;

/// Checks one manifest with one caller and one body. Accepted is what is permitted.
///
/// # Panics
/// When the verdict is not the one of the reference.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    let Some(case) = std::str::from_utf8(data).ok().and_then(Case::read) else { return false };
    let Ok(judged) = judge(case.body.as_bytes()) else { return false };
    let manifest = Manifest::new(case.rules.iter().cloned(), case.unlisted);
    let decide = |scopes: &Scopes| {
        manifest.decide(&judged, &Holder { scopes, roles: &case.roles, permissions: &[], signed_in: true })
    };

    let verdict = decide(&case.held);
    if let Some(expected) = case.expected() {
        let plain = case.is_plain();
        let fits = match (&verdict, &expected) {
            (Verdict::Denied(_), Expected::Denied) | (Verdict::Permit, Expected::Permit) => true,
            (Verdict::NeedsScopes(scopes), Expected::Needs(least)) => {
                scopes == least || (!plain && least.is_subset(scopes))
            }
            (Verdict::Denied(_), _) | (Verdict::NeedsScopes(_), Expected::Permit) => !plain,
            (Verdict::NeedsScopes(_) | Verdict::Permit, _) => false,
        };
        assert!(fits, "{verdict:?} instead of {expected:?} for {}", case.body);
    }
    match &verdict {
        Verdict::Denied(_) => {}
        // Whoever gets what was asked for may.
        Verdict::NeedsScopes(scopes) => assert_eq!(decide(&case.held.union(scopes)), Verdict::Permit),
        Verdict::Permit => every_message_alone_is_permitted(&manifest, &judged, &case),
    }
    // No scope takes anything away, and none lifts a denial.
    let more = case.held.union(&"more repos:write admin".parse().expect("scopes"));
    match verdict {
        Verdict::Permit | Verdict::Denied(_) => assert_eq!(decide(&more), verdict),
        Verdict::NeedsScopes(_) => assert!(!matches!(decide(&more), Verdict::Denied(_))),
    }
    verdict == Verdict::Permit
}

fn every_message_alone_is_permitted(manifest: &Manifest, judged: &Judged<'_>, case: &Case<'_>) {
    let holder = Holder { scopes: &case.held, roles: &case.roles, permissions: &[], signed_in: true };
    for message in judged.messages() {
        assert_eq!(manifest.decide(&Judged::One(message.clone()), &holder), Verdict::Permit);
    }
}

/// One input, read.
struct Case<'a> {
    rules: Vec<Rule>,
    patterns: Vec<&'a str>,
    unlisted: Unlisted,
    held: Scopes,
    roles: Vec<String>,
    body: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Permit,
    Needs(Scopes),
    Denied,
}

impl<'a> Case<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (head, rest) = text.split_once("\n\n")?;
        let (held, rest) = rest.split_once('\n')?;
        let (roles, body) = rest.split_once('\n')?;
        let mut case = Case {
            rules: Vec::new(),
            patterns: Vec::new(),
            unlisted: Unlisted::Permitted,
            held: scopes(held)?,
            roles: list(roles),
            body,
        };
        for line in head.lines().take(32) {
            if line == "unlisted-denied" {
                case.unlisted = Unlisted::Denied;
                continue;
            }
            let mut words = line.split(' ');
            let kind = match words.next()? {
                "t" => RuleKind::Tool,
                "p" => RuleKind::Prompt,
                "r" => RuleKind::Resource,
                _ => return None,
            };
            let pattern = words.next()?;
            let (scopes, roles) = (scopes(words.next()?)?, list(words.next()?));
            let deny = words.next() == Some("deny");
            let rule = Rule::new(kind, pattern).with_scopes(scopes).with_roles(roles);
            case.rules.push(if deny { rule.denied() } else { rule });
            case.patterns.push(pattern);
        }
        Some(case)
    }

    /// Whether nobody reads a URI of it in another way than it is written.
    fn is_plain(&self) -> bool {
        let plain = |text: &str| {
            let path = text.split_once("://").map_or(text, |(_, path)| path);
            !text.contains('%')
                && !path.contains("//")
                && Url::parse(text).map_or(true, |url| url.as_str() == text)
        };
        let about_resources =
            self.rules.iter().zip(&self.patterns).filter(|(rule, _)| rule.kind == RuleKind::Resource);
        let mut patterns = about_resources.map(|(_, pattern)| pattern.split('*').next().unwrap_or_default());
        let tree = unique(self.body.as_bytes()).expect("the body was judged");
        let uris = messages(&tree).into_iter().flat_map(|message| match target(message) {
            Target::Resource(uri) => vec![uri.into_owned()],
            Target::Subscriptions(uris) => uris.into_iter().map(std::borrow::Cow::into_owned).collect(),
            _ => Vec::new(),
        });
        patterns.all(plain) && uris.into_iter().all(|uri| plain(&uri))
    }

    /// What the rules say, read one after the other for one message after the other.
    fn expected(&self) -> Option<Expected> {
        let tree = unique(self.body.as_bytes()).expect("the body was judged");
        let mut needed = Scopes::none();
        for message in messages(&tree) {
            let called = target(message);
            let (kind, names) = match &called {
                Target::Tool(name) => (RuleKind::Tool, vec![name]),
                Target::Prompt(name) => (RuleKind::Prompt, vec![name]),
                Target::Resource(uri) => (RuleKind::Resource, vec![uri]),
                Target::Subscriptions(uris) => (RuleKind::Resource, uris.iter().collect()),
                // What a template may stand for has a definition of its own.
                Target::Template(_) => return None,
                Target::Task(_) | Target::None => continue,
            };
            for name in names {
                match self.needs(kind, name) {
                    Some(scopes) => needed = needed.union(&scopes),
                    None => return Some(Expected::Denied),
                }
            }
        }
        Some(if needed.is_subset(&self.held) { Expected::Permit } else { Expected::Needs(needed) })
    }

    /// The scopes that one name needs; `None` when no scope would help.
    fn needs(&self, kind: RuleKind, name: &str) -> Option<Scopes> {
        let about = |(rule, pattern): &(&Rule, &&str)| rule.kind == kind && fits(pattern, name);
        let matching: Vec<&Rule> =
            self.rules.iter().zip(&self.patterns).filter(about).map(|(rule, _)| rule).collect();
        let has_role =
            |rule: &&Rule| rule.roles.is_empty() || rule.roles.iter().any(|role| self.roles.contains(role));
        let unlisted = matching.is_empty() && self.unlisted == Unlisted::Denied;
        if unlisted || matching.iter().any(|rule| rule.deny) || !matching.iter().all(has_role) {
            return None;
        }
        Some(matching.iter().fold(Scopes::none(), |needed, rule| needed.union(&rule.scopes)))
    }
}

fn messages(tree: &Value) -> Vec<&Value> {
    tree.as_array().map_or_else(|| vec![tree], |messages| messages.iter().collect())
}

/// Whether a pattern is about a name: the definition, tried out for every length that each `*` could have.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    // reached[n]: the part of the pattern that was read fits the first n bytes of the name.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for symbol in pattern {
        let mut next = vec![false; name.len() + 1];
        for length in 0..=name.len() {
            next[length] = match symbol {
                b'*' => reached[..=length].contains(&true),
                exact => length > 0 && reached[length - 1] && name[length - 1] == *exact,
            };
        }
        reached = next;
    }
    reached[name.len()]
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|word| !word.is_empty() && *word != "-").map(str::to_owned).collect()
}

fn scopes(text: &str) -> Option<Scopes> {
    list(text).join(" ").parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("manifest", super::check, 4_000);
    }
}
