//! Which scopes and roles each tool, prompt and resource needs, and whether a caller may.
//!
//! Rules name their targets exactly or by a pattern with `*`. Every rule that matches applies: what they ask for adds
//! up, and one that denies is enough. Scopes are necessary, never sufficient (MCP 2026-07-28, Security Best
//! Practices, "Scope Minimization"). The decision is taken on a judged body, never on headers.

use std::collections::HashMap;

use super::message::{Judged, Target};
use crate::words::Scopes;

/// The rules of one protected resource, compiled once.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    tools: Rules,
    prompts: Rules,
    resources: Rules,
    unlisted: Unlisted,
}

/// One rule, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What kind of thing it is about.
    pub kind: RuleKind,
    /// Which of them.
    pub pattern: Pattern,
    /// The scopes that a call needs, all of them.
    pub scopes: Scopes,
    /// The roles of which a call needs one; empty when any user may.
    pub roles: Vec<String>,
    /// Whether nobody may.
    pub deny: bool,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "MCP has these three")]
pub enum RuleKind {
    /// Tools, by name.
    Tool,
    /// Prompts, by name.
    Prompt,
    /// Resources, by URI.
    Resource,
}

/// What happens to a tool, prompt or resource that no rule is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing in between")]
pub enum Unlisted {
    /// Every user with a token may.
    #[default]
    Permitted,
    /// Nobody may.
    Denied,
}

/// A name, or a pattern in which each `*` stands for any text, the empty text and slashes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Shape);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Exact(String),
    Glob { prefix: String, middle: Vec<String>, suffix: String },
}

/// What a caller holds.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The scopes of the token, with everything that they imply.
    pub scopes: &'a Scopes,
    /// The roles of the user.
    pub roles: &'a [String],
}

/// What a manifest decides about a body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum Verdict {
    /// The caller may.
    Permit,
    /// The caller may once the user grants these: all scopes of the operation, also those that are already there.
    NeedsScopes(Scopes),
    /// No scope would help.
    Denied(Denial),
}

/// Why no scope would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the guard must decide about every case")]
pub enum Denial {
    /// A rule denies it to everybody.
    #[error("this operation is not available here")]
    ByRule,
    /// No rule is about it, and what is unlisted is denied.
    #[error("this operation is not available here")]
    Unlisted,
    /// The user has none of the roles that it needs.
    #[error("this operation needs a role that you do not have")]
    Role,
}

impl Manifest {
    /// Compiles the rules.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = Rule>, unlisted: Unlisted) -> Self {
        let mut manifest = Self { unlisted, ..Self::default() };
        for rule in rules {
            let rules = match rule.kind {
                RuleKind::Tool => &mut manifest.tools,
                RuleKind::Prompt => &mut manifest.prompts,
                RuleKind::Resource => &mut manifest.resources,
            };
            rules.add(rule);
        }
        manifest
    }

    /// Decides about a judged body: every message of it gets policy, and one refused message refuses all.
    #[must_use]
    pub fn decide(&self, judged: &Judged<'_>, holder: &Holder<'_>) -> Verdict {
        let mut needed = Scopes::none();
        let mut complete = true;
        for call in judged.messages().iter().filter_map(|message| message.call()) {
            match self.decide_target(&call.target, holder) {
                Ok((scopes, held)) => {
                    needed = if needed.is_empty() { scopes } else { needed.union(&scopes) };
                    complete &= held;
                }
                Err(denial) => return Verdict::Denied(denial),
            }
        }
        if complete { Verdict::Permit } else { Verdict::NeedsScopes(needed) }
    }

    /// The scopes that a target needs, and whether the caller holds them.
    fn decide_target(&self, target: &Target<'_>, holder: &Holder<'_>) -> Result<(Scopes, bool), Denial> {
        let (rules, name) = match target {
            Target::Tool(name) => (&self.tools, name),
            Target::Prompt(name) => (&self.prompts, name),
            Target::Resource(uri) => (&self.resources, uri),
            Target::Task(_) | Target::None => return Ok((Scopes::none(), true)),
        };
        let mut matched = false;
        let mut needed = Scopes::none();
        for needs in rules.matching(name) {
            matched = true;
            if needs.deny {
                return Err(Denial::ByRule);
            }
            if !needs.roles.is_empty() && !needs.roles.iter().any(|role| holder.roles.contains(role)) {
                return Err(Denial::Role);
            }
            for scope in needs.scopes.iter() {
                needed.insert(scope.clone());
            }
        }
        if !matched && self.unlisted == Unlisted::Denied {
            return Err(Denial::Unlisted);
        }
        let held = needed.is_subset(holder.scopes);
        Ok((needed, held))
    }
}

