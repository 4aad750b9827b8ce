//! The configuration: flags over environment over file over defaults, read into types, every mistake at once.
//!
//! Environment variables are `COATROOM_` and the key in capitals: `COATROOM_PUBLIC_URL`, `COATROOM_LIFETIMES_CODE`,
//! `COATROOM_GITHUB_CLIENT_ID`. What stands below `[servers]` and `[clients]` is for the file alone; a single server
//! needs none (`--upstream`, or `COATROOM_UPSTREAM`; a command, `coatroom wrap`).

mod accounts;
mod allow;
mod client_documents;
mod commands;
mod environment;
mod introspection;
mod issuers;
mod limits;
mod mask;
mod problem;
mod processes;
mod providers;
mod reader;
mod redirects;
mod servers;
mod store;
mod suggest;
mod templates;
mod theme;
mod trust;
mod values;
mod wrapped;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use coatroom::issuers::IssuerConfig;
use coatroom::pages::Theme;
use coatroom::protocol::words::{Issuer, ProviderName};
use coatroom::providers::ProviderConfig;
use coatroom::settings::{ClientDocuments, Rates};
use coatroom::store::StoreLocation;
use toml::de::DeTable;

pub(crate) use accounts::AccountsConfig;
#[cfg(test)]
pub(crate) use environment::fake::FakeEnvironment;
pub(crate) use environment::{Environment, ProcessEnvironment, variable};
pub(crate) use introspection::IntrospectionConfig;
pub(crate) use limits::{Lifetimes, Limits};
pub(crate) use problem::Report;
pub(crate) use providers::ClientConfig;
pub(crate) use reader::{Flag, Flags};
pub(crate) use redirects::Redirects;
pub(crate) use servers::{
    Auth, ListsConfig, RuleConfig, ScopeConfig, ServerConfig, Unlisted, UpstreamConfig,
};
pub(crate) use store::{KEYS as KEYS_VARIABLE, KeysLocation};
pub(crate) use values::duration;
pub(crate) use wrapped::Wrapped;

use crate::client_address::IpRange;
use crate::command::ProcessesConfig;
use problem::{Place, Problems};
use reader::{Found, Layers, Section};

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The origin at which browsers and clients reach Coatroom; the issuer.
    pub(crate) public_url: Issuer,
    /// Where to listen. Default `127.0.0.1:8787`.
    pub(crate) listen: SocketAddr,
    /// Where records live. Default `sqlite:coatroom.db`.
    pub(crate) store: StoreLocation,
    /// Where the keys live. Default `keys.toml`, beside the store if that is a file; nowhere with a store in memory.
    pub(crate) keys: KeysLocation,
    /// Where users sign in.
    pub(crate) providers: Vec<ProviderConfig>,
    /// Accounts of this server itself.
    pub(crate) accounts: Option<AccountsConfig>,
    /// Authorization servers elsewhere whose own tokens open servers.
    pub(crate) issuers: Vec<IssuerConfig>,
    /// What is common to the processes of servers that are commands.
    pub(crate) processes: ProcessesConfig,
    /// The MCP servers.
    pub(crate) servers: Vec<ServerConfig>,
    /// The clients that the operator registered.
    pub(crate) clients: Vec<ClientConfig>,
    /// The resource servers beside Coatroom that may ask about tokens.
    pub(crate) introspection: Vec<IntrospectionConfig>,
    /// Clients that are described by documents.
    pub(crate) client_documents: ClientDocuments,
    /// How long things live.
    pub(crate) lifetimes: Lifetimes,
    /// How much is accepted.
    pub(crate) limits: Limits,
    /// How often one address may knock.
    pub(crate) rates: Rates,
    /// Whether callers from this machine are limited too. Default false.
    pub(crate) limit_loopback: bool,
    /// What happens when a refresh token is replayed.
    pub(crate) replay: Replay,
    /// Who may register clients.
    pub(crate) registration: Registration,
    /// Further web origins whose pages may call; `*` is all of them.
    pub(crate) allowed_origins: Vec<String>,
    /// Which redirect URIs clients may register beside https and loopback, and what is special about some.
    pub(crate) redirects: Redirects,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpRange>,
    /// How pages and mails look.
    pub(crate) theme: Theme,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
}

/// What happens when a refresh token is replayed after its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    /// The grant is revoked.
    Revoke,
    /// The request is refused, and the grant lives on.
    Refuse,
}

