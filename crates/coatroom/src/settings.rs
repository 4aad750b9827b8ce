//! The numbers that an operator may change, with their defaults.

use std::time::Duration;

use coatroom_protocol::client::DocumentHosts;
use coatroom_protocol::grant::RefreshRules;

/// Lifetimes and limits of a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// How long an authorization may take, from the first page to the callback. Default 10 min.
    pub flow_life: Duration,
    /// How long a code may be redeemed. Default 60 s.
    pub code_life: Duration,
    /// How long an access token is good. Default 1 h.
    pub access_token_life: Duration,
    /// How long a refresh token may lie unused. Default 30 days.
    pub refresh_idle: Duration,
    /// How long a grant can be refreshed in all. Default 180 days.
    pub refresh_life: Duration,
    /// When a repeated refresh is answered alike.
    pub refresh: RefreshRules,
    /// Whether a replayed refresh token revokes its grant. Default true; false refuses it without revoking, for
    /// fleets of clients that keep stale copies.
    pub replay_revokes: bool,
    /// How long the sign-in cookie names the account. Default 8 h.
    pub session_life: Duration,
    /// How long a verified access token is remembered, and so how late a revocation can be felt. Default 1 s.
    pub remembered: Duration,
    /// How often the revocations of other replicas are read. Default 500 ms.
    pub revocation_poll: Duration,
    /// How long revocations may be unreadable before everything is refused with 503. Default 5 s.
    pub revocation_patience: Duration,
    /// How often the key file is looked at. Default 2 s.
    pub key_poll: Duration,
    /// The largest body of an OAuth request, in bytes. Default 64 KiB.
    pub oauth_body_limit: usize,
    /// The largest header block of an MCP request, in bytes. Default 32 KiB.
    pub mcp_header_limit: usize,
    /// The largest body of an MCP request, in bytes. Default 4 MiB.
    pub mcp_body_limit: usize,
    /// What the bodies of all MCP requests may hold together, in bytes. Beyond: 503. Default 256 MiB.
    pub mcp_bodies_limit: usize,
    /// How many requests one address may make.
    pub rates: Rates,
    /// Whether callers from this machine are limited too. Default false.
    pub limit_loopback: bool,
}

/// How many requests one address may make (one /64 for IPv6), and calls of one user or client; `None` does not limit them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "whoever reads a configuration names every door")]
pub struct Rates {
    /// Of `/register`. Default 60 per minute.
    pub register: Option<Rate>,
    /// Of `/authorize` and the pages after it. Default 120 per minute.
    pub authorize: Option<Rate>,
    /// Of `/token` and `/revoke`. Default 600 per minute.
    pub token: Option<Rate>,
    /// Of `/introspect`. Default 6000 per minute.
    pub introspect: Option<Rate>,
    /// Of the discovery documents, and of everything else that is the same for everybody. Default 1200 per minute.
    pub discovery: Option<Rate>,
    /// Of tokens that are not good, at protected endpoints and at `/introspect`; beyond, the answer is 429. Good tokens of
    /// the same address are not affected. Default 600 per minute.
    pub failed_token: Option<Rate>,
    /// Of calls of protected endpoints. Default: not limited.
    pub calls: Option<Rate>,
    /// Of calls of one user, from all addresses and by all clients. Default: not limited.
    pub calls_per_user: Option<Rate>,
    /// Of calls by one client, for all users. Default: not limited.
    pub calls_per_client: Option<Rate>,
    /// Of failed authentications there as one client; then that client waits, at that address. Default 30 per minute.
    pub failed_authentication: Option<Rate>,
    /// Of documents of clients that are fetched because of its requests. Default 20 per minute.
    pub client_documents: Option<Rate>,
    /// Of attempts to sign in to one local account that fail, from all addresses. Default 10 in 15 minutes.
    pub failed_sign_in: Option<Rate>,
    /// Of attempts to sign in to local accounts that fail, to whichever. Default 50 in 15 minutes.
    pub failed_sign_in_per_address: Option<Rate>,
    /// Of mails to one recipient that somebody asked for. Default 5 an hour.
    pub mail: Option<Rate>,
    /// Of mails that it asks for, to whomever. Default 20 an hour.
    pub mail_per_address: Option<Rate>,
}

