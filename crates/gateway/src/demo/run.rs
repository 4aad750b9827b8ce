//! Starting the demo: the real gateway, configured as an operator would, between the demo's provider and its MCP server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use coatroom::clock::SystemClock;
use coatroom::entropy::SystemEntropy;
use coatroom::protocol::words::Issuer;
use http::Uri;
use tokio::net::TcpListener;

use super::provider::{Provider, Sources, routes};
use super::{
    CLIENT_ID, DemoScope, MCP_PATH, PROVIDER_NAME, PROVIDER_PATH, SCOPES, TOOL_SCOPES, mcp, welcome,
};
use crate::config::{self, Config, Environment, LogFormat};
use crate::{assemble, observe, serve, shutdown, terminal};

/// Runs the demo until it is told to stop.
///
/// # Errors
/// When the address is taken or the data folder cannot be used; the message says what to do.
pub(crate) async fn run(
    listen: SocketAddr,
    data: Option<PathBuf>,
    environment: &dyn Environment,
) -> anyhow::Result<()> {
    observe::start(LogFormat::Text, environment)?;
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| {
        format!("cannot listen on {listen}; is another demo running? Choose another port with --listen 127.0.0.1:PORT")
    })?;
    let listen = listener.local_addr()?;
    let public_url = Issuer::parse(&format!("http://localhost:{}", listen.port()))?;
    let data = data.unwrap_or_else(|| default_folder(listen.port()));
    make_private_folder(&data)
        .with_context(|| format!("the data folder {} cannot be used", data.display()))?;
    let sources = Sources { clock: Arc::new(SystemClock::new()), entropy: Arc::new(SystemEntropy::new()) };
    let provider = Provider::open(&data, public_url.clone(), Provider::ACCESS_TOKEN_LIFE, sources);
    let provider = provider.with_context(|| format!("the demo's provider cannot use {}", data.display()))?;

    let mcp_listener = TcpListener::bind("127.0.0.1:0").await?;
    let mcp_address = mcp_listener.local_addr()?;
    let api: Uri = public_url.url(PROVIDER_PATH).parse()?;
    tokio::spawn(async move {
        if let Err(error) = mcp::serve(mcp_listener, &api).await {
            tracing::error!(%error, "the demo's MCP server ended");
        }
    });

    let config = configuration(listen, &public_url, &data, &provider, mcp_address)?;
    let edge = assemble::edge(&config, routes(provider)).await?;
    terminal::say(welcome(&public_url, &data));
    let limits = serve::ServeSettings::from(&config);
    serve::run(listener, edge, &limits, shutdown::requested()).await;
    Ok(())
}

/// The demo's coatroom.toml: what an operator would write for a server like this one.
fn configuration(
    listen: SocketAddr,
    public_url: &Issuer,
    data: &Path,
    provider: &Provider,
    mcp: SocketAddr,
) -> anyhow::Result<Config> {
    let scopes = SCOPES.each_ref().map(scope).join("\n");
    let tools = TOOL_SCOPES.map(|(tool, scope)| format!("{tool} = {{ scopes = [{scope:?}] }}")).join("\n");
    let asked: Vec<&str> = SCOPES.iter().map(|scope| scope.name).collect();
    let text = format!(
        r#"
public_url = "{public_url}"
listen = "{listen}"
store = {store}
keys_file = {keys}

# The demo talks to nobody but this machine.
[client_documents]
enabled = "off"

[providers.{PROVIDER_NAME}]
kind = "demo"
label = "Demo Forge"
client_id = "{CLIENT_ID}"
client_secret = {secret}
base_url = "{base_url}"
scopes = {asked:?}

[servers.coatroom-demo]
title = "Demo Repositories"
path = "{MCP_PATH}"
upstream = "http://{mcp}{MCP_PATH}"
provider = "{PROVIDER_NAME}"
lists = "reachable"

[servers.coatroom-demo.scopes]
{scopes}

[servers.coatroom-demo.tools]
{tools}
"#,
        store = quoted(&format!("sqlite:{}", data.join("coatroom.db").display())),
        keys = quoted(&data.join("keys.toml").to_string_lossy()),
        secret = quoted(provider.client_secret().expose()),
        base_url = public_url.url(PROVIDER_PATH),
    );
    Ok(config::from_text(&text)?)
}

fn scope(scope: &DemoScope) -> String {
    let DemoScope { name, title, default, implies } = scope;
    format!("{name:?} = {{ title = {title:?}, default = {default}, implies = {implies:?} }}")
}

/// A TOML string, whatever is in it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Where the demo keeps its data unless it is told: below the user's home, one folder for each port.
pub(crate) fn default_folder(port: u16) -> PathBuf {
    let base = std::env::home_dir().map(|home| home.join(".local/share"));
    base.unwrap_or_default().join("coatroom").join(format!("demo-{port}"))
}

/// Makes the folder for its owner alone; one that exists stays as it is.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
