//! `[issuers.*]`: authorization servers elsewhere whose own tokens open a server. Variables alone can name one.

use std::collections::BTreeMap;

use coatroom::issuers::{ClaimField, IssuerConfig, IssuerEndpoints, IssuerKeys, IssuerKind, IssuerVariables};
use coatroom::protocol::jws::Algorithm;
use coatroom::protocol::words::{ClientSecret, ProviderName};
use secrecy::{ExposeSecret, SecretString};

use super::allow::read_allow;
use super::environment::variable;
use super::problem::Place;
use super::providers::key_set;
use super::reader::{Found, Section, meant};
use super::values::duration;

/// What was read of the issuers.
#[derive(Debug, Default)]
pub(super) struct Issuers {
    /// Those without mistakes.
    pub(super) configs: Vec<IssuerConfig>,
    /// All of them, so that a mistake in one does not make others of servers that name it; and where each is set.
    pub(super) names: Vec<Found<ProviderName>>,
}

/// Reads the issuers of the file, and the one that environment variables alone define.
pub(super) fn read_issuers(root: &Section<'_>) -> Issuers {
    let mut issuers = Issuers::default();
    for (name, section) in &root.sections("issuers") {
        let section = section.clone().with_variables(variable("COATROOM", &name.value));
        issuers.names.extend(
            ProviderName::parse(&name.value).map(|parsed| Found { value: parsed, place: name.place.clone() }),
        );
        issuers.configs.extend(read_issuer(name, &section));
    }
    let declared = !issuers.names.is_empty();
    let of_variables: Vec<_> =
        IssuerVariables::ALL.iter().filter_map(|kind| read_variables(root, kind)).collect();
    if let [(first, _), (second, _), ..] = of_variables.as_slice() {
        let message = format!("names a second issuer, beside {}", shown(&first.place));
        let help = "a server takes the tokens of one issuer; unset the variables of the other".to_owned();
        root.refuse(&second.place, message, Some(help));
    }
    // The file says more, and its own variables have the same names.
    for (name, config) in of_variables.into_iter().filter(|_| !declared) {
        issuers.names.push(name);
        issuers.configs.extend(config);
    }
    issuers
}

fn read_variables(
    root: &Section<'_>,
    by: &IssuerVariables,
) -> Option<(Found<ProviderName>, Option<IssuerConfig>)> {
    let read = |name: Option<&str>| name.and_then(|name| root.any_variable(&IssuerVariables::names(name)));
    // Asked for in any case, so that none of them looks mistyped.
    let [audience, realm, resource_id] = [by.audience, by.realm, by.resource_id].map(read);
    let secret = by.jwt_secret.and_then(|name| root.secret_variable(&IssuerVariables::names(name)));
    for name in by.ignored {
        root.any_variable(&IssuerVariables::names(name));
    }
    let found: Vec<_> = by.url.iter().map(|name| (*name, read(Some(name)))).collect();
    let (word, url) = found.into_iter().find_map(|(name, found)| found.map(|found| (name, found)))?;
    let name = ProviderName::parse(by.kind.as_str())?;
    let mut config = IssuerConfig::new(name.clone(), by.kind, IssuerVariables::address(word, &url.value));
    let value = |found: Option<Found<String>>| found.map(|found| found.value);
    (config.audience, config.realm, config.resource_id) = (value(audience), value(realm), value(resource_id));
    config.jwt_secret = secret.map(|secret| jwt_secret(&secret));
    config.allow = read_allow(&root.section(by.kind.as_str()), |_| true);
    let missing = [(by.realm, &config.realm), (by.resource_id, &config.resource_id)];
    let missing = missing.into_iter().find_map(|(name, value)| name.filter(|_| value.is_none()));
    let name = Found { value: name, place: url.place.clone() };
    if let Some(missing) = missing {
        let [ours, older] = IssuerVariables::names(missing);
        let message = format!("needs {ours} or {older} beside it");
        root.refuse(&url.place, message, None);
        return Some((name, None));
    }
    if let Err(error) = config.check() {
        let own = place_of(error.setting(), &root.section(by.kind.as_str()));
        let variable = by.variable_of(error.setting()).unwrap_or(word);
        let place =
            root.any_variable(&IssuerVariables::names(variable)).map_or(url.place, |found| found.place);
        root.refuse(&own.unwrap_or(place), error.to_string(), None);
        return Some((name, None));
    }
    Some((name, Some(config)))
}

fn shown(place: &Place) -> String {
    if let Place::Environment(name) = place { name.clone() } else { "the file".to_owned() }
}

