//! The pretended GitHub of the examples, whose secrets are kept as evidence, and how a gateway is told about it.

use std::ops::Deref;

pub use pretend_github::{CLIENT_ID, CLIENT_SECRET, GitHubApp, Renewal};
use tokio::net::TcpListener;

use crate::evidence::{self, Secret};

/// A running server.
#[derive(Debug, Clone)]
pub struct GitHub(pretend_github::GitHub);

impl GitHub {
    /// Starts it on a free loopback port.
    pub async fn start(app: GitHubApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let on_secret = |secret: &str| evidence::secret(Secret::Credential, secret);
        Self(pretend_github::GitHub::serve(listener, "127.0.0.1", app, on_secret).expect("an address"))
    }

    /// The `[providers.github]` section that makes the gateway use it.
    #[must_use]
    pub fn configuration(&self) -> String {
        self.configuration_as("github")
    }

    /// The same under another name.
    #[must_use]
    pub fn configuration_as(&self, name: &str) -> String {
        format!(
            "[providers.{name}]\nkind = \"github\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\nbase_url = \"{}\"\n",
            self.origin
        )
    }
}

impl Deref for GitHub {
    type Target = pretend_github::GitHub;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
