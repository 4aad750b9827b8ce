//! `coatroom wrap`: one server on stdio, with a process and a credential for each user, by one line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use coatroom::clock::SystemClock;
use coatroom::entropy::SystemEntropy;
use coatroom::providers::ProviderKind;
use coatroom::store::StoreLocation;

use crate::cli::Wrap;
use crate::config::{self, Config, ProcessEnvironment, Wrapped};
use crate::demo::provider::{Provider, Sources, routes};
use crate::demo::{CLIENT_ID, PROVIDER_NAME, PROVIDER_PATH, default_folder, make_private_folder};

/// What is served, and the demo's provider beside it, where users sign in there.
///
/// # Errors
/// When the configuration is not good, or the demo's provider cannot be opened; the message says what to do.
pub(crate) fn prepare(options: &Wrap) -> anyhow::Result<(Config, Router)> {
    let (settings, mut wrapped) = (&options.settings, options.wrapped());
    wrapped.provider_table =
        Some(demo_table()).filter(|_| wrapped.provider.as_deref() == Some(PROVIDER_NAME));
    let flags = settings.flags();
    let mut config = config::load_wrapped(settings.config.as_deref(), &flags, &ProcessEnvironment, &wrapped)?;
    let provider = demo_provider(&mut config)?;
    Ok((config, provider))
}

/// The demo's provider, where users sign in there and no other is called like it.
fn demo_provider(config: &mut Config) -> anyhow::Result<Router> {
    let is_ours = |provider: &&mut coatroom::providers::ProviderConfig| {
        provider.kind == ProviderKind::Demo && provider.client_id == CLIENT_ID
    };
    let Some(ours) = config.providers.iter_mut().find(is_ours) else { return Ok(Router::new()) };
    let data = match &config.store {
        StoreLocation::Sqlite(path, _) => std::path::absolute(path.with_file_name("coatroom-demo"))?,
        _ => default_folder(config.listen.port()),
    };
    let about = |data: &Path| format!("the demo's provider cannot use {}", data.display());
    make_private_folder(&data).with_context(|| about(&data))?;
    let sources = Sources { clock: Arc::new(SystemClock::new()), entropy: Arc::new(SystemEntropy::new()) };
    let provider = Provider::open(&data, config.public_url.clone(), Provider::ACCESS_TOKEN_LIFE, sources);
    let provider = provider.with_context(|| about(&data))?;
    ours.client_secret = Some(provider.client_secret());
    ours.base_url = Some(config.public_url.url(PROVIDER_PATH));
    config.processes.hidden.push(data);
    Ok(routes(provider))
}

/// The demo's provider as it is configured before it is there: its secret and its address are put in later.
fn demo_table() -> String {
    format!(
        "[providers.{PROVIDER_NAME}]\nkind = \"demo\"\nlabel = \"Demo Forge\"\nclient_id = \"{CLIENT_ID}\"\n\
         client_secret = \"made at start\"\nbase_url = \"http://localhost{PROVIDER_PATH}\"\nscopes = [\"repos:read\"]\n"
    )
}

/// What to do next, ready to print.
pub(crate) fn welcome(config: &Config) -> String {
    let server = config.servers.iter().find(|server| server.name == Wrapped::NAME);
    let (name, path) = server.map_or(("", "/"), |server| (&server.title, &server.path));
    let url = config.public_url.url(path);
    format!(
        "Every user who signs in gets a process of {name} of their own.\n\n  MCP URL        {url}\n  Claude Code    claude mcp add \
         --transport http {name} {url}\n  Codex          codex mcp add {name} --url {url}\n  Other clients  add a server by that URL, \
         and sign in when asked\n"
    )
}

impl Wrap {
    fn wrapped(&self) -> Wrapped {
        let absolute = |paths: &[PathBuf]| {
            let absolute =
                paths.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
            absolute.map(|path| path.to_string_lossy().into_owned()).collect()
        };
        Wrapped {
            command: self.command.clone(),
            environment: self.env.clone(),
            passed: self.pass.clone(),
            provider: self.provider.clone(),
            provider_table: None,
            path: self.path.clone(),
            isolation: self.isolation.clone(),
            readable: absolute(&self.read),
            writable: absolute(&self.write),
        }
    }
}
