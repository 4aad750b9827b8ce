//! How many requests one address may make, and how often it may fail to authenticate as a client.
//!
//! Everything here is open to strangers, and a stranger who asks without pause costs work. Each address has an allowance per
//! minute for each door; it fills up again evenly. Nothing is counted for callers whose address is not known, nor, unless a
//! setting says so, for this machine. How much one request may say is limited where it is read; here, how long its query is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use coatroom_protocol::errors::{ErrorCode, OAuthError};
use coatroom_protocol::words::ClientIdHash;
use http::StatusCode;

use super::App;
use super::landing::is_browser;
use super::respond::Failure;
use super::visit::Visit;
use crate::allowance::{Allowance, ClientAddress, MOST_CALLERS};
use crate::settings::{Rate, Settings};

/// What one address has an allowance for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// `/register`.
    Registration,
    /// `/authorize` and the pages after it.
    Pages,
    /// `/token` and `/revoke`.
    Tokens,
    /// `/introspect`.
    Introspection,
    /// The discovery documents, and whatever else is the same for everybody.
    Everybody,
}

/// The allowances of every address; a door without one is open.
#[derive(Debug)]
pub(super) struct Limits {
    loopback_too: bool,
    registration: Option<Allowance<IpAddr>>,
    pages: Option<Allowance<IpAddr>>,
    tokens: Option<Allowance<IpAddr>>,
    introspection: Option<Allowance<IpAddr>>,
    everybody: Option<Allowance<IpAddr>>,
    guesses: Option<Allowance<IpAddr>>,
    failures: Option<Allowance<(IpAddr, ClientIdHash)>>,
    documents: Option<Allowance<IpAddr>>,
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Self {
        let allowance = |rate: Option<Rate>| rate.map(|rate| Allowance::new(rate, MOST_CALLERS));
        let rates = settings.rates;
        Self {
            loopback_too: settings.limit_loopback,
            registration: allowance(rates.register),
            pages: allowance(rates.authorize),
            tokens: allowance(rates.token),
            introspection: allowance(rates.introspect),
            everybody: allowance(rates.discovery),
            guesses: allowance(rates.failed_token),
            failures: rates.failed_authentication.map(|rate| Allowance::new(rate, MOST_CALLERS)),
            documents: allowance(rates.client_documents),
        }
    }

    /// Whose allowance a request uses up; `None` when the caller is not limited.
    fn caller(&self, address: Option<ClientAddress>) -> Option<IpAddr> {
        address?.caller(self.loopback_too)
    }

    fn take(
        &self,
        allowance: Option<&Allowance<IpAddr>>,
        address: Option<ClientAddress>,
        now: Duration,
    ) -> Result<(), Duration> {
        match (allowance, self.caller(address)) {
            (Some(allowance), Some(caller)) => allowance.take(caller, now),
            _ => Ok(()),
        }
    }

    /// Lets whoever is at an address through a door, or says how long to wait.
    fn enter(&self, door: Door, address: Option<ClientAddress>, now: Duration) -> Result<(), Duration> {
        let allowance = match door {
            Door::Registration => &self.registration,
            Door::Pages => &self.pages,
            Door::Tokens => &self.tokens,
            Door::Introspection => &self.introspection,
            Door::Everybody => &self.everybody,
        };
        self.take(allowance.as_ref(), address, now)
    }

    /// Notes that a token was asked about that is not good; says how long to wait when that happens too often.
    pub(super) fn guessed(&self, address: Option<ClientAddress>, now: Duration) -> Result<(), Duration> {
        self.take(self.guesses.as_ref(), address, now)
    }

    /// Whether somebody at this address may try to authenticate as this client; else how long to wait. By address alone, one
    /// broken client would lock out everybody behind it.
    pub(super) fn may_authenticate(
        &self,
        address: Option<ClientAddress>,
        client: ClientIdHash,
        now: Duration,
    ) -> Result<(), Duration> {
        match (&self.failures, self.caller(address)) {
            (Some(failures), Some(caller)) => failures.check(&(caller, client), now),
            _ => Ok(()),
        }
    }

    /// Whether somebody at this address may have another client's document fetched; else how long to wait.
    pub(super) fn may_fetch(&self, address: Option<ClientAddress>, now: Duration) -> Result<(), Duration> {
        self.take(self.documents.as_ref(), address, now)
    }

    /// Notes that an authentication failed.
    pub(super) fn authentication_failed(
        &self,
        address: Option<ClientAddress>,
        client: ClientIdHash,
        now: Duration,
    ) {
        if let (Some(failures), Some(caller)) = (&self.failures, self.caller(address)) {
            // That the allowance is used up is for the next attempt to learn.
            let _ = failures.take((caller, client), now);
        }
    }
}

/// Lets a request through a door, or answers it with 429: JSON for clients, a page for people.
pub(super) async fn limit(
    State((app, door)): State<(Arc<App>, Door)>,
    request: Request,
    next: Next,
) -> Response {
    let is_for_people = match door {
        Door::Pages => true,
        Door::Everybody => is_browser(request.headers()),
        Door::Registration | Door::Tokens | Door::Introspection => false,
    };
    if request.uri().query().is_some_and(|query| query.len() > LONGEST_QUERY) {
        let text = format!("the address has more than {LONGEST_QUERY} bytes after its question mark");
        let error = OAuthError::json(ErrorCode::InvalidRequest, text);
        let mut response = if is_for_people {
            Visit::new(&app, request.headers(), None).stop(&error)
        } else {
            Failure::Refused(error).into_response()
        };
        *response.status_mut() = StatusCode::URI_TOO_LONG;
        return response;
    }
    let address = request.extensions().get::<ClientAddress>().copied();
    if let Err(wait) = app.limits.enter(door, address, app.context.clock.elapsed()) {
        tracing::info!(?door, wait_s = wait.as_secs(), "an address asks too often");
        return if is_for_people {
            Visit::new(&app, request.headers(), None).too_many(wait)
        } else {
            Failure::TooMany(wait).into_response()
        };
    }
    next.run(request).await
}

/// Of a query, in bytes: more than twice of what a Flow can carry.
const LONGEST_QUERY: usize = 16 * 1024;
