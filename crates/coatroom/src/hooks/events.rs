//! What hooks are told.

use coatroom_protocol::grant::RevokedReason;
use coatroom_protocol::words::{ClientId, GrantId, ProviderName, Resource, Scopes, Subject, Timestamp};

use crate::user::User;

/// A sign-in that is about to count.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignIn {
    /// Who signs in, as their provider or their account describes them. All but `subject` may be changed.
    pub user: User,
    /// What for.
    pub purpose: SignInPurpose,
    /// The tag of the language in which the person reads pages, such as `en`; `None` where nobody looks at one.
    pub language: Option<&'static str>,
}

/// What somebody signs in for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInPurpose {
    /// To let an app act for them.
    #[non_exhaustive]
    Grant {
        /// The name that the app gave itself.
        client_name: Option<String>,
        /// The MCP server that it may use.
        resource: Resource,
        /// What it may do there.
        scopes: Scopes,
    },
    /// To see which apps may act for them, or to connect a further account.
    Page,
    /// Nobody signs in: an app refreshes its tokens.
    #[non_exhaustive]
    Refresh {
        /// The grant.
        grant: GrantId,
        /// The MCP server that the app may use.
        resource: Resource,
        /// What it may do there.
        scopes: Scopes,
    },
}

/// A person agreed that an app acts for them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantMade {
    /// The grant.
    pub grant: GrantId,
    /// Who agreed.
    pub subject: Subject,
    /// The name that the app gave itself.
    pub client_name: Option<String>,
    /// The MCP server that it may use.
    pub resource: Resource,
    /// What it may do there.
    pub scopes: Scopes,
    /// When.
    pub at: Timestamp,
}

/// An app redeemed its code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokensIssued {
    /// The grant.
    pub grant: GrantId,
    /// Whose it is.
    pub subject: Subject,
    /// The app.
    pub client: ClientId,
    /// The MCP server for which the tokens are good.
    pub resource: Resource,
    /// What they allow.
    pub scopes: Scopes,
    /// Whether there is a refresh token.
    pub may_refresh: bool,
    /// When.
    pub at: Timestamp,
}

/// An app refreshed its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokensRefreshed {
    /// The grant.
    pub grant: GrantId,
    /// Whose it is.
    pub subject: Subject,
    /// The app.
    pub client: ClientId,
    /// What the new access token allows.
    pub scopes: Scopes,
    /// How.
    pub kind: RefreshKind,
    /// When.
    pub at: Timestamp,
}

/// How tokens were refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshKind {
    /// New tokens took the place of the old ones.
    Rotated,
    /// The same, after an answer was lost: new tokens took the place of ones that nobody used.
    Displaced,
    /// The same answer as before, to a client that asked again.
    Repeated,
}

/// A grant was ended: no token of it is good any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantEnded {
    /// The grant.
    pub grant: GrantId,
    /// Whose it was.
    pub subject: Subject,
    /// The MCP server that the app could use.
    pub resource: Resource,
    /// By whom, and why.
    pub reason: RevokedReason,
    /// When.
    pub at: Timestamp,
}

/// Something happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionEvent {
    /// The grant within which the provider is connected.
    pub grant: GrantId,
    /// Whose it is.
    pub subject: Subject,
    /// The provider.
    pub provider: ProviderName,
    /// When.
    pub at: Timestamp,
}