/// Who may register clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registration {
    /// Everybody: clients register themselves.
    Open,
    /// The operator, in the configuration.
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Reads the configuration. `file` and `flags` come from the command line.
///
/// # Errors
/// The report of every mistake, to be shown to the operator.
pub(crate) fn load(
    file: Option<&Path>,
    flags: &Flags,
    environment: &dyn Environment,
) -> Result<Config, Report> {
    load_with(file, flags, environment, None)
}

/// Reads the configuration with one server more. Without a public URL it is this machine's.
///
/// # Errors
/// The report of every mistake, to be shown to the operator.
pub(crate) fn load_wrapped(
    file: Option<&Path>,
    flags: &Flags,
    environment: &dyn Environment,
    wrapped: &Wrapped,
) -> Result<Config, Report> {
    load_with(file, flags, environment, Some(wrapped))
}

fn load_with(
    file: Option<&Path>,
    flags: &Flags,
    environment: &dyn Environment,
    wrapped: Option<&Wrapped>,
) -> Result<Config, Report> {
    let mut variables = environment.variables();
    let by_variable = variables.get("COATROOM_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = file.map(Path::to_owned).or(by_variable);
    let mut text = match &path {
        Some(path) => std::fs::read_to_string(path).map_err(|cause| Report::of_unreadable(path, &cause))?,
        None => String::new(),
    };
    if let Some(wrapped) = wrapped {
        let path = variables.remove("COATROOM_PATH").filter(|path| !path.is_empty());
        text.push_str(&wrapped.to_toml(&text, path.as_deref(), &variables));
    }
    let problems = Problems::default();
    let (table, mistakes) = DeTable::parse_recoverable(&text);
    for mistake in &mistakes {
        let place = mistake.span().map_or(Place::Nowhere, Place::File);
        problems.add(&place, mistake.message(), None);
    }
    let sources = Sources { file: path.as_deref(), flags, variables: &variables, wrapped };
    // What a file with wrong syntax says is not known; judging the rest of it would only add noise.
    let config = mistakes.is_empty().then(|| read(table.get_ref(), sources, &problems)).flatten();
    let mut config = config.ok_or_else(|| {
        let hidden = if mistakes.is_empty() {
            mask::hide_values(&text, table.get_ref(), &problems.quotable())
        } else {
            mask::hide_lines(&text)
        };
        let path = path.unwrap_or_else(|| PathBuf::from("the command line"));
        problems.into_report(Some((path, hidden)))
    })?;
    processes::pass(&mut config.processes, &config.servers, environment);
    Ok(config)
}

/// Reads a configuration that the program itself wrote: no flags and no environment override it.
///
/// # Errors
/// The report of every mistake.
pub(crate) fn from_text(text: &str) -> Result<Config, Report> {
    let problems = Problems::default();
    let (table, mistakes) = DeTable::parse_recoverable(text);
    for mistake in &mistakes {
        problems.add(&Place::Nowhere, mistake.message(), None);
    }
    let (flags, variables) = (Flags::default(), BTreeMap::new());
    let sources = Sources { file: None, flags: &flags, variables: &variables, wrapped: None };
    let config = read(table.get_ref(), sources, &problems);
    config.filter(|_| mistakes.is_empty()).ok_or_else(|| problems.into_report(None))
}

/// Where the configuration comes from, beside the text of the file.
#[derive(Clone, Copy)]
struct Sources<'a> {
    file: Option<&'a Path>,
    flags: &'a Flags,
    variables: &'a BTreeMap<String, String>,
    wrapped: Option<&'a Wrapped>,
}

