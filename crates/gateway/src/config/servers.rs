//! `[servers.*]`: the MCP servers behind the gateway, each a resource of its own.

use coatroom::protocol::access::{Pattern, RuleKind};
use coatroom::protocol::words::{ProviderName, Scope};
use http::{HeaderName, Uri};
use url::Url;

use super::commands::{self, read_command, refuse_without_command};
use super::problem::Place;
use super::reader::{Found, Section, meant};
use super::templates::Templates;
use super::trust::Known;
use super::values::truth;
use crate::command::CommandConfig;
use crate::proxy::credential::Template;
use crate::proxy::{Needs, Transport, Wire};

/// An MCP server behind the gateway.
#[derive(Debug, Clone)]
pub(crate) struct ServerConfig {
    /// The name of its table.
    pub(crate) name: String,
    /// What people call it, on the consent page. Default: its name.
    pub(crate) title: String,
    /// Where clients find it, below the public URL.
    pub(crate) path: String,
    /// Where or what it is.
    pub(crate) upstream: UpstreamConfig,
    /// Which HTTP it is spoken to, if it is not a command.
    pub(crate) wire: Wire,
    /// The provider whose tokens it takes; `None` when it takes none.
    pub(crate) provider: Option<ProviderName>,
    /// The remote issuer whose tokens it takes; `None` for our own.
    pub(crate) issuer: Option<ProviderName>,
    /// Who may call.
    pub(crate) auth: Auth,
    /// Whether a client that names no resource means this one.
    pub(crate) is_default: bool,
    /// What the gateway adds to each request.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// Whether it gets a signed assertion with each call of a user.
    pub(crate) assertion: bool,
    /// Which of the user's accounts its calls need.
    pub(crate) needs: Needs,
    /// The scopes that users are asked for.
    pub(crate) scopes: Vec<ScopeConfig>,
    /// The user's claim that holds their roles; dots lead into objects. Default `roles`.
    pub(crate) roles_claim: String,
    /// Whether what no rule is about may be used. Default: it may.
    pub(crate) unlisted: Unlisted,
    /// What lists of tools, prompts and resources show. Default: what the caller may use.
    pub(crate) lists: ListsConfig,
    /// What calling a tool takes.
    pub(crate) tools: Vec<RuleConfig>,
    /// What using a prompt takes.
    pub(crate) prompts: Vec<RuleConfig>,
    /// What reading a resource takes.
    pub(crate) resources: Vec<RuleConfig>,
}

impl ServerConfig {
    /// What it is, if it is a command.
    pub(crate) fn command(&self) -> Option<&CommandConfig> {
        match &self.upstream {
            UpstreamConfig::Command(command) => Some(command),
            UpstreamConfig::Http(..) => None,
        }
    }

    /// Whether calls come without a user, too.
    pub(crate) fn is_open(&self) -> bool {
        self.said_of_auth().any(|auth| auth != Auth::Required)
    }

    /// Whether anybody has to sign in, or may.
    pub(crate) fn signs_in(&self) -> bool {
        self.said_of_auth().any(|auth| auth != Auth::Off)
    }

    fn said_of_auth(&self) -> impl Iterator<Item = Auth> {
        let rules = self.tools.iter().chain(&self.prompts).chain(&self.resources);
        rules.filter_map(|rule| rule.auth).chain([self.auth])
    }
}

/// Where a server is, or what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UpstreamConfig {
    /// The exact URL of its MCP endpoint, and how it speaks there.
    Http(Uri, Transport),
    /// A command that speaks stdio, with a process for each user.
    Command(CommandConfig),
}

/// Who may call a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// Callers with a token only.
    Required,
    /// Also callers without any credentials; a bad token is refused all the same.
    Optional,
    /// Anybody, and tokens are not looked at.
    Off,
}

/// What happens to tools, prompts and resources that no rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unlisted {
    /// Every caller may use them.
    Permitted,
    /// Nobody may.
    Denied,
}

/// What lists show of things that rules are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListsConfig {
    /// What the caller may use now.
    Usable,
    /// Also what more scopes or signing in would open.
    Reachable,
    /// Everything.
    All,
}

/// A scope of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScopeConfig {
    /// The scope.
    pub(crate) scope: Scope,
    /// What it means, in words for the consent page.
    pub(crate) title: String,
    /// More about it, for the consent page.
    pub(crate) description: Option<String>,
    /// Whether a client that asks for nothing gets it.
    pub(crate) is_default: bool,
    /// The scopes that come with it.
    pub(crate) implies: Vec<Scope>,
}

