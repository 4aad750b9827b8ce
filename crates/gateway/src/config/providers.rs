//! `[providers.*]` and `[clients.*]`: with whom Coatroom itself is registered, and who is registered with it.

use std::time::Duration;

use coatroom::protocol::client::{AppUris, ClientUrl, KeySource, RedirectUri};
use coatroom::protocol::jws::KeySet;
use coatroom::protocol::words::{ClientId, ClientSecret, ProviderName, Scopes, is_loopback_host};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::environment::variable;
use super::problem::Place;
use super::reader::{Found, Section, meant};
use super::values::{duration, truth};

/// An upstream provider: where users sign in, and whose tokens the vault keeps.
#[derive(Debug, Clone)]
pub(crate) struct ProviderConfig {
    /// The name that servers and templates use, and the end of its callback path.
    pub(crate) name: ProviderName,
    /// Which provider it is.
    pub(crate) kind: ProviderKind,
    /// Coatroom's own client id there.
    pub(crate) client_id: String,
    /// Coatroom's own secret there; a public client has none.
    pub(crate) client_secret: Option<ClientSecret>,
    /// The scopes to ask for; when empty, the provider's defaults.
    pub(crate) scopes: Scopes,
    /// What the button says; `None` for the provider's own name.
    pub(crate) label: Option<String>,
    /// The issuer of an OpenID provider, byte for byte.
    pub(crate) issuer: Option<String>,
    /// Where the provider is, if not at its public address.
    pub(crate) base_url: Option<String>,
    /// Where GitHub's API is, if not at its public address.
    pub(crate) api_url: Option<String>,
    /// Whether to go on when the provider's metadata does not promise PKCE. Default false.
    pub(crate) assume_pkce: bool,
    /// Whether the provider is told when a token is thrown away; `None` for the provider's default.
    pub(crate) revoke: Option<bool>,
    /// How long one call of the provider may take. Default 10 seconds.
    pub(crate) deadline: Duration,
}

/// The providers that Coatroom knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProviderKind {
    /// GitHub, or a GitHub Enterprise Server.
    GitHub,
    /// Google.
    Google,
    /// Any OpenID Connect provider that publishes its metadata, by its issuer.
    Oidc,
    /// The provider of the demo.
    Demo,
}

impl ProviderKind {
    /// The keys that this kind cannot do without, apart from `client_id`.
    const fn needed(self) -> &'static [&'static str] {
        match self {
            Self::GitHub | Self::Google => &["client_secret"],
            Self::Oidc => &["issuer"],
            Self::Demo => &["base_url"],
        }
    }

    /// The keys that mean nothing to this kind.
    const fn unused(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["issuer"],
            Self::Google | Self::Demo => &["issuer", "api_url"],
            Self::Oidc => &["base_url", "api_url"],
        }
    }
}

/// A client that the operator registered.
#[derive(Debug, Clone)]
pub(crate) struct ClientConfig {
    /// Its identifier.
    pub(crate) id: ClientId,
    /// Its secret; a public client has none.
    pub(crate) secret: Option<ClientSecret>,
    /// With what it signs its assertions, if it does.
    pub(crate) keys: Option<KeySource>,
    /// Its name on the consent page.
    pub(crate) name: String,
    /// Where answers may go, matched exactly.
    pub(crate) redirect_uris: Vec<RedirectUri>,
    /// What it may ask for; `None` does not limit it.
    pub(crate) scopes: Option<Scopes>,
}

/// What was read of the providers.
#[derive(Debug, Default)]
pub(super) struct Providers {
    /// Those without mistakes.
    pub(super) configs: Vec<ProviderConfig>,
    /// The names of all, so that a mistake in one does not make others of servers that name it.
    pub(super) names: Vec<ProviderName>,
}

/// Reads the providers of the file, and those that environment variables alone define.
pub(super) fn read_providers(root: &Section<'_>) -> Providers {
    let mut providers = Providers::default();
    let declared = root.sections("providers");
    for (name, section) in &declared {
        let section = section.clone().with_variables(variable("COATROOM", &name.value));
        providers.add(name, &section);
    }
    for (word, _) in KINDS {
        let section = root.section(word);
        let is_set = section.text("client_id").is_some() || section.is_set("client_secret", ALIASES);
        if is_set && !declared.iter().any(|(name, _)| name.value == *word) && root.in_file(word).is_none() {
            let place = Place::Environment(variable(&variable("COATROOM", word), "client_id"));
            providers.add(&Found { value: (*word).to_owned(), place }, &section);
        }
    }
    providers
}

