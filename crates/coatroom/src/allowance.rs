//! How often somebody may do something, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::settings::Rate;

/// The address of a client, which whoever serves puts into the extensions of each request. Behind a proxy that is what a trusted
/// header says, not the peer of the connection. A request without one is not limited by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a plain wrapper that whoever serves makes")]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Whose allowance a request from here uses up: that of an IPv4 address, or of the /64 that one IPv6 customer has
    /// (RFC 6177). `None` when it is not limited: this machine, unless `loopback_too`.
    #[must_use]
    pub fn caller(self, loopback_too: bool) -> Option<IpAddr> {
        let address = neighbourhood(self.0);
        (loopback_too || !address.is_loopback()).then_some(address)
    }
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

/// An allowance for each of a bounded number of callers.
///
/// Kept is one moment per caller: when the whole allowance will be there again (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Allowance<K> {
    /// How much of the span one request costs.
    cost: Duration,
    /// The span in which the whole allowance comes back.
    whole: Duration,
    most_callers: usize,
    full_at: Mutex<HashMap<K, Duration>>,
}

impl<K: Eq + Hash> Allowance<K> {
    /// An allowance of this rate for at most so many callers.
    pub(crate) fn new(rate: Rate, most_callers: usize) -> Self {
        Self { cost: rate.per / rate.count.max(1), whole: rate.per, most_callers, full_at: Mutex::default() }
    }

    /// Whether the caller could take one now; else how long to wait.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a guard alone only takes"))]
    pub(crate) fn check(&self, caller: &K, now: Duration) -> Result<(), Duration> {
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.next(full_at.get(caller).copied(), now).map(|_| ())
    }

    /// Takes one of the caller's allowance; else says how long to wait.
    pub(crate) fn take(&self, caller: K, now: Duration) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.next(full_at.get(&caller).copied(), now)?;
        if full_at.len() >= self.most_callers {
            make_room(&mut full_at, now);
        }
        full_at.insert(caller, next);
        Ok(())
    }

    /// Gives back what was taken for something that does not count after all.
    #[cfg(feature = "server")]
    pub(crate) fn give_back(&self, caller: &K) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(moment) = full_at.get_mut(caller) {
            *moment = moment.saturating_sub(self.cost);
        }
    }

    /// When the allowance will be whole again after one more request.
    fn next(&self, full_at: Option<Duration>, now: Duration) -> Result<Duration, Duration> {
        let next = full_at.unwrap_or(now).max(now).saturating_add(self.cost);
        let latest = now.saturating_add(self.whole);
        // The division of the span may have rounded the cost up by nothing, and down by less than a nanosecond per request.
        if next <= latest { Ok(next) } else { Err(whole_seconds(next.saturating_sub(latest))) }
    }
}

/// Forgets whoever has a whole allowance again, and if that is not enough the half of the callers who asked least.
fn make_room<K: Eq + Hash>(full_at: &mut HashMap<K, Duration>, now: Duration) {
    let before = full_at.len();
    full_at.retain(|_, moment| *moment > now);
    if full_at.len() == before {
        let mut moments: Vec<Duration> = full_at.values().copied().collect();
        let middle = moments.len() / 2;
        let median = *moments.select_nth_unstable(middle).1;
        full_at.retain(|_, moment| *moment > median);
    }
}

/// Rounded up, for `Retry-After`.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

/// How many callers an allowance remembers: a few megabytes.
pub(crate) const MOST_CALLERS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn taken(allowance: &Allowance<u32>, caller: u32, now: Duration) -> usize {
        (0..10_000).take_while(|_| allowance.take(caller, now).is_ok()).count()
    }

    #[test]
    fn an_allowance_is_used_up_and_fills_up_evenly() {
        for per_minute in [1, 7, 10, 60, 600] {
            let allowance = Allowance::new(Rate::per_minute(per_minute), 10);
            let all = usize::try_from(per_minute).unwrap();
            assert_eq!(taken(&allowance, 1, seconds(100)), all, "{per_minute}");
            assert_eq!(taken(&allowance, 2, seconds(100)), all, "another caller has one of their own");
            assert_eq!(taken(&allowance, 1, seconds(130)), all / 2, "half a minute, half the allowance");
            assert_eq!(taken(&allowance, 1, seconds(1000)), all, "never more than a minute's");
        }
    }

    #[test]
    fn a_refusal_says_how_long_to_wait_and_costs_nothing() {
        let allowance = Allowance::new(Rate::per_minute(10), 10);
        taken(&allowance, 1, seconds(0));
        for _ in 0..3 {
            assert_eq!(allowance.take(1, seconds(0)), Err(seconds(6)));
            assert_eq!(allowance.check(&1, Duration::from_millis(5500)), Err(seconds(1)));
        }
        assert_eq!(allowance.check(&1, seconds(6)), Ok(()));
        assert_eq!(allowance.take(1, seconds(6)), Ok(()));
        assert_eq!(allowance.take(1, seconds(6)), Err(seconds(6)));
    }

    #[test]
    fn memory_is_bounded_and_whoever_asks_most_is_forgotten_last() {
        let allowance = Allowance::new(Rate::per_minute(10), 100);
        taken(&allowance, 0, seconds(0));
        for caller in 1..10_000 {
            assert_eq!(allowance.take(caller, seconds(0)), Ok(()));
        }
        assert!(allowance.full_at.lock().unwrap().len() <= 100);
        assert!(allowance.take(0, seconds(0)).is_err());
    }

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