/// Reads every section; `None` when at least one mistake was noted.
fn read(table: &DeTable<'_>, sources: Sources<'_>, problems: &Problems) -> Option<Config> {
    let Sources { file, flags, variables, wrapped } = sources;
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let (asked, files) = (RefCell::default(), RefCell::default());
    let layers = Layers { flags, variables, folder, problems, asked, files };
    let root = Section::root(&layers, Some(table), "COATROOM".to_owned());
    root.only(KEYS);
    let providers = providers::read_providers(&root);
    let issuers = issuers::read_issuers(&root);
    let accounts = accounts::read(&root);
    let listen = root.value("listen", listen).map_or(DEFAULT_LISTEN, |found| found.value);
    let local = accounts::name(accounts.as_ref());
    if let Some(wrapped) = wrapped {
        let known: Vec<&str> = providers.names.iter().chain(&local).map(ProviderName::as_str).collect();
        let origin = root.text("public_url").map_or_else(|| local_url(listen.port()), |found| found.value);
        // Without it nothing else is worth saying.
        if !wrapped.check_provider(&root, &known, origin.trim_end_matches('/')) {
            return None;
        }
    }
    let servers = servers::read_servers(&root, &trust::Known::new(&providers, &issuers, local));
    let needs_ours = |server: &ServerConfig| server.signs_in() && server.issuer.is_none();
    let has_users = root.in_file("servers").is_none() || servers.iter().any(needs_ours);
    if providers.names.is_empty() && issuers.names.is_empty() && accounts.is_none() && has_users {
        let help = "set COATROOM_GITHUB_CLIENT_ID and COATROOM_GITHUB_CLIENT_SECRET, or add [providers.NAME]; for accounts of \
                    this server itself set COATROOM_ACCOUNTS_ENABLED=true; for an issuer of tokens elsewhere set its \
                    variables, such as COATROOM_AUTH0_DOMAIN, or add [issuers.NAME]";
        root.refuse(
            &Place::Nowhere,
            "no provider is configured: users cannot sign in",
            Some(help.to_owned()),
        );
    }
    let public_url = read_public_url(&root, wrapped.map(|_| listen.port()));
    let (store, keys) = store::read(&root);
    let mut processes = processes::read(&root);
    let (rates, limit_loopback) = limits::read_rates(&root);
    let files = layers.files.take().into_iter().chain(file.map(Path::to_owned));
    processes::hide(&mut processes, &store, &keys, files);
    let config = Config {
        processes,
        public_url: public_url.clone().unwrap_or(Issuer::parse("http://localhost").ok()?),
        listen,
        clients: providers::read_clients(&root),
        introspection: introspection::read_introspection(&root, &servers),
        client_documents: client_documents::read(&root, public_url.as_ref()),
        lifetimes: Lifetimes::read(&root),
        limits: Limits::read(&root),
        rates,
        limit_loopback,
        replay: root.choice("replay", REPLAY).map_or(Replay::Revoke, |found| found.value),
        registration: root
            .choice("registration", REGISTRATION)
            .map_or(Registration::Open, |found| found.value),
        allowed_origins: values_of(root.list("allowed_origins", values::origin)),
        redirects: Redirects::read(&root),
        trusted_proxies: values_of(root.list("trusted_proxies", str::parse)),
        theme: theme::read(&root),
        log_format: root.choice("log_format", LOG_FORMAT).map_or(LogFormat::Text, |found| found.value),
        store,
        keys,
        providers: providers.configs,
        accounts,
        issuers: issuers.configs,
        servers,
    };
    layers.refuse_mistyped_variables();
    (problems.is_empty() && public_url.is_some()).then_some(config)
}

fn values_of<T>(found: Option<Vec<Found<T>>>) -> Vec<T> {
    found.unwrap_or_default().into_iter().map(|found| found.value).collect()
}

/// Reads the public URL. `local` is the port of a gateway that is this machine's own unless it is said.
fn read_public_url(root: &Section<'_>, local: Option<u16>) -> Option<Issuer> {
    if root.text("public_url").is_none() {
        if let Some(port) = local {
            return Issuer::parse(&local_url(port)).ok();
        }
        let help =
            "set the https URL at which clients reach coatroom, or http://127.0.0.1:8787 to try it here";
        root.refuse(&Place::Nowhere, "public_url is not set", Some(help.to_owned()));
    }
    root.value("public_url", Issuer::parse).map(|found| found.value)
}

fn local_url(port: u16) -> String {
    format!("http://localhost:{port}")
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address and port such as 127.0.0.1:8787"))
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8787);

const REPLAY: &[(&str, Replay)] = &[("revoke", Replay::Revoke), ("refuse", Replay::Refuse)];

const REGISTRATION: &[(&str, Registration)] = &[("open", Registration::Open), ("off", Registration::Off)];

const LOG_FORMAT: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

const KEYS: &[&str] = &[
    "public_url",
    "listen",
    "store",
    "store_file",
    "keys_file",
    "providers",
    "accounts",
    "smtp",
    "issuers",
    "servers",
    "processes",
    "clients",
    "introspection",
    "client_documents",
    "lifetimes",
    "limits",
    "rates",
    "replay",
    "registration",
    "allowed_origins",
    "app_uris",
    "redirect_hosts",
    "redirect_prefixes",
    "secret_redirect_uris",
    "trusted_proxies",
    "theme",
    "log_format",
];

#[cfg(test)]
mod tests;
