//! `coatroom`: a gateway that gives every user of an MCP server their own OAuth.

mod assemble;
mod backup;
mod block;
mod carry;
mod child;
mod cli;
mod client_address;
mod command;
mod config;
mod demo;
mod descriptors;
mod edge;
mod grants;
mod keys;
mod named;
mod observe;
mod overload;
mod progress;
mod proxy;
mod serve;
mod shutdown;
#[cfg(target_os = "linux")]
mod stdio;
mod terminal;
mod unread;
mod users;
mod wrap;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use coatroom::settings::SignUp;

use cli::{Cli, Command, Settings, Wrap};
use config::{Auth, Config, ProcessEnvironment, UpstreamConfig};
use proxy::Transport;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        let mut arguments = std::env::args_os().skip(1);
        if arguments.next().is_some_and(|role| role == child::ROLE) {
            let arguments: Option<Vec<String>> =
                arguments.map(|argument| argument.into_string().ok()).collect();
            return child::run(&arguments.unwrap_or_default());
        }
    }
    let done = match Cli::parse().command {
        Command::Serve(settings) => run(serve(&settings)),
        Command::Wrap(options) => run(wrapped(&options)),
        Command::Check(settings) => check(&settings),
        Command::Block(options) => run(block::run(&options)),
        Command::Keys(options) => run(keys::run(&options)),
        Command::Migrate(settings) => run(backup::migrate(&settings)),
        Command::Backup(options) => backup::back_up(&options),
        Command::Restore(options) => backup::restore(&options),
        Command::Export(options) => run(carry::export(&options)),
        Command::Import(options) => run(carry::import(&options)),
        Command::Grants(options) => run(grants::run(&options)),
        Command::Users(options) => run(users::run(&options)),
        Command::Demo(options) => run(demo::run(options.listen, options.data, &ProcessEnvironment)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the system gives no threads to work with")?.block_on(work)
}

fn load(settings: &Settings) -> anyhow::Result<Config> {
    Ok(config::load(settings.file(), &settings.flags(), &ProcessEnvironment)?)
}

fn check(settings: &Settings) -> anyhow::Result<()> {
    let config = load(settings)?;
    run(assemble::check(&config))?;
    terminal::say(format_args!("ok: {} listens on {}", config.public_url, config.listen));
    for server in &config.servers {
        let auth = match server.auth {
            Auth::Required => "signed-in users",
            Auth::Optional => "anybody, signed in or not",
            Auth::Off => "anybody",
        };
        let (what, names): (String, Vec<&str>) = match &server.upstream {
            UpstreamConfig::Http(url, transport) => {
                let over = if *transport == Transport::Sse { " (HTTP+SSE)" } else { "" };
                (format!("{url}{over}"), server.headers.iter().map(|(name, _)| name.as_str()).collect())
            }
            UpstreamConfig::Command(command) => (
                format!("{} … (stdio; one process per user)", command.program()),
                command.environment.iter().map(|(name, _)| name.as_str()).collect(),
            ),
        };
        let sent = if names.is_empty() { "nothing added".to_owned() } else { names.join(", ") };
        terminal::say(format_args!("  {} -> {what} ({auth}; {sent})", server.path));
    }
    say_what_keeps_apart(&config);
    for provider in &config.providers {
        let callback = config.public_url.url(&format!("/callback/{}", provider.name));
        terminal::say(format_args!("  {}: register the callback {callback}", provider.name));
    }
    if let Some(accounts) = &config.accounts {
        let who = match accounts.settings.sign_up {
            SignUp::Invitation => "by invitation: coatroom users add EMAIL",
            SignUp::Open => "for whoever has an e-mail address",
            SignUp::Closed => "for nobody new",
        };
        let mail = if accounts.mailer.is_some() { "codes by mail" } else { "no mail" };
        terminal::say(format_args!("  local accounts {who} ({mail})"));
    }
    Ok(())
}

/// Tries what `serve` would use, and says so; elsewhere than where it will run the answer may be another.
fn say_what_keeps_apart(config: &Config) {
    match assemble::what_keeps_apart(config) {
        Some(Ok(means)) => terminal::say(format_args!("  processes of users are kept apart by {means}")),
        Some(Err(error)) => terminal::say(format_args!("  here `serve` would not start: {error:#}")),
        None => {}
    }
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    listen(&load(settings)?, axum::Router::new(), |_| {}).await
}

async fn wrapped(options: &Wrap) -> anyhow::Result<()> {
    let (config, provider) = wrap::prepare(options)?;
    listen(&config, provider, |config| terminal::say(wrap::welcome(config))).await
}

/// Serves until it is told to stop; `more` beside what is configured. `greet` is called once connections are taken.
async fn listen(config: &Config, more: axum::Router, greet: impl FnOnce(&Config)) -> anyhow::Result<()> {
    observe::start(config.log_format, &ProcessEnvironment)?;
    descriptors::allow(config.limits.connections);
    let edge = assemble::edge(config, more).await?;
    let listener = tokio::net::TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
    tracing::info!(listen = %config.listen, public_url = %config.public_url, "serving");
    greet(config);
    tokio::task::spawn_blocking(coatroom::entropy::prepare);
    let limits = serve::ServeSettings::from(config);
    serve::run(listener, edge, &limits, shutdown::requested()).await;
    Ok(())
}
