//! How often somebody may fail to sign in, and have mail sent.
//!
//! An attempt is taken before it is judged, so that many at once are no way around the limit, and given back when it succeeds.
//! By account alone, an address could try one password at each; by address alone, many addresses could try one account. A browser
//! in which the person signed in before has an allowance of its own, so that strangers cannot lock them out (OWASP, "device
//! cookies").

use std::net::IpAddr;
use std::time::Duration;

use coatroom_protocol::words::{EmailAddress, sha256};

use crate::allowance::{Allowance, ClientAddress, MOST_CALLERS};
use crate::settings::{Rate, Settings};

/// The allowances of accounts and addresses. What is counted is bounded, and forgotten with the process.
#[derive(Debug)]
pub(super) struct Attempts {
    loopback_too: bool,
    failures: Pair,
    mails: Pair,
}

#[derive(Debug)]
struct Pair {
    of_account: Option<Allowance<[u8; 32]>>,
    of_address: Option<Allowance<IpAddr>>,
}

/// Who asks: an address, if it is known, and a browser in which somebody signed in to the same account before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caller<'a> {
    /// The address.
    pub(crate) address: Option<ClientAddress>,
    /// The name of the browser.
    pub(crate) device: Option<&'a str>,
}

/// An attempt that was taken.
#[derive(Debug)]
#[must_use]
pub(super) struct Attempt {
    account: [u8; 32],
    address: Option<IpAddr>,
}

impl Attempts {
    pub(super) fn new(settings: &Settings) -> Self {
        let rates = &settings.rates;
        Self {
            loopback_too: settings.limit_loopback,
            failures: Pair::new(rates.failed_sign_in, rates.failed_sign_in_per_address),
            mails: Pair::new(rates.mail, rates.mail_per_address),
        }
    }

    /// Takes one attempt to sign in to an account; else says how long to wait. Whether there is such an account does not matter.
    pub(super) fn take(
        &self,
        account: &EmailAddress,
        caller: Caller<'_>,
        now: Duration,
    ) -> Result<Attempt, Duration> {
        let device = caller.device.unwrap_or_default();
        let account = sha256(format!("{device} {account}").as_bytes());
        self.failures.take(account, self.address(caller), now)
    }

    /// Gives an attempt back that was a good one, or was not judged.
    pub(super) fn give_back(&self, attempt: &Attempt) {
        self.failures.give_back(attempt);
    }

    /// Takes one mail to a recipient; else says how long to wait. What follows a `+` often leads to the same mailbox.
    /// Strangers who ask for mails do not keep a browser that is known from getting any.
    pub(super) fn mail(
        &self,
        recipient: &EmailAddress,
        caller: Caller<'_>,
        now: Duration,
    ) -> Result<(), Duration> {
        let address = recipient.as_str();
        let name = address.split(['+', '@']).next().filter(|name| !name.is_empty()).unwrap_or(address);
        let device = caller.device.unwrap_or_default();
        let recipient = sha256(format!("{device} {name}@{}", recipient.domain()).as_bytes());
        self.mails.take(recipient, self.address(caller), now).map(|_| ())
    }

    fn address(&self, caller: Caller<'_>) -> Option<IpAddr> {
        caller.address?.caller(self.loopback_too)
    }
}

impl Pair {
    fn new(of_account: Option<Rate>, of_address: Option<Rate>) -> Self {
        Self {
            of_account: of_account.map(|rate| Allowance::new(rate, MOST_CALLERS)),
            of_address: of_address.map(|rate| Allowance::new(rate, MOST_CALLERS)),
        }
    }

    fn take(&self, account: [u8; 32], address: Option<IpAddr>, now: Duration) -> Result<Attempt, Duration> {
        if let (Some(allowance), Some(address)) = (&self.of_address, address) {
            allowance.take(address, now)?;
        }
        let attempt = Attempt { account, address };
        if let Some(allowance) = &self.of_account {
            // What was refused for the account has cost the address nothing.
            allowance.take(account, now).inspect_err(|_| self.give_back_address(&attempt))?;
        }
        Ok(attempt)
    }

