//! Which scopes and roles each tool, prompt and resource needs, and whether a caller may.
//!
//! Rules name their targets exactly or by a pattern with `*`. Every rule that matches applies: what they ask for adds
//! up, and one that denies is enough. A resource is what any server may read in its URI, and each reading
//! must pass. Scopes are necessary, never sufficient (MCP 2026-07-28, Security Best
//! Practices, "Scope Minimization"). The decision is taken on a judged body, never on headers.

use std::collections::HashMap;

use super::lists::ListKind;
use super::message::{Call, Judged, Target};
use super::pattern::{Pattern, WILD};
use super::readings::{further_readings, further_readings_of_pattern, further_readings_of_template};
use super::rule::{Authentication, Rule, RuleKind};
use crate::words::Scopes;

/// The rules of one protected resource, compiled once.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    tools: Rules,
    prompts: Rules,
    resources: Rules,
    /// The rules about resources once more, also in the further readings of their patterns.
    resources_read: Rules,
    unlisted: Unlisted,
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

/// What a caller holds.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The scopes of the token, with everything that they imply.
    pub scopes: &'a Scopes,
    /// The roles of the user.
    pub roles: &'a [String],
    /// The permissions of the user.
    pub permissions: &'a [String],
    /// Whether there is a user.
    pub signed_in: bool,
}

/// How far beyond what a caller holds now a list goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing in between")]
pub enum Reach {
    /// What may be used now.
    #[default]
    Now,
    /// Also what more scopes would open.
    MoreScopes,
    /// Also what needs a role: nobody has signed in, so nobody knows the roles yet.
    SigningIn,
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
    /// Nobody has signed in.
    #[error("sign in first: this operation needs to know who calls")]
    SignIn,
    /// The user has none of the roles that it needs.
    #[error("this operation needs a role that you do not have")]
    Role,
    /// The user lacks a permission that it needs.
    #[error("this operation needs a permission that you do not have")]
    Permission,
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
                RuleKind::Resource => {
                    for reading in further_readings_of_pattern(&rule.pattern.clone().into_text()) {
                        let pattern = Pattern::new(&reading);
                        if pattern != rule.pattern {
                            manifest.resources_read.add(Rule { pattern, ..rule.clone() });
                        }
                    }
                    manifest.resources_read.add(rule.clone());
                    &mut manifest.resources
                }
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

    /// Whether a rule says who must have signed in, so that this is known only once a call was read.
    #[must_use]
    pub fn sets_authentication(&self) -> bool {
        [&self.tools, &self.prompts, &self.resources]
            .iter()
            .any(|rules| rules.all().any(|it| it.authentication.is_some()))
    }

    /// Who must have signed in for this body: what the rules say, and `default` of whatever they say nothing of; the strictest counts.
    #[must_use]
    pub fn authentication(&self, judged: &Judged<'_>, default: Authentication) -> Authentication {
        let calls = judged.messages().iter().map(|message| message.call());
        let of_call =
            |call: Option<&Call<'_>>| call.map_or(default, |call| self.of_target(&call.target, default));
        calls.map(of_call).reduce(Authentication::stricter).unwrap_or(default)
    }

    fn of_target(&self, target: &Target<'_>, default: Authentication) -> Authentication {
        let of_name = |rules: &Rules, name: &str| {
            let named = rules.matching(name).filter_map(|needs| needs.authentication);
            named.reduce(Authentication::stricter).unwrap_or(default)
        };
        let of_uri = |uri: &str| {
            let readings =
                further_readings(uri).into_iter().map(|reading| of_name(&self.resources_read, &reading));
            readings.fold(of_name(&self.resources, uri), Authentication::stricter)
        };
        match target {
            Target::Tool(name) => of_name(&self.tools, name),
            Target::Prompt(name) => of_name(&self.prompts, name),
            Target::Resource(uri) => of_uri(uri),
            Target::Subscriptions(uris) => {
                uris.iter().map(|uri| of_uri(uri)).reduce(Authentication::stricter).unwrap_or(default)
            }
            Target::Template(_) | Target::Task(_) | Target::None => default,
        }
    }

    /// Whether anything is asked for of what such a list shows, so that its answers differ from caller to caller.
    #[must_use]
    pub fn has_rules(&self, list: ListKind) -> bool {
        self.unlisted == Unlisted::Denied || !self.rules(list.rules()).is_empty()
    }

