//! What an operator says about a provider, and what is wrong with it.

use std::time::Duration;

use coatroom_protocol::words::{ClientSecret, ProviderName, Scope, Scopes, is_loopback_host};
use http::{HeaderName, HeaderValue};
use url::Url;

use super::answer::TokenPaths;
use super::kind::ProviderKind;
use super::path::is_path;
use super::profile::{UserMap, UserPaths};
use crate::allowlist::{Allowlist, List};
use crate::outbound::DEFAULT_DEADLINE;

/// What an operator says about one provider. Each kind reads some of it, and refuses the rest.
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
    /// What the button says; the provider's own name by default.
    pub label: Option<String>,
    /// Whether to tell the provider when a token is thrown away; `None` for the provider's default.
    pub revoke: Option<bool>,
    /// How long one call of the provider may take; 10 seconds by default.
    pub deadline: Duration,
    /// Further parameters for its authorization endpoint, in the place of ours of the same name.
    pub authorize_params: Vec<(String, String)>,
    /// Further parameters for its token endpoint, in the place of ours of the same name.
    pub token_params: Vec<(String, String)>,
    /// Where the parts of a user stand in what it says.
    pub user: UserPaths,
    /// What the program makes of each user.
    pub user_map: Option<UserMap>,
    /// Who may sign in here; everybody who has an account there by default.
    pub allow: Allowlist,
    /// The issuer, exactly as its metadata spells it; for [`ProviderKind::Oidc`], which needs it.
    pub issuer: Option<String>,
    /// Where the provider is, if not at its public address: one's own GitLab or GitHub, the demo provider, a test.
    pub base_url: Option<String>,
    /// Where GitHub's API is, if neither at its public address nor at `/api/v3` below `base_url`.
    pub api_url: Option<String>,
    /// Whether to go on when the provider's metadata does not promise PKCE with S256. It is sent all the same.
    pub assume_pkce: bool,
    /// For Microsoft: a tenant's id, `common`, `organizations` or `consumers`; `common` by default.
    pub tenant: Option<String>,
    /// For Microsoft: the ids of the tenants whose users are welcome; when empty, those of every tenant that `tenant` admits.
    pub tenants: Vec<String>,
    /// For Okta: the host of the organisation, such as `acme.okta.com`.
    pub domain: Option<String>,
    /// For Okta: the id of a custom authorization server, such as `default`; the org authorization server otherwise.
    pub authorization_server: Option<String>,
    /// For Apple: the id of the developer team.
    pub team_id: Option<String>,
    /// For Apple: the id of the private key.
    pub key_id: Option<String>,
    /// For Apple: the private key that makes our client secrets, as the PEM that Apple gives.
    pub private_key: Option<ClientSecret>,
    /// For [`ProviderKind::Oauth2`]: where browsers are sent.
    pub authorize_url: Option<String>,
    /// For [`ProviderKind::Oauth2`]: where codes become tokens.
    pub token_url: Option<String>,
    /// For [`ProviderKind::Oauth2`]: where the user of a token is described as JSON.
    pub user_url: Option<String>,
    /// For [`ProviderKind::Oauth2`]: where tokens are revoked (RFC 7009), if anywhere.
    pub revoke_url: Option<String>,
    /// How our secret is sent, if not as the provider's metadata says; Basic for [`ProviderKind::Oauth2`].
    pub client_auth: Option<ClientAuth>,
    /// How token requests are written; a form by default.
    pub token_body: Option<TokenBody>,
    /// What stands between scopes; a space by default.
    pub scope_separator: Option<String>,
    /// What the parameter with the scopes is called; `scope` by default.
    pub scope_param: Option<String>,
    /// Whether the provider gets a PKCE challenge; `true` by default. `false` is for one that refuses what it does not know.
    pub pkce: Option<bool>,
    /// Further headers for what its endpoints are asked; no place for secrets.
    pub headers: Vec<(String, String)>,
    /// Where the parts of a token answer stand.
    pub token: TokenPaths,
}

/// How our secret is sent (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6749 knows these two")]
pub enum ClientAuth {
    /// As HTTP Basic credentials.
    Basic,
    /// In the body of the request.
    Body,
}