    fn give_back(&self, attempt: &Attempt) {
        if let Some(allowance) = &self.of_account {
            allowance.give_back(&attempt.account);
        }
        self.give_back_address(attempt);
    }

    fn give_back_address(&self, attempt: &Attempt) {
        if let (Some(allowance), Some(address)) = (&self.of_address, &attempt.address) {
            allowance.give_back(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Rates;

    fn attempts() -> Attempts {
        let per_quarter = |count| Some(Rate { count, per: Duration::from_mins(15) });
        let rates = Rates {
            failed_sign_in: per_quarter(3),
            failed_sign_in_per_address: per_quarter(5),
            ..Rates::none()
        };
        let settings = Settings { rates, ..Settings::default() };
        Attempts::new(&settings)
    }

    fn account(name: &str) -> EmailAddress {
        EmailAddress::parse(&format!("{name}@example.com")).unwrap()
    }

    fn from(address: &str) -> Caller<'static> {
        Caller { address: Some(ClientAddress(address.parse().unwrap())), device: None }
    }

    #[test]
    fn neither_many_accounts_nor_many_addresses_get_around_the_limit() {
        let now = Duration::from_hours(1);
        let attempts = attempts();
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            let _ = attempts.take(&account("alice"), from(address), now).unwrap();
        }
        assert_eq!(
            attempts.take(&account("alice"), from("192.0.2.4"), now).unwrap_err(),
            Duration::from_mins(5)
        );
        for name in ["a", "b", "c", "d"] {
            let _ = attempts.take(&account(name), from("192.0.2.1"), now).unwrap();
        }
        assert!(attempts.take(&account("e"), from("192.0.2.1"), now).is_err());
        assert!(attempts.take(&account("e"), from("192.0.2.9"), now).is_ok());
    }

    #[test]
    fn a_mailbox_is_one_however_many_names_it_has() {
        let rates = Rates { mail: Some(Rate { count: 2, per: Duration::from_hours(1) }), ..Rates::none() };
        let attempts = Attempts::new(&Settings { rates, ..Settings::default() });
        let sent = |name: &str, address| attempts.mail(&account(name), from(address), Duration::ZERO).is_ok();
        assert!(sent("alice", "192.0.2.1") && sent("alice+1", "192.0.2.2"));
        assert!(!sent("alice+2", "192.0.2.3") && !sent("alice", "192.0.2.4"));
        let known = Caller { device: Some("d1"), ..from("192.0.2.9") };
        assert!(attempts.mail(&account("alice"), known, Duration::ZERO).is_ok());
        assert!(sent("bob+1", "192.0.2.5") && sent("+1", "192.0.2.6") && sent("+2", "192.0.2.7"));
    }

    #[test]
    fn a_success_costs_nothing() {
        let attempts = attempts();
        for _ in 0..100 {
            let attempt = attempts.take(&account("alice"), from("192.0.2.1"), Duration::ZERO).unwrap();
            attempts.give_back(&attempt);
        }
    }

    #[test]
    fn strangers_do_not_lock_out_a_browser_that_is_known() {
        let (attempts, known) = (attempts(), Caller { device: Some("d1"), ..from("192.0.2.7") });
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            let _ = attempts.take(&account("alice"), from(address), Duration::ZERO).unwrap();
        }
        for _ in 0..3 {
            let _ = attempts.take(&account("alice"), known, Duration::ZERO).unwrap();
        }
        assert!(attempts.take(&account("alice"), known, Duration::ZERO).is_err());
    }

    #[test]
    fn what_is_refused_for_the_account_costs_the_address_nothing() {
        let (attempts, here) = (attempts(), from("192.0.2.1"));
        for _ in 0..3 {
            let _ = attempts.take(&account("alice"), from("192.0.2.2"), Duration::ZERO).unwrap();
        }
        for _ in 0..100 {
            assert!(attempts.take(&account("alice"), here, Duration::ZERO).is_err());
        }
        assert!(attempts.take(&account("bob"), here, Duration::ZERO).is_ok());
    }
}