/// What using something takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleConfig {
    /// The name, or a pattern with `*`.
    pub(crate) pattern: String,
    /// Every one of these scopes.
    pub(crate) scopes: Vec<Scope>,
    /// One of these roles, when there are any.
    pub(crate) roles: Vec<String>,
    /// Every one of these permissions.
    pub(crate) permissions: Vec<String>,
    /// Whether its caller must have signed in; as the server says, unless it is set.
    pub(crate) auth: Option<Auth>,
    /// Whether nobody may.
    pub(crate) deny: bool,
    /// The providers whose accounts it needs.
    pub(crate) connects: Vec<ProviderName>,
}

/// Reads the servers of the file, or the one of flags and variables.
pub(super) fn read_servers(root: &Section<'_>, known: &Known<'_>) -> Vec<ServerConfig> {
    let named = root.sections("servers");
    let alone = root.text("upstream");
    if named.is_empty() {
        if alone.is_none() {
            let help = "name one with --upstream URL, or several as [servers.NAME] in a file".to_owned();
            root.refuse(&Place::Nowhere, "there is no MCP server to serve", Some(help));
        }
        return alone.and_then(|_| read_server(&alone_name(), root, known)).into_iter().collect();
    }
    let of_one = [("upstream", alone), ("transport", root.text("transport")), ("path", root.text("path"))];
    for (key, found) in of_one {
        if let Some(found) = found.filter(|found| !matches!(found.place, Place::File(_))) {
            let help = Some(format!("unset it, or set `{key}` in the file's [servers.NAME] instead"));
            root.refuse(&found.place, "the servers are named elsewhere", help);
        }
    }
    let mut servers: Vec<ServerConfig> = Vec::new();
    for (name, section) in &named {
        section.only(&[KEYS, commands::KEYS].concat());
        let Some(server) = read_server(name, section, known) else { continue };
        let path_place = section.text("path").map_or(name.place.clone(), |found| found.place);
        if let Some(other) = servers.iter().find(|other| other.path == server.path) {
            let message =
                format!("servers `{}` and `{}` share the path {}", other.name, name.value, other.path);
            section.refuse(&path_place, message, Some("give each its own `path`".to_owned()));
        }
        if let Some(other) = servers.iter().find(|other| other.is_default && server.is_default) {
            let message = format!("servers `{}` and `{}` are both the default", other.name, name.value);
            section.refuse(&name.place, message, None);
        }
        servers.push(server);
    }
    servers
}

fn alone_name() -> Found<String> {
    Found { value: "server".to_owned(), place: Place::Nowhere }
}

fn read_server(name: &Found<String>, section: &Section<'_>, known: &Known<'_>) -> Option<ServerConfig> {
    let auth = section.choice("auth", AUTH).map_or(Auth::Required, |found| found.value);
    let trusted = known.trusted_by(name, section, auth);
    let templates = Templates::new(&trusted, known.providers, auth);
    let upstream = read_upstream(name, section, &templates);
    let path = match section.text("path") {
        Some(_) => section.value("path", endpoint_path).map(|found| found.value),
        None => Some("/mcp".to_owned()),
    };
    let assertion = section.value("assertion", |text| match (truth(text)?, auth) {
        (true, Auth::Off) => {
            Err("with `auth = \"off\"` nobody is known, so there is nothing to assert".to_owned())
        }
        (wanted, _) => Ok(wanted),
    });
    let is_default = section.value("default", |text| match (truth(text)?, &trusted.issuer) {
        (true, Some(_)) => Err("clients of a remote issuer name their server there, not here".to_owned()),
        (wanted, _) => Ok(wanted),
    });
    let scopes = read_scopes(section);
    let headers = match upstream {
        Some(UpstreamConfig::Command(_)) => Vec::new(),
        Some(UpstreamConfig::Http(..)) | None => read_headers(section, &templates),
    };
    let of_command = match &upstream {
        Some(UpstreamConfig::Command(command)) => Some(command.providers()),
        Some(UpstreamConfig::Http(..)) | None => None,
    };
    let of_headers = headers.iter().flat_map(|(_, template)| template.providers());
    let named: Vec<ProviderName> = of_headers.chain(of_command.into_iter().flatten()).cloned().collect();
    let rules = |key: &str| read_rules(section, key, &scopes, &named);
    let (tools, prompts, resources) = (rules("tools"), rules("prompts"), rules("resources"));
    Some(ServerConfig {
        needs: read_needs(section, &named, [&tools, &prompts, &resources]),
        assertion: assertion.is_some_and(|found| found.value),
        headers,
        tools,
        prompts,
        resources,
        is_default: is_default.is_some_and(|found| found.value),
        roles_claim: section.text("roles_claim").map_or_else(|| "roles".to_owned(), |found| found.value),
        unlisted: section.choice("unlisted", UNLISTED).map_or(Unlisted::Permitted, |found| found.value),
        lists: section.choice("lists", LISTS).map_or(ListsConfig::Usable, |found| found.value),
        title: section.text("title").map_or_else(|| name.value.clone(), |found| found.value),
        name: name.value.clone(),
        path: path?,
        upstream: upstream?,
        wire: section.choice("http2", HTTP2).map_or(Wire::Auto, |found| found.value),
        provider: trusted.provider,
        issuer: trusted.issuer,
        auth,
        scopes,
    })
}

