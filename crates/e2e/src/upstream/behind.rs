//! The usual small world: GitHub, an echo server, and the program between them.

use serde_json::Value;

use super::{EchoServer, GitHub, GitHubApp};
use crate::oauth::{OAuthClient, Tokens};
use crate::{Era, Gateway, Mcp, tools};

/// The program in front of an echo server, with users of GitHub.
#[derive(Debug)]
pub struct Behind {
    /// The program.
    pub gateway: Gateway,
    /// The MCP server.
    pub echo: EchoServer,
    /// The provider.
    pub github: GitHub,
}

impl Behind {
    /// Starts all three. `server` is added to `[servers.echo]`, `more` to the end of the configuration.
    pub async fn start(server: &str, more: &str) -> Self {
        let github = GitHub::start(GitHubApp::OAuth).await;
        let echo = EchoServer::start().await;
        let port = tools::free_port();
        let configuration = format!(
            "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
             keys_file = \"{{data}}/keys.toml\"\n\n{}\n[servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\n\
             provider = \"github\"\n{server}\n\n{more}\n",
            github.configuration(),
            echo.url,
        );
        let gateway = Gateway::serve_at(port, &configuration).await;
        Self { gateway, echo, github }
    }

    /// A new client to which this person of GitHub has signed in.
    pub async fn signed_in(&self, account: &str) -> (OAuthClient, Tokens) {
        let client = OAuthClient::connect(&self.gateway.mcp_url()).await;
        let tokens = client.sign_in(account).await;
        (client, tokens)
    }

    /// The headers with which a call reaches the MCP server.
    pub async fn headers(&self, mcp: &Mcp) -> Value {
        let answer = mcp.call("headers", serde_json::json!({})).await;
        serde_json::from_str(&answer.text()).expect("the headers")
    }

    /// A caller of the MCP server, in the modern era.
    #[must_use]
    pub fn mcp(&self, token: &str) -> Mcp {
        Mcp::without_handshake(&self.gateway.mcp_url(), Era::Modern, token)
    }
}
