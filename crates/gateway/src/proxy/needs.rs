//! Which of a user's accounts a call needs.
//!
//! A header that names a provider whose account is not connected is left out, unless the call needs that account: then the
//! server is not called, and the guard leads the user to the page where they connect it. Handshakes, lists and notifications
//! need none, so that an app can show its user what there is before anything is connected.

use std::slice;

use coatroom::protocol::access::elicitation::uses_something;
use coatroom::protocol::access::{Judged, Pattern, RuleKind, Target};
use coatroom::protocol::words::ProviderName;

/// What the calls of one server need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Needed by each call that uses a tool, a prompt, a resource or a task.
    pub(crate) always: Vec<ProviderName>,
    /// Needed by what matches.
    pub(crate) by_rule: Vec<(RuleKind, Pattern, Vec<ProviderName>)>,
}

impl Needs {
    /// Every provider that some call needs.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ProviderName> {
        self.always.iter().chain(self.by_rule.iter().flat_map(|(_, _, providers)| providers))
    }

    /// Whether a call needs an account at this provider.
    pub(super) fn has(&self, judged: Option<&Judged<'_>>, provider: &ProviderName) -> bool {
        let Some(judged) = judged.filter(|judged| uses_something(judged)) else { return false };
        let targets = judged.messages().iter().filter_map(|message| message.call()).map(|call| &call.target);
        let mut named = targets.flat_map(|target| {
            let (kind, names) = match target {
                Target::Tool(name) => (RuleKind::Tool, slice::from_ref(name)),
                Target::Prompt(name) => (RuleKind::Prompt, slice::from_ref(name)),
                Target::Resource(uri) | Target::Template(uri) => (RuleKind::Resource, slice::from_ref(uri)),
                Target::Subscriptions(uris) => (RuleKind::Resource, uris.as_slice()),
                Target::Task(_) | Target::None => (RuleKind::Resource, &[][..]),
            };
            names.iter().map(move |name| (kind, name))
        });
        self.always.contains(provider)
            || named.any(|(kind, name)| {
                let about = |(rule, pattern, providers): &(RuleKind, Pattern, Vec<ProviderName>)| {
                    *rule == kind && providers.contains(provider) && pattern.matches(name)
                };
                self.by_rule.iter().any(about)
            })
    }
}

#[cfg(test)]
mod tests {
    use coatroom::protocol::access::judge;

    use super::*;

    fn name(text: &str) -> ProviderName {
        ProviderName::parse(text).unwrap()
    }

    fn has(needs: &Needs, body: &str, provider: &str) -> bool {
        needs.has(Some(&judge(body.as_bytes()).unwrap()), &name(provider))
    }

    fn call(method: &str, params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#)
    }

    #[test]
    fn what_uses_something_needs_what_is_always_needed_and_what_its_rules_name() {
        let needs = Needs {
            always: vec![name("github")],
            by_rule: vec![(RuleKind::Tool, Pattern::new("slack_*"), vec![name("slack")])],
        };
        let (slack, other) =
            (call("tools/call", r#""name":"slack_post""#), call("tools/call", r#""name":"x""#));
        assert!(has(&needs, &slack, "slack") && has(&needs, &slack, "github"));
        assert!(!has(&needs, &other, "slack") && has(&needs, &other, "github"));
        let prompt = call("prompts/get", r#""name":"slack_post""#);
        assert!(!has(&needs, &prompt, "slack"), "a rule is about tools, prompts or resources alone");
        for method in ["initialize", "tools/list", "ping"] {
            assert!(!has(&needs, &call(method, ""), "github"), "{method}");
        }
        assert!(!needs.has(None, &name("github")), "a stream asks for nothing yet");
        assert!(!has(&needs, &slack, "corp"));
    }
}