/// What a matching rule asks for.
#[derive(Debug, Clone)]
struct Needs {
    scopes: Scopes,
    roles: Vec<String>,
    deny: bool,
}

/// The rules of one kind: names in a map, patterns in order.
#[derive(Debug, Clone, Default)]
struct Rules {
    exact: HashMap<String, Vec<Needs>>,
    globs: Vec<(Pattern, Needs)>,
}

impl Rules {
    fn add(&mut self, rule: Rule) {
        let needs = Needs { scopes: rule.scopes, roles: rule.roles, deny: rule.deny };
        match rule.pattern.0 {
            Shape::Exact(name) => self.exact.entry(name).or_default().push(needs),
            Shape::Glob { .. } => self.globs.push((rule.pattern, needs)),
        }
    }

    fn matching<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Needs> {
        let exact = self.exact.get(name).into_iter().flatten();
        let globs = self.globs.iter().filter(move |(pattern, _)| pattern.matches(name));
        exact.chain(globs.map(|(_, needs)| needs))
    }
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::access::judge;

    fn rule(kind: RuleKind, pattern: &str, scopes: &str) -> Rule {
        let (pattern, scopes) = (Pattern::new(pattern), scopes.parse().unwrap());
        Rule { kind, pattern, scopes, roles: Vec::new(), deny: false }
    }

    fn tool(pattern: &str, scopes: &str) -> Rule {
        rule(RuleKind::Tool, pattern, scopes)
    }

    fn call(tool: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    }

    fn decide(manifest: &Manifest, body: &str, scopes: &str, roles: &[&str]) -> Verdict {
        let scopes = scopes.parse().unwrap();
        let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
        manifest.decide(&judge(body.as_bytes()).unwrap(), &Holder { scopes: &scopes, roles: &roles })
    }

    fn needs(scopes: &str) -> Verdict {
        Verdict::NeedsScopes(scopes.parse().unwrap())
    }

    // RS-05, RS-06
    #[test]
    fn a_verdict_names_all_scopes_of_the_operation_also_those_at_hand() {
        let manifest =
            Manifest::new([tool("create_*", "write"), tool("*_issue", "issues")], Unlisted::Permitted);
        assert_eq!(decide(&manifest, &call("create_issue"), "", &[]), needs("issues write"));
        assert_eq!(decide(&manifest, &call("create_issue"), "write", &[]), needs("issues write"));
        assert_eq!(decide(&manifest, &call("create_issue"), "issues write x", &[]), Verdict::Permit);
        assert_eq!(decide(&manifest, &call("create_repo"), "", &[]), needs("write"));
        assert_eq!(decide(&manifest, &call("list_repos"), "", &[]), Verdict::Permit);
    }

    // RS-16
    #[test]
    fn no_scope_opens_what_a_rule_denies() {
        let denied = Rule { deny: true, ..tool("delete_*", "") };
        let manifest = Manifest::new([tool("*", "write"), denied], Unlisted::Permitted);
        assert_eq!(decide(&manifest, &call("delete_x"), "write", &[]), Verdict::Denied(Denial::ByRule));
        assert_eq!(decide(&manifest, &call("delete_x"), "", &[]), Verdict::Denied(Denial::ByRule));
    }