fn read_issuer(name: &Found<String>, section: &Section<'_>) -> Option<IssuerConfig> {
    section.only(KEYS);
    let parsed = ProviderName::parse(&name.value);
    if parsed.is_none() {
        let help = Some("lower-case letters, digits, `-` and `_`".to_owned());
        section.refuse(&name.place, format!("`{}` cannot name an issuer", name.value), help);
    }
    let kind = read_kind(name, section);
    let key = if kind == Some(IssuerKind::Custom) { "issuer" } else { "url" };
    for (other, wrong) in [("issuer", key == "url"), ("url", key == "issuer")] {
        if let Some(found) = section.text(other).filter(|_| wrong && kind.is_some()) {
            let help = Some(format!("set `{key}`"));
            section.refuse(&found.place, format!("`{other}` means nothing to this kind of issuer"), help);
        }
    }
    let url = section.text(key);
    if url.is_none() && kind.is_some() {
        section.refuse(&name.place, format!("issuer `{}` has no {key}", name.value), None);
    }
    let mut config = IssuerConfig::new(parsed?, kind?, url?.value);
    let text = |key: &str| section.text(key).map(|found| found.value);
    config.realm = text("realm");
    config.resource_id = text("resource_id");
    config.audience = text("audience");
    config.jwt_secret = section.secret("jwt_secret", &[]).map(|secret| jwt_secret(&secret));
    let scopes = section.list("scopes", str::parse);
    config.scopes = scopes.map(|scopes| scopes.into_iter().map(|scope| scope.value).collect());
    let algorithms = section.list("algorithms", algorithm).unwrap_or_default();
    config.algorithms = algorithms.into_iter().map(|found| found.value).collect();
    config.keys = read_keys(section);
    config.endpoints = read_endpoints(section);
    config.claims = read_claims(section);
    config.deadline = section.value("deadline", duration).map_or(config.deadline, |found| found.value);
    config.allow = read_allow(section, |_| true);
    if let Err(error) = config.check() {
        let place = place_of(error.setting(), section).unwrap_or_else(|| name.place.clone());
        section.refuse(&place, error.to_string(), None);
        return None;
    }
    Some(config)
}

/// Where a setting, or `TABLE.KEY`, was made.
fn place_of(setting: &str, section: &Section<'_>) -> Option<Place> {
    match setting.split_once('.') {
        Some((table, key)) => section.section(table).place(key),
        None => section.place(setting),
    }
}

fn read_kind(name: &Found<String>, section: &Section<'_>) -> Option<IssuerKind> {
    let words: Vec<(&str, IssuerKind)> = IssuerKind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    if section.text("kind").is_some() {
        return section.choice("kind", &words).map(|found| found.value);
    }
    let known = IssuerKind::parse(&name.value);
    if known.is_none() {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("issuer `{}` needs a `kind`", name.value);
        section.refuse(&name.place, message, Some(meant(&name.value, &words)));
    }
    known
}

/// `jwks_uri`, or else the keys themselves.
fn read_keys(section: &Section<'_>) -> Option<IssuerKeys> {
    let inline = section.text("jwks");
    let address = section.text("jwks_uri");
    if let (Some(_), Some(address)) = (&inline, &address) {
        section.refuse(&address.place, "`jwks` and `jwks_uri` are both set", Some("keep one".to_owned()));
    }
    let Some(inline) = inline else { return address.map(|found| IssuerKeys::At(found.value)) };
    let keys = key_set(&inline.value);
    if keys.is_none() {
        let help = Some("public keys alone: {\"keys\": […]}".to_owned());
        section.refuse(&inline.place, "this is no set of public keys", help);
    }
    keys.map(IssuerKeys::These)
}

fn read_endpoints(section: &Section<'_>) -> Option<IssuerEndpoints> {
    let [authorize, token, register] =
        ["authorization_endpoint", "token_endpoint", "registration_endpoint"].map(|key| section.text(key));
    let some = authorize.as_ref().or(token.as_ref()).or(register.as_ref())?.place.clone();
    let (Some(authorize), Some(token)) = (authorize, token) else {
        let message = "`authorization_endpoint` and `token_endpoint` belong together";
        section.refuse(&some, message, None);
        return None;
    };
    let register = register.map(|found| found.value);
    Some(IssuerEndpoints { authorize: authorize.value, token: token.value, register })
}

fn read_claims(section: &Section<'_>) -> BTreeMap<ClaimField, String> {
    let table = section.section("claims");
    let known: Vec<&str> = ClaimField::ALL.iter().map(|(name, _)| *name).collect();
    table.only(&known);
    let field = |(name, field): &(&'static str, ClaimField)| Some((*field, table.text(name)?.value));
    ClaimField::ALL.iter().filter_map(field).collect()
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let refusal = || format!("`{text}` is no signature algorithm that issuers publish keys for");
    Algorithm::parse(text).ok_or_else(refusal)
}

fn jwt_secret(secret: &SecretString) -> ClientSecret {
    ClientSecret::new(secret.expose_secret())
}

const KEYS: &[&str] = &[
    "kind",
    "url",
    "issuer",
    "realm",
    "resource_id",
    "audience",
    "jwt_secret",
    "jwt_secret_file",
    "scopes",
    "algorithms",
    "jwks",
    "jwks_uri",
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "claims",
    "allow",
    "deadline",
];

#[cfg(test)]
mod tests;
