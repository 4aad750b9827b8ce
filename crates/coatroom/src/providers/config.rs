//! What an operator says about a provider, and what is wrong with it.

use std::time::Duration;

use coatroom_protocol::words::{ClientSecret, ProviderName, Scope, Scopes, is_loopback_host};
use url::Url;

use crate::outbound::DEFAULT_DEADLINE;

/// What an operator says about one provider.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderConfig {
    /// The name under which it is configured; part of its callback path and of each of its users' subjects.
    pub name: ProviderName,
    /// Which provider it is.
    pub kind: ProviderKind,
    /// Our client identifier there.
    pub client_id: String,
    /// Our client secret there; without one we are a public client, where the provider allows it.
    pub client_secret: Option<ClientSecret>,
    /// The scopes to ask for; when empty, those that tell who the user is.
    pub scopes: Scopes,
    /// The issuer, exactly as its metadata spells it; for [`ProviderKind::Oidc`], which needs it.
    pub issuer: Option<String>,
    /// Where the provider is, if not at its public address: a GitHub Enterprise Server, the demo provider, a test.
    pub base_url: Option<String>,
    /// Where GitHub's API is, if neither at its public address nor at `/api/v3` below `base_url`.
    pub api_url: Option<String>,
    /// What the button says; the provider's own name by default.
    pub label: Option<String>,
    /// Whether to go on when the provider's metadata does not promise PKCE with S256. It is sent all the same.
    pub assume_pkce: bool,
    /// Whether to tell the provider when a token is thrown away; `None` for the provider's default.
    pub revoke: Option<bool>,
    /// How long one call of the provider may take; 10 seconds by default.
    pub deadline: Duration,
}

impl ProviderConfig {
    /// A configuration with defaults for everything else.
    #[must_use]
    pub fn new(name: ProviderName, kind: ProviderKind, client_id: impl Into<String>) -> Self {
        Self {
            name,
            kind,
            client_id: client_id.into(),
            client_secret: None,
            scopes: Scopes::none(),
            issuer: None,
            base_url: None,
            api_url: None,
            label: None,
            assume_pkce: false,
            revoke: None,
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// Checks what every kind of provider has in common.
    pub(super) fn check(&self) -> Result<(), ProviderConfigError> {
        let clean = |text: &str| !text.is_empty() && text.trim() == text;
        if !clean(&self.client_id) {
            return Err(ProviderConfigError::Blank { setting: "client_id" });
        }
        if self.client_secret.as_ref().is_some_and(|secret| !clean(secret.expose())) {
            return Err(ProviderConfigError::Blank { setting: "client_secret" });
        }
        Ok(())
    }

    pub(super) fn needs_secret(&self) -> Result<(), ProviderConfigError> {
        self.client_secret
            .as_ref()
            .map(|_| ())
            .ok_or(ProviderConfigError::Missing { setting: "client_secret", kind: self.kind })
    }

    /// Refuses settings that a kind does not read, so that nobody relies on them.
    pub(super) fn refuse(
        &self,
        unused: &[(&'static str, &Option<String>)],
    ) -> Result<(), ProviderConfigError> {
        match unused.iter().find(|(_, value)| value.is_some()) {
            Some(&(setting, _)) => Err(ProviderConfigError::NotUsed { setting, kind: self.kind }),
            None => Ok(()),
        }
    }

    /// The scopes to ask for, given what the provider needs to tell who the user is.
    pub(super) fn scopes_or(&self, defaults: &[&str]) -> Scopes {
        if !self.scopes.is_empty() {
            return self.scopes.clone();
        }
        defaults.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect()
    }

    /// The scopes to ask an OpenID provider for; without `openid` it would not tell who the user is.
    pub(super) fn openid_scopes(&self) -> Result<Scopes, ProviderConfigError> {
        let scopes = self.scopes_or(&["openid", "email", "profile"]);
        if scopes.iter().any(|scope| scope.as_str() == "openid") {
            Ok(scopes)
        } else {
            Err(ProviderConfigError::NoOpenid { kind: self.kind })
        }
    }
}

/// The providers that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderKind {
    /// GitHub, or a GitHub Enterprise Server.
    Github,
    /// Google.
    Google,
    /// Any OpenID provider that publishes its metadata.
    Oidc,
    /// The provider of the built-in demo.
    Demo,
}

impl ProviderKind {
    /// Every kind.
    pub const ALL: &[Self] = &[Self::Github, Self::Google, Self::Oidc, Self::Demo];

    /// The name in a configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Google => "google",
            Self::Oidc => "oidc",
            Self::Demo => "demo",
        }
    }

    /// Reads the name in a configuration file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

impl std::fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with a provider's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderConfigError {
    /// A value that is empty, or has spaces or line ends around it.
    #[error("{setting} is empty, or has spaces or line ends around it")]
    Blank {
        /// The setting.
        setting: &'static str,
    },
    /// A setting that this kind of provider needs.
    #[error("a provider of kind {kind} needs {setting}")]
    Missing {
        /// The setting.
        setting: &'static str,
        /// The kind.
        kind: ProviderKind,
    },
    /// A setting that this kind of provider does not read.
    #[error("a provider of kind {kind} has no setting {setting}")]
    NotUsed {
        /// The setting.
        setting: &'static str,
        /// The kind.
        kind: ProviderKind,
    },
    /// A URL that cannot be called.
    #[error("{setting} {refusal}")]
    Url {
        /// The setting.
        setting: &'static str,
        /// Why not.
        refusal: UrlRefusal,
    },
    /// The scopes of an OpenID provider lack `openid`.
    #[error("the scopes of a provider of kind {kind} must contain openid")]
    NoOpenid {
        /// The kind.
        kind: ProviderKind,
    },
}

/// Why a URL of a provider is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlRefusal {
    /// Not an absolute http or https URL.
    #[error("must be an absolute URL such as https://login.example.com")]
    NotAbsolute,
    /// Plain http elsewhere than on loopback.
    #[error("must be https; plain http is allowed only for localhost, 127.0.0.1 and [::1]")]
    NotSecure,
    /// A user name, a password or a fragment.
    #[error("must have no user name, password or fragment")]
    Surplus,
    /// A query where paths are to be appended.
    #[error("must have no query")]
    Query,
}

