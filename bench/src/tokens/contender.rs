//! Who issues tokens, and how each is started.

use std::fmt;
use std::fs;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use coatroom_e2e::tools;

use crate::nginx;
use crate::peers::Peer;
use crate::processes::{self, CONTENDER_CORE};
use crate::served::Served;

/// A kind of contender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// The program, with its store in memory.
    CoatroomMemory,
    /// The program with SQLite as it comes: every answered write is on the disk.
    Coatroom,
    /// The program with SQLite that flushes now and then.
    CoatroomNormal,
    /// The TypeScript SDK: `mcpAuthRouter`, everything in maps.
    McpAuthRouter,
    /// `FastMCP`'s provider in memory.
    FastmcpMemory,
    /// `oidc-provider`, in memory.
    OidcProvider,
    /// Cloudflare's provider on workerd, with a local KV namespace.
    WorkersOauthProvider,
    /// Better Auth with SQLite that flushes now and then.
    BetterAuth,
    /// `FastMCP`'s proxy before another provider, with files.
    FastmcpOauthProxy,
    /// nginx, for its start and its memory alone.
    Nginx,
}

impl Contender {
    /// Starts it on its core, and waits until it answers. `provider` is where its users sign in, if they do so elsewhere.
    pub(super) async fn start(self, provider: &str) -> Result<Served> {
        match self {
            Self::CoatroomMemory => coatroom("memory:", provider).await,
            Self::Coatroom => coatroom("sqlite:coatroom.db", provider).await,
            Self::CoatroomNormal => coatroom("sqlite:coatroom.db?synchronous=normal", provider).await,
            Self::Nginx => nginx::start(DISCOVERY, "", "").await,
            Self::McpAuthRouter => Peer::McpAuthRouter.issuing(CONTENDER_CORE, provider).await,
            Self::FastmcpMemory => Peer::FastmcpMemory.issuing(CONTENDER_CORE, provider).await,
            Self::OidcProvider => Peer::OidcProvider.issuing(CONTENDER_CORE, provider).await,
            Self::WorkersOauthProvider => Peer::WorkersOauthProvider.issuing(CONTENDER_CORE, provider).await,
            Self::BetterAuth => Peer::BetterAuth.issuing(CONTENDER_CORE, provider).await,
            Self::FastmcpOauthProxy => Peer::FastmcpOauthProxy.issuing(CONTENDER_CORE, provider).await,
        }
    }

    /// The document in which it tells where its endpoints are.
    pub(super) const fn discovery(self) -> &'static str {
        match self {
            Self::BetterAuth => Peer::BetterAuth.discovery(),
            _ => DISCOVERY,
        }
    }

    /// The scope for which it gives refresh tokens.
    pub(super) const fn scope(self) -> &'static str {
        match self {
            Self::BetterAuth | Self::WorkersOauthProvider => "notes:read offline_access",
            _ => "notes:read",
        }
    }

    /// What is on the button of its page that agrees, where it has a page.
    pub(super) const fn agree(self) -> &'static str {
        match self {
            Self::FastmcpOauthProxy => "Allow",
            _ => "Continue",
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CoatroomMemory => "Coatroom, memory",
            Self::Coatroom => "Coatroom, SQLite (FULL)",
            Self::CoatroomNormal => "Coatroom, SQLite (NORMAL)",
            Self::McpAuthRouter => "TypeScript SDK `mcpAuthRouter`, maps in memory",
            Self::FastmcpMemory => "FastMCP in-memory provider",
            Self::OidcProvider => "oidc-provider, in memory",
            Self::WorkersOauthProvider => "workers-oauth-provider, local KV",
            Self::BetterAuth => "better-auth, SQLite (NORMAL)",
            Self::FastmcpOauthProxy => "FastMCP OAuthProxy, files",
            Self::Nginx => "nginx",
        })
    }
}

/// The program before one MCP server, which is never called.
async fn coatroom(store: &str, provider: &str) -> Result<Served> {
    let (folder, port) = (tempfile::tempdir()?, tools::free_port());
    let configuration = format!(
        "public_url = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"{store}\"\n\
         [providers.instant]\nkind = \"oauth2\"\nclient_id = \"coatroom\"\nclient_secret = \"secret-of-the-gateway-0123456789abcdef\"\n\
         authorize_url = \"{provider}/authorize\"\ntoken_url = \"{provider}/token\"\nuser_url = \"{provider}/user\"\n\
         user = {{ id = \"id\", username = \"id\" }}\n\
         [servers.mcp]\npath = \"/mcp\"\nupstream = \"http://127.0.0.1:9/mcp\"\nprovider = \"instant\"\n\
         [servers.mcp.scopes]\n\"notes:read\" = {{ title = \"See your notes\" }}\n"
    );
    fs::write(folder.path().join("coatroom.toml"), configuration)?;
    let program = tools::coatroom();
    let mut command =
        processes::on_core(CONTENDER_CORE, program.to_str().context("a path that is not UTF-8")?);
    command.args(["serve", "--config", "coatroom.toml"]);
    command.env("COATROOM_LOG", "warn").env("COATROOM_CLIENT_DOCUMENTS_ENABLED", "off");
    Served::start(command, port, DISCOVERY, folder).await
}

const DISCOVERY: &str = "/.well-known/oauth-authorization-server";
