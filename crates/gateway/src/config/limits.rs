//! Lifetimes, limits and rates: everything that has a sensible default and can be set.

use std::ops::RangeInclusive;
use std::time::Duration;

use coatroom::settings::Rates;

use super::problem::Place;
use super::reader::Section;
use super::values::{duration, rate, size, truth};

/// How long things live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    /// An authorization under way. Default 10 minutes.
    pub(crate) flow: Duration,
    /// An authorization code. Default 60 seconds.
    pub(crate) code: Duration,
    /// An access token. Default 1 hour.
    pub(crate) access_token: Duration,
    /// A refresh token that nobody uses. Default 30 days.
    pub(crate) refresh_token_idle: Duration,
    /// A grant in all, however often it is refreshed. Default 180 days.
    pub(crate) refresh_token_total: Duration,
    /// How long a repeated refresh gets the same successor. Default 120 seconds.
    pub(crate) same_successor: Duration,
    /// The browser session that names the account. Default 8 hours.
    pub(crate) session: Duration,
    /// An MCP session of the revisions that have them, when nobody uses it. Default 24 hours.
    pub(crate) mcp_session: Duration,
    /// How long the guard remembers a verified token. Default 1 second.
    pub(crate) remembered_token: Duration,
    /// How often revocations are read. Default 500 milliseconds.
    pub(crate) revocation_poll: Duration,
    /// How often the key file is looked at. Default 2 seconds.
    pub(crate) key_poll: Duration,
}

/// How much is accepted, and how long something is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of an MCP request body. Default 4 MiB.
    pub(crate) mcp_body: usize,
    /// Bytes of all MCP request bodies together. Default 256 MiB.
    pub(crate) mcp_bodies: usize,
    /// Bytes of a request body of the authorization server. Default 64 KiB.
    pub(crate) oauth_body: usize,
    /// Bytes of a request's header block. Default 32 KiB.
    pub(crate) header_block: usize,
    /// Number of header lines. Default 100.
    pub(crate) header_lines: usize,
    /// MCP sessions of one user at once. Default 64.
    pub(crate) sessions_per_user: usize,
    /// Connections at once. Default 10 000.
    pub(crate) connections: usize,
    /// Connections of one address at once. Default 512.
    pub(crate) connections_per_address: usize,
    /// Streams at once on one HTTP/2 connection. Default 100.
    pub(crate) http2_streams: u32,
    /// How long a connection may rest between two requests. Default 2 minutes.
    pub(crate) idle: Duration,
    /// How long a reader may take for the next kilobyte of what waits for it. Default 30 seconds.
    pub(crate) write_stall: Duration,
    /// How long a request's headers may take. Default 10 seconds.
    pub(crate) header_read: Duration,
    /// How long connecting to an upstream may take, TLS included. Default 5 seconds.
    pub(crate) upstream_connect: Duration,
    /// How long an upstream may take to begin its answer to a POST. Default 60 seconds.
    pub(crate) upstream_first_byte: Duration,
    /// Requests at one upstream whose answers have not begun. Default 1000.
    pub(crate) upstream_waiting: usize,
    /// Requests under way at one upstream in all, streams too. Default 10 000.
    pub(crate) upstream_requests: usize,
    /// How long running requests and streams get at shutdown. Default 30 seconds.
    pub(crate) drain: Duration,
}

impl Lifetimes {
    pub(super) fn read(root: &Section<'_>) -> Self {
        let section = root.section("lifetimes");
        section.only(&[
            "flow",
            "code",
            "access_token",
            "refresh_token_idle",
            "refresh_token_total",
            "same_successor",
            "session",
            "mcp_session",
            "remembered_token",
            "revocation_poll",
            "key_poll",
        ]);
        let span = |key: &str, default, range| span(&section, key, default, range);
        let lifetimes = Self {
            flow: span("flow", 10 * MINUTE, MINUTE..=HOUR),
            code: span("code", MINUTE, SECOND..=10 * MINUTE),
            access_token: span("access_token", HOUR, MINUTE..=DAY),
            refresh_token_idle: span("refresh_token_idle", 30 * DAY, HOUR..=3650 * DAY),
            refresh_token_total: span("refresh_token_total", 180 * DAY, HOUR..=3650 * DAY),
            same_successor: span("same_successor", 2 * MINUTE, Duration::ZERO..=HOUR),
            session: span("session", 8 * HOUR, MINUTE..=30 * DAY),
            mcp_session: span("mcp_session", DAY, MINUTE..=30 * DAY),
            remembered_token: span("remembered_token", SECOND, Duration::ZERO..=MINUTE),
            revocation_poll: span("revocation_poll", SECOND / 2, SECOND / 20..=5 * SECOND),
            key_poll: span("key_poll", 2 * SECOND, SECOND / 20..=MINUTE),
        };
        if lifetimes.refresh_token_idle > lifetimes.refresh_token_total {
            let place = section.text("refresh_token_idle").map_or(Place::Nowhere, |found| found.place);
            let message = "`refresh_token_idle` is longer than `refresh_token_total`";
            section.refuse(&place, message, Some("a grant ends with its total".to_owned()));
        }
        lifetimes
    }
}

