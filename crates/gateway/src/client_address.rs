//! Whose address a request comes from: the peer's, or what a trusted proxy says.
//!
//! `X-Forwarded-For` is believed only as far as configured proxies wrote it: it is read from the right, and the first
//! address that is not a trusted proxy's is the client's (RFC 9700 §4.13).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;

/// A range of addresses, such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IpRange {
    network: IpAddr,
    bits: u8,
}

/// A text is not a range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address or a range such as 10.0.0.0/8")]
pub(crate) struct NotARange(String);

impl IpRange {
    /// Whether the range contains `address`.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_prefix(network.to_bits().into(), address.to_bits().into(), 32 - u32::from(self.bits))
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), 128 - u32::from(self.bits))
            }
            _ => false,
        }
    }
}

fn same_prefix(left: u128, right: u128, host_bits: u32) -> bool {
    left.checked_shr(host_bits) == right.checked_shr(host_bits)
}

impl FromStr for IpRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let refusal = || NotARange(text.to_owned());
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let network: IpAddr = address.parse().map_err(|_| refusal())?;
        let all = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| refusal())?;
        if bits > all {
            return Err(refusal());
        }
        Ok(Self { network, bits })
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

/// The address of the client behind `peer`.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpRange]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let lines = headers.get_all("x-forwarded-for").into_iter();
    let hops: Vec<&str> =
        lines.flat_map(|line| line.to_str().unwrap_or("?").split(',')).map(str::trim).collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(client) {
            break;
        }
        // What a trusted proxy could not spell is nobody's address: stay with the proxy's own.
        let Some(address) = parse_hop(hop) else { break };
        client = address.to_canonical();
    }
    client
}

/// Reads an address with or without a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<IpRange> = trusted.iter().map(|range| range.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(client("203.0.113.9", &["1.2.3.4"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["1.2.3.4"], &[]), "203.0.113.9");
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_has_is_the_clients() {
        let trusted = &["10.0.0.0/8", "fd00::/8"];
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 198.51.100.7"], trusted), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "198.51.100.7, 10.9.9.9"], trusted), "198.51.100.7");
        assert_eq!(client("fd00::1", &["[2001:db8::7]:443"], trusted), "2001:db8::7");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7:1234"], trusted), "198.51.100.7");
    }

    #[test]
    fn an_unreadable_hop_ends_the_walk() {
        assert_eq!(client("10.0.0.1", &["1.2.3.4, unknown"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn ranges_are_read_and_compared_by_their_prefix() {
        let all: IpRange = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.9".parse().unwrap()));
        let one: IpRange = "::1".parse().unwrap();
        assert!(one.contains("::1".parse().unwrap()) && !one.contains("::2".parse().unwrap()));
        for bad in ["10.0.0.0/33", "localhost", "10.0.0.0/", ""] {
            assert!(bad.parse::<IpRange>().is_err(), "{bad}");
        }
    }
}
