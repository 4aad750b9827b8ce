//! How often protected endpoints may be called: by an address, by a user, by a client, and with tokens that are not good.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use coatroom_protocol::words::{ClientIdHash, sha256};

use super::bodies::Bodies;
use super::caller::Caller;
use crate::allowance::{Allowance, ClientAddress, MOST_CALLERS};
use crate::clock::Clock;
use crate::settings::{Rates, Settings};

/// The allowances of calls, and what their bodies may hold, shared by every guard of a server.
#[derive(Debug)]
pub struct CallLimits {
    clock: Arc<dyn Clock>,
    loopback_too: bool,
    failed_tokens: Option<Allowance<IpAddr>>,
    addresses: Option<Allowance<IpAddr>>,
    users: Option<Allowance<[u8; 32]>>,
    clients: Option<Allowance<ClientIdHash>>,
    bodies: Bodies,
}

/// Whose allowance is used up, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) of: Scarce,
    pub(super) wait: Duration,
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scarce {
    FailedTokens,
    CallsOfAddress,
    CallsOfUser,
    CallsOfClient,
}

impl Scarce {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::FailedTokens => {
                "too many access tokens that are not valid here came from this address; wait before the next one"
            }
            Self::CallsOfAddress => "too many calls from this address; wait before the next one",
            Self::CallsOfUser => "too many calls of this user; wait before the next one",
            Self::CallsOfClient => "too many calls by this client; wait before the next one",
        }
    }
}

impl CallLimits {
    /// The limits that the settings name.
    #[must_use]
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let Rates { failed_token, calls, calls_per_user, calls_per_client, .. } = settings.rates;
        let allowance = |rate| Allowance::new(rate, MOST_CALLERS);
        Self {
            clock,
            loopback_too: settings.limit_loopback,
            failed_tokens: failed_token.map(allowance),
            addresses: calls.map(allowance),
            users: calls_per_user.map(|rate| Allowance::new(rate, MOST_CALLERS)),
            clients: calls_per_client.map(|rate| Allowance::new(rate, MOST_CALLERS)),
            bodies: Bodies::new(settings.mcp_bodies_limit),
        }
    }

    /// What the bodies of all calls may hold.
    pub(super) const fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// Counts a call from an address.
    pub(super) fn called_from(&self, address: Option<ClientAddress>) -> Result<(), TooMany> {
        self.take_of_address(self.addresses.as_ref(), address, Scarce::CallsOfAddress)
    }

    /// Counts a token that was not good. Good ones are never refused for that: many people share an address.
    pub(super) fn token_failed(&self, address: Option<ClientAddress>) -> Result<(), TooMany> {
        self.take_of_address(self.failed_tokens.as_ref(), address, Scarce::FailedTokens)
    }

    /// Counts a call of a user by a client.
    pub(super) fn called_by(&self, caller: &Caller) -> Result<(), TooMany> {
        let now = self.clock.elapsed();
        if let Some(users) = &self.users {
            let user = sha256(caller.user().subject.to_string().as_bytes());
            users.take(user, now).map_err(|wait| TooMany { of: Scarce::CallsOfUser, wait })?;
        }
        if let Some(clients) = &self.clients {
            let client = caller.client().id.hash();
            clients.take(client, now).map_err(|wait| TooMany { of: Scarce::CallsOfClient, wait })?;
        }
        Ok(())
    }

    fn take_of_address(
        &self,
        allowance: Option<&Allowance<IpAddr>>,
        address: Option<ClientAddress>,
        of: Scarce,
    ) -> Result<(), TooMany> {
        let caller = address.and_then(|address| address.caller(self.loopback_too));
        match (allowance, caller) {
            (Some(allowance), Some(caller)) => {
                allowance.take(caller, self.clock.elapsed()).map_err(|wait| TooMany { of, wait })
            }
            _ => Ok(()),
        }
    }
}
