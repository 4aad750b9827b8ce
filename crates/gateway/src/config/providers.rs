//! `[providers.*]` and `[clients.*]`: with whom Coatroom itself is registered, and who is registered with it.

use coatroom::protocol::client::{AppUris, ClientUrl, KeySource, RedirectUri};
use coatroom::protocol::jws::KeySet;
use coatroom::protocol::words::{ClientId, ClientSecret, ProviderName, Scopes, is_loopback_host};
use coatroom::providers::{ClientAuth, ProviderConfig, ProviderKind, TokenBody};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::allow::read_allow;
use super::environment::variable;
use super::problem::Place;
use super::reader::{Found, Section, meant};
use super::values::{duration, truth};

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
    for kind in ProviderKind::ALL {
        let word = kind.as_str();
        let section = root.section(word);
        let is_set = section.text("client_id").is_some()
            || section.is_set("client_secret", ALIASES)
            || section.is_set("private_key", &[]);
        if is_set && !declared.iter().any(|(name, _)| name.value == word) && root.in_file(word).is_none() {
            let place = Place::Environment(variable(&variable("COATROOM", word), "client_id"));
            providers.add(&Found { value: word.to_owned(), place }, &section);
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
    let is_whole = check_keys(name, kind, section);
    let (kind, client_id) = (kind?, section.text("client_id"));
    let mut config = ProviderConfig::new(parsed?, kind, client_id?.value);
    read_common(&mut config, section);
    read_own(&mut config, section);
    if let (true, Err(error)) = (is_whole, config.validate()) {
        let place = place_of(error.setting(), name, section);
        section.refuse(&place, format!("provider `{}`: {error}", name.value), None);
    }
    Some(config)
}

/// Reads what every kind of provider has.
fn read_common(config: &mut ProviderConfig, section: &Section<'_>) {
    config.client_secret = section.secret("client_secret", ALIASES).map(|secret| client_secret(&secret));
    let scopes = section.list("scopes", str::parse).unwrap_or_default();
    config.scopes = scopes.into_iter().map(|scope| scope.value).collect();
    config.label = section.text("label").map(|found| found.value);
    config.revoke = section.value("revoke", truth).map(|found| found.value);
    config.deadline = section.value("deadline", duration).map_or(config.deadline, |found| found.value);
    config.authorize_params = section.pairs("authorize_params");
    config.token_params = section.pairs("token_params");
    let user = section.section("user");
    user.only(USER);
    config.user.id = user.one_or_several("id");
    config.user.email = user.one_or_several("email");
    config.user.email_verified = user.one_or_several("email_verified");
    config.user.name = user.one_or_several("name");
    config.user.username = user.one_or_several("username");
    config.user.nickname = user.one_or_several("nickname");
    config.user.picture = user.one_or_several("picture");
    config.user.roles = user.one_or_several("roles");
    config.user.groups = user.one_or_several("groups");
    config.user.permissions = user.one_or_several("permissions");
    config.user.organisation = user.one_or_several("organisation");
    let kind = config.kind;
    config.allow = read_allow(section, |list| kind.reads(list.setting()));
}

/// Reads what some kinds of providers have. What a kind does not read was noted before.
fn read_own(config: &mut ProviderConfig, section: &Section<'_>) {
    let kind = config.kind;
    let own = |key: &'static str| kind.reads(key).then_some(key);
    let text = |key| own(key).and_then(|key| section.text(key)).map(|found| found.value);
    let url = |key| own(key).and_then(|key| section.value(key, secure_url)).map(|found| found.value);
    let switch = |key| own(key).and_then(|key| section.value(key, truth)).map(|found| found.value);
    config.issuer = url("issuer");
    // `COATROOM_GITLAB_URL` is what people try first.
    let short = || section.value("url", secure_url).map(|found| found.value);
    config.base_url = url("base_url").or_else(|| (kind == ProviderKind::Gitlab).then(short).flatten());
    config.api_url = url("api_url");
    config.assume_pkce = switch("assume_pkce").unwrap_or_default();
    config.tenant = text("tenant");
    config.tenants = own("tenants").map(|key| section.one_or_several(key)).unwrap_or_default();
    config.domain = text("domain");
    config.authorization_server = text("authorization_server");
    config.team_id = text("team_id");
    config.key_id = text("key_id");
    config.private_key =
        own("private_key").and_then(|key| section.secret(key, &[])).map(|key| client_secret(&key));
    config.authorize_url = url("authorize_url");
    config.token_url = url("token_url");
    config.user_url = url("user_url");
    config.revoke_url = url("revoke_url");
    let auth = own("client_auth").and_then(|key| section.choice(key, CLIENT_AUTH));
    config.client_auth = auth.map(|found| found.value);
    let body = own("token_body").and_then(|key| section.choice(key, TOKEN_BODY));
    config.token_body = body.map(|found| found.value);
    config.scope_separator = text("scope_separator");
    config.scope_param = text("scope_param");
    config.pkce = switch("pkce");
    config.headers = own("headers").map(|key| section.pairs(key)).unwrap_or_default();
    if let Some(token) = own("token").map(|key| section.section(key)) {
        token.only(TOKEN);
        config.token.access_token = token.one_or_several("access_token");
        config.token.refresh_token = token.one_or_several("refresh_token");
        config.token.expires_in = token.one_or_several("expires_in");
        config.token.scope = token.one_or_several("scope");
        config.token.token_type = token.one_or_several("token_type");
    }
}

fn read_kind(name: &Found<String>, section: &Section<'_>) -> Option<ProviderKind> {
    let kinds: Vec<_> = ProviderKind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    if section.text("kind").is_some() {
        return section.choice("kind", &kinds).map(|found| found.value);
    }
    let known = ProviderKind::parse(&name.value);
    if known.is_none() {
        let words: Vec<&str> = kinds.iter().map(|(word, _)| *word).collect();
        let message = format!("provider `{}` needs a `kind`", name.value);
        section.refuse(&name.place, message, Some(meant(&name.value, &words)));
    }
    known
}

/// Notes keys that are missing, and those that this kind does not read, so that nobody relies on them. Whether there are none.
fn check_keys(name: &Found<String>, kind: Option<ProviderKind>, section: &Section<'_>) -> bool {
    let mut is_whole = true;
    let needed = kind.map_or(&[][..], ProviderKind::needed);
    for key in ["client_id"].iter().chain(needed) {
        if !is_set(section, key) {
            let set = variable(&variable("COATROOM", &name.value), &key.replace('.', "_"));
            let help = Some(format!("register coatroom at the provider, then set `{key}` or {set}"));
            section.refuse(&name.place, format!("provider `{}` has no {key}", name.value), help);
            is_whole = false;
        }
    }
    let foreign = |setting: &&&str| kind.is_some_and(|kind| !kind.reads(setting)) && is_set(section, setting);
    for setting in ProviderKind::SETTINGS.iter().filter(foreign) {
        let place = place_of(setting, name, section);
        section.refuse(&place, format!("`{setting}` means nothing to this kind of provider"), None);
        is_whole = false;
    }
    is_whole
}

/// Where a setting, or the table of `TABLE.KEY`, was made; where the provider was named, if that is not known.
fn place_of(setting: &str, name: &Found<String>, section: &Section<'_>) -> Place {
    if let Some((table, key)) = setting.split_once('.') {
        let place = section.section(table).place(key).or_else(|| section.in_file(table));
        return place.unwrap_or_else(|| name.place.clone());
    }
    let is_one = !SEVERAL.contains(&setting);
    let value = is_one.then(|| section.text(setting)).flatten().map(|found| found.place);
    value.or_else(|| section.in_file(setting)).unwrap_or_else(|| name.place.clone())
}

/// Whether a setting, or `TABLE.KEY`, is set at all.
fn is_set(section: &Section<'_>, setting: &str) -> bool {
    match setting.split_once('.') {
        Some((table, key)) => section.section(table).is_set(key, &[]),
        None => section.is_set(setting, if setting == "client_secret" { ALIASES } else { &[] }),
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

const KEYS: &[&str] = &[
    "kind",
    "client_id",
    "client_secret",
    "client_secret_file",
    "scopes",
    "label",
    "revoke",
    "deadline",
    "authorize_params",
    "token_params",
    "user",
    "allow",
    "issuer",
    "base_url",
    "api_url",
    "assume_pkce",
    "tenant",
    "tenants",
    "domain",
    "authorization_server",
    "team_id",
    "key_id",
    "private_key",
    "private_key_file",
    "authorize_url",
    "token_url",
    "user_url",
    "revoke_url",
    "client_auth",
    "token_body",
    "scope_separator",
    "scope_param",
    "pkce",
    "headers",
    "token",
];

const USER: &[&str] = &[
    "id",
    "email",
    "email_verified",
    "name",
    "username",
    "nickname",
    "picture",
    "roles",
    "groups",
    "permissions",
    "organisation",
];

const TOKEN: &[&str] = &["access_token", "refresh_token", "expires_in", "scope", "token_type"];

/// Settings whose value is a list, a table or a secret: none that a report could quote.
const SEVERAL: &[&str] = &[
    "client_secret",
    "private_key",
    "scopes",
    "tenants",
    "headers",
    "token",
    "authorize_params",
    "token_params",
];

const CLIENT_AUTH: &[(&str, ClientAuth)] = &[("basic", ClientAuth::Basic), ("body", ClientAuth::Body)];

const TOKEN_BODY: &[(&str, TokenBody)] = &[("form", TokenBody::Form), ("json", TokenBody::Json)];

/// `COATROOM_GITHUB_SECRET` is as good as `COATROOM_GITHUB_CLIENT_SECRET`.
const ALIASES: &[&str] = &["secret"];

/// Names that mean something else in templates.
const RESERVED: &[&str] = &["user", "client", "claims", "provider"];
