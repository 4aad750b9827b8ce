use std::fmt;

use serde::{Deserialize, Serialize};

use super::secrets::sha256;
use super::text::{base64url, from_base64url};

/// The identifier of a client, as the client sends it: configured, self-describing, or an https URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Takes the identifier as it was sent; identity is plain string equality.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identifier as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that sealed flows and grants carry: self-describing client ids are long.
    #[must_use]
    pub fn hash(&self) -> ClientIdHash {
        ClientIdHash(sha256(self.0.as_bytes()))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Defines a fixed number of bytes that is written as base64url.
macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Takes the bytes of the identifier.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes of the identifier.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Reads the base64url spelling; `None` for anything else.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                from_base64url(text)?.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base64url(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| {
                    serde::de::Error::custom(concat!("not the base64url of a ", stringify!($name)))
                })
            }
        }
    };
}

byte_id! {
    /// The identifier of a grant: 128 bits, derived from the flow's id so that one flow yields at most one grant.
    GrantId, 16
}

byte_id! {
    /// The identifier of an authorization under way: 256 random bits, also the upstream `state`.
    FlowId, 32
}

byte_id! {
    /// The SHA-256 of a client id.
    ClientIdHash, 32
}

impl GrantId {
    /// Derives the grant's id from the id of the flow that leads to it.
    ///
    /// Inserting the grant is what makes a flow single use, so both must name the same record.
    #[must_use]
    pub fn of_flow(flow: &FlowId) -> Self {
        let digest = sha256(&[b"coatroom grant of flow\0", &flow.0[..]].concat());
        let mut id = [0; 16];
        id.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
        Self(id)
    }
}

/// The configured name of an upstream provider, such as `github`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderName(String);

impl ProviderName {
    /// Takes a name of 1 to 40 lower-case letters, digits, `-` and `_`, starting with a letter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
        let starts_well = text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        (starts_well && text.len() <= 40 && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who a user is at Coatroom: the provider they signed in at, and the provider's own identifier for them.
///
/// Two providers that know the same e-mail address know two subjects: accounts are never linked by e-mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The provider that vouches for the user.
    pub provider: ProviderName,
    /// The provider's identifier: `sub`, or what stands for it.
    pub id: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse_back() {
        let id = GrantId::from_bytes([7; 16]);
        assert_eq!(GrantId::parse(&id.to_string()), Some(id));
        assert_eq!(GrantId::parse("too short"), None);
    }

    #[test]
    fn one_flow_names_one_grant() {
        let flow = FlowId::from_bytes([1; 32]);
        let other = FlowId::from_bytes([2; 32]);
        assert_eq!(GrantId::of_flow(&flow), GrantId::of_flow(&flow));
        assert_ne!(GrantId::of_flow(&flow), GrantId::of_flow(&other));
    }

    #[test]
    fn provider_names_are_plain() {
        assert!(ProviderName::parse("git-hub_2").is_some());
        for bad in ["", "GitHub", "2fa", "a b", "a/b", &"a".repeat(41)] {
            assert!(ProviderName::parse(bad).is_none(), "{bad}");
        }
    }
}