impl Limits {
    pub(super) fn read(root: &Section<'_>) -> Self {
        let section = root.section("limits");
        section.only(&[
            "mcp_body",
            "mcp_bodies",
            "oauth_body",
            "header_block",
            "header_lines",
            "sessions_per_user",
            "connections",
            "connections_per_address",
            "http2_streams",
            "idle",
            "write_stall",
            "header_read",
            "upstream_connect",
            "upstream_first_byte",
            "upstream_waiting",
            "upstream_requests",
            "drain",
        ]);
        let span = |key: &str, default| span(&section, key, default, SECOND / 10..=HOUR);
        let limits = Self {
            mcp_body: number(&section, "mcp_body", 4 * MIB, KIB..=256 * MIB),
            mcp_bodies: number(&section, "mcp_bodies", 256 * MIB, MIB..=2 * 1024 * MIB),
            oauth_body: number(&section, "oauth_body", 64 * KIB, 4 * KIB..=MIB),
            header_block: number(&section, "header_block", 32 * KIB, 8 * KIB..=MIB),
            header_lines: number(&section, "header_lines", 100, 32..=1000),
            sessions_per_user: number(&section, "sessions_per_user", 64, 1..=10_000),
            connections: number(&section, "connections", 20_000, 1..=1_000_000),
            connections_per_address: number(&section, "connections_per_address", 512, 1..=1_000_000),
            http2_streams: u32::try_from(number(&section, "http2_streams", 100, 1..=1000)).unwrap_or(100),
            idle: span("idle", 2 * MINUTE),
            write_stall: span("write_stall", 30 * SECOND),
            header_read: span("header_read", 10 * SECOND),
            upstream_connect: span("upstream_connect", 5 * SECOND),
            upstream_first_byte: span("upstream_first_byte", MINUTE),
            upstream_waiting: number(&section, "upstream_waiting", 1000, 1..=1_000_000),
            upstream_requests: number(&section, "upstream_requests", 20_000, 1..=1_000_000),
            drain: span("drain", 30 * SECOND),
        };
        if limits.mcp_bodies < limits.mcp_body {
            let place = section.text("mcp_bodies").map_or(Place::Nowhere, |found| found.place);
            section.refuse(
                &place,
                "`mcp_bodies` is less than `mcp_body`: large calls would never pass",
                None,
            );
        }
        if limits.upstream_requests < limits.upstream_waiting {
            let found = section.text("upstream_requests").or_else(|| section.text("upstream_waiting"));
            section.refuse(
                &found.map_or(Place::Nowhere, |found| found.place),
                "`upstream_requests` is less than `upstream_waiting`: those that wait are among them",
                None,
            );
        }
        limits
    }
}

/// Reads how often one address may knock, and whether callers from this machine are limited too.
pub(super) fn read_rates(root: &Section<'_>) -> (Rates, bool) {
    let section = root.section("rates");
    section.only(&[
        "register",
        "authorize",
        "token",
        "introspect",
        "discovery",
        "failed_token",
        "calls",
        "calls_per_user",
        "calls_per_client",
        "failed_authentication",
        "client_documents",
        "failed_sign_in",
        "failed_sign_in_per_address",
        "mail",
        "mail_per_address",
        "loopback",
    ]);
    let read = |key: &str, default| section.value(key, rate).map_or(default, |found| found.value);
    let defaults = Rates::default();
    let rates = Rates {
        register: read("register", defaults.register),
        authorize: read("authorize", defaults.authorize),
        token: read("token", defaults.token),
        introspect: read("introspect", defaults.introspect),
        discovery: read("discovery", defaults.discovery),
        failed_token: read("failed_token", defaults.failed_token),
        calls: read("calls", defaults.calls),
        calls_per_user: read("calls_per_user", defaults.calls_per_user),
        calls_per_client: read("calls_per_client", defaults.calls_per_client),
        failed_authentication: read("failed_authentication", defaults.failed_authentication),
        client_documents: read("client_documents", defaults.client_documents),
        failed_sign_in: read("failed_sign_in", defaults.failed_sign_in),
        failed_sign_in_per_address: read("failed_sign_in_per_address", defaults.failed_sign_in_per_address),
        mail: read("mail", defaults.mail),
        mail_per_address: read("mail_per_address", defaults.mail_per_address),
    };
    (rates, section.value("loopback", truth).is_some_and(|found| found.value))
}

pub(super) fn span(
    section: &Section<'_>,
    key: &str,
    default: Duration,
    range: RangeInclusive<Duration>,
) -> Duration {
    let within = |text: &str| {
        let span = duration(text)?;
        let limits = format!("must be between {:?} and {:?}", range.start(), range.end());
        if range.contains(&span) { Ok(span) } else { Err(limits) }
    };
    section.value(key, within).map_or(default, |found| found.value)
}

pub(super) fn number(
    section: &Section<'_>,
    key: &str,
    default: usize,
    range: RangeInclusive<usize>,
) -> usize {
    let within = |text: &str| {
        let number = size(text)?;
        let limits = format!("must be between {} and {}", range.start(), range.end());
        if range.contains(&number) { Ok(number) } else { Err(limits) }
    };
    section.value(key, within).map_or(default, |found| found.value)
}

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);
pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * 1024;
