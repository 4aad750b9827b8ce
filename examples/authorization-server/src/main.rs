//! A complete authorization server, and the MCP server that it protects.
//!
//! People sign in at a provider that they know, read what an app may do, and agree. Apps are configured here or register
//! themselves, with a secret or without. Everything is kept in PostgreSQL.

mod access;
mod clients;
mod settings;
mod tools;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use coatroom::{Coatroom, store};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::settings::Settings;
use crate::tools::Notes;

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
    let settings = Settings::from_env()?;
    let coatroom = coatroom(&settings).await?;
    coatroom.start().await?;

    let config = coatroom.rmcp_config();
    let stop = config.cancellation_token.clone();
    let mcp = StreamableHttpService::new(|| Ok(Notes), Arc::new(LocalSessionManager::default()), config);
    let app = axum::Router::new().route_service("/mcp", mcp).layer(coatroom.guard("/mcp"));

    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", settings.listen))?;
    tracing::info!("the MCP server is at {}/mcp", settings.public_url);
    let mut terminated = signal(SignalKind::terminate())?;
    let stopped = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        // Streams of clients that listen would never end by themselves.
        stop.cancel();
    };
    axum::serve(listener, app.merge(coatroom.routes())).with_graceful_shutdown(stopped).await?;
    Ok(())
}

/// Puts the authorization server together.
async fn coatroom(settings: &Settings) -> anyhow::Result<Coatroom> {
    let mut builder = Coatroom::builder(&settings.public_url)
        .listen(settings.listen)
        .store(store::open(&settings.store).await.context("COATROOM_STORE")?)
        .key_file(&settings.keys_file)
        .resource(access::protection()?)
        .client(clients::desk()?);
    for provider in settings::providers()? {
        builder = builder.provider(provider);
    }
    if let Some(secret) = &settings.portal_secret {
        builder = builder.client(clients::portal(secret, &settings.portal_redirect_uri)?);
    }
    if let Some(secret) = &settings.reports_secret {
        builder = builder.resource_server(clients::reports(secret));
    }
    Ok(builder.build()?)
}