/// Reads a URL that secrets may be sent to.
pub(crate) fn secure_url(text: &str) -> Result<Url, UrlRefusal> {
    let url = Url::parse(text).map_err(|_| UrlRefusal::NotAbsolute)?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(UrlRefusal::NotAbsolute);
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(UrlRefusal::NotSecure);
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(UrlRefusal::Surplus);
    }
    Ok(url)
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback_host(&host))
}

/// The URL of a path below a configured or a provider's own base.
pub(super) fn below(setting: &'static str, base: &str, path: &str) -> Result<Url, ProviderConfigError> {
    append(base, path).map_err(|refusal| ProviderConfigError::Url { setting, refusal })
}

/// The URL of `path` below `base`, whose last slash does not count.
pub(crate) fn append(base: &str, path: &str) -> Result<Url, UrlRefusal> {
    if secure_url(base)?.query().is_some() {
        return Err(UrlRefusal::Query);
    }
    secure_url(&format!("{}{path}", base.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_https_or_loopback_only() {
        for good in
            ["https://idp.example/a?b=c", "http://127.0.0.1:1/a", "http://localhost", "http://[::1]:2"]
        {
            assert!(secure_url(good).is_ok(), "{good}");
        }
        for (bad, refusal) in [
            ("http://idp.example", UrlRefusal::NotSecure),
            ("http://10.0.0.1", UrlRefusal::NotSecure),
            ("http://127.0.0.1.evil.example", UrlRefusal::NotSecure),
            ("ftp://idp.example", UrlRefusal::NotAbsolute),
            ("file:///etc/passwd", UrlRefusal::NotAbsolute),
            ("idp.example", UrlRefusal::NotAbsolute),
            ("https://u:p@idp.example", UrlRefusal::Surplus),
            ("https://idp.example/#a", UrlRefusal::Surplus),
        ] {
            assert_eq!(secure_url(bad), Err(refusal), "{bad}");
        }
    }

    #[test]
    fn a_base_has_no_query_and_its_last_slash_does_not_count() {
        assert_eq!(append("https://idp.example/a/", "/b").unwrap().as_str(), "https://idp.example/a/b");
        assert_eq!(append("https://idp.example/a?", "/b"), Err(UrlRefusal::Query));
        assert_eq!(append("https://idp.example#", "/b"), Err(UrlRefusal::Surplus));
    }

    #[test]
    fn kinds_print_and_parse_back() {
        for kind in ProviderKind::ALL {
            assert_eq!(ProviderKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(ProviderKind::parse("GitHub"), None);
    }
}
