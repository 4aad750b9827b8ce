//! A remote issuer from environment variables, as deployments set them.
//!
//! Each variable is read as `COATROOM_…` and, where that is not set, as `MCP_USE_OAUTH_…`: `COATROOM_AUTH0_DOMAIN`. Who may enter is
//! said by `COATROOM_AUTH0_ALLOW_ROLES` and the like. The program `coatroom` reads the same variables.

use std::collections::BTreeMap;

use coatroom_protocol::words::{ClientSecret, ProviderName};

use super::config::{IssuerConfig, IssuerKind, LISTS};
use crate::providers::EnvironmentError;

/// The variables that define an issuer of one kind, each without its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerVariables {
    /// The kind, which is also the name.
    pub kind: IssuerKind,
    /// Each says where it is, and is enough to mean this issuer.
    pub url: &'static [&'static str],
    /// See [`IssuerConfig::audience`].
    pub audience: Option<&'static str>,
    /// See [`IssuerConfig::realm`]. An issuer that has a variable for it needs it.
    pub realm: Option<&'static str>,
    /// See [`IssuerConfig::resource_id`]. An issuer that has a variable for it needs it.
    pub resource_id: Option<&'static str>,
    /// See [`IssuerConfig::jwt_secret`]. With `_FILE` at its end, the variable is the path of a file with the secret.
    pub jwt_secret: Option<&'static str>,
    /// Read nowhere; guides name them.
    pub ignored: &'static [&'static str],
}

/// The issuer that the environment names, under the name of its kind.
///
/// # Errors
/// [`EnvironmentError`] names each variable that is wrong. Where none is set, it lists those that name an issuer; where two issuers are
/// named, it says by which.
pub fn from_env() -> Result<IssuerConfig, EnvironmentError> {
    find_in_env()?.ok_or_else(none_is_set)
}

/// The same; `None` when the environment names no issuer, for programs that can do without.
///
/// # Errors
/// [`EnvironmentError`] as [`from_env`], but where no variable is set.
pub fn find_in_env() -> Result<Option<IssuerConfig>, EnvironmentError> {
    let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().trim().to_owned()))
    };
    find(&std::env::vars_os().filter_map(utf8).collect())
}

fn find(variables: &BTreeMap<String, String>) -> Result<Option<IssuerConfig>, EnvironmentError> {
    let place = |by: &'static IssuerVariables| {
        by.url.iter().find_map(|word| Some(Reading { by, word, at: set(variables, word)?.0, variables }))
    };
    let mut named = IssuerVariables::ALL.iter().filter_map(place);
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            one.config().map(Some).map_err(|problem| EnvironmentError { problems: vec![problem] })
        }
        (Some(one), Some(two)) => Err(EnvironmentError {
            problems: vec![format!(
                "{} names a second issuer, beside {}: a server takes the tokens of one; unset the variables of the other",
                two.at, one.at
            )],
        }),
    }
}

fn none_is_set() -> EnvironmentError {
    let named = IssuerVariables::ALL.iter().flat_map(|by| by.url);
    let named: Vec<String> = named.map(|word| format!("{}{word}", IssuerVariables::PREFIX)).collect();
    EnvironmentError { problems: vec![format!("no issuer is named: set one of {}", named.join(", "))] }
}

/// The variable that is set to something, with its value: ours, or else the older one.
fn set<'a>(variables: &'a BTreeMap<String, String>, word: &str) -> Option<(&'a str, &'a str)> {
    let found = IssuerVariables::names(word).into_iter().filter_map(|name| variables.get_key_value(&name));
    let mut filled = found.filter(|(_, value)| !value.is_empty());
    filled.next().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// One issuer that is named.
struct Reading<'a> {
    by: &'static IssuerVariables,
    /// What names it, without and with its prefix.
    word: &'static str,
    at: &'a str,
    variables: &'a BTreeMap<String, String>,
}