impl Providers {
    fn add(&mut self, name: &Found<String>, section: &Section<'_>) {
        self.names.extend(ProviderName::parse(&name.value));
        self.configs.extend(read_provider(name, section));
    }
}

fn read_provider(name: &Found<String>, section: &Section<'_>) -> Option<ProviderConfig> {
    section.only(KEYS);
    let parsed = ProviderName::parse(&name.value);
    if parsed.is_none() || RESERVED.contains(&name.value.as_str()) {
        let help = "lower-case letters, digits, `-` and `_`; not user, client, claims or provider";
        section.refuse(
            &name.place,
            format!("`{}` cannot name a provider", name.value),
            Some(help.to_owned()),
        );
    }
    let kind = read_kind(name, section);
    check_keys(name, kind, section);
    let client_id = section.text("client_id");
    let scopes = section.list("scopes", str::parse).unwrap_or_default();
    let url = |key: &str| section.value(key, secure_url).map(|found| found.value);
    Some(ProviderConfig {
        client_secret: section.secret("client_secret", ALIASES).map(|secret| client_secret(&secret)),
        scopes: scopes.into_iter().map(|scope| scope.value).collect(),
        label: section.text("label").map(|found| found.value),
        issuer: url("issuer"),
        base_url: url("base_url"),
        api_url: url("api_url"),
        assume_pkce: section.value("assume_pkce", truth).is_some_and(|found| found.value),
        revoke: section.value("revoke", truth).map(|found| found.value),
        deadline: section.value("deadline", duration).map_or(DEADLINE, |found| found.value),
        name: parsed?,
        kind: kind?,
        client_id: client_id?.value,
    })
}

fn read_kind(name: &Found<String>, section: &Section<'_>) -> Option<ProviderKind> {
    if section.text("kind").is_some() {
        return section.choice("kind", KINDS).map(|found| found.value);
    }
    let known = KINDS.iter().find(|(word, _)| *word == name.value).map(|(_, kind)| *kind);
    if known.is_none() {
        let words: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
        let message = format!("provider `{}` needs a `kind`", name.value);
        section.refuse(&name.place, message, Some(meant(&name.value, &words)));
    }
    known
}

/// Notes keys that are missing, and those that this kind does not read, so that nobody relies on them.
fn check_keys(name: &Found<String>, kind: Option<ProviderKind>, section: &Section<'_>) {
    let needed = kind.map_or(&[][..], ProviderKind::needed);
    for key in ["client_id"].iter().chain(needed) {
        let aliases = if *key == "client_secret" { ALIASES } else { &[] };
        if !section.is_set(key, aliases) {
            let set = variable(&variable("COATROOM", &name.value), key);
            let help = Some(format!("register coatroom at the provider, then set `{key}` or {set}"));
            section.refuse(&name.place, format!("provider `{}` has no {key}", name.value), help);
        }
    }
    for key in kind.map_or(&[][..], ProviderKind::unused) {
        if let Some(found) = section.text(key) {
            section.refuse(&found.place, format!("`{key}` means nothing to this kind of provider"), None);
        }
    }
}

fn client_secret(secret: &SecretString) -> ClientSecret {
    ClientSecret::new(secret.expose_secret())
}

/// Reads `[clients.*]`.
pub(super) fn read_clients(root: &Section<'_>) -> Vec<ClientConfig> {
    let mut clients: Vec<ClientConfig> = Vec::new();
    for (name, section) in root.sections("clients") {
        section.only(&[
            "client_id",
            "client_secret",
            "client_secret_file",
            "jwks",
            "jwks_file",
            "jwks_uri",
            "redirect_uris",
            "name",
            "scopes",
        ]);
        let id = section.text("client_id").unwrap_or_else(|| name.clone());
        if clients.iter().any(|other| other.id.as_str() == id.value) {
            section.refuse(&id.place, format!("two clients have the client_id `{}`", id.value), None);
        }
        let redirect_uris = section.list("redirect_uris", redirect_uri).unwrap_or_default();
        if redirect_uris.is_empty() && section.in_file("redirect_uris").is_none() {
            let help = Some("list where its answers may go: `redirect_uris = [\"https://…\"]`".to_owned());
            section.refuse(&name.place, format!("client `{}` has no redirect_uris", name.value), help);
        }
        let scopes = section.list("scopes", str::parse);
        let keys = read_keys(&name, &section);
        clients.push(ClientConfig {
            id: ClientId::new(id.value),
            secret: section.secret("client_secret", &[]).map(|secret| client_secret(&secret)),
            keys,
            name: section.text("name").map_or(name.value, |found| found.value),
            redirect_uris: redirect_uris.into_iter().map(|uri| uri.value).collect(),
            scopes: scopes.map(|scopes| scopes.into_iter().map(|scope| scope.value).collect()),
        });
    }
    clients
}

