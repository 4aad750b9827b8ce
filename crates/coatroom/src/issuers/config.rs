//! What an operator says about a remote issuer, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use coatroom_protocol::access::Audience;
use coatroom_protocol::jws::{Algorithm, KeySet};
use coatroom_protocol::words::{ClientSecret, ProviderName, Scopes};
use url::Url;

use super::claims::ClaimField;
use super::preset::Preset;
use super::{auth0, better_auth, clerk, custom, keycloak, scalekit, supabase, workos};
use crate::allowlist::{Allowlist, List};
use crate::outbound::DEFAULT_DEADLINE;
use crate::providers::{UrlRefusal, secure_url};

/// What an operator says about one remote issuer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuerConfig {
    /// The name under which it is configured; part of each of its users' subjects.
    pub name: ProviderName,
    /// Which issuer it is.
    pub kind: IssuerKind,
    /// Where it is: Auth0's domain, Better Auth's URL, Clerk's frontend API, AuthKit's host, Supabase's project, Keycloak's
    /// server, Scalekit's environment. For [`IssuerKind::Custom`] the issuer itself, exactly as its metadata spells it.
    pub url: String,
    /// Keycloak's realm.
    pub realm: Option<String>,
    /// Scalekit's id of the resource, which starts with `res_`.
    pub resource_id: Option<String>,
    /// What `aud` must have instead of the resource's own identifier.
    pub audience: Option<String>,
    /// Supabase's secret, where the project signs with one: then nothing else is taken.
    pub jwt_secret: Option<ClientSecret>,
    /// The scopes that clients should ask it for; `None` for its usual ones.
    pub scopes: Option<Scopes>,
    /// The signature algorithms that it uses; empty for its usual ones, which its keys pin where they say so.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are, for a custom issuer whose metadata does not say.
    pub keys: Option<IssuerKeys>,
    /// Its endpoints, for a custom issuer that publishes no metadata.
    pub endpoints: Option<IssuerEndpoints>,
    /// Where parts of a user stand in its tokens, if not where they usually do: the name of a claim, or a dotted path.
    pub claims: BTreeMap<ClaimField, String>,
    /// Whose tokens open anything; everybody's by default.
    pub allow: Allowlist,
    /// How long one call of the issuer may take; 10 seconds by default.
    pub deadline: Duration,
}

/// The keys of a custom issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these two")]
pub enum IssuerKeys {
    /// At this URL.
    At(String),
    /// These, for ever.
    These(KeySet),
}

/// The endpoints of a custom issuer, for the clients that are told of them here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is plain data")]
pub struct IssuerEndpoints {
    /// The authorization endpoint.
    pub authorize: String,
    /// The token endpoint.
    pub token: String,
    /// The registration endpoint, if it has one.
    pub register: Option<String>,
}

