//! What others wrote for the same work, as small programs in `bench/peers`, each as its own documents show it.
//!
//! `bench/peers/install` puts their packages below the target folder, with the versions of the lock files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use coatroom_e2e::{Signer, signer, tools};
use serde_json::{Value, json};

use crate::processes;
use crate::served::Served;

/// A program in `bench/peers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// The TypeScript SDK before an MCP server: `requireBearerAuth`, and each call passed on.
    TypescriptSdk,
    /// `FastMCP` as a proxy before an MCP server, as it comes.
    Fastmcp,
    /// The same, whose clients stay connected.
    FastmcpTuned,
    /// mcp-use as a proxy before an MCP server.
    McpUse,
    /// The TypeScript SDK as an authorization server, in memory.
    McpAuthRouter,
    /// `FastMCP`'s provider in memory.
    FastmcpMemory,
    /// `FastMCP` before another provider, with files.
    FastmcpOauthProxy,
    /// `oidc-provider`, in memory.
    OidcProvider,
    /// Better Auth with SQLite.
    BetterAuth,
    /// Cloudflare's provider on workerd.
    WorkersOauthProvider,
}

/// A peer before an MCP server.
pub(crate) struct Before {
    pub(crate) served: Served,
    /// The path of its MCP endpoint.
    pub(crate) path: &'static str,
    /// What each user presents.
    pub(crate) tokens: Vec<String>,
}

impl Peer {
    /// Starts it on one core as an authorization server. `provider` is the one elsewhere, for those that have use for it.
    pub(crate) async fn issuing(self, core: usize, provider: &str) -> Result<Served> {
        self.start(core, |_| json!({ "provider": provider })).await
    }

    /// Starts it on one core before the MCP server at `upstream`, to which each user's calls go with this credential.
    pub(crate) async fn before(
        self,
        core: usize,
        upstream: SocketAddr,
        credentials: &[String],
    ) -> Result<Before> {
        let key = Signer::new("bench");
        let subject = |number: usize| format!("user-{number}");
        let mut tokens = Vec::new();
        let served = self.start(core, |origin| {
            let audience = format!("{origin}/mcp");
            let claims = |number| {
                json!({
                    "iss": ISSUER, "aud": audience, "sub": subject(number), "scope": SCOPE, "client_id": "bench",
                    "iat": signer::now(), "exp": signer::now() + 86_400,
                })
            };
            tokens = (0..credentials.len()).map(|number| key.sign(&claims(number))).collect();
            let numbered = credentials.iter().enumerate();
            let credentials: serde_json::Map<String, Value> =
                numbered.map(|(number, credential)| (subject(number), json!(credential))).collect();
            json!({
                "upstream": format!("http://{upstream}/mcp"), "credentials": credentials, "jwk": key.jwk(), "issuer": ISSUER,
                "audience": audience, "scope": SCOPE, "tuned": self == Self::FastmcpTuned,
            })
        });
        let served = served.await?;
        Ok(Before { served, path: "/mcp", tokens })
    }

    /// Starts it on a port of its own, with settings that may depend on its origin.
    async fn start(self, core: usize, settings: impl FnOnce(&str) -> Value) -> Result<Served> {
        let (folder, port) = (tempfile::tempdir()?, tools::free_port());
        let origin = format!("http://localhost:{port}");
        let mut settings = settings(&origin);
        settings["port"] = json!(port);
        settings["resource"] = json!(format!("{origin}/mcp"));
        settings["origin"] = json!(origin);
        settings["folder"] = json!(folder.path());
        let installed = self.language().installed()?;
        let mut command = match self.language() {
            Language::Node => {
                let mut command = processes::on_core(core, &text(&installed.join("bin/node"))?);
                command.args(["--preserve-symlinks", "--preserve-symlinks-main"]);
                command.arg(installed.join("node/programs").join(self.program()));
                command.env("NODE_ENV", "production");
                command
            }
            Language::Python => {
                let mut command = processes::on_core(core, &text(&installed.join("python/bin/python"))?);
                command.args(["-B", &text(&peers().join("python").join(self.program()))?]);
                command.env("FASTMCP_HOME", folder.path()).env("FASTMCP_CHECK_FOR_UPDATES", "off");
                command
            }
        };
        command.arg(settings.to_string());
        Served::start(command, port, self.discovery(), folder)
            .await
            .with_context(|| format!("{self:?} does not start"))
    }

    /// Its first document, by which it is known to have started.
    pub(crate) const fn discovery(self) -> &'static str {
        match self {
            Self::BetterAuth => "/.well-known/oauth-authorization-server/api/auth",
            Self::TypescriptSdk | Self::Fastmcp | Self::FastmcpTuned | Self::McpUse => {
                "/.well-known/oauth-protected-resource/mcp"
            }
            _ => "/.well-known/oauth-authorization-server",
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::TypescriptSdk => "typescript-sdk.mjs",
            Self::Fastmcp | Self::FastmcpTuned => "fastmcp_proxy.py",
            Self::McpUse => "mcp-use.mjs",
            Self::McpAuthRouter => "mcp-auth-router.mjs",
            Self::FastmcpMemory => "fastmcp_memory.py",
            Self::FastmcpOauthProxy => "fastmcp_oauth_proxy.py",
            Self::OidcProvider => "oidc-provider.mjs",
            Self::BetterAuth => "better-auth.mjs",
            Self::WorkersOauthProvider => "workers-oauth-provider.mjs",
        }
    }

    const fn language(self) -> Language {
        match self {
            Self::Fastmcp | Self::FastmcpTuned | Self::FastmcpMemory | Self::FastmcpOauthProxy => {
                Language::Python
            }
            _ => Language::Node,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Language {
    Node,
    Python,
}

impl Language {
    /// The folder with what programs in this language need, which is installed now if it is not there.
    fn installed(self) -> Result<PathBuf> {
        let folder = target()?.join("bench");
        let word = match self {
            Self::Node => "node",
            Self::Python => "python",
        };
        let run = Command::new(peers().join("install")).arg(&folder).arg(word).status();
        let run = run.context("bench/peers/install does not run: it needs bash")?;
        ensure!(
            run.success(),
            "bench/peers/install could not install the packages for {word}; what it needs stands above"
        );
        Ok(folder.canonicalize()?)
    }
}

/// The target folder that this program was built in.
pub(crate) fn target() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).context("this program is in no target folder")?.to_owned())
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path that is not UTF-8")?.to_owned())
}

const ISSUER: &str = "https://issuer.example";
const SCOPE: &str = "notes:read";
