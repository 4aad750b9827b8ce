//! Providers from environment variables, as deployments set them.
//!
//! `COATROOM_GITHUB_CLIENT_ID`, `COATROOM_GITHUB_CLIENT_SECRET` (or `COATROOM_GITHUB_CLIENT_SECRET_FILE` with a path), and what else
//! that kind of provider reads: `COATROOM_GITHUB_SCOPES`, `COATROOM_GITHUB_ALLOW_ORGANISATIONS`, `COATROOM_OIDC_ISSUER`, … The
//! program `coatroom` reads the same variables.

use std::collections::BTreeMap;
use std::fmt;

use coatroom_protocol::words::{ClientSecret, ProviderName, Scope};

use super::config::ProviderConfig;
use super::kind::ProviderKind;
use crate::allowlist::List;

/// What is wrong with variables: everything at once, never with a secret in it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
#[non_exhaustive]
pub struct EnvironmentError {
    /// One sentence each.
    pub problems: Vec<String>,
}

/// The sentences: it is what is printed where `main` returns the error.
impl fmt::Debug for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

/// The provider of a kind, under the name of its kind.
///
/// # Errors
/// [`EnvironmentError`] names each variable that is missing, wrong or of no meaning.
pub fn from_env(kind: ProviderKind) -> Result<ProviderConfig, EnvironmentError> {
    named_from_env(kind.as_str(), kind)
}

/// The provider of a kind under another name, which its variables and its callback path have then: `COATROOM_{NAME}_CLIENT_ID`.
///
/// # Errors
/// As [`from_env`].
pub fn named_from_env(name: &str, kind: ProviderKind) -> Result<ProviderConfig, EnvironmentError> {
    let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    };
    from_variables(name, kind, std::env::vars_os().filter_map(utf8))
}

macro_rules! by_kind {
    ($($function:ident, $kind:ident, $who:literal;)*) => { $(
        #[doc = concat!($who, " as a provider, from its environment variables.")]
        ///
        /// # Errors
        /// [`EnvironmentError`] names each variable that is missing, wrong or of no meaning.
        pub fn $function() -> Result<ProviderConfig, EnvironmentError> {
            from_env(ProviderKind::$kind)
        }
    )* };
}

by_kind! {
    github_from_env, Github, "GitHub";
    google_from_env, Google, "Google";
    microsoft_from_env, Microsoft, "Microsoft Entra ID";
    apple_from_env, Apple, "Apple";
    slack_from_env, Slack, "Slack";
    discord_from_env, Discord, "Discord";
    gitlab_from_env, Gitlab, "GitLab";
    notion_from_env, Notion, "Notion";
    x_from_env, X, "X";
    atlassian_from_env, Atlassian, "Atlassian Cloud";
    linear_from_env, Linear, "Linear";
    okta_from_env, Okta, "Okta";
    oidc_from_env, Oidc, "Any OpenID provider";
    oauth2_from_env, Oauth2, "Any OAuth 2 provider";
}