fn read_upstream(
    name: &Found<String>,
    section: &Section<'_>,
    templates: &Templates<'_>,
) -> Option<UpstreamConfig> {
    if section.in_file("command").is_some() {
        return read_command(section, templates).map(UpstreamConfig::Command);
    }
    refuse_without_command(section);
    if section.text("upstream").is_none() {
        let help = "set `upstream` to the URL of its MCP endpoint, or `command` to the program that it is";
        section.refuse(
            &name.place,
            format!("server `{}` has no upstream", name.value),
            Some(help.to_owned()),
        );
    }
    let transport = section.choice("transport", TRANSPORT).map_or(Transport::Streamable, |found| found.value);
    section.value("upstream", upstream_url).map(|found| UpstreamConfig::Http(found.value, transport))
}

/// The headers that the file names. Without `headers`, the user's own token of the server's provider goes into
/// `Authorization`; `headers = {}` adds nothing.
fn read_headers(section: &Section<'_>, templates: &Templates<'_>) -> Vec<(HeaderName, Template)> {
    if section.in_file("headers").is_none() {
        let bearer = |name| (http::header::AUTHORIZATION, Template::bearer_of(name));
        return templates.unsaid().map(bearer).into_iter().collect();
    }
    let table = section.section("headers");
    let mut headers = Vec::new();
    for key in table.keys() {
        let template = table.value(&key.value, |text| templates.compile(text));
        match HeaderName::try_from(key.value.as_str()) {
            Ok(name) if crate::proxy::headers::is_settable(&name) => {
                headers.extend(template.map(|template| (name, template.value)));
            }
            Ok(_) => {
                let message = format!("the header `{}` is set by the gateway itself", key.value);
                section.refuse(&key.place, message, None);
            }
            Err(_) => section.refuse(&key.place, format!("`{}` is not a header name", key.value), None),
        }
    }
    headers
}

/// What `connects` and the rules say. Where they say nothing of a provider whose token it gets, every call needs it.
fn read_needs(section: &Section<'_>, named: &[ProviderName], rules: [&Vec<RuleConfig>; 3]) -> Needs {
    let kinds = [RuleKind::Tool, RuleKind::Prompt, RuleKind::Resource].into_iter().zip(rules);
    let of_rule = |kind, rule: &RuleConfig| (kind, Pattern::new(&rule.pattern), rule.connects.clone());
    let by_rule = kinds.flat_map(|(kind, rules)| rules.iter().map(move |rule| of_rule(kind, rule)));
    let by_rule: Vec<_> = by_rule.filter(|(_, _, providers)| !providers.is_empty()).collect();
    let always = section.list("connects", |text| named_provider(text, named));
    let always = always.map(|found| found.into_iter().map(|provider| provider.value).collect());
    let of_rules = Needs { always: Vec::new(), by_rule };
    let otherwise =
        || named.iter().filter(|name| !of_rules.all().any(|other| other == *name)).cloned().collect();
    Needs { always: always.unwrap_or_else(otherwise), by_rule: of_rules.by_rule.clone() }
}

/// A provider of which the server gets a token; of any other an account would be of no use.
fn named_provider(text: &str, named: &[ProviderName]) -> Result<ProviderName, String> {
    let found = named.iter().find(|provider| provider.as_str() == text);
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = named.iter().map(ProviderName::as_str).collect();
        format!("the server gets no `{{{text}.access_token}}`; {}", meant(text, &known))
    })
}

fn read_scopes(section: &Section<'_>) -> Vec<ScopeConfig> {
    let tables = section.sections("scopes");
    let names: Vec<&str> = tables.iter().map(|(name, _)| name.value.as_str()).collect();
    let mut scopes = Vec::new();
    for (name, table) in &tables {
        table.only(&["title", "description", "default", "implies"]);
        let implied = table.list("implies", |text| known_scope(text, &names)).unwrap_or_default();
        match name.value.parse::<Scope>() {
            Ok(scope) => scopes.push(ScopeConfig {
                scope,
                title: table.text("title").map_or_else(|| name.value.clone(), |found| found.value),
                description: table.text("description").map(|found| found.value),
                is_default: table.value("default", truth).is_some_and(|found| found.value),
                implies: implied.into_iter().map(|scope| scope.value).collect(),
            }),
            Err(reason) => table.refuse(&name.place, format!("`{}`: {reason}", name.value), None),
        }
    }
    scopes
}

