//! How many requests one address may make, and how often it may fail to authenticate as a client.
//!
//! Everything here is open to strangers, and a stranger who asks without pause costs work. Each address has an allowance per
//! minute for each door; it fills up again evenly. Nothing is counted for callers whose address is not known, nor, unless a
//! setting says so, for this machine. What is remembered is bounded, and of no consequence when lost.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use coatroom_protocol::words::ClientIdHash;

use super::App;
use super::respond::Failure;
use super::visit::Visit;
use crate::allowance::Allowance;
use crate::settings::{Rate, Rates, Settings};

/// The address of a client, which whoever serves puts into the extensions of each request. Behind a proxy that is what a trusted
/// header says, not the peer of the connection. A request without one is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a plain wrapper that whoever serves makes")]
pub struct ClientAddress(pub IpAddr);

/// What one address has an allowance for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// `/register`.
    Registration,
    /// `/authorize` and the pages after it.
    Pages,
    /// `/token` and `/revoke`.
    Tokens,
}

/// The allowances of every address; a door without one is open.
#[derive(Debug)]
pub(super) struct Limits {
    loopback_too: bool,
    registration: Option<Allowance<IpAddr>>,
    pages: Option<Allowance<IpAddr>>,
    tokens: Option<Allowance<IpAddr>>,
    failures: Option<Allowance<(IpAddr, ClientIdHash)>>,
    documents: Option<Allowance<IpAddr>>,
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Self {
        let allowance = |rate: Option<Rate>| rate.map(|rate| Allowance::new(rate, MOST_CALLERS));
        let Rates { register, authorize, token, failed_authentication, client_documents } = settings.rates;
        Self {
            loopback_too: settings.limit_loopback,
            registration: allowance(register),
            pages: allowance(authorize),
            tokens: allowance(token),
            failures: failed_authentication.map(|rate| Allowance::new(rate, MOST_CALLERS)),
            documents: allowance(client_documents),
        }
    }

    /// Whose allowance a request uses up; `None` when the caller is not limited.
    fn caller(&self, address: Option<ClientAddress>) -> Option<IpAddr> {
        let ClientAddress(address) = address?;
        let address = neighbourhood(address);
        (self.loopback_too || !address.is_loopback()).then_some(address)
    }

    /// Lets a caller through a door, or says how long to wait.
    fn enter(&self, door: Door, caller: IpAddr, now: Duration) -> Result<(), Duration> {
        let take = |allowance: &Option<Allowance<IpAddr>>| {
            allowance.as_ref().map_or(Ok(()), |allowance| allowance.take(caller, now))
        };
        match door {
            Door::Registration => take(&self.registration),
            Door::Pages => take(&self.pages),
            Door::Tokens => take(&self.tokens),
        }
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
        match (&self.documents, self.caller(address)) {
            (Some(documents), Some(caller)) => documents.take(caller, now),
            _ => Ok(()),
        }
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
    let address = request.extensions().get::<ClientAddress>().copied();
    let Some(caller) = app.limits.caller(address) else { return next.run(request).await };
    let now = app.context.clock.elapsed();
    let entered = app.limits.enter(door, caller, now);
    if let Err(wait) = entered {
        tracing::info!(?door, wait_s = wait.as_secs(), "an address asks too often");
        return match door {
            Door::Pages => Visit::new(&app, request.headers(), None).too_many(wait),
            Door::Registration | Door::Tokens => Failure::TooMany(wait).into_response(),
        };
    }
    next.run(request).await
}

/// What counts as one caller: an IPv4 address, or the /64 that one IPv6 customer has (RFC 6177).
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        address => address,
    }
}

/// How many callers each allowance remembers: a few megabytes.
const MOST_CALLERS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_customer_is_one_caller_and_a_mapped_address_is_its_ipv4_address() {
        let of = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:3::1"), "2001:db8:1:3::");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
        assert_eq!(of("::1"), "::1");
    }
}