    #[test]
    fn one_of_the_roles_of_each_rule_is_needed() {
        let admins = Rule { roles: vec!["admin".to_owned(), "owner".to_owned()], ..tool("drop", "write") };
        let manifest = Manifest::new([admins], Unlisted::Permitted);
        assert_eq!(decide(&manifest, &call("drop"), "write", &[]), Verdict::Denied(Denial::Role));
        assert_eq!(decide(&manifest, &call("drop"), "write", &["user"]), Verdict::Denied(Denial::Role));
        assert_eq!(decide(&manifest, &call("drop"), "", &["owner"]), needs("write"));
        assert_eq!(decide(&manifest, &call("drop"), "write", &["owner"]), Verdict::Permit);
    }

    #[test]
    fn what_is_unlisted_can_be_denied() {
        let manifest = Manifest::new([tool("read", "")], Unlisted::Denied);
        assert_eq!(decide(&manifest, &call("read"), "", &[]), Verdict::Permit);
        assert_eq!(decide(&manifest, &call("write"), "", &[]), Verdict::Denied(Denial::Unlisted));
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        assert_eq!(decide(&manifest, list, "", &[]), Verdict::Permit);
    }

    #[test]
    fn tools_prompts_and_resources_have_rules_of_their_own() {
        let rules = [rule(RuleKind::Prompt, "x", "p"), rule(RuleKind::Resource, "file:///etc/*", "r")];
        let manifest = Manifest::new(rules, Unlisted::Permitted);
        let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/a/b"}}"#;
        let prompt = r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"x"}}"#;
        let complete = r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"x"}}}"#;
        assert_eq!(decide(&manifest, &call("x"), "", &[]), Verdict::Permit);
        assert_eq!(decide(&manifest, read, "", &[]), needs("r"));
        assert_eq!(decide(&manifest, prompt, "", &[]), needs("p"));
        assert_eq!(decide(&manifest, complete, "", &[]), needs("p"));
    }

    // GW-12
    #[test]
    fn one_refused_message_refuses_its_batch() {
        let denied = Rule { deny: true, ..tool("drop", "") };
        let manifest = Manifest::new([tool("a", "a"), tool("b", "b"), denied], Unlisted::Permitted);
        let batch = |names: &[&str]| {
            format!("[{}]", names.iter().map(|name| call(name)).collect::<Vec<_>>().join(","))
        };
        assert_eq!(decide(&manifest, &batch(&["a", "b", "c"]), "a", &[]), needs("a b"));
        assert_eq!(decide(&manifest, &batch(&["a", "b", "c"]), "a b", &[]), Verdict::Permit);
        assert_eq!(decide(&manifest, &batch(&["a", "drop"]), "", &[]), Verdict::Denied(Denial::ByRule));
    }

    // GW-09
    #[test]
    fn a_notification_that_calls_a_tool_gets_policy_as_well() {
        let manifest = Manifest::new([tool("drop", "write")], Unlisted::Permitted);
        let body = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"drop"}}"#;
        assert_eq!(decide(&manifest, body, "", &[]), needs("write"));
    }

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
        fn more_scopes_never_take_a_permission_away(
            rules in proptest::collection::vec(("[ab*]{1,3}", "[x-z]( [x-z]){0,2}"), 0..5),
            name in "[ab]{1,3}",
            held in "[x-z]( [x-z]){0,2}",
            more in "[x-z]",
        ) {
            let rules: Vec<Rule> = rules.iter().map(|(pattern, scopes)| tool(pattern, scopes)).collect();
            let manifest = Manifest::new(rules, Unlisted::Permitted);
            if decide(&manifest, &call(&name), &held, &[]) == Verdict::Permit {
                prop_assert_eq!(decide(&manifest, &call(&name), &format!("{held} {more}"), &[]), Verdict::Permit);
            }
            if let Verdict::NeedsScopes(needed) = decide(&manifest, &call(&name), "", &[]) {
                prop_assert_eq!(decide(&manifest, &call(&name), &needed.to_string(), &[]), Verdict::Permit);
            }
        }
    }
}