fn from_variables(
    name: &str,
    kind: ProviderKind,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<ProviderConfig, EnvironmentError> {
    let prefix = format!("COATROOM_{}_", name.to_ascii_uppercase().replace('-', "_"));
    let own = |(variable, value): (String, String)| {
        let value = value.trim().to_owned();
        // An allowlist that is set to nothing is a mistake: to leave it out would let everybody in.
        let counts = |(name, value): &(String, String)| !value.is_empty() || name.starts_with("ALLOW_");
        Some((variable.strip_prefix(&prefix)?.to_owned(), value)).filter(counts)
    };
    let mut reading =
        Reading { variables: variables.filter_map(own).collect(), problems: Vec::new(), prefix };
    let config = reading.config(name, kind);
    let prefix = &reading.prefix;
    for unknown in reading.variables.keys() {
        reading.problems.push(format!("{prefix}{unknown} means nothing to a provider of kind {kind}"));
    }
    match config {
        Some(config) if reading.problems.is_empty() => match config.validate() {
            Ok(()) => Ok(config),
            Err(error) => Err(EnvironmentError { problems: vec![format!("{prefix}*: {error}")] }),
        },
        _ => Err(EnvironmentError { problems: reading.problems }),
    }
}

/// The variables that nobody took yet, and what was wrong with those that were.
struct Reading {
    prefix: String,
    variables: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Reading {
    fn config(&mut self, name: &str, kind: ProviderKind) -> Option<ProviderConfig> {
        let parsed = ProviderName::parse(name);
        if parsed.is_none() {
            self.problems
                .push(format!("{name:?} cannot name a provider: lower-case letters, digits, `-` and `_`"));
        }
        let missing = ["client_id"].iter().chain(kind.needed()).filter(|setting| !self.is_set(setting));
        let missing: Vec<String> = missing.map(|setting| self.variable(setting)).collect();
        for variable in missing {
            self.problems
                .push(format!("{variable} is not set: register this server at the provider, and set it"));
        }
        let client_id = self.take("CLIENT_ID").unwrap_or_default();
        let mut config = ProviderConfig::new(parsed?, kind, client_id);
        config.client_secret = self.secret("CLIENT_SECRET");
        config.label = self.take("LABEL");
        let scopes = self.take("SCOPES").unwrap_or_default();
        for scope in scopes.split([',', ' ']).filter(|scope| !scope.is_empty()) {
            match scope.parse::<Scope>() {
                Ok(scope) => config.scopes.insert(scope),
                Err(_) => self.problems.push(format!("{}SCOPES: {scope:?} is not a scope", self.prefix)),
            }
        }
        self.own_settings(&mut config);
        self.allowlist(&mut config);
        Some(config)
    }

    /// What some kinds read. What a kind does not read stays behind, and is a problem.
    fn own_settings(&mut self, config: &mut ProviderConfig) {
        let kind = config.kind;
        let mut text = |setting: &str| {
            let variable = setting.to_ascii_uppercase().replace('.', "_");
            if kind.reads(setting) { self.take(&variable) } else { None }
        };
        config.issuer = text("issuer");
        config.base_url = text("base_url");
        config.api_url = text("api_url");
        config.tenant = text("tenant");
        config.tenants = entries(text("tenants"));
        config.domain = text("domain");
        config.authorization_server = text("authorization_server");
        config.team_id = text("team_id");
        config.key_id = text("key_id");
        config.authorize_url = text("authorize_url");
        config.token_url = text("token_url");
        config.user_url = text("user_url");
        config.revoke_url = text("revoke_url");
        config.user.id = entries(text("user.id"));
        if kind.reads("private_key") {
            config.private_key = self.secret("PRIVATE_KEY");
        }
    }

    fn allowlist(&mut self, config: &mut ProviderConfig) {
        for list in List::ALL.iter().copied().filter(|list| config.kind.reads(list.setting())) {
            let variable = list.setting().to_ascii_uppercase().replace('.', "_");
            let Some(named) = self.take(&variable) else { continue };
            match config.allow.clone().with(list, entries(Some(named))) {
                Ok(allow) => config.allow = allow,
                Err(refusal) => self.problems.push(format!("{}{variable} {refusal}", self.prefix)),
            }
        }
    }

    fn take(&mut self, variable: &str) -> Option<String> {
        self.variables.remove(variable)
    }

    /// A secret in a variable, or in the file that a variable names.
    fn secret(&mut self, variable: &str) -> Option<ClientSecret> {
        let file = format!("{variable}_FILE");
        match (self.take(variable), self.take(&file)) {
            (Some(_), Some(_)) => {
                let prefix = &self.prefix;
                self.problems
                    .push(format!("{prefix}{variable} and {prefix}{file} are both set: only one counts"));
                None
            }
            (Some(secret), None) => Some(ClientSecret::new(secret)),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(secret) => Some(ClientSecret::new(secret.trim())),
                Err(error) => {
                    self.problems.push(format!("{}{file}: {path} cannot be read: {error}", self.prefix));
                    None
                }
            },
            (None, None) => None,
        }
    }

    fn is_set(&self, setting: &str) -> bool {
        let variable = setting.to_ascii_uppercase().replace('.', "_");
        self.variables.contains_key(&variable) || self.variables.contains_key(&format!("{variable}_FILE"))
    }

    fn variable(&self, setting: &str) -> String {
        format!("{}{}", self.prefix, setting.to_ascii_uppercase().replace('.', "_"))
    }
}

fn entries(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ProviderKind, variables: &[(&str, &str)]) -> Result<ProviderConfig, EnvironmentError> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        from_variables(kind.as_str(), kind, owned)
    }

    #[test]
    fn a_provider_is_what_its_variables_say() {
        let github = read(
            ProviderKind::Github,
            &[
                ("COATROOM_GITHUB_CLIENT_ID", "Iv1.1"),
                ("COATROOM_GITHUB_CLIENT_SECRET", "canary\n"),
                ("COATROOM_GITHUB_SCOPES", "read:user, repo"),
                ("COATROOM_GITHUB_ALLOW_ORGANISATIONS", "example-inc,other"),
                ("COATROOM_GOOGLE_CLIENT_ID", "another"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(github.client_id, "Iv1.1");
        assert_eq!(github.client_secret.unwrap().expose(), "canary");
        assert_eq!(github.scopes.to_string(), "read:user repo");
        assert_eq!(github.allow.entries(List::Organisations), ["example-inc", "other"]);
        let oidc = [
            ("COATROOM_OIDC_CLIENT_ID", "1"),
            ("COATROOM_OIDC_ISSUER", "https://id.example"),
            ("COATROOM_OIDC_LABEL", "Example"),
        ];
        let oidc = read(ProviderKind::Oidc, &oidc).unwrap();
        assert_eq!(
            (oidc.issuer.as_deref(), oidc.label.as_deref()),
            (Some("https://id.example"), Some("Example"))
        );
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once_and_no_secret_is() {
        let problems = read(
            ProviderKind::Github,
            &[
                ("COATROOM_GITHUB_CLIENT_SECRET", "canary"),
                ("COATROOM_GITHUB_CLIENT_SECRET_FILE", "/nowhere"),
                ("COATROOM_GITHUB_SCOPES", "re\"po"),
                ("COATROOM_GITHUB_ISSUER", "https://id.example"),
                ("COATROOM_GITHUB_ALLOW_USERS", "*"),
                ("COATROOM_GITHUB_ALLOW_ORGANISATIONS", " "),
            ],
        );
        let problems = problems.unwrap_err().to_string();
        for expected in [
            "COATROOM_GITHUB_CLIENT_ID is not set",
            "COATROOM_GITHUB_CLIENT_SECRET and COATROOM_GITHUB_CLIENT_SECRET_FILE are both set",
            "COATROOM_GITHUB_SCOPES:",
            "COATROOM_GITHUB_ISSUER means nothing",
            "COATROOM_GITHUB_ALLOW_USERS takes plain entries",
            "COATROOM_GITHUB_ALLOW_ORGANISATIONS must have an entry",
        ] {
            assert!(problems.contains(expected), "{problems}");
        }
        assert!(!problems.contains("canary"), "{problems}");
        let unset = read(ProviderKind::Github, &[]).unwrap_err();
        assert!(format!("{unset:?}").starts_with("COATROOM_GITHUB_CLIENT_ID is not set: "), "{unset:?}");
        let unset = read(ProviderKind::Oauth2, &[]).unwrap_err().to_string();
        assert!(
            unset.contains("COATROOM_OAUTH2_USER_ID") && unset.contains("COATROOM_OAUTH2_TOKEN_URL"),
            "{unset}"
        );
    }
}
