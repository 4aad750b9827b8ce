//! An MCP server whose users sign in at a provider that you have already. The environment says which, and in which of two ways:
//!
//! - A provider that registers MCP clients (Auth0, Better Auth, Clerk, WorkOS, Supabase, Keycloak, Scalekit) is the authorization
//!   server itself. This server takes its tokens, and keeps nothing.
//! - For any other OpenID provider, this server is the authorization server of its clients, and signs their users in there. The client
//!   gets a token of this server; the provider's own stays here.

mod tools;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use coatroom::{Coatroom, Protection, issuers, providers, store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// An MCP server whose users sign in at a provider that the environment names.
#[derive(Debug, Parser)]
struct Config {
    /// The origin at which browsers and clients reach this server.
    #[arg(long, env = "COATROOM_PUBLIC_URL", default_value = "http://localhost:8787")]
    public_url: String,
    /// The address to listen on.
    #[arg(long, env = "COATROOM_LISTEN", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Where grants are kept, such as `sqlite:coatroom.db`.
    #[arg(long, env = "COATROOM_STORE", default_value = "sqlite:coatroom.db", hide_env_values = true)]
    store: String,
    /// Coatroom's keys. The file is made when there is none.
    #[arg(long, env = "COATROOM_KEYS_FILE", default_value = "keys.toml")]
    keys_file: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(&Config::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(config: &Config) -> anyhow::Result<()> {
    let (coatroom, who) = coatroom(config).await?;
    coatroom.start().await?;
    let mcp = tools::service(coatroom.rmcp_config());
    let guarded = axum::Router::new().route_service("/mcp", mcp).layer(coatroom.guard("/mcp"));
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
    welcome(&config.public_url, &who);
    let routes = guarded.merge(coatroom.routes());
    let serving = axum::serve(listener, routes).with_graceful_shutdown(asked_to_stop());
    tokio::select! {
        served = serving => Ok(served?),
        // Streams of MCP clients end by themselves only when their clients go.
        () = async { asked_to_stop().await; tokio::time::sleep(LAST_ANSWERS).await } => Ok(()),
    }
}

/// The server, and the provider that it relies on.
async fn coatroom(config: &Config) -> anyhow::Result<(Coatroom, String)> {
    let builder = Coatroom::builder(&config.public_url)
        .store(store::open(&config.store).await?)
        .key_file(&config.keys_file)
        .listen(config.listen);
    if let Some(issuer) = issuers::find_in_env()? {
        let who = format!("takes the tokens of {} at {}", issuer.kind, issuer.url);
        let protection = Protection::new("/mcp").with_issuer(issuer.name.clone());
        return Ok((builder.remote_issuer(issuer).resource(protection).build()?, who));
    }
    let provider = providers::oidc_from_env().context(NO_ISSUER)?;
    let who = format!("signs users in at {}", provider.issuer.as_deref().unwrap_or_default());
    Ok((builder.provider(provider).resource("/mcp").build()?, who))
}

#[expect(clippy::print_stdout, reason = "a program tells its user where it is")]
fn welcome(public_url: &str, who: &str) {
    println!("MCP server at {public_url}/mcp, which {who}");
}

#[expect(clippy::print_stderr, reason = "a program tells its user what is wrong")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Ctrl-C, or what a supervisor sends.
async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

const NO_ISSUER: &str =
    "no remote issuer is named (COATROOM_AUTH0_DOMAIN, …), and no OpenID provider to sign users in at";
const LAST_ANSWERS: Duration = Duration::from_secs(5);
