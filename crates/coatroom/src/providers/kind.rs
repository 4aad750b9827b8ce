//! The providers that are known, and which settings each of them reads.

use std::fmt;

use crate::allowlist::List;

/// The providers that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderKind {
    /// GitHub, or a GitHub Enterprise Server.
    Github,
    /// Google.
    Google,
    /// Microsoft Entra ID.
    Microsoft,
    /// Okta, its org authorization server or a custom one.
    Okta,
    /// Slack.
    Slack,
    /// Discord.
    Discord,
    /// GitLab, the public one or one's own.
    Gitlab,
    /// Notion.
    Notion,
    /// X, formerly Twitter.
    X,
    /// Atlassian Cloud.
    Atlassian,
    /// Linear.
    Linear,
    /// Apple.
    Apple,
    /// Any OpenID provider that publishes its metadata.
    Oidc,
    /// Any OAuth 2 provider, described by its configuration alone.
    Oauth2,
    /// The provider of the built-in demo.
    Demo,
}

impl ProviderKind {
    /// Every kind, in the order in which a page offers those that nobody put in order.
    pub const ALL: &[Self] = &[
        Self::Github,
        Self::Google,
        Self::Microsoft,
        Self::Apple,
        Self::Slack,
        Self::Discord,
        Self::Gitlab,
        Self::Notion,
        Self::X,
        Self::Atlassian,
        Self::Linear,
        Self::Okta,
        Self::Oidc,
        Self::Oauth2,
        Self::Demo,
    ];

    /// The name in a configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Google => "google",
            Self::Microsoft => "microsoft",
            Self::Okta => "okta",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Gitlab => "gitlab",
            Self::Notion => "notion",
            Self::X => "x",
            Self::Atlassian => "atlassian",
            Self::Linear => "linear",
            Self::Apple => "apple",
            Self::Oidc => "oidc",
            Self::Oauth2 => "oauth2",
            Self::Demo => "demo",
        }
    }

    /// Reads the name in a configuration file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// The settings that this kind cannot do without, beside `client_id`.
    #[must_use]
    pub const fn needed(self) -> &'static [&'static str] {
        match self {
            Self::Github
            | Self::Google
            | Self::Microsoft
            | Self::Slack
            | Self::Discord
            | Self::Notion
            | Self::Atlassian
            | Self::Linear => &["client_secret"],
            Self::Gitlab | Self::X => &[],
            Self::Okta => &["domain"],
            Self::Apple => &["team_id", "key_id", "private_key"],
            Self::Oidc => &["issuer"],
            Self::Oauth2 => &["authorize_url", "token_url", "user_url", "user.id"],
            Self::Demo => &["base_url"],
        }
    }

    /// The settings that this kind reads beside those of every kind.
    const fn own(self) -> &'static [&'static str] {
        match self {
            Self::Github => &["client_secret", "scopes", "base_url", "api_url"],
            Self::Google
            | Self::Slack
            | Self::Discord
            | Self::Gitlab
            | Self::X
            | Self::Atlassian
            | Self::Linear
            | Self::Demo => &["client_secret", "scopes", "base_url"],
            // What a Notion token is good for is set at Notion.
            Self::Notion => &["client_secret", "base_url"],
            Self::Microsoft => &["client_secret", "scopes", "base_url", "tenant", "tenants"],
            Self::Okta => &["client_secret", "scopes", "domain", "authorization_server", "client_auth"],
            Self::Apple => &["scopes", "base_url", "team_id", "key_id", "private_key"],
            Self::Oidc => &[
                "client_secret",
                "scopes",
                "issuer",
                "assume_pkce",
                "client_auth",
                "scope_separator",
                "scope_param",
                "user.id",
                "user.email_verified",
            ],
            Self::Oauth2 => &[
                "client_secret",
                "scopes",
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
                "user.id",
                "user.email_verified",
            ],
        }
    }

    /// The lists of an allowlist that this kind can know about somebody, beside who they are.
    const fn lists(self) -> &'static [List] {
        use List::{EmailDomains, Groups, Organisations, Roles, Teams, WorkspaceDomains};
        match self {
            Self::Github => &[EmailDomains, Organisations, Teams],
            Self::Google => &[EmailDomains, WorkspaceDomains],
            // No address counts as verified there.
            Self::Microsoft => &[Groups, Roles],
            Self::Linear | Self::Notion => &[Organisations],
            Self::Slack => &[EmailDomains, Organisations],
            Self::Gitlab => &[EmailDomains, Groups],
            Self::Discord | Self::X | Self::Atlassian | Self::Apple => &[EmailDomains],
            Self::Okta | Self::Oidc | Self::Oauth2 => &[EmailDomains, Organisations, Groups, Roles],
            Self::Demo => &[EmailDomains, Groups, Roles],
        }
    }

    /// Whether only its configuration says where it names an organisation.
    pub(super) const fn names_organisation(self) -> bool {
        matches!(self, Self::Okta | Self::Oidc | Self::Oauth2)
    }

    /// Whether this kind reads a setting; which ones there are, [`ProviderKind::SETTINGS`] says.
    #[must_use]
    pub fn reads(self, setting: &str) -> bool {
        self.own().contains(&setting)
            || self.lists().iter().any(|list| list.setting() == setting)
            || !Self::SETTINGS.contains(&setting)
    }

    /// The settings that only some kinds read.
    pub const SETTINGS: &[&str] = &[
        "client_secret",
        "scopes",
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
        "user.id",
        "user.email_verified",
        List::EmailDomains.setting(),
        List::WorkspaceDomains.setting(),
        List::Organisations.setting(),
        List::Teams.setting(),
        List::Groups.setting(),
        List::Roles.setting(),
    ];
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_print_and_parse_back() {
        for kind in ProviderKind::ALL {
            assert_eq!(ProviderKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(ProviderKind::parse("GitHub"), None);
    }

    #[test]
    fn each_kind_reads_what_it_needs_and_nothing_unknown() {
        for kind in ProviderKind::ALL {
            assert!(kind.needed().iter().all(|setting| kind.reads(setting)), "{kind}");
            assert!(kind.own().iter().all(|setting| ProviderKind::SETTINGS.contains(setting)), "{kind}");
        }
    }
}
