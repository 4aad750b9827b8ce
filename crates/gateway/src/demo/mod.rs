//! The self-contained demo: everything that stands around the gateway in real life, in one process and offline.
//!
//! Three parts, and each keeps to its side of the wire: an upstream provider with the accounts Alice and Bob and a
//! repositories API ([`provider`]), an MCP server that calls that API with the caller's own token ([`mcp`]), and the
//! words that greet whoever starts it ([`welcome`]). The gateway between them is the real one; nothing here reaches
//! into it.

mod accounts;
mod disk;
pub(crate) mod mcp;
pub(crate) mod provider;
mod run;
mod welcome;

pub(crate) use run::{default_folder, make_private_folder, run};
use welcome::welcome;

/// The name under which the gateway configures the provider; its callback is `/callback/demo`.
pub(crate) const PROVIDER_NAME: &str = "demo";

/// The gateway's client id at the provider.
pub(crate) const CLIENT_ID: &str = "coatroom-demo";

/// Where the provider and its API are mounted on the gateway's listener.
pub(crate) const PROVIDER_PATH: &str = "/demo-provider";

/// Where the provider sends the browser back to, below the public URL.
pub(crate) const CALLBACK_PATH: &str = "/callback/demo";

/// The path of the protected MCP server, on the gateway and on the demo's internal listener alike.
pub(crate) const MCP_PATH: &str = "/mcp";

/// Lets its holder list repositories.
pub(crate) const SCOPE_READ: &str = "repos:read";

/// Lets its holder open issues, and list repositories.
pub(crate) const SCOPE_WRITE: &str = "repos:write";

/// A scope of the demo, in words for the people who are asked for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DemoScope {
    /// The scope.
    pub(crate) name: &'static str,
    /// What it allows, as the consent page says it.
    pub(crate) title: &'static str,
    /// Whether it is granted to a client that asks for none.
    pub(crate) default: bool,
    /// The scopes that come with it.
    pub(crate) implies: &'static [&'static str],
}

/// The scopes of the demo's MCP server, which are also the scopes of the provider's API.
pub(crate) const SCOPES: [DemoScope; 2] = [
    DemoScope { name: SCOPE_READ, title: "See your repositories", default: true, implies: &[] },
    DemoScope {
        name: SCOPE_WRITE,
        title: "Open issues in your repositories",
        default: false,
        implies: &[SCOPE_READ],
    },
];

/// The manifest: which tool needs which scope. `whoami` needs none.
pub(crate) const TOOL_SCOPES: [(&str, &str); 2] =
    [("get-my-repos", SCOPE_READ), ("create-issue", SCOPE_WRITE)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_scopes_that_exist() {
        let exists = |name: &str| SCOPES.iter().any(|scope| scope.name == name);
        assert!(TOOL_SCOPES.iter().all(|(_, scope)| exists(scope)));
        assert!(SCOPES.iter().flat_map(|scope| scope.implies).all(|scope| exists(scope)));
    }
}