impl IssuerConfig {
    /// A configuration with defaults for everything else.
    #[must_use]
    pub fn new(name: ProviderName, kind: IssuerKind, url: impl Into<String>) -> Self {
        Self {
            name,
            kind,
            url: url.into(),
            realm: None,
            resource_id: None,
            audience: None,
            jwt_secret: None,
            scopes: None,
            algorithms: Vec::new(),
            keys: None,
            endpoints: None,
            claims: BTreeMap::new(),
            allow: Allowlist::default(),
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// Says what is wrong, if anything.
    ///
    /// # Errors
    /// [`IssuerConfigError`] names the setting.
    pub fn check(&self) -> Result<(), IssuerConfigError> {
        self.preset().map(drop)
    }

    /// Whether its tokens name nobody whom they are for, so that each opens every server of this issuer. An `audience` ends that.
    #[must_use]
    pub fn names_no_audience(&self) -> bool {
        self.preset().is_ok_and(|preset| preset.rule.audience == Audience::Unnamed)
    }

    pub(super) fn preset(&self) -> Result<Preset, IssuerConfigError> {
        let mut preset = match self.kind {
            IssuerKind::Auth0 => auth0::preset(self),
            IssuerKind::BetterAuth => better_auth::preset(self),
            IssuerKind::Clerk => clerk::preset(self),
            IssuerKind::WorkOs => workos::preset(self),
            IssuerKind::Supabase => supabase::preset(self),
            IssuerKind::Keycloak => keycloak::preset(self),
            IssuerKind::Scalekit => scalekit::preset(self),
            IssuerKind::Custom => custom::preset(self),
        }?;
        if self.audience.as_ref().is_some_and(|audience| audience.trim().is_empty()) {
            return Err(IssuerConfigError::bad("audience", "is empty"));
        }
        if let Some(list) = self.allow.lists().find(|list| !LISTS.contains(list)) {
            return Err(IssuerConfigError::NotUsed { setting: list.setting(), kind: self.kind });
        }
        if let Some(scopes) = &self.scopes {
            preset.scopes = scopes.clone();
        }
        if !self.algorithms.is_empty() {
            preset.algorithms.clone_from(&self.algorithms);
        }
        if let Some(path) = self.claims.get(&ClaimField::Id) {
            preset.rule.subject = vec![path.clone()];
        }
        Ok(preset)
    }

    /// The URL at which the issuer is: https unless it says otherwise, without a slash at its end.
    pub(super) fn base(&self) -> Result<String, IssuerConfigError> {
        let text = self.url.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = url_of("url", &whole)?;
        if url.query().is_some() {
            return Err(IssuerConfigError::Url { setting: "url", refusal: UrlRefusal::Query });
        }
        Ok(format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/')))
    }

    /// The same where only a host makes sense.
    pub(super) fn bare_base(&self) -> Result<String, IssuerConfigError> {
        let base = self.base()?;
        let has_path = Url::parse(&base).is_ok_and(|url| url.path() != "/");
        if has_path { Err(IssuerConfigError::bad("url", "must be a host, without a path")) } else { Ok(base) }
    }

    pub(super) fn needs<'a>(
        &self,
        setting: &'static str,
        value: Option<&'a String>,
    ) -> Result<&'a str, IssuerConfigError> {
        let value = value.map(String::as_str).filter(|value| !value.trim().is_empty());
        value.ok_or(IssuerConfigError::Missing { setting, kind: self.kind })
    }

    /// Refuses settings that the kind does not read, so that nobody relies on them.
    pub(super) fn reads(&self, read: &[&str]) -> Result<(), IssuerConfigError> {
        let set = [
            ("realm", self.realm.is_some()),
            ("resource_id", self.resource_id.is_some()),
            ("jwt_secret", self.jwt_secret.is_some()),
            ("jwks_uri", self.keys.is_some()),
            ("token_endpoint", self.endpoints.is_some()),
        ];
        match set.into_iter().find(|(setting, is_set)| *is_set && !read.contains(setting)) {
            Some((setting, _)) => Err(IssuerConfigError::NotUsed { setting, kind: self.kind }),
            None => Ok(()),
        }
    }
}

/// The lists of an allowlist that a token can tell about.
pub(super) const LISTS: &[List] =
    &[List::Users, List::EmailDomains, List::Organisations, List::Groups, List::Roles];

/// The issuers that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssuerKind {
    /// Auth0.
    Auth0,
    /// Better Auth with its OAuth provider.
    BetterAuth,
    /// Clerk.
    Clerk,
    /// AuthKit of WorkOS.
    WorkOs,
    /// Supabase Auth.
    Supabase,
    /// A realm of Keycloak.
    Keycloak,
    /// A resource of Scalekit.
    Scalekit,
    /// Any other, by discovery or by hand.
    Custom,
}

impl IssuerKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Auth0,
        Self::BetterAuth,
        Self::Clerk,
        Self::WorkOs,
        Self::Supabase,
        Self::Keycloak,
        Self::Scalekit,
        Self::Custom,
    ];

    /// The name in a configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth0 => "auth0",
            Self::BetterAuth => "better-auth",
            Self::Clerk => "clerk",
            Self::WorkOs => "workos",
            Self::Supabase => "supabase",
            Self::Keycloak => "keycloak",
            Self::Scalekit => "scalekit",
            Self::Custom => "custom",
        }
    }

    /// Reads the name in a configuration file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for IssuerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with an issuer's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerConfigError {
    /// A setting that this kind of issuer needs.
    #[error("an issuer of kind {kind} needs {setting}")]
    Missing {
        /// The setting.
        setting: &'static str,
        /// The kind.
        kind: IssuerKind,
    },
    /// A setting that this kind of issuer does not read.
    #[error("an issuer of kind {kind} has no setting {setting}")]
    NotUsed {
        /// The setting.
        setting: &'static str,
        /// The kind.
        kind: IssuerKind,
    },
    /// A URL that cannot be called.
    #[error("{setting} {refusal}")]
    Url {
        /// The setting.
        setting: &'static str,
        /// Why not.
        refusal: UrlRefusal,
    },
    /// A value that cannot be right.
    #[error("{setting} {reason}")]
    Bad {
        /// The setting.
        setting: &'static str,
        /// Why not.
        reason: &'static str,
    },
}

/// A URL that we or clients call.
pub(super) fn url_of(setting: &'static str, text: &str) -> Result<Url, IssuerConfigError> {
    secure_url(text).map_err(|refusal| IssuerConfigError::Url { setting, refusal })
}

impl IssuerConfigError {
    pub(super) const fn bad(setting: &'static str, reason: &'static str) -> Self {
        Self::Bad { setting, reason }
    }

    /// The setting that is wrong.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        match self {
            Self::Missing { setting, .. }
            | Self::NotUsed { setting, .. }
            | Self::Url { setting, .. }
            | Self::Bad { setting, .. } => setting,
        }
    }
}