/// Whether and how clients are taken that are described by a document at the URL that is their id (Client ID Metadata
/// Documents).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientDocuments {
    /// Whether they are. Default [`DocumentMode::Auto`].
    pub mode: DocumentMode,
    /// Whose documents are taken. Default: everybody's.
    pub hosts: DocumentHosts,
    /// Whether redirect URIs must lead to the document's own host or to the user's machine. Default false: some clients
    /// have their answers sent to a sister site.
    pub same_origin: bool,
    /// The largest document, key set or logo, in bytes. Default 64 KiB.
    pub body_limit: usize,
    /// How long fetching one may take in all. Default 5 s.
    pub deadline: Duration,
    /// How long a document is good at the most, whatever its headers say. Default 24 h.
    pub longest_life: Duration,
    /// Whether documents may lie on loopback, for development. Refused unless the public URL is on loopback too; still
    /// https only. Default false.
    pub loopback: bool,
    /// With [`DocumentMode::Auto`], the hosts of which one must be reached before documents are taken. Default: those of
    /// well-known clients.
    pub probes: Vec<String>,
}

/// When clients that are described by documents are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever reads a configuration names every mode")]
pub enum DocumentMode {
    /// As soon as the network lets us out: clients that read that we take documents try nothing else.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl Default for ClientDocuments {
    fn default() -> Self {
        Self {
            mode: DocumentMode::Auto,
            hosts: DocumentHosts::default(),
            same_origin: false,
            body_limit: 64 * 1024,
            deadline: Duration::from_secs(5),
            longest_life: Duration::from_hours(24),
            loopback: false,
            probes: ["claude.ai", "chatgpt.com", "vscode.dev"].map(str::to_owned).into(),
        }
    }
}

impl ClientDocuments {
    /// The defaults in another mode.
    #[must_use]
    pub fn in_mode(mode: DocumentMode) -> Self {
        Self { mode, ..Self::default() }
    }
}

/// Accounts of this server itself, for people who sign in without a provider.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LocalAccounts {
    /// What the button calls them: "Continue with …". Default: e-mail, in the language of the page.
    pub label: Option<String>,
    /// Who may have one. Default [`SignUp::Invitation`].
    pub sign_up: SignUp,
}

/// The name under which local accounts stand where others have a provider.
pub const LOCAL: &str = "local";

/// Who may have a local account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "whoever reads a configuration names every mode")]
pub enum SignUp {
    /// Whom the operator invites.
    #[default]
    Invitation,
    /// Whoever shows that an e-mail address is theirs.
    Open,
    /// Nobody new.
    Closed,
}

/// How often something may happen: `count` times within `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair")]
pub struct Rate {
    /// How many times.
    pub count: u32,
    /// Within which span.
    pub per: Duration,
}

impl Rate {
    /// So many times within a minute.
    #[must_use]
    pub const fn per_minute(count: u32) -> Self {
        Self { count, per: Duration::from_mins(1) }
    }
}

impl Rates {
    /// No limits at all.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            register: None,
            authorize: None,
            token: None,
            introspect: None,
            discovery: None,
            failed_token: None,
            calls: None,
            calls_per_user: None,
            calls_per_client: None,
            failed_authentication: None,
            client_documents: None,
            failed_sign_in: None,
            failed_sign_in_per_address: None,
            mail: None,
            mail_per_address: None,
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            register: Some(Rate::per_minute(60)),
            authorize: Some(Rate::per_minute(120)),
            token: Some(Rate::per_minute(600)),
            introspect: Some(Rate::per_minute(6000)),
            discovery: Some(Rate::per_minute(1200)),
            failed_token: Some(Rate::per_minute(600)),
            calls: None,
            calls_per_user: None,
            calls_per_client: None,
            failed_authentication: Some(Rate::per_minute(30)),
            client_documents: Some(Rate::per_minute(20)),
            failed_sign_in: Some(Rate { count: 10, per: Duration::from_mins(15) }),
            failed_sign_in_per_address: Some(Rate { count: 50, per: Duration::from_mins(15) }),
            mail: Some(Rate { count: 5, per: Duration::from_hours(1) }),
            mail_per_address: Some(Rate { count: 20, per: Duration::from_hours(1) }),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flow_life: Duration::from_mins(10),
            code_life: Duration::from_mins(1),
            access_token_life: Duration::from_hours(1),
            refresh_idle: Duration::from_hours(24 * 30),
            refresh_life: Duration::from_hours(24 * 180),
            refresh: RefreshRules::default(),
            replay_revokes: true,
            session_life: Duration::from_hours(8),
            remembered: Duration::from_secs(1),
            revocation_poll: Duration::from_millis(500),
            revocation_patience: Duration::from_secs(5),
            key_poll: Duration::from_secs(2),
            oauth_body_limit: 64 * 1024,
            mcp_header_limit: 32 * 1024,
            mcp_body_limit: 4 * 1024 * 1024,
            mcp_bodies_limit: 256 * 1024 * 1024,
            rates: Rates::default(),
            limit_loopback: false,
        }
    }
}