    /// Whether a list shows an entry: a tool or prompt by its name, a resource by its URI, a template by its text.
    ///
    /// A template is shown unless everything that it could stand for is refused.
    #[must_use]
    pub fn shows(&self, list: ListKind, name: &str, holder: &Holder<'_>, reach: Reach) -> bool {
        let decided = match list {
            ListKind::Templates => self.decide_template(name, holder),
            ListKind::Resources => self.decide_resource(name, holder),
            ListKind::Tools => self.decide_name(&self.tools, name, holder),
            ListKind::Prompts => self.decide_name(&self.prompts, name, holder),
        };
        match decided {
            Ok((_, held)) => held || reach != Reach::Now,
            Err(Denial::SignIn | Denial::Role | Denial::Permission) => reach == Reach::SigningIn,
            Err(Denial::ByRule | Denial::Unlisted) => false,
        }
    }

    /// The scopes that a target needs, and whether the caller holds them.
    fn decide_target(&self, target: &Target<'_>, holder: &Holder<'_>) -> Result<(Scopes, bool), Denial> {
        match target {
            Target::Tool(name) => self.decide_name(&self.tools, name, holder),
            Target::Prompt(name) => self.decide_name(&self.prompts, name, holder),
            Target::Resource(uri) => self.decide_resource(uri, holder),
            Target::Template(template) => self.decide_template(template, holder),
            Target::Subscriptions(uris) => {
                let mut needed = Scopes::none();
                for uri in uris {
                    needed = needed.union(&self.decide_resource(uri, holder)?.0);
                }
                let held = needed.is_subset(holder.scopes);
                Ok((needed, held))
            }
            Target::Task(_) | Target::None => Ok((Scopes::none(), true)),
        }
    }

    /// Each reading of the URI must pass, and what they need adds up.
    fn decide_resource(&self, uri: &str, holder: &Holder<'_>) -> Result<(Scopes, bool), Denial> {
        let (mut needed, _) = self.decide_name(&self.resources, uri, holder)?;
        if !self.resources.is_empty() {
            for reading in further_readings(uri) {
                needed = needed.union(&self.decide_name(&self.resources_read, &reading, holder)?.0);
            }
        }
        let held = needed.is_subset(holder.scopes);
        Ok((needed, held))
    }

    fn decide_name(&self, rules: &Rules, name: &str, holder: &Holder<'_>) -> Result<(Scopes, bool), Denial> {
        let mut matched = false;
        let mut needed = Scopes::none();
        for needs in rules.matching(name) {
            matched = true;
            needs.check(holder)?;
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

    /// Each reading of the template must pass, as far as it is read as a URI.
    fn decide_template(&self, template: &str, holder: &Holder<'_>) -> Result<(Scopes, bool), Denial> {
        let text = widened(template);
        let (mut needed, mut held) = self.decide_widened(&self.resources, &text, holder)?;
        if !self.resources.is_empty() {
            for reading in further_readings_of_template(&text, WILD) {
                let (more, also) = self.decide_widened(&self.resources_read, &reading, holder)?;
                needed = needed.union(&more);
                held &= also;
            }
        }
        Ok((needed, held))
    }

    /// Rules count that are about everything that the template stands for. Where there are none and what is unlisted is
    /// denied, a rule that is about some of it and lets the caller through is enough.
    fn decide_widened(
        &self,
        rules: &Rules,
        text: &str,
        holder: &Holder<'_>,
    ) -> Result<(Scopes, bool), Denial> {
        let decided = self.decide_name(rules, text, holder);
        if decided != Err(Denial::Unlisted) || text.len() > LONGEST_TEMPLATE {
            return decided;
        }
        let mut best = decided;
        for needs in rules.overlapping(text).filter(|needs| needs.check(holder).is_ok()) {
            let held = needs.scopes.is_subset(holder.scopes);
            if held || best.is_err() {
                best = Ok((needs.scopes.clone(), held));
            }
        }
        best
    }

    const fn rules(&self, kind: RuleKind) -> &Rules {
        match kind {
            RuleKind::Tool => &self.tools,
            RuleKind::Prompt => &self.prompts,
            RuleKind::Resource => &self.resources,
        }
    }
}

/// A template (RFC 6570) in which each expression has become [`WILD`].
fn widened(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((_, after)) = after.split_once('}') else {
            text.push('{');
            rest = after;
            break;
        };
        text.push(WILD);
        rest = after;
    }
    text.push_str(rest);
    text
}

/// What a matching rule asks for.
#[derive(Debug, Clone)]
struct Needs {
    scopes: Scopes,
    roles: Vec<String>,
    permissions: Vec<String>,
    authentication: Option<Authentication>,
    deny: bool,
}

impl Needs {
    /// Whether no scope would help.
    fn check(&self, holder: &Holder<'_>) -> Result<(), Denial> {
        if self.deny {
            return Err(Denial::ByRule);
        }
        if self.authentication == Some(Authentication::Required) && !holder.signed_in {
            return Err(Denial::SignIn);
        }
        if !self.roles.is_empty() && !self.roles.iter().any(|role| holder.roles.contains(role)) {
            return Err(Denial::Role);
        }
        if !self.permissions.iter().all(|permission| holder.permissions.contains(permission)) {
            return Err(Denial::Permission);
        }
        Ok(())
    }
}

/// The rules of one kind: names in a map, patterns in order.
#[derive(Debug, Clone, Default)]
struct Rules {
    exact: HashMap<String, Vec<Needs>>,
    globs: Vec<(Pattern, Needs)>,
}

impl Rules {
    fn add(&mut self, rule: Rule) {
        let Rule { scopes, roles, permissions, authentication, deny, .. } = rule;
        let needs = Needs { scopes, roles, permissions, authentication, deny };
        if rule.pattern.is_exact() {
            self.exact.entry(rule.pattern.into_text()).or_default().push(needs);
        } else {
            self.globs.push((rule.pattern, needs));
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.globs.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = &Needs> {
        self.exact.values().flatten().chain(self.globs.iter().map(|(_, needs)| needs))
    }

    fn matching<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Needs> {
        let exact = self.exact.get(name).into_iter().flatten();
        let globs = self.globs.iter().filter(move |(pattern, _)| pattern.matches(name));
        exact.chain(globs.map(|(_, needs)| needs))
    }

    /// The rules that are about some text that the template stands for.
    fn overlapping<'s>(&'s self, template: &str) -> impl Iterator<Item = &'s Needs> {
        let exact = self.exact.iter().filter(move |(name, _)| Pattern::new(name).overlaps(template));
        let globs = self.globs.iter().filter(move |(pattern, _)| pattern.overlaps(template));
        exact.flat_map(|(_, needs)| needs).chain(globs.map(|(_, needs)| needs))
    }
}

/// A longer one is not compared with patterns, and is hidden where what is unlisted is denied.
const LONGEST_TEMPLATE: usize = 2048;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::access::judge;

