//! What the answers that pass say about the server: which arguments of its tools are mirrored into headers, and which
//! revisions of MCP it supports.
//!
//! What one user's list says counts for that user alone: a server may show each user other tools, and nobody's list
//! decides about another's calls. Memory is bounded; what is forgotten is not checked, as before it was learned.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use coatroom_protocol::access::{LearnedTools, Mirrored};
use coatroom_protocol::words::Subject;

use super::caller::Caller;

/// What was learned of one resource.
#[derive(Debug, Default)]
pub(super) struct Learned {
    users: Mutex<Users>,
    /// Whether anything is mirrored at all, so that calls of most servers look no further.
    mirrors: AtomicBool,
    versions: Mutex<Vec<&'static str>>,
}

#[derive(Debug, Default)]
struct Users {
    anonymous: Known,
    known: HashMap<Subject, Known>,
    uses: u64,
}

#[derive(Debug, Default)]
struct Known {
    last_used: u64,
    size: usize,
    tools: HashMap<String, Arc<Mirrored>>,
}

impl Learned {
    /// Notes what a list said to this caller.
    pub(super) fn learn(&self, caller: Option<&Subject>, learned: LearnedTools) {
        if learned.mirrored.is_empty() && !self.mirrors.load(Ordering::Relaxed) {
            return;
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let known = users.known_by(caller);
        for tool in learned.plain {
            known.forget(&tool);
        }
        for (tool, mirrored) in learned.mirrored {
            known.forget(&tool);
            let size = tool.len() + mirrored.size();
            if known.size + size <= MOST_BYTES {
                known.size += size;
                known.tools.insert(tool, Arc::new(mirrored));
                self.mirrors.store(true, Ordering::Relaxed);
            }
        }
        if let Some(caller) = caller.filter(|_| known.tools.is_empty()) {
            users.known.remove(caller);
        }
    }

    /// The mirrored arguments of a tool, as this caller's lists said.
    pub(super) fn mirrored(&self, caller: Option<&Caller>, tool: &str) -> Option<Arc<Mirrored>> {
        if !self.mirrors.load(Ordering::Relaxed) {
            return None;
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.uses += 1;
        let now = users.uses;
        let known = match caller {
            Some(caller) => users.known.get_mut(&caller.user().subject)?,
            None => &mut users.anonymous,
        };
        known.last_used = now;
        known.tools.get(tool).cloned()
    }

    /// Notes which revisions the server says it supports.
    pub(super) fn discover(&self, versions: Vec<&'static str>) {
        *self.versions.lock().unwrap_or_else(PoisonError::into_inner) = versions;
    }

    /// The revisions that the server said it supports; empty when it has not.
    pub(super) fn versions(&self) -> Vec<&'static str> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Users {
    fn known_by(&mut self, caller: Option<&Subject>) -> &mut Known {
        let Some(caller) = caller else { return &mut self.anonymous };
        if self.known.len() >= MOST_USERS && !self.known.contains_key(caller) {
            let longest_unused = self.known.iter().min_by_key(|(_, known)| known.last_used);
            if let Some(user) = longest_unused.map(|(user, _)| user.clone()) {
                self.known.remove(&user);
            }
        }
        self.uses += 1;
        let known = self.known.entry(caller.clone()).or_default();
        known.last_used = self.uses;
        known
    }
}

impl Known {
    fn forget(&mut self, tool: &str) {
        if let Some(mirrored) = self.tools.remove(tool) {
            self.size = self.size.saturating_sub(tool.len() + mirrored.size());
        }
    }
}

const MOST_USERS: usize = 1_000;

/// Of one user: some hundred mirrored arguments.
const MOST_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::ProviderName;

    use super::*;

    fn subject(id: usize) -> Subject {
        Subject { provider: ProviderName::parse("github").unwrap(), id: id.to_string() }
    }

    fn list(tool: &str, header: &str) -> LearnedTools {
        let annotation =
            if header.is_empty() { String::new() } else { format!(r#","x-mcp-header":"{header}""#) };
        LearnedTools::read(&format!(
            r#"{{"id":1,"result":{{"tools":[{{"name":"{tool}","inputSchema":{{"properties":{{"a":{{"type":"string"{annotation}}}}}}}}}]}}}}"#
        ))
        .unwrap()
    }

    fn knows(learned: &Learned, user: usize, tool: &str) -> bool {
        learned
            .users
            .lock()
            .unwrap()
            .known
            .get(&subject(user))
            .is_some_and(|known| known.tools.contains_key(tool))
    }

    #[test]
    fn a_later_list_replaces_what_an_earlier_one_said() {
        let learned = Learned::default();
        learned.learn(Some(&subject(1)), list("plain", ""));
        assert!(!learned.mirrors.load(Ordering::Relaxed));
        learned.learn(Some(&subject(1)), list("t", "A"));
        assert!(knows(&learned, 1, "t") && !knows(&learned, 2, "t"));
        learned.learn(Some(&subject(2)), list("t", ""));
        assert!(knows(&learned, 1, "t"));
        learned.learn(Some(&subject(1)), list("t", ""));
        assert!(learned.users.lock().unwrap().known.is_empty());
        learned.learn(None, list("t", "A"));
        assert!(learned.mirrored(None, "t").is_some() && learned.mirrored(None, "u").is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded_by_users_and_bytes() {
        let learned = Learned::default();
        for user in 0..MOST_USERS + 10 {
            learned.learn(Some(&subject(user)), list("t", "A"));
        }
        assert_eq!(learned.users.lock().unwrap().known.len(), MOST_USERS);
        assert!(!knows(&learned, 0, "t") && knows(&learned, MOST_USERS + 9, "t"));
        for tool in 0..1_000 {
            learned.learn(Some(&subject(7_000)), list(&format!("tool-{tool}"), "A"));
        }
        let users = learned.users.lock().unwrap();
        let known = &users.known[&subject(7_000)];
        assert!(known.size <= MOST_BYTES && known.tools.len() > 50, "{}", known.size);
    }
}