/// Reads with what a client signs: `jwks`, `jwks_file` or `jwks_uri`.
fn read_keys(name: &Found<String>, section: &Section<'_>) -> Option<KeySource> {
    let file = section.text("jwks_file").and_then(|found| {
        let path = section.path(&found);
        match std::fs::read_to_string(&path) {
            Ok(value) => Some(Found { value, place: found.place }),
            Err(cause) => {
                let message = format!("the key set {} cannot be read: {cause}", path.display());
                section.refuse(&found.place, message, None);
                None
            }
        }
    });
    let sets = [section.text("jwks"), file];
    let address = section
        .value("jwks_uri", ClientUrl::parse)
        .map(|found| Found { value: KeySource::At(found.value), place: found.place });
    let mut sources: Vec<Found<KeySource>> = sets
        .into_iter()
        .flatten()
        .filter_map(|found| {
            let set = key_set(&found.value);
            if set.is_none() {
                let help = "public keys alone: {\"keys\": […]}; private members belong to the client";
                section.refuse(&found.place, "this is no set of public keys", Some(help.to_owned()));
            }
            Some(Found { value: KeySource::Inline(set?), place: found.place })
        })
        .chain(address)
        .collect();
    let source = sources.pop()?;
    let is_secret = section.is_set("client_secret", &[]);
    if is_secret || !sources.is_empty() {
        let message = format!(
            "client `{}` has more than one of client_secret, jwks, jwks_file and jwks_uri",
            name.value
        );
        section.refuse(&source.place, message, Some("a client proves who it is in one way".to_owned()));
    }
    Some(source.value)
}

/// Reads a JWK Set without private members.
pub(super) fn key_set(text: &str) -> Option<KeySet> {
    let document = coatroom::protocol::words::parse_object(text.as_bytes()).ok()?;
    let keys = document.get("keys")?.as_array()?;
    let is_public = |key: &serde_json::Value| {
        !["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|member| key.get(member).is_some())
    };
    keys.iter().all(is_public).then(|| KeySet::parse(&document.into())).flatten()
}

/// Reads an absolute https URL and keeps its spelling; plain http is for loopback alone.
fn secure_url(text: &str) -> Result<String, String> {
    let refusal = || format!("`{text}` is not an https URL");
    let url = Url::parse(text).map_err(|_| refusal())?;
    let is_loopback = url.host().is_some_and(|host| is_loopback_host(&host));
    let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    match url.scheme() {
        _ if !is_bare || url.host().is_none() => Err(refusal()),
        "https" => Ok(text.to_owned()),
        "http" if is_loopback => Ok(text.to_owned()),
        "http" => Err(format!("`{text}` must be https; plain http is allowed for loopback only")),
        _ => Err(refusal()),
    }
}

/// The operator vouches for the client, so any private-use scheme may be listed here.
fn redirect_uri(text: &str) -> Result<RedirectUri, String> {
    let apps = match private_scheme(text) {
        Some(scheme) => AppUris::parse([scheme.as_str()]).map_err(|refusal| refusal.to_string())?,
        None => AppUris::none(),
    };
    RedirectUri::parse(text, &apps).map_err(|refusal| format!("`{text}`: {refusal}"))
}

/// The scheme of a URI with its colon, unless it is http or https.
fn private_scheme(uri: &str) -> Option<String> {
    let (scheme, _) = uri.split_once(':')?;
    (!matches!(scheme, "http" | "https")).then(|| format!("{scheme}:"))
}

/// The words of `kind`, and the providers that environment variables alone can define.
const KINDS: &[(&str, ProviderKind)] = &[
    ("github", ProviderKind::GitHub),
    ("google", ProviderKind::Google),
    ("oidc", ProviderKind::Oidc),
    ("demo", ProviderKind::Demo),
];

const KEYS: &[&str] = &[
    "kind",
    "client_id",
    "client_secret",
    "client_secret_file",
    "scopes",
    "label",
    "issuer",
    "base_url",
    "api_url",
    "assume_pkce",
    "revoke",
    "deadline",
];

const DEADLINE: Duration = Duration::from_secs(10);

/// `COATROOM_GITHUB_SECRET` is as good as `COATROOM_GITHUB_CLIENT_SECRET`.
const ALIASES: &[&str] = &["secret"];

/// Names that mean something else in templates.
const RESERVED: &[&str] = &["user", "client", "claims", "provider"];