    fn rule(kind: RuleKind, pattern: &str, scopes: &str) -> Rule {
        Rule::new(kind, pattern).with_scopes(scopes.parse().unwrap())
    }

    fn tool(pattern: &str, scopes: &str) -> Rule {
        rule(RuleKind::Tool, pattern, scopes)
    }

    // GW-09, GW-11: servers resolve URIs before they look them up.
    #[test]
    fn no_other_spelling_of_a_uri_passes_its_rules() {
        let read = |uri: &str| {
            let params = serde_json::json!({ "uri": uri });
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": params })
                .to_string()
        };
        let deny = Rule { deny: true, ..rule(RuleKind::Resource, "file:///secret/*", "") };
        let denied = Manifest::new([deny], Unlisted::Permitted);
        let scoped = Manifest::new([rule(RuleKind::Resource, "FILE:///secret/x", "s")], Unlisted::Permitted);
        let listed = Manifest::new([rule(RuleKind::Resource, "file:///pub/*", "")], Unlisted::Denied);
        for uri in [
            "file:///secret/x",
            "FILE:///secret/x",
            "file:///pub/../secret/x",
            "file://localhost/secret/x",
            "file:secret/x",
            "file:///secret\\x",
            " file:///secret/x",
            "file:///pub/%2e%2e%2fsecret/x",
            "file:///%2573ecret/x",
            "file:////secret/x",
        ] {
            assert_eq!(decide(&denied, &read(uri), "", &[]), Verdict::Denied(Denial::ByRule), "{uri}");
            let needs = Verdict::NeedsScopes("s".parse().unwrap());
            assert_eq!(decide(&scoped, &read(uri), "", &[]), needs, "{uri}");
            assert_eq!(decide(&listed, &read(uri), "", &[]), Verdict::Denied(Denial::Unlisted), "{uri}");
            let nothing = Scopes::none();
            let holder = Holder { scopes: &nothing, roles: &[], permissions: &[], signed_in: true };
            assert!(!denied.shows(ListKind::Resources, uri, &holder, Reach::SigningIn), "{uri}");
        }
        for uri in ["file:///pub/x", "file:///pub/my notes.md", "file:///pub/a%20b", "file:///pub/./x"] {
            assert_eq!(decide(&listed, &read(uri), "", &[]), Verdict::Permit, "{uri}");
        }
        let odd = Manifest::new([rule(RuleKind::Resource, "file:///My Notes/*", "")], Unlisted::Denied);
        for uri in ["file:///My Notes/x", "file:///My Notes/a/../b"] {
            assert_eq!(decide(&odd, &read(uri), "", &[]), Verdict::Permit, "{uri}");
        }
        let any = Manifest::new([rule(RuleKind::Resource, "https://*", "")], Unlisted::Denied);
        assert_eq!(decide(&any, &read("https://H.example/%41"), "", &[]), Verdict::Permit);
    }

