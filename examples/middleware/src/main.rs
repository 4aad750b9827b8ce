//! An MCP server of rmcp with Coatroom around it.
//!
//! The server itself is in `tools.rs`. What is added: `access.toml` says who may call what, `hooks.rs` has a say at sign-ins, and this
//! file puts a guard before `/mcp` and the routes of the authorization server beside it.

mod hooks;
mod tools;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use axum::routing::get;
use axum::{Json, Router};
use coatroom::providers::{self, ProviderKind};
use coatroom::{Coatroom, Protection, store};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::hooks::Door;
use crate::tools::{Apis, Tools};

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("COATROOM_LOG").unwrap_or_else(|_| EnvFilter::new("info,rmcp=warn"));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("cannot go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> anyhow::Result<()> {
    let public_url = variable("COATROOM_PUBLIC_URL", "http://localhost:8787");
    let listen = variable("COATROOM_LISTEN", "127.0.0.1:8787");
    let listen: SocketAddr = listen.parse().with_context(|| format!("COATROOM_LISTEN: {listen}"))?;
    let coatroom = coatroom(&public_url, listen).await?;
    coatroom.start().await?;

    let app = app(&coatroom);
    let config = coatroom.rmcp_config();
    let stop = config.cancellation_token.clone();
    let tools = Tools::new(coatroom.clone(), Apis::from_env());
    let mcp = StreamableHttpService::new(
        move || Ok(tools.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    // The guard stands before `/mcp`, and before nothing else.
    let mcp = Router::new().route_service("/mcp", mcp).layer(coatroom.guard("/mcp"));

    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    tracing::info!("the MCP server is at {public_url}/mcp, and what it asks for at {public_url}/auth.json");
    let mut terminated = signal(SignalKind::terminate())?;
    let stopped = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        // Streams of clients that listen would never end by themselves.
        stop.cancel();
    };
    axum::serve(listener, app.merge(mcp)).with_graceful_shutdown(stopped).await?;
    Ok(())
}

/// Everything about sign-ins.
async fn coatroom(public_url: &str, listen: SocketAddr) -> anyhow::Result<Coatroom> {
    let place = variable("COATROOM_STORE", "sqlite:coatroom.db");
    let coatroom = Coatroom::builder(public_url)
        .listen(listen)
        .store(store::open(&place).await.context("COATROOM_STORE")?)
        .key_file(variable("COATROOM_KEYS_FILE", "keys.toml"))
        .provider(providers::github_from_env()?)
        // A second one of the same kind: the company's own GitHub Enterprise Server, for one.
        .provider(providers::named_from_env("forge", ProviderKind::Github)?)
        .resource(Protection::from_toml("/mcp", include_str!("../access.toml")).context("access.toml")?)
        .hooks(Door::of(&variable("ADMINS", "")))
        .build()?;
    Ok(coatroom)
}

/// The routes beside the MCP server: those of the authorization server, and a description for machines.
fn app(coatroom: &Coatroom) -> Router {
    let description = coatroom.description("/mcp");
    coatroom.routes().route("/auth.json", get(async move || Json(description)))
}

/// A variable, or its default where it is not set or empty.
fn variable(name: &str, default: &str) -> String {
    let set = std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    set.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}
