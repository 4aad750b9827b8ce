//! How many connections one address holds at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use coatroom::ClientAddress;

use crate::client_address::IpRange;

/// The connections of every address; an IPv6 customer is one, whatever addresses they use.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    /// Proxies, through which everybody comes.
    uncounted: Vec<IpRange>,
    loopback_too: bool,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// A place in the crowd, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    address: Option<IpAddr>,
}

impl Crowd {
    pub(super) fn new(most: usize, uncounted: Vec<IpRange>, loopback_too: bool) -> Arc<Self> {
        Arc::new(Self { most, uncounted, loopback_too, counts: Mutex::default() })
    }

    /// A place for one more connection from `peer`; `None` when it has as many as it may have.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let counted = !self.uncounted.iter().any(|range| range.contains(peer));
        let Some(address) = ClientAddress(peer).caller(self.loopback_too).filter(|_| counted) else {
            return Some(Place { crowd: Arc::clone(self), address: None });
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place { crowd: Arc::clone(self), address: Some(address) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_holds_so_many_connections_and_gives_them_back() {
        let crowd = Crowd::new(2, vec!["10.0.0.0/8".parse().unwrap()], false);
        let held: Vec<_> =
            ["2001:db8::1", "2001:db8::2"].map(|peer| crowd.enter(address(peer)).unwrap()).into();
        assert!(crowd.enter(address("2001:db8::3")).is_none(), "one customer, one address");
        assert!(crowd.enter(address("2001:db8:0:1::1")).is_some());
        let exempt: Vec<_> =
            (0..10).map(|_| (crowd.enter(address("10.1.1.1")), crowd.enter(address("::1")))).collect();
        assert!(exempt.iter().all(|(proxy, loopback)| proxy.is_some() && loopback.is_some()));
        drop(held);
        assert!(crowd.enter(address("2001:db8::3")).is_some());
        drop(exempt);
        assert!(crowd.counts.lock().unwrap().is_empty(), "nothing stays behind");
    }

    #[test]
    fn this_machine_is_counted_if_a_setting_says_so() {
        let crowd = Crowd::new(1, Vec::new(), true);
        let _held = crowd.enter(address("127.0.0.1")).unwrap();
        assert!(crowd.enter(address("127.0.0.1")).is_none());
    }
}