impl Reading<'_> {
    fn config(&self) -> Result<IssuerConfig, String> {
        let kind = self.by.kind;
        let name =
            ProviderName::parse(kind.as_str()).ok_or_else(|| format!("{kind} cannot name an issuer"))?;
        let url = self.text(Some(self.word)).unwrap_or_default();
        let mut config = IssuerConfig::new(name, kind, IssuerVariables::address(self.word, &url));
        config.audience = self.text(self.by.audience);
        config.realm = self.needed(self.by.realm)?;
        config.resource_id = self.needed(self.by.resource_id)?;
        config.jwt_secret = self.by.jwt_secret.map_or(Ok(None), |word| self.secret(word))?;
        self.allowlist(&mut config)?;
        config.check().map_err(|error| {
            let word = self.by.variable_of(error.setting()).unwrap_or(self.word);
            let at = set(self.variables, word).map_or(self.at, |(name, _)| name);
            format!("{at}: {error}")
        })?;
        Ok(config)
    }

    fn text(&self, word: Option<&str>) -> Option<String> {
        set(self.variables, word?).map(|(_, value)| value.to_owned())
    }

    fn needed(&self, word: Option<&str>) -> Result<Option<String>, String> {
        let Some(word) = word else { return Ok(None) };
        let [ours, older] = IssuerVariables::names(word);
        self.text(Some(word))
            .map(Some)
            .ok_or_else(|| format!("{} needs {ours} or {older} beside it", self.at))
    }

    fn secret(&self, word: &str) -> Result<Option<ClientSecret>, String> {
        match (set(self.variables, word), set(self.variables, &format!("{word}_FILE"))) {
            (Some((one, _)), Some((other, _))) => {
                Err(format!("{one} and {other} are both set: only one counts"))
            }
            (Some((_, secret)), None) => Ok(Some(ClientSecret::new(secret))),
            (None, Some((name, path))) => match std::fs::read_to_string(path) {
                Ok(secret) => Ok(Some(ClientSecret::new(secret.trim()))),
                Err(error) => Err(format!("{name}: {path} cannot be read: {error}")),
            },
            (None, None) => Ok(None),
        }
    }

    /// Whoever limits who may enter means it: a list that is not known, or empty, is refused.
    fn allowlist(&self, config: &mut IssuerConfig) -> Result<(), String> {
        let own = format!("{}{}_", IssuerVariables::PREFIX, variable(self.by.kind.as_str()));
        let lists: BTreeMap<String, _> =
            LISTS.iter().map(|list| (format!("{own}{}", variable(list.setting())), *list)).collect();
        let set = self.variables.iter().filter(|(name, _)| name.starts_with(&format!("{own}ALLOW_")));
        for (name, value) in set {
            let list = lists.get(name);
            let list = list.ok_or_else(|| format!("{name} is not known, so it lets nobody in or out"))?;
            let entries = value.split([',', ' ']).filter(|entry| !entry.is_empty());
            let allow = config.allow.clone().with(*list, entries);
            config.allow = allow.map_err(|refusal| format!("{name} {refusal}"))?;
        }
        Ok(())
    }
}

fn variable(setting: &str) -> String {
    setting.to_ascii_uppercase().replace(['.', '-'], "_")
}

impl IssuerVariables {
    /// What our own names for the variables start with.
    pub const PREFIX: &str = "COATROOM_";
    /// What the variables of deployments start with that used another gateway before.
    pub const OLDER_PREFIX: &str = "MCP_USE_OAUTH_";

    /// Both names of a variable; ours counts first.
    #[must_use]
    pub fn names(word: &str) -> [String; 2] {
        [Self::PREFIX, Self::OLDER_PREFIX].map(|prefix| format!("{prefix}{word}"))
    }

    /// The issuer's address, of what its variable `word` says.
    #[must_use]
    pub fn address(word: &str, value: &str) -> String {
        if word == "SUPABASE_PROJECT_ID" { format!("https://{value}.supabase.co") } else { value.to_owned() }
    }

