//! Which addresses belong to the public internet: the only ones that a stranger may make us connect to.
//!
//! The registries of special-purpose addresses that IANA keeps (RFC 6890) as of 2026, multicast, and every form in which
//! an IPv6 address carries an IPv4 address that some machine on the way would take out of it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of the public internet.
#[must_use]
pub fn is_public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            !SPECIAL_V4
                .iter()
                .any(|(network, length)| bits >> (32 - length) == network.to_bits() >> (32 - length))
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let within = |(network, length): &(Ipv6Addr, u32)| {
                bits >> (128 - length) == network.to_bits() >> (128 - length)
            };
            within(&GLOBAL_UNICAST) && !SPECIAL_V6.iter().any(within)
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const SPECIAL_V4: [(Ipv4Addr, u32); 19] = [
    // This network, this host.
    (v4(0, 0, 0, 0), 8),
    // Private use.
    (v4(10, 0, 0, 0), 8),
    // Shared between a carrier and its customers.
    (v4(100, 64, 0, 0), 10),
    (v4(127, 0, 0, 0), 8),
    // What a cloud's machines ask for their own agent: one public number that never leaves the machine's host.
    (v4(168, 63, 129, 16), 32),
    // Link-local, and with it the metadata services of clouds.
    (v4(169, 254, 0, 0), 16),
    (v4(172, 16, 0, 0), 12),
    // Protocol assignments.
    (v4(192, 0, 0, 0), 24),
    // Documentation.
    (v4(192, 0, 2, 0), 24),
    // AS112 and AMT: anycast of whoever stands nearest.
    (v4(192, 31, 196, 0), 24),
    (v4(192, 52, 193, 0), 24),
    (v4(192, 175, 48, 0), 24),
    // Relays of 6to4.
    (v4(192, 88, 99, 0), 24),
    (v4(192, 168, 0, 0), 16),
    // Benchmarking.
    (v4(198, 18, 0, 0), 15),
    (v4(198, 51, 100, 0), 24),
    (v4(203, 0, 113, 0), 24),
    // Multicast, and everything above it: reserved, broadcast.
    (v4(224, 0, 0, 0), 4),
    (v4(240, 0, 0, 0), 4),
];

/// What is given out for use on the internet (RFC 4291 §2.4). Outside of it lie loopback, unique local, link-local and
/// multicast addresses, mapped and compatible IPv4 addresses, and both prefixes of NAT64.
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    // Protocol assignments, with Teredo, benchmarking and ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_public(text: &str) -> bool {
        is_public_address(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_special_use_are_not_public() {
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::10.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:10.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special), "{special}");
        }
    }

    #[test]
    fn their_neighbours_are_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
            "3ffe::1",
        ] {
            assert!(is_public(public), "{public}");
        }
    }

    proptest! {
        #[test]
        fn no_ipv6_form_of_a_special_ipv4_address_is_public(
            a in prop::sample::select(vec![0_u8, 10, 127, 169, 224, 255]), rest in any::<[u8; 3]>(),
        ) {
            let special = if a == 169 { v4(a, 254, rest[1], rest[2]) } else { v4(a, rest[0], rest[1], rest[2]) };
            prop_assert!(!is_public_address(special.into()));
            prop_assert!(!is_public_address(special.to_ipv6_mapped().into()));
            prop_assert!(!is_public_address(special.to_ipv6_compatible().into()));
            let [b0, b1, b2, b3] = special.octets().map(u16::from);
            let (high, low) = (b0 << 8 | b1, b2 << 8 | b3);
            prop_assert!(!is_public_address(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into()));
            prop_assert!(!is_public_address(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into()));
        }
    }
}