fn read_rules(
    section: &Section<'_>,
    key: &str,
    scopes: &[ScopeConfig],
    named: &[ProviderName],
) -> Vec<RuleConfig> {
    let known: Vec<&str> = scopes.iter().map(|scope| scope.scope.as_str()).collect();
    let mut all = Vec::new();
    for (name, table) in section.sections(key) {
        table.only(&["scopes", "roles", "permissions", "auth", "deny", "connects"]);
        let needed = table.list("scopes", |text| known_scope(text, &known)).unwrap_or_default();
        let roles = table.list("roles", |text| Ok::<_, String>(text.to_owned())).unwrap_or_default();
        let permissions =
            table.list("permissions", |text| Ok::<_, String>(text.to_owned())).unwrap_or_default();
        let connects = table.list("connects", |text| named_provider(text, named)).unwrap_or_default();
        all.push(RuleConfig {
            pattern: name.value,
            scopes: needed.into_iter().map(|scope| scope.value).collect(),
            roles: roles.into_iter().map(|role| role.value).collect(),
            permissions: permissions.into_iter().map(|permission| permission.value).collect(),
            auth: table.choice("auth", AUTH).map(|found| found.value),
            deny: table.value("deny", truth).is_some_and(|found| found.value),
            connects: connects.into_iter().map(|provider| provider.value).collect(),
        });
    }
    all
}

fn known_scope(text: &str, known: &[&str]) -> Result<Scope, String> {
    if known.contains(&text) {
        return text.parse().map_err(|reason| format!("{reason}"));
    }
    Err(format!("the server has no scope `{text}`; {}", meant(text, known)))
}

fn upstream_url(text: &str) -> Result<Uri, String> {
    let refusal = || format!("`{text}` is not an http or https URL such as http://127.0.0.1:3000/mcp");
    let url = Url::parse(text).map_err(|_| refusal())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refusal());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an upstream URL has no user name or password; use `headers`".to_owned());
    }
    if url.fragment().is_some() {
        return Err("an upstream URL has no fragment".to_owned());
    }
    url.as_str().parse().map_err(|_| refusal())
}

/// Reads the path of a resource: plain segments, so that no two spellings mean the same.
fn endpoint_path(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err(format!("`{text}` must start with a slash"));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    let is_segment = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(plain);
    if !rest.is_empty() && !rest.split('/').all(is_segment) {
        return Err(format!("`{text}` may have letters, digits, - . _ ~ between single slashes only"));
    }
    let first = rest.split('/').next().unwrap_or("");
    if RESERVED.contains(&first) {
        return Err(format!("`/{first}` belongs to coatroom itself; choose another path"));
    }
    Ok(text.to_owned())
}

const AUTH: &[(&str, Auth)] =
    &[("required", Auth::Required), ("optional", Auth::Optional), ("off", Auth::Off)];

const HTTP2: &[(&str, Wire)] = &[("auto", Wire::Auto), ("true", Wire::Http2), ("false", Wire::Http1)];

const TRANSPORT: &[(&str, Transport)] = &[("http", Transport::Streamable), ("sse", Transport::Sse)];

const UNLISTED: &[(&str, Unlisted)] = &[("permitted", Unlisted::Permitted), ("denied", Unlisted::Denied)];

const LISTS: &[(&str, ListsConfig)] =
    &[("usable", ListsConfig::Usable), ("reachable", ListsConfig::Reachable), ("all", ListsConfig::All)];

const KEYS: &[&str] = &[
    "title",
    "path",
    "upstream",
    "transport",
    "http2",
    "provider",
    "issuer",
    "auth",
    "default",
    "headers",
    "assertion",
    "connects",
    "scopes",
    "roles_claim",
    "unlisted",
    "lists",
    "tools",
    "prompts",
    "resources",
];

/// First segments of the paths that the authorization server and the gateway answer themselves.
const RESERVED: &[&str] = &[
    ".well-known",
    "account",
    "assets",
    "authorize",
    "callback",
    "connect",
    "consent",
    "healthz",
    "introspect",
    "jwks.json",
    "metrics",
    "readyz",
    "register",
    "revoke",
    "sign-in",
    "sign-out",
    "token",
];
