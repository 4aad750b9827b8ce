//! The full chain: MCP client → Coatroom → GitHub. Whatever must be remembered is in Redis, and each thing for as long as it says
//! here. Strangers may look at what there is; whoever calls a tool signs in.

mod tools;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use clap::Parser;
use coatroom::protocol::client::RedirectHosts;
use coatroom::settings::Settings;
use coatroom::{Coatroom, Protection, providers, store};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use tools::Tools;

/// The full chain, with Redis as the store. `COATROOM_GITHUB_CLIENT_ID` and `COATROOM_GITHUB_CLIENT_SECRET` are needed too.
#[derive(Debug, Parser)]
struct Config {
    /// The origin at which browsers and clients reach this server.
    #[arg(long, env = "COATROOM_PUBLIC_URL", default_value = "http://localhost:8787")]
    public_url: String,
    /// The address to listen on.
    #[arg(long, env = "COATROOM_LISTEN", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Where Redis is: `redis://HOST:PORT`, or over TLS `rediss://USER:PASSWORD@HOST:PORT`.
    #[arg(long, env = "COATROOM_STORE", default_value = "redis://127.0.0.1:6379", hide_env_values = true)]
    store: String,
    /// Coatroom's keys. The file is made when there is none; replicas need the same.
    #[arg(long, env = "COATROOM_KEYS_FILE", default_value = "keys.toml")]
    keys_file: PathBuf,
    /// The hosts to which clients may have their answers sent, with commas between.
    #[arg(long, env = "COATROOM_REDIRECT_HOSTS", default_value = "localhost", value_delimiter = ',')]
    redirect_hosts: Vec<String>,
    /// Where GitHub's API is. A GitHub Enterprise Server has it at `https://HOST/api/v3`.
    #[arg(long, env = "GITHUB_API_URL", default_value = "https://api.github.com")]
    github_api_url: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("COATROOM_LOG").unwrap_or_else(|_| EnvFilter::new("info,rmcp=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&Config::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(config: &Config) -> anyhow::Result<()> {
    let coatroom = coatroom(config).await?;
    coatroom.start().await?;
    let tools = Tools::new(&config.github_api_url);
    // Without sessions any replica answers any request, and a restart is not noticed.
    let sessions = Arc::new(NeverSessionManager::default());
    let rmcp = coatroom.rmcp_config().with_legacy_session_mode(false).with_json_response(true);
    let mcp = StreamableHttpService::new(move || Ok(tools.clone()), sessions, rmcp);
    let mcp = Router::new().route_service("/mcp", mcp).layer(coatroom.guard("/mcp"));
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
    welcome(&config.public_url);
    let serving = axum::serve(listener, mcp.merge(coatroom.routes()));
    tokio::select! {
        served = serving.with_graceful_shutdown(asked_to_stop()) => Ok(served?),
        // Streams of MCP clients end by themselves only when their clients go.
        () = async { asked_to_stop().await; tokio::time::sleep(LAST_ANSWERS).await } => Ok(()),
    }
}

async fn coatroom(config: &Config) -> anyhow::Result<Coatroom> {
    let mut github = providers::github_from_env()?;
    if github.scopes.is_empty() {
        github.scopes = "read:user repo".parse()?;
    }
    let store = store::open(&config.store).await.context("the store cannot be used")?;
    let hosts = config.redirect_hosts.iter().map(|host| host.trim());
    let coatroom = Coatroom::builder(&config.public_url)
        .listen(config.listen)
        .store(store)
        .key_file(&config.keys_file)
        .settings(lifetimes())
        .redirect_hosts(RedirectHosts::parse(hosts)?)
        .provider(github)
        .resource(Protection::from_toml("/mcp", PROTECTION)?);
    Ok(coatroom.build()?)
}

/// How long each thing lives. Redis drops it by itself a minute later.
fn lifetimes() -> Settings {
    let days = |days: u64| Duration::from_hours(24 * days);
    let mut settings = Settings::default();
    // From the first page to the code. It is in the browser, and nowhere else.
    settings.flow_life = Duration::from_mins(10);
    settings.code_life = Duration::from_mins(5);
    settings.access_token_life = days(1);
    // Unused, and in all: after thirty days a user signs in again. What is kept of GitHub's tokens lives as long as this.
    settings.refresh_idle = days(30);
    settings.refresh_life = days(30);
    settings
}

/// Completes at the first SIGINT or SIGTERM.
async fn asked_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => drop(terminated.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

#[expect(clippy::print_stdout, reason = "a program for people at a terminal")]
fn welcome(public_url: &str) {
    println!("MCP clients: {public_url}/mcp\nCtrl-C stops it.");
}

#[expect(clippy::print_stderr, reason = "a program for people at a terminal")]
fn complain(error: &anyhow::Error) {
    eprintln!("full-chain: {error:#}");
}

/// What stands at `/mcp`: anybody may ask what there is, and every tool needs somebody who has signed in.
const PROTECTION: &str = r#"
title = "Full chain"
auth = "optional"
lists = "reachable"

[scopes]
"github:read" = { title = "See your profile and your repositories at GitHub", default = true }

[tools]
"*" = { auth = "required", scopes = ["github:read"] }
"#;

/// How long answers that are under way may take when the program stops.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