    /// The variable of a setting that [`IssuerConfigError::setting`](super::IssuerConfigError::setting) names, if it has one of its own.
    #[must_use]
    pub fn variable_of(&self, setting: &str) -> Option<&'static str> {
        match setting {
            "audience" => self.audience,
            "realm" => self.realm,
            "resource_id" => self.resource_id,
            "jwt_secret" => self.jwt_secret,
            _ => None,
        }
    }

    /// Every issuer that variables can define.
    pub const ALL: &[Self] = &[
        Self { audience: Some("AUTH0_AUDIENCE"), ..Self::of(IssuerKind::Auth0, &["AUTH0_DOMAIN"]) },
        Self { ignored: &["BETTER_AUTH_SECRET"], ..Self::of(IssuerKind::BetterAuth, &["BETTER_AUTH_URL"]) },
        Self { audience: Some("CLERK_AUDIENCE"), ..Self::of(IssuerKind::Clerk, &["CLERK_FRONTEND_API_URL"]) },
        Self::of(IssuerKind::WorkOs, &["WORKOS_SUBDOMAIN"]),
        Self {
            jwt_secret: Some("SUPABASE_JWT_SECRET"),
            ignored: &["SUPABASE_PUBLISHABLE_KEY"],
            ..Self::of(IssuerKind::Supabase, &["SUPABASE_URL", "SUPABASE_PROJECT_ID"])
        },
        Self {
            audience: Some("KEYCLOAK_AUDIENCE"),
            realm: Some("KEYCLOAK_REALM"),
            ignored: &["KEYCLOAK_CLIENT_ID"],
            ..Self::of(IssuerKind::Keycloak, &["KEYCLOAK_SERVER_URL"])
        },
        Self {
            resource_id: Some("SCALEKIT_RESOURCE_ID"),
            ..Self::of(IssuerKind::Scalekit, &["SCALEKIT_ENVIRONMENT_URL"])
        },
    ];

    const fn of(kind: IssuerKind, url: &'static [&'static str]) -> Self {
        Self { kind, url, audience: None, realm: None, resource_id: None, jwt_secret: None, ignored: &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<IssuerConfig>, String> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        find(&owned.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_name_an_issuer_and_ours_count_first() {
        assert!(read(&[("COATROOM_PUBLIC_URL", "http://localhost:8787")]).unwrap().is_none());
        let config = read(&[
            ("MCP_USE_OAUTH_AUTH0_DOMAIN", "old.auth0.com"),
            ("COATROOM_AUTH0_DOMAIN", "new.auth0.com"),
            ("MCP_USE_OAUTH_AUTH0_AUDIENCE", "https://api.example.com"),
            ("COATROOM_AUTH0_ALLOW_ROLES", "admin, editor"),
        ]);
        let config = config.unwrap().unwrap();
        assert_eq!((config.kind, config.url.as_str()), (IssuerKind::Auth0, "new.auth0.com"));
        assert_eq!(config.audience.as_deref(), Some("https://api.example.com"));
        assert_eq!(config.allow.lists().count(), 1);
        let supabase = read(&[
            ("COATROOM_SUPABASE_PROJECT_ID", "abc"),
            ("COATROOM_SUPABASE_JWT_SECRET", &"s".repeat(32)),
        ]);
        let supabase = supabase.unwrap().unwrap();
        assert_eq!((supabase.url.as_str(), supabase.jwt_secret.is_some()), ("https://abc.supabase.co", true));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_variable_without_secrets() {
        let auth0 = ("COATROOM_AUTH0_DOMAIN", "t.auth0.com");
        for (variables, expected) in [
            (
                &[
                    ("COATROOM_CLERK_FRONTEND_API_URL", "https://x.clerk.dev"),
                    ("MCP_USE_OAUTH_AUTH0_DOMAIN", "t"),
                ][..],
                "COATROOM_CLERK_FRONTEND_API_URL names a second issuer, beside MCP_USE_OAUTH_AUTH0_DOMAIN",
            ),
            (
                &[("COATROOM_KEYCLOAK_SERVER_URL", "https://kc.example")],
                "COATROOM_KEYCLOAK_SERVER_URL needs COATROOM_KEYCLOAK_REALM or MCP_USE_OAUTH_KEYCLOAK_REALM",
            ),
            (&[("COATROOM_SCALEKIT_ENVIRONMENT_URL", "https://x.example")], "COATROOM_SCALEKIT_RESOURCE_ID"),
            (&[("COATROOM_AUTH0_DOMAIN", "http://t.auth0.com")], "COATROOM_AUTH0_DOMAIN: url must be https"),
            (
                &[("COATROOM_SUPABASE_PROJECT_ID", "abc"), ("MCP_USE_OAUTH_SUPABASE_JWT_SECRET", "canary")],
                "MCP_USE_OAUTH_SUPABASE_JWT_SECRET: jwt_secret must have at least 32 bytes",
            ),
            (
                &[
                    ("COATROOM_SUPABASE_PROJECT_ID", "abc"),
                    ("COATROOM_SUPABASE_JWT_SECRET", "canary"),
                    ("COATROOM_SUPABASE_JWT_SECRET_FILE", "/run/secrets/x"),
                ],
                "are both set",
            ),
            (&[auth0, ("COATROOM_AUTH0_ALLOW_ROLE", "admin")], "COATROOM_AUTH0_ALLOW_ROLE is not known"),
            (&[auth0, ("COATROOM_AUTH0_ALLOW_ROLES", "")], "COATROOM_AUTH0_ALLOW_ROLES "),
        ] {
            let error = read(variables).unwrap_err();
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        }
        let none = none_is_set().to_string();
        assert!(
            none.contains("COATROOM_AUTH0_DOMAIN") && none.contains("COATROOM_SUPABASE_PROJECT_ID"),
            "{none}"
        );
    }

    #[test]
    fn a_secret_may_be_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, format!("{}\n", "s".repeat(32))).unwrap();
        let file = path.to_str().unwrap();
        let config = read(&[
            ("COATROOM_SUPABASE_URL", "https://a.example"),
            ("COATROOM_SUPABASE_JWT_SECRET_FILE", file),
        ]);
        assert!(config.unwrap().unwrap().jwt_secret.is_some());
    }
}
