//! How a server introduces itself, and the introduction that each client expects.
//!
//! MCP 2026-07-28, Discovery and Versioning, "Backward Compatibility"; 2025-11-25, Lifecycle.

use super::calls::{CAPABILITIES, INFO, ModernClient, VERSION};
use super::draft::{Draft, quoted};
use super::envelope::notification;
use crate::access::era::{LEGACY, MODERN};
use crate::access::object::{Object, elements};

/// What a server said when it was met. Both are the JSON text of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Welcome {
    /// It answered `initialize`.
    Legacy(String),
    /// It answered `server/discover`, and speaks MCP 2026-07-28.
    Modern(String),
}

impl Welcome {
    /// Reads the result of `server/discover`; `None` when the server does not speak MCP 2026-07-28.
    #[must_use]
    pub fn discovered(result: &str) -> Option<Self> {
        let listed = Object::read(result)?.get("supportedVersions").and_then(elements)?;
        let speaks = |text: &&str| serde_json::from_str::<String>(text).is_ok_and(|text| text == MODERN);
        listed.iter().any(speaks).then(|| Self::Modern(result.to_owned()))
    }

    /// Whether the server speaks MCP 2026-07-28.
    #[must_use]
    pub const fn is_modern(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    fn result(&self) -> &str {
        match self {
            Self::Legacy(result) | Self::Modern(result) => result,
        }
    }

    /// Whether the server declared a capability.
    #[must_use]
    pub fn has(&self, capability: &str) -> bool {
        self.capability(capability).is_some()
    }

    /// Whether the server declared a capability with this member set to true.
    #[must_use]
    pub fn has_with(&self, capability: &str, member: &str) -> bool {
        let declared = self.capability(capability);
        declared.and_then(|declared| Object::read(declared)?.get(member)).is_some_and(|value| value == "true")
    }

    fn capability(&self, name: &str) -> Option<&str> {
        Object::read(self.result())?.object("capabilities")?.get(name)
    }

    /// Who the server says it is, as JSON text.
    pub(super) fn server_info(&self) -> Option<&str> {
        let result = Object::read(self.result())?;
        match self {
            Self::Legacy(_) => result.get("serverInfo"),
            Self::Modern(_) => result.object("_meta")?.get(SERVER_INFO),
        }
    }

    /// The result of `initialize` for a client that asked for `requested`: in that revision, if it is known, since a client may know no other. What
    /// else an older server said passes as it is.
    #[must_use]
    pub fn to_initialize(&self, requested: &str) -> String {
        let known = |version: &str| LEGACY.contains(&version).then(|| quoted(version));
        let mut answer = Draft::read(self.result()).unwrap_or_default();
        if let Self::Legacy(result) = self {
            let spoken = Object::read(result).and_then(|result| result.text("protocolVersion"));
            let (Some(asked), Some(_)) = (known(requested), spoken.as_deref().and_then(known)) else {
                return result.clone();
            };
            answer.set("protocolVersion", asked);
            return answer.to_text();
        }
        for key in ["supportedVersions", "resultType", "ttlMs", "cacheScope"] {
            answer.remove(key);
        }
        answer.set("protocolVersion", known(requested).unwrap_or_else(|| quoted(LEGACY[0])));
        answer.add("capabilities", "{}");
        answer.set("serverInfo", self.server_info().unwrap_or(NOBODY));
        answer.to_text()
    }

    /// The result of `server/discover`, without what every result has. What a server of MCP 2026-07-28 said passes as it is.
    #[must_use]
    pub fn to_discover(&self) -> String {
        let Self::Legacy(result) = self else { return self.result().to_owned() };
        let mut answer = Draft::read(result).unwrap_or_default();
        for key in ["protocolVersion", "serverInfo"] {
            answer.remove(key);
        }
        let versions: Vec<String> = std::iter::once(MODERN).chain(SERVED).map(quoted).collect();
        answer.set("supportedVersions", format!("[{}]", versions.join(",")));
        answer.add("capabilities", "{}");
        answer.to_text()
    }
}

/// The params of `server/discover`, which asks a server whether it speaks MCP 2026-07-28.
#[must_use]
pub fn discover_params(client: &ModernClient) -> String {
    let mut meta = Draft::default();
    meta.set(VERSION, quoted(MODERN));
    meta.set(INFO, client.info.as_deref().unwrap_or(NOBODY));
    meta.set(CAPABILITIES, client.capabilities.as_deref().unwrap_or("{}"));
    format!(r#"{{"_meta":{}}}"#, meta.to_text())
}

/// The params of `initialize` for a client that never sent one.
#[must_use]
pub fn initialize_params(client: &ModernClient) -> String {
    let mut params = Draft::default();
    params.set("protocolVersion", quoted(LEGACY[0]));
    params.set("capabilities", client.capabilities.as_deref().unwrap_or("{}"));
    params.set("clientInfo", client.info.as_deref().unwrap_or(NOBODY));
    params.to_text()
}

/// Tells an older server that the handshake is over.
#[must_use]
pub fn initialized() -> String {
    notification("notifications/initialized", "{}")
}

/// The revisions beside MCP 2026-07-28 that the bridge speaks with clients.
const SERVED: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

/// Of whoever does not say who they are.
const NOBODY: &str = r#"{"name":"unknown","version":"0"}"#;

pub(super) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const INITIALIZED: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"logging":{}},"serverInfo":{"name":"s","version":"1"},"instructions":"i"}"#;
    const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n","version":"2"}},"ttlMs":1,"cacheScope":"public"}"#;

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_a_server_says_reaches_a_client_of_its_own_era_as_it_is() {
        assert_eq!(Welcome::Legacy(INITIALIZED.to_owned()).to_initialize("2025-06-18"), INITIALIZED);
        assert_eq!(Welcome::discovered(DISCOVERED).unwrap().to_discover(), DISCOVERED);
    }

    #[test]
    fn an_older_client_gets_the_version_that_it_asked_for() {
        let welcome = Welcome::discovered(DISCOVERED).unwrap();
        let expected = |version: &str| {
            json!({
                "capabilities": {"tools": {}},
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "n", "version": "2"}},
                "protocolVersion": version,
                "serverInfo": {"name": "n", "version": "2"},
            })
        };
        assert_eq!(value(&welcome.to_initialize("2025-03-26")), expected("2025-03-26"));
        assert_eq!(value(&welcome.to_initialize("1999-01-01")), expected("2025-11-25"));
    }

    #[test]
    fn two_older_revisions_agree_on_the_clients() {
        let welcome = Welcome::Legacy(INITIALIZED.to_owned());
        for asked in ["2025-03-26", "2025-11-25"] {
            assert_eq!(welcome.to_initialize(asked), INITIALIZED.replace("2025-06-18", asked));
        }
        assert_eq!(welcome.to_initialize("1999-01-01"), INITIALIZED, "the server's own is as good as any");
        let odd = INITIALIZED.replace("2025-06-18", "2027-01-01");
        assert_eq!(Welcome::Legacy(odd.clone()).to_initialize("2025-03-26"), odd);
    }

    #[test]
    fn an_older_server_is_discovered() {
        let welcome = Welcome::Legacy(INITIALIZED.to_owned());
        assert_eq!(
            value(&welcome.to_discover()),
            json!({
                "capabilities": {"tools": {"listChanged": true}, "logging": {}},
                "instructions": "i",
                "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
            })
        );
        assert!(welcome.has("logging") && !welcome.has("prompts"));
        assert!(welcome.has_with("tools", "listChanged") && !welcome.has_with("logging", "listChanged"));
    }

    #[test]
    fn who_lists_other_revisions_only_is_not_modern() {
        for other in [r#"{"supportedVersions":["2027-01-01"]}"#, r#"{"supportedVersions":1}"#, "{}", "1"] {
            assert_eq!(Welcome::discovered(other), None, "{other}");
        }
    }
}
