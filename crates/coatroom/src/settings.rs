//! The numbers that an operator may change, with their defaults.

use std::time::Duration;

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
    /// Whether a replayed refresh token revokes its grant. Default true; false refuses it without revoking, for fleets of
    /// clients that keep stale copies.
    pub replay_revokes: bool,
    /// How long the sign-in cookie names the account. Default 8 h.
    pub session_life: Duration,
    /// How long a verified access token is remembered, and so how late a revocation can be felt. Default 1 s.
    pub remembered: Duration,
    /// How often the revocations of other replicas are read. Default 500 ms.
    pub revocation_poll: Duration,
    /// How long revocations may be unreadable before everything is refused with 503. Default 5 s.
    pub revocation_patience: Duration,
    /// The largest body of an OAuth request, in bytes. Default 64 KiB.
    pub oauth_body_limit: usize,
    /// The largest body of an MCP request, in bytes. Default 4 MiB.
    pub mcp_body_limit: usize,
    /// How many requests one address may make; `None` switches the limits off.
    pub rates: Option<Rates>,
    /// Whether callers from this machine are limited too. Default false.
    pub limit_loopback: bool,
}

/// How many requests per minute one address may make (one /64 for IPv6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rates {
    /// Of `/register`. Default 60.
    pub register: u32,
    /// Of `/authorize` and the pages after it. Default 120.
    pub authorize: u32,
    /// Of `/token` and `/revoke`. Default 600.
    pub token: u32,
    /// Of failed authentications there as one client; then that client waits, at that address. Default 30.
    pub failed_authentication: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { register: 60, authorize: 120, token: 600, failed_authentication: 30 }
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
            oauth_body_limit: 64 * 1024,
            mcp_body_limit: 4 * 1024 * 1024,
            rates: Some(Rates::default()),
            limit_loopback: false,
        }
    }
}