    fn call(tool: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    }

    fn decide(manifest: &Manifest, body: &str, scopes: &str, roles: &[&str]) -> Verdict {
        let scopes = scopes.parse().unwrap();
        let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
        manifest.decide(
            &judge(body.as_bytes()).unwrap(),
            &Holder { scopes: &scopes, roles: &roles, permissions: &[], signed_in: true },
        )
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
    fn every_permission_is_needed_and_a_user_where_a_rule_says_so() {
        let rules = [
            Rule::tool("deploy").with_permissions(["deploy", "write"]),
            Rule::tool("whoami").with_authentication(Authentication::Required),
        ];
        let manifest = Manifest::new(rules, Unlisted::Permitted);
        let scopes = Scopes::none();
        let decide = |tool: &str, permissions: &[&str], signed_in| {
            let permissions: Vec<String> = permissions.iter().map(|&it| it.to_owned()).collect();
            let holder = Holder { scopes: &scopes, roles: &[], permissions: &permissions, signed_in };
            manifest.decide(&judge(call(tool).as_bytes()).unwrap(), &holder)
        };
        assert_eq!(decide("deploy", &["write"], true), Verdict::Denied(Denial::Permission));
        assert_eq!(decide("deploy", &["write", "deploy"], true), Verdict::Permit);
        assert_eq!(decide("whoami", &[], false), Verdict::Denied(Denial::SignIn));
        assert_eq!(decide("whoami", &[], true), Verdict::Permit);
    }

    #[test]
    fn the_strictest_of_what_a_body_is_about_says_who_must_have_signed_in() {
        use Authentication::{Off, Optional, Required};
        let rules = [
            Rule::tool("open_*").with_authentication(Off),
            Rule::tool("open_mine").with_authentication(Optional),
            Rule::resource("file:///pub/*").with_authentication(Off),
        ];
        let manifest = Manifest::new(rules, Unlisted::Permitted);
        let of = |body: &str, default| manifest.authentication(&judge(body.as_bytes()).unwrap(), default);
        let read = |uri: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"{uri}"}}}}"#)
        };
        let second = |tool: &str| call(tool).replacen(":1,", ":2,", 1);
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        for (body, expected) in [
            (call("open_x"), Off),
            (call("open_mine"), Optional),
            (call("other"), Required),
            (ping.to_owned(), Required),
            (read("file:///pub/x"), Off),
            (read("file:///pub/../secret"), Required),
            (format!("[{},{}]", call("open_x"), second("other")), Required),
            (format!("[{},{}]", call("open_x"), second("open_mine")), Optional),
        ] {
            assert_eq!(of(&body, Required), expected, "{body}");
        }
        assert_eq!(of(ping, Optional), Optional);
        assert!(manifest.sets_authentication());
        assert!(!Manifest::default().sets_authentication());
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

    // SUB-01
    #[test]
    fn whoever_listens_to_a_resource_needs_what_reading_it_takes() {
        let secret = Rule { deny: true, ..rule(RuleKind::Resource, "file:///secret/*", "") };
        let rules = [
            rule(RuleKind::Resource, "file:///a/*", "a"),
            rule(RuleKind::Resource, "file:///b", "b"),
            secret,
        ];
        let manifest = Manifest::new(rules, Unlisted::Permitted);
        let listen = |uris: &[&str]| {
            serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
                "params": {"notifications": {"toolsListChanged": true, "resourceSubscriptions": uris}}})
            .to_string()
        };
        assert_eq!(
            decide(&manifest, &listen(&["file:///a/x", "file:///b", "file:///c"]), "a", &[]),
            needs("a b")
        );
        assert_eq!(decide(&manifest, &listen(&["file:///a/x", "file:///b"]), "a b", &[]), Verdict::Permit);
        assert_eq!(
            decide(&manifest, &listen(&["file:///c", "file:///secret/x"]), "", &[]),
            Verdict::Denied(Denial::ByRule)
        );
        assert_eq!(decide(&manifest, &listen(&[]), "", &[]), Verdict::Permit);
    }

    fn shown(manifest: &Manifest, list: ListKind, name: &str, scopes: &str, roles: &[&str]) -> [bool; 3] {
        let scopes = scopes.parse().unwrap();
        let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
        let holder = Holder { scopes: &scopes, roles: &roles, permissions: &[], signed_in: true };
        [Reach::Now, Reach::MoreScopes, Reach::SigningIn]
            .map(|reach| manifest.shows(list, name, &holder, reach))
    }

    // GW-17
    #[test]
    fn a_list_shows_what_may_be_used_and_further_what_may_be_reached() {
        let rules = [
            tool("write_*", "w"),
            Rule { deny: true, ..tool("drop", "") },
            Rule { roles: vec!["admin".to_owned()], ..tool("audit", "w") },
        ];
        let manifest = Manifest::new(rules, Unlisted::Permitted);
        let tools = |name, scopes, roles: &[&str]| shown(&manifest, ListKind::Tools, name, scopes, roles);
        assert_eq!(tools("read", "", &[]), [true, true, true]);
        assert_eq!(tools("write_x", "", &[]), [false, true, true]);
        assert_eq!(tools("write_x", "w", &[]), [true, true, true]);
        assert_eq!(tools("drop", "w", &["admin"]), [false, false, false]);
        assert_eq!(tools("audit", "w", &[]), [false, false, true]);
        assert_eq!(tools("audit", "", &["admin"]), [false, true, true]);
        assert_eq!(tools("audit", "w", &["admin"]), [true, true, true]);
        assert_eq!(shown(&manifest, ListKind::Prompts, "drop", "", &[]), [true, true, true]);
        assert!(manifest.has_rules(ListKind::Tools) && !manifest.has_rules(ListKind::Resources));
        let closed = Manifest::new([], Unlisted::Denied);
        assert!(closed.has_rules(ListKind::Prompts));
        assert_eq!(shown(&closed, ListKind::Prompts, "p", "", &[]), [false, false, false]);
    }

    // GW-17
    #[test]
    fn a_template_is_shown_unless_everything_that_it_stands_for_is_refused() {
        let deny = |pattern| Rule { deny: true, ..rule(RuleKind::Resource, pattern, "") };
        let open = Manifest::new(
            [rule(RuleKind::Resource, "repo://*/code", "c"), deny("secret:*")],
            Unlisted::Permitted,
        );
        let now = |manifest: &Manifest, template| shown(manifest, ListKind::Templates, template, "", &[])[0];
        assert!(now(&open, "repo://{owner}/issues"));
        assert!(now(&open, "{+any}"), "it may stand for what nothing is asked for");
        assert!(now(&open, "repo://{owner}/{what}"));
        assert!(!now(&open, "repo://{owner}/code"));
        assert!(!now(&open, "repo://{owner}{/more*}/code"));
        assert!(!now(&open, "secret:{x}") && !now(&open, "secret:x"));
        assert_eq!(shown(&open, ListKind::Templates, "repo://{o}/code", "", &[]), [false, true, true]);
        assert_eq!(shown(&open, ListKind::Templates, "repo://{o}/code", "c", &[]), [true, true, true]);

        let closed = Manifest::new(
            [
                rule(RuleKind::Resource, "repo://mine/*", ""),
                rule(RuleKind::Resource, "a:1", "s"),
                deny("b:*"),
            ],
            Unlisted::Denied,
        );
        assert!(now(&closed, "repo://{owner}/x") && now(&closed, "{+any}"));
        assert!(!now(&closed, "repo://yours/{x}") && !now(&closed, "b:{x}"));
        assert_eq!(shown(&closed, ListKind::Templates, "a:{x}", "", &[]), [false, true, true]);
        assert_eq!(widened("a{b}c{d{e}f{g"), "a\0c\0f{g");
    }

    // GW-12
    #[test]
    fn one_refused_message_refuses_its_batch() {
        let denied = Rule { deny: true, ..tool("drop", "") };
        let manifest = Manifest::new([tool("a", "a"), tool("b", "b"), denied], Unlisted::Permitted);
        let numbered =
            |(number, name): (usize, &&str)| call(name).replace(r#""id":1"#, &format!(r#""id":{number}"#));
        let batch = |names: &[&str]| {
            format!("[{}]", names.iter().enumerate().map(numbered).collect::<Vec<_>>().join(","))
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

    proptest! {
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
