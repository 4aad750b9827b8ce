//! Wires the configuration to the library and the proxy: the one place that knows all three.

#[cfg_attr(not(target_os = "linux"), path = "assemble/no_commands.rs")]
mod commands;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use coatroom::accounts::Mailer;
use coatroom::clock::{Clock, SystemClock};
use coatroom::entropy::SystemEntropy;
use coatroom::guard::{Assertions, Authentication, Lists, SessionLimits};
use coatroom::protocol::access::{self, Manifest, Rule, RuleKind};
use coatroom::protocol::client::Client;
use coatroom::protocol::words::{ScopeCatalogue, ScopeEntry};
use coatroom::providers::ProviderKind;
use coatroom::settings::{Settings, SignUp};
use coatroom::store::{Portable, StoreLocation};
use coatroom::vault::KeyRing;
use coatroom::{Coatroom, Protection, ResourceServer};
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use secrecy::ExposeSecret as _;
use tower_layer::Layer as _;
use tower_service::Service;

pub(crate) use commands::what_keeps_apart;

use self::commands::Commands;
use crate::config::{
    AccountsConfig, Auth, ClientConfig, Config, KeysLocation, ListsConfig, Registration, Replay, RuleConfig,
    ScopeConfig, ServerConfig, Unlisted, UpstreamConfig, variable,
};
use crate::edge::{Edge, Endpoint, Hosts};
use crate::overload::{CallsBefore, Overload, rest_before};
use crate::proxy::{Connections, Places, Proxy, SseFront, Transport, Upstream, Waiting, Wants};

/// Everything that is served, with the checks that stand before it. `more` is merged beside it: the demo's own provider.
///
/// # Errors
/// When the store, the key file or another part of the configuration cannot be used; the message names it.
pub(crate) async fn edge(config: &Config, more: Router) -> anyhow::Result<Edge> {
    let coatroom = coatroom(config).await?;
    let mut session_limits = SessionLimits::default();
    session_limits.idle = config.lifetimes.mcp_session;
    session_limits.per_user = config.limits.sessions_per_user;
    let sessions = coatroom.sessions(session_limits);
    let connections = Connections::new(config.limits.upstream_connect);
    let overload = Overload::watch(Arc::new(SystemClock::new()));
    log_who_may_enter(config);
    let commands = Commands::open(config, &coatroom)?;
    let before = from_fn_with_state(Arc::clone(&overload), rest_before);
    let router = coatroom.routes().merge(more).layer(before);
    let mut endpoints = HashMap::new();
    for server in &config.servers {
        warn_of_openness(config, server);
        let guard = coatroom.guard_of_proxy(&server.path, &sessions);
        let endpoint = match (&server.upstream, &commands) {
            (UpstreamConfig::Http(url, transport), _) => {
                let assertions = server.assertion.then(|| coatroom.assertions(url.to_string()));
                let upstream = upstream(config, (server, url, *transport), assertions);
                let guarded = guard.layer(Proxy::new(upstream, connections.to(url, server.wire)?));
                match transport {
                    Transport::Streamable => endpoint(&overload, guarded),
                    Transport::Sse => endpoint(&overload, SseFront::new(&server.path, guarded)),
                }
            }
            (UpstreamConfig::Command(command), Some(commands)) => {
                endpoint(&overload, commands.serve(config, (server, command), &guard))
            }
            (UpstreamConfig::Command(_), None) => continue,
        };
        endpoints.insert(server.path.clone(), endpoint);
    }
    let hosts = Hosts::of(config.listen, &config.public_url);
    Ok(Edge::new(router, endpoints, config.trusted_proxies.clone(), hosts))
}

/// A server behind its guard, with what stands before both.
fn endpoint<S>(overload: &Arc<Overload>, server: S) -> Endpoint
where
    S: Clone + Send + Sync + 'static,
    CallsBefore<S>: Service<Request<Body>, Future = BoxFuture<'static, Result<Response<Body>, Infallible>>>,
{
    let before = CallsBefore::new(Arc::clone(overload), server);
    Box::new(move |request| before.clone().call(request))
}

