//! GitHub tools that act for whoever calls, reached in two ways: by MCP clients with an access token, and by the pages of a web
//! app with its own session cookie.

mod client;
mod config;
mod pages;
mod session;
mod sign_in;
mod tools;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum_extra::extract::cookie::Key;
use clap::Parser as _;
use coatroom::clock::SystemClock;
use coatroom::guard::Lists;
use coatroom::protocol::access::{Manifest, Rule, Unlisted};
use coatroom::protocol::words::{Issuer, ScopeCatalogue, ScopeEntry};
use coatroom::settings::Settings;
use coatroom::{Coatroom, Protection, providers, store};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use config::Config;

/// What the handlers of the web app share.
#[derive(Clone)]
pub(crate) struct App {
    /// Where this server is; also the issuer of its tokens.
    pub(crate) origin: Issuer,
    /// The authorization server, whose client the web app is. It is called in this process.
    pub(crate) authorization_server: Router,
    /// Seals cookies.
    pub(crate) cookie_key: Key,
    pub(crate) clock: Arc<SystemClock>,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.cookie_key.clone()
    }
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
    let app = App {
        origin: Issuer::parse(&config.public_url)?,
        authorization_server: coatroom.routes(),
        cookie_key: config::cookie_key(&config.cookie_key_file)?,
        clock: Arc::new(SystemClock::new()),
    };
    let routes = routes(&coatroom, &app, &config.github_api_url);
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
    welcome(&app.origin);
    let serving = axum::serve(listener, routes).with_graceful_shutdown(asked_to_stop());
    tokio::select! {
        served = serving => Ok(served?),
        // Streams of MCP clients end by themselves only when their clients go.
        () = async { asked_to_stop().await; tokio::time::sleep(LAST_ANSWERS).await } => Ok(()),
    }
}

/// The authorization server and the guard.
async fn coatroom(config: &Config) -> anyhow::Result<Coatroom> {
    let mut github = providers::github_from_env()?;
    if github.scopes.is_empty() {
        github.scopes = "read:user repo".parse()?;
    }
    let mut settings = Settings::default();
    settings.access_token_life = Duration::from_secs(config.access_token_seconds);
    let store = store::open(&config.store).await.context("the store cannot be used")?;
    let coatroom = Coatroom::builder(&config.public_url)
        .listen(config.listen)
        .store(store)
        .key_file(&config.keys_file)
        .settings(settings)
        .provider(github)
        .client(client::web_app(&config.public_url)?)
        .resource(protection()?);
    Ok(coatroom.build()?)
}

/// What people are asked for, and what each tool needs of it.
fn protection() -> anyhow::Result<Protection> {
    let read = ScopeEntry::new("See your repositories").by_default();
    let write = ScopeEntry::new("Open issues in your repositories").implying("repos:read".parse()?);
    let scopes = ScopeCatalogue::of([("repos:read", read), ("issues:write", write)])?;
    let rules = [
        Rule::tool("get-my-repos").with_scopes("repos:read".parse()?),
        Rule::tool("create-issue").with_scopes("issues:write".parse()?),
    ];
    Ok(Protection::new("/mcp")
        .with_name("GitHub tools")
        .with_scopes(scopes)
        .with_manifest(Manifest::new(rules, Unlisted::Denied))
        // Clients are shown what needs more than they have, so that they can ask their user for it.
        .with_lists(Lists::Reachable))
}

fn routes(coatroom: &Coatroom, app: &App, github_api_url: &str) -> Router {
    let tools = tools::GitHubTools::new(github_api_url);
    let mcp = StreamableHttpService::new(
        move || Ok(tools.clone()),
        Arc::new(LocalSessionManager::default()),
        // The script of the pages reads JSON, not streams of events.
        coatroom.rmcp_config().with_json_response(true),
    );
    let mcp = Router::new()
        .route_service("/mcp", mcp)
        .layer(coatroom.guard("/mcp"))
        // Outside of the guard: what the guard sees is a call with a token, whoever made it.
        .layer(from_fn_with_state(app.clone(), session::cookie_to_token));
    Router::new()
        .route("/", get(pages::home))
        .route("/app.js", get(pages::script))
        .route("/style.css", get(pages::style))
        .route("/sign-in", post(sign_in::begin))
        .route(client::REDIRECT_PATH, get(sign_in::finish))
        .route("/sign-out", post(sign_in::end))
        .with_state(app.clone())
        .merge(mcp)
        // Not merged: the authorization server has a page at `/` too.
        .fallback_service(coatroom.routes())
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
fn welcome(origin: &Issuer) {
    println!("MCP clients: {origin}/mcp\nPeople:      {origin}/\nCtrl-C stops it.");
}

#[expect(clippy::print_stderr, reason = "a program for people at a terminal")]
fn complain(error: &anyhow::Error) {
    eprintln!("github-tools: {error:#}");
}

/// How long answers that are under way may take when the program stops.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
