//! Servers on stdio, of which each user has a process of their own.

mod chaos;
mod conformance;
mod crowd;
mod eras;
mod isolation;
mod life;
mod others;
mod questions;
mod servers;
mod wrap;

use std::path::Path;

use coatroom_e2e::upstream::{GitHub, GitHubApp};
use coatroom_e2e::{Gateway, Mcp, OAuthClient, Tokens, oauth, processes, tools};
use serde_json::{Value, json};

pub(crate) const EVERYTHING: &str = env!("CARGO_BIN_EXE_everything");
pub(crate) const PROBE: &str = env!("CARGO_BIN_EXE_probe");
/// Revisions with a handshake.
pub(crate) const OLDER: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
/// The revision without one.
pub(crate) const MODERN: &str = "2026-07-28";
/// Every revision that a server on stdio may speak.
pub(crate) const REVISIONS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", MODERN];

/// The gateway before one server on stdio, with users of GitHub, of whose token each process has one.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) github: GitHub,
    /// What the environment of every process of this server has, and no other process of the machine.
    pub(crate) mark: String,
}

impl World {
    /// Starts the probe, which speaks `revision`. `server` is added to its section, `more` to the end of the configuration.
    pub(crate) async fn start(revision: &str, server: &str, more: &str) -> Self {
        Self::start_with(GitHubApp::OAuth, revision, server, more).await
    }

    /// As [`start`](Self::start), with another kind of app at GitHub.
    pub(crate) async fn start_with(app: GitHubApp, revision: &str, server: &str, more: &str) -> Self {
        let github = GitHub::start(app).await;
        let mark = format!("mark-{}", oauth::random());
        let port = tools::free_port();
        let section = section(&github.configuration(), "github", revision, &mark);
        let configuration = format!("{}{section}{server}\n{more}\n", head(port));
        let gateway = Gateway::serve_at(port, &configuration).await;
        Self { gateway, github, mark }
    }

    /// A new client to which this person of GitHub has signed in: a grant of its own.
    pub(crate) async fn signed_in(&self, account: &str) -> (OAuthClient, Tokens) {
        let client = OAuthClient::connect(&self.gateway.mcp_url()).await;
        let tokens = client.sign_in(account).await;
        (client, tokens)
    }

    /// A client of a revision with these capabilities, for a person who signs in now.
    pub(crate) async fn client(&self, account: &str, revision: &'static str, capabilities: Value) -> Mcp {
        let (_, tokens) = self.signed_in(account).await;
        Mcp::connect_as(&self.gateway.mcp_url(), revision, &tokens.access, capabilities).await
    }

    /// The servers that run now.
    pub(crate) fn processes(&self) -> Vec<u32> {
        processes::of(PROBE, &self.mark)
    }
}

/// The top of a configuration file.
pub(crate) fn head(port: u16) -> String {
    format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
         keys_file = \"{{data}}/keys.toml\"\n\n"
    )
}

/// The section of the provider, and that of the probe with its token, without an end.
pub(crate) fn section(provider: &str, name: &str, revision: &str, mark: &str) -> String {
    format!(
        "{provider}\n[servers.probe]\npath = \"/mcp\"\nprovider = \"{name}\"\ncommand = [\"{PROBE}\"]\nread = [\"{PROBE}\"]\n\
         env.TOKEN = \"{{{name}.access_token}}\"\nenv.MARK = \"{mark}\"\nenv.PROBE_REVISION = \"{revision}\"\n"
    )
}

/// What the process of a caller says of itself: `pid`, `asked`, `token`.
pub(crate) async fn count(mcp: &Mcp) -> Value {
    let answer = mcp.call("count", json!({})).await;
    serde_json::from_str(&answer.text()).unwrap_or_else(|_| panic!("{}", answer.body))
}

/// A list of TOML with one path.
pub(crate) fn paths(path: &Path) -> String {
    format!("[\"{}\"]", path.display())
}