/// Says who may enter by each provider and issuer, so that nobody is surprised by whom they let in.
fn log_who_may_enter(config: &Config) {
    for provider in config.providers.iter().filter(|provider| provider.kind != ProviderKind::Demo) {
        let (name, allow) = (&provider.name, &provider.allow);
        if allow.is_empty() && provider.is_open_to_the_world() {
            tracing::warn!(
                provider.name = %name,
                "anybody who has or makes an account at {name} may sign in; name who may in [providers.{name}.allow]"
            );
        } else {
            tracing::info!(provider.name = %name, allowed = %allow, "who may sign in at {name}: {allow}");
        }
    }
    match config.accounts.as_ref().map(|accounts| accounts.settings.sign_up) {
        None => {}
        Some(SignUp::Open) => {
            tracing::warn!("anybody who has an e-mail address may make an account here: sign-up is open");
        }
        Some(SignUp::Invitation) => {
            tracing::info!("who may have an account here: whom `coatroom users add` invites");
        }
        Some(SignUp::Closed) => tracing::info!("who may have an account here: nobody new"),
    }
    for issuer in &config.issuers {
        let (name, allow) = (&issuer.name, &issuer.allow);
        tracing::info!(issuer.name = %name, allowed = %allow, "whose tokens of {name} are taken: {allow}");
    }
}

/// Says who may use a server that lets in more people than its operator may think.
fn warn_of_openness(config: &Config, server: &ServerConfig) {
    let ServerConfig { name, path, auth, issuer, .. } = server;
    if *auth == Auth::Off {
        tracing::warn!(server = %name, %path, "auth is off: whoever reaches this server may use it");
    }
    let issuer = config.issuers.iter().find(|known| issuer.as_ref() == Some(&known.name));
    if let Some(issuer) = issuer.filter(|issuer| issuer.names_no_audience()) {
        let audience = variable("COATROOM", &format!("{}_audience", issuer.name));
        tracing::warn!(
            server = %name,
            issuer = %issuer.name,
            "the tokens of this issuer need not name an audience, so each may open this server, whatever it was issued for: \
             set `audience`, or {audience}"
        );
    }
}

/// The server that the configuration describes, without what it serves.
///
/// # Errors
/// When the store, the key file or another part of the configuration cannot be used; the message names it.
pub(crate) async fn coatroom(config: &Config) -> anyhow::Result<Coatroom> {
    let coatroom = built(config).await?;
    coatroom.start().await?;
    Ok(coatroom)
}

/// Makes sure that a server can be made of the configuration, whatever its store and keys are.
///
/// # Errors
/// When a part of the configuration cannot be used; the message names it.
pub(crate) async fn check(config: &Config) -> anyhow::Result<()> {
    let config = Config { store: StoreLocation::Memory, keys: KeysLocation::Memory, ..config.clone() };
    built(&config).await.map(|_| ())
}

async fn built(config: &Config) -> anyhow::Result<Coatroom> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut builder = Coatroom::builder(config.public_url.as_str())
        .clock(Arc::clone(&clock))
        .settings(settings(config))
        .client_documents(config.client_documents.clone())
        .store(store(&config.store, &clock).await?)
        .registration(config.registration == Registration::Open)
        .app_uris(config.redirects.apps.clone())
        .redirect_hosts(config.redirects.hosts.clone())
        .redirect_prefixes(config.redirects.prefixes.clone())
        .secret_redirects(config.redirects.secrets.clone())
        .theme(config.theme.clone())
        .listen(config.listen);
    builder = match &config.keys {
        KeysLocation::File(path) => builder.key_file(path),
        KeysLocation::Text(text) => builder.key_text(text.expose_secret()),
        KeysLocation::Memory => builder.keys(KeyRing::generate(&SystemEntropy::new(), clock.now())?),
    };
    for provider in &config.providers {
        builder = builder.provider(provider.clone());
    }
    if let Some(AccountsConfig { settings, mailer }) = &config.accounts {
        let mailer = mailer.clone().map(|mailer| -> Arc<dyn Mailer> { mailer });
        builder = builder.local_accounts(settings.clone(), mailer);
    }
    for issuer in &config.issuers {
        builder = builder.remote_issuer(issuer.clone());
    }
    for server in &config.servers {
        builder = builder.resource(protection(server)?);
        if server.is_default {
            builder = builder.default_path(&server.path);
        }
    }
    for client in &config.clients {
        builder = builder.client(configured_client(client)?);
    }
    for config in &config.introspection {
        let server = ResourceServer::new(&config.client_id, &config.secret);
        let with_path = |server: ResourceServer, path: &String| server.with_path(path);
        builder = builder.resource_server(config.paths.iter().fold(server, with_path));
    }
    for origin in &config.allowed_origins {
        builder = builder.origin(origin);
    }
    Ok(builder.build()?)
}