/// How a token request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "no provider takes anything else")]
pub enum TokenBody {
    /// As a form, as RFC 6749 says.
    Form,
    /// As a JSON object.
    Json,
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
            label: None,
            revoke: None,
            deadline: DEFAULT_DEADLINE,
            authorize_params: Vec::new(),
            token_params: Vec::new(),
            user: UserPaths::default(),
            user_map: None,
            allow: Allowlist::default(),
            issuer: None,
            base_url: None,
            api_url: None,
            assume_pkce: false,
            tenant: None,
            tenants: Vec::new(),
            domain: None,
            authorization_server: None,
            team_id: None,
            key_id: None,
            private_key: None,
            authorize_url: None,
            token_url: None,
            user_url: None,
            revoke_url: None,
            client_auth: None,
            token_body: None,
            scope_separator: None,
            scope_param: None,
            pkce: None,
            headers: Vec::new(),
            token: TokenPaths::default(),
        }
    }

    /// Checks everything that can be known without asking the provider, as [`Provider::new`](super::Provider::new) does.
    ///
    /// # Errors
    /// [`ProviderConfigError`] names the setting that is wrong.
    pub fn validate(&self) -> Result<(), ProviderConfigError> {
        super::engine::preset(self).map(drop)
    }

    /// Checks what every kind of provider has in common, and that nothing is missing or read by nobody.
    pub(super) fn check(&self) -> Result<(), ProviderConfigError> {
        let kind = self.kind;
        let set = self.set();
        if let Some(&(setting, _)) = set.iter().find(|(setting, is_set)| *is_set && !kind.reads(setting)) {
            return Err(ProviderConfigError::NotUsed { setting, kind });
        }
        let is_missing = |needed: &&&str| set.contains(&(**needed, false));
        if let Some(&setting) = kind.needed().iter().find(is_missing) {
            return Err(ProviderConfigError::Missing { setting, kind });
        }
        let clean = |text: &str| !text.is_empty() && text.trim() == text;
        if !clean(&self.client_id) {
            return Err(ProviderConfigError::Blank { setting: "client_id" });
        }
        if self.client_secret.as_ref().is_some_and(|secret| !clean(secret.expose())) {
            return Err(ProviderConfigError::Blank { setting: "client_secret" });
        }
        let mut paths = self.user.lists().into_iter().chain(self.token.lists());
        if let Some((setting, _)) = paths.find(|(_, paths)| !paths.iter().all(|path| is_path(path))) {
            let reason =
                "must be a path such as `data.id`, or a text with paths in braces, apart from each other";
            return Err(ProviderConfigError::Value { setting, reason });
        }
        // An address can become somebody else's.
        if self.user.id.iter().any(|path| is_changeable(path, &self.user.email)) {
            let reason = "must lead to an id that never changes; an address can become somebody else's";
            return Err(ProviderConfigError::Value { setting: "user.id", reason });
        }
        let ours = |(name, _): &(String, String)| OURS.contains(&name.as_str());
        for (setting, params) in
            [("authorize_params", &self.authorize_params), ("token_params", &self.token_params)]
        {
            if params.iter().any(ours) {
                let reason = "must not set what protects the sign-in";
                return Err(ProviderConfigError::Value { setting, reason });
            }
        }
        self.check_allowed()?;
        self.header_map().map(drop)
    }

    /// The settings that only some kinds read, and whether they are set.
    fn set(&self) -> Vec<(&'static str, bool)> {
        let mut set = vec![
            ("client_secret", self.client_secret.is_some()),
            ("scopes", !self.scopes.is_empty()),
            ("issuer", self.issuer.is_some()),
            ("base_url", self.base_url.is_some()),
            ("api_url", self.api_url.is_some()),
            ("assume_pkce", self.assume_pkce),
            ("tenant", self.tenant.is_some()),
            ("tenants", !self.tenants.is_empty()),
            ("domain", self.domain.is_some()),
            ("authorization_server", self.authorization_server.is_some()),
            ("team_id", self.team_id.is_some()),
            ("key_id", self.key_id.is_some()),
            ("private_key", self.private_key.is_some()),
            ("authorize_url", self.authorize_url.is_some()),
            ("token_url", self.token_url.is_some()),
            ("user_url", self.user_url.is_some()),
            ("revoke_url", self.revoke_url.is_some()),
            ("client_auth", self.client_auth.is_some()),
            ("token_body", self.token_body.is_some()),
            ("scope_separator", self.scope_separator.is_some()),
            ("scope_param", self.scope_param.is_some()),
            ("pkce", self.pkce.is_some()),
            ("headers", !self.headers.is_empty()),
            ("token", self.token != TokenPaths::default()),
            ("user.id", !self.user.id.is_empty()),
            ("user.email_verified", !self.user.email_verified.is_empty()),
        ];
        let is_allowed = |list: &List| (list.setting(), !self.allow.entries(*list).is_empty());
        set.extend(List::ALL.iter().filter(|list| **list != List::Users).map(is_allowed));
        set
    }

    /// The headers that go along with each question about a user.
    pub(super) fn header_map(&self) -> Result<Vec<(HeaderName, HeaderValue)>, ProviderConfigError> {
        let refusal = |reason| ProviderConfigError::Value { setting: "headers", reason };
        let header = |(name, value): &(String, String)| {
            let name = name.parse::<HeaderName>().map_err(|_| refusal("has a name that no header has"))?;
            if TAKEN.contains(&name.as_str()) {
                return Err(refusal("must not set a header that is ours to set"));
            }
            let value = HeaderValue::from_str(value);
            Ok((name, value.map_err(|_| refusal("has a value that fits into no header"))?))
        };
        self.headers.iter().map(header).collect()
    }

    /// The URL of `path` at the provider: below `base_url` if it is set, else at `host`.
    pub(super) fn at(&self, host: &str, path: &str) -> Result<Url, ProviderConfigError> {
        below("base_url", self.base_url.as_deref().unwrap_or(host), path)
    }

    /// The error that a setting is missing, for settings that [`ProviderConfig::check`] knows to be there.
    pub(super) fn missing(&self, setting: &'static str) -> ProviderConfigError {
        ProviderConfigError::Missing { setting, kind: self.kind }
    }

    /// The scopes to ask for, given what the provider needs to tell who the user is.
    pub(super) fn scopes_or(&self, defaults: &[&str]) -> Scopes {
        if !self.scopes.is_empty() {
            return self.scopes.clone();
        }
        defaults.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect()
    }

    /// The scopes to ask for, of which `needed` are those without which the provider would not tell who the user is.
    pub(super) fn scopes_with(
        &self,
        needed: &[&'static str],
        more: &[&str],
    ) -> Result<Scopes, ProviderConfigError> {
        let scopes = self.scopes_or(&[needed, more].concat());
        let lacks = |needed: &&&'static str| !scopes.iter().any(|scope| scope.as_str() == **needed);
        match needed.iter().find(lacks) {
            Some(&scope) => Err(ProviderConfigError::LacksScope { scope, kind: self.kind }),
            None => Ok(scopes),
        }
    }

    /// The scopes to ask an OpenID provider for.
    pub(super) fn openid_scopes(&self) -> Result<Scopes, ProviderConfigError> {
        self.scopes_with(&["openid"], &["email", "profile"])
    }
}

/// Whether a path leads to an address rather than to an id.
fn is_changeable(path: &str, emails: &[String]) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    emails.iter().any(|email| email == path)
        || ["email", "mail"].contains(&last.to_ascii_lowercase().as_str())
}

/// Parameters that are drawn for each sign-in or bind it to us.
const OURS: &[&str] = &[
    "response_type",
    "client_id",
    "client_secret",
    "redirect_uri",
    "state",
    "nonce",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "refresh_token",
];

/// Headers that frame a request or carry the token.
const TAKEN: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

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
    /// The scopes lack one without which the provider does not tell who the user is.
    #[error("the scopes of a provider of kind {kind} must contain {scope}")]
    LacksScope {
        /// The scope.
        scope: &'static str,
        /// The kind.
        kind: ProviderKind,
    },
    /// A value that means nothing.
    #[error("{setting} {reason}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl ProviderConfigError {
    /// The setting that is wrong.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        match self {
            Self::Blank { setting }
            | Self::Missing { setting, .. }
            | Self::NotUsed { setting, .. }
            | Self::Url { setting, .. }
            | Self::Value { setting, .. } => setting,
            Self::LacksScope { .. } => "scopes",
        }
    }
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
}
