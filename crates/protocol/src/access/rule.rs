//! Rules as they are configured: what they are about, and what they ask for.

use super::pattern::Pattern;
use crate::words::Scopes;

/// One rule, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// What kind of thing it is about.
    pub kind: RuleKind,
    /// Which of them.
    pub pattern: Pattern,
    /// The scopes that a call needs, all of them.
    pub scopes: Scopes,
    /// The roles of which a call needs one; empty when any user may.
    pub roles: Vec<String>,
    /// The permissions that a call needs, all of them.
    pub permissions: Vec<String>,
    /// Whether its caller must have signed in; `None` leaves that to the server.
    pub authentication: Option<Authentication>,
    /// Whether nobody may.
    pub deny: bool,
}

/// Who may call at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these three")]
pub enum Authentication {
    /// Whoever has a good token.
    #[default]
    Required,
    /// Also whoever sends no credential at all; a bad one is refused. Operations that need scopes ask to sign in.
    Optional,
    /// Everybody. Tokens are not looked at, and operations that need scopes or roles are denied.
    Off,
}

impl Authentication {
    const fn strictness(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Optional => 1,
            Self::Required => 2,
        }
    }

    /// The one of both that asks for more.
    pub(super) fn stricter(self, other: Self) -> Self {
        if self.strictness() < other.strictness() { other } else { self }
    }
}

impl Rule {
    /// A rule about things of this kind whose names match: a name, or a pattern in which `*` is any text. It asks for nothing yet.
    #[must_use]
    pub fn new(kind: RuleKind, pattern: &str) -> Self {
        Self {
            kind,
            pattern: Pattern::new(pattern),
            scopes: Scopes::none(),
            roles: Vec::new(),
            permissions: Vec::new(),
            authentication: None,
            deny: false,
        }
    }

    /// A rule about tools, by name.
    #[must_use]
    pub fn tool(pattern: &str) -> Self {
        Self::new(RuleKind::Tool, pattern)
    }

    /// A rule about prompts, by name.
    #[must_use]
    pub fn prompt(pattern: &str) -> Self {
        Self::new(RuleKind::Prompt, pattern)
    }

    /// A rule about resources, by URI.
    #[must_use]
    pub fn resource(pattern: &str) -> Self {
        Self::new(RuleKind::Resource, pattern)
    }

    /// Asks for all of these scopes.
    #[must_use]
    pub fn with_scopes(self, scopes: Scopes) -> Self {
        Self { scopes, ..self }
    }

    /// Asks for one of these roles.
    #[must_use]
    pub fn with_roles<T: Into<String>>(self, roles: impl IntoIterator<Item = T>) -> Self {
        Self { roles: roles.into_iter().map(Into::into).collect(), ..self }
    }

    /// Asks for all of these permissions.
    #[must_use]
    pub fn with_permissions<T: Into<String>>(self, permissions: impl IntoIterator<Item = T>) -> Self {
        Self { permissions: permissions.into_iter().map(Into::into).collect(), ..self }
    }

    /// Says whether the caller must have signed in, whatever the server says.
    #[must_use]
    pub fn with_authentication(self, authentication: Authentication) -> Self {
        Self { authentication: Some(authentication), ..self }
    }

    /// Denies it to everybody.
    #[must_use]
    pub fn denied(self) -> Self {
        Self { deny: true, ..self }
    }
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "MCP has these three")]
pub enum RuleKind {
    /// Tools, by name.
    Tool,
    /// Prompts, by name.
    Prompt,
    /// Resources, by URI.
    Resource,
}