fn settings(config: &Config) -> Settings {
    let (lifetimes, limits) = (&config.lifetimes, &config.limits);
    let mut settings = Settings::default();
    settings.flow_life = lifetimes.flow;
    settings.code_life = lifetimes.code;
    settings.access_token_life = lifetimes.access_token;
    settings.refresh_idle = lifetimes.refresh_token_idle;
    settings.refresh_life = lifetimes.refresh_token_total;
    settings.refresh.window = lifetimes.same_successor;
    settings.replay_revokes = config.replay == Replay::Revoke;
    settings.session_life = lifetimes.session;
    settings.remembered = lifetimes.remembered_token;
    settings.revocation_poll = lifetimes.revocation_poll;
    settings.key_poll = lifetimes.key_poll;
    settings.rates = config.rates;
    settings.limit_loopback = config.limit_loopback;
    settings.oauth_body_limit = limits.oauth_body;
    settings.mcp_header_limit = limits.header_block;
    settings.mcp_body_limit = limits.mcp_body;
    settings.mcp_bodies_limit = limits.mcp_bodies;
    settings
}

/// Opens the store, and lays it out if it is new.
///
/// # Errors
/// When it cannot be used; the message names it, without its password.
pub(crate) async fn store(
    location: &StoreLocation,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Portable>> {
    let about = || match location {
        StoreLocation::Sqlite(path, _) => format!("the store {} cannot be used", path.display()),
        _ => "the store cannot be used".to_owned(),
    };
    location.open(Arc::clone(clock)).await.with_context(about)
}

fn protection(server: &ServerConfig) -> anyhow::Result<Protection> {
    let unlisted = match server.unlisted {
        Unlisted::Permitted => access::Unlisted::Permitted,
        Unlisted::Denied => access::Unlisted::Denied,
    };
    let kinds = [
        (RuleKind::Tool, &server.tools),
        (RuleKind::Prompt, &server.prompts),
        (RuleKind::Resource, &server.resources),
    ];
    let rules =
        kinds.into_iter().flat_map(|(kind, rules)| rules.iter().map(move |config| rule(kind, config)));
    let mut protection = Protection::new(&server.path)
        .with_name(&server.title)
        .with_scopes(catalogue(&server.scopes)?)
        .with_manifest(Manifest::new(rules, unlisted))
        .with_roles_claim(&server.roles_claim)
        .with_lists(match server.lists {
            ListsConfig::Usable => Lists::Usable,
            ListsConfig::Reachable => Lists::Reachable,
            ListsConfig::All => Lists::All,
        })
        .with_authentication(authentication(server.auth));
    if let Some(provider) = &server.provider {
        protection = protection.with_provider(provider.clone());
    }
    if let Some(issuer) = &server.issuer {
        protection = protection.with_issuer(issuer.clone());
    }
    let elsewhere = server.needs.all().filter(|needed| server.provider.as_ref() != Some(*needed));
    protection = protection.with_connections(elsewhere.cloned());
    Ok(protection)
}

fn catalogue(scopes: &[ScopeConfig]) -> anyhow::Result<ScopeCatalogue> {
    let entry = |config: &ScopeConfig| {
        let entry = ScopeEntry {
            title: config.title.clone(),
            description: config.description.clone(),
            default: config.is_default,
            implies: config.implies.iter().cloned().collect(),
        };
        (config.scope.clone(), entry)
    };
    Ok(ScopeCatalogue::new(scopes.iter().map(entry).collect())?)
}

fn rule(kind: RuleKind, config: &RuleConfig) -> Rule {
    let mut rule = Rule::new(kind, &config.pattern)
        .with_scopes(config.scopes.iter().cloned().collect())
        .with_roles(&config.roles)
        .with_permissions(&config.permissions);
    rule.authentication = config.auth.map(authentication);
    rule.deny = config.deny;
    rule
}

const fn authentication(auth: Auth) -> Authentication {
    match auth {
        Auth::Required => Authentication::Required,
        Auth::Optional => Authentication::Optional,
        Auth::Off => Authentication::Off,
    }
}

fn configured_client(config: &ClientConfig) -> anyhow::Result<Client> {
    let about = || format!("the client {} cannot be used", config.id);
    let mut client =
        Client::configured(config.id.as_str(), config.secret.as_ref(), config.redirect_uris.clone())
            .with_context(about)?;
    if let Some(keys) = &config.keys {
        client = client.with_keys(keys.clone()).with_context(about)?;
    }
    client.name = Some(config.name.clone());
    client.scope_ceiling.clone_from(&config.scopes);
    Ok(client)
}

fn upstream(
    config: &Config,
    (server, url, transport): (&ServerConfig, &Uri, Transport),
    assertions: Option<Assertions>,
) -> Upstream {
    Upstream {
        assertions,
        name: server.name.clone(),
        url: url.clone(),
        transport,
        is_open: server.is_open(),
        headers: server.headers.clone(),
        wants: Wants::of(server.headers.iter().map(|(_, template)| template), server.needs.clone()),
        public_url: config.public_url.clone(),
        waiting: Waiting { body: config.limits.mcp_body, first_byte: config.limits.upstream_first_byte },
        places: Places::new(&server.name, config.limits.upstream_waiting, config.limits.upstream_requests),
    }
}
