//! E-mail addresses, as accounts are found by them.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Host;

/// An e-mail address in one spelling: lower case, the domain in its ASCII form.
///
/// The part before the `@` is an unquoted one (RFC 5322 §3.2.3, dot-atom). A mail server may tell upper and lower case apart
/// there (RFC 5321 §2.4); two accounts that differ in nothing else would only serve whoever wants to be taken for another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// Why a text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmailRefusal {
    /// Not of the form `name@domain`.
    #[error("an e-mail address has the form name@example.com")]
    Form,
    /// Longer than mail servers take (RFC 5321 §4.5.3.1).
    #[error("an e-mail address has at most 64 characters before the @ and 254 in all")]
    TooLong,
}

impl EmailAddress {
    /// Reads an address, without the white space around it.
    ///
    /// # Errors
    /// See [`EmailRefusal`].
    pub fn parse(text: &str) -> Result<Self, EmailRefusal> {
        let (local, domain) = text.trim().rsplit_once('@').ok_or(EmailRefusal::Form)?;
        let is_dot_atom = local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte));
        // What is decoded or mapped away would make one address of two.
        let is_plain = !domain.contains(['%', '[']) && !domain.ends_with('.');
        let Ok(Host::Domain(domain)) = Host::parse(domain) else { return Err(EmailRefusal::Form) };
        if !is_dot_atom || !is_plain {
            return Err(EmailRefusal::Form);
        }
        let address = format!("{}@{domain}", local.to_ascii_lowercase());
        if local.len() > LONGEST_LOCAL || address.len() > LONGEST {
            return Err(EmailRefusal::TooLong);
        }
        Ok(Self(address))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Those of an atom (RFC 5322 §3.2.3).
const fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'_'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        )
}

const LONGEST_LOCAL: usize = 64;
const LONGEST: usize = 254;

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = EmailRefusal;

    fn try_from(text: String) -> Result<Self, EmailRefusal> {
        Self::parse(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        for (typed, kept) in [
            ("alice@example.com", "alice@example.com"),
            ("  Alice@EXAMPLE.com\n", "alice@example.com"),
            ("a.b+tag@example.com", "a.b+tag@example.com"),
            ("o'neil@example.com", "o'neil@example.com"),
            ("alice@münchen.example", "alice@xn--mnchen-3ya.example"),
            ("alice@localhost", "alice@localhost"),
        ] {
            let address = EmailAddress::parse(typed).unwrap();
            assert_eq!(address.as_str(), kept);
            assert_eq!(EmailAddress::parse(address.as_str()), Ok(address));
        }
        assert_eq!(EmailAddress::parse("a@b.example").unwrap().domain(), "b.example");
    }

    #[test]
    fn what_two_readers_could_take_for_two_addresses_is_none() {
        for bad in [
            "",
            "alice",
            "@example.com",
            "alice@",
            "alice@example.com@evil.example",
            "alice@example.com\r\nBcc: x@evil.example",
            "\"alice\"@example.com",
            "alice @example.com",
            "a..b@example.com",
            ".a@example.com",
            "a.@example.com",
            "alice@example.com.",
            "alice@[127.0.0.1]",
            "alice@127.0.0.1",
            "alice@ex%61mple.com",
            "alice@exa mple.com",
            "älice@example.com",
            "<alice@example.com>",
            "alice@example.com,bob@example.com",
        ] {
            assert_eq!(EmailAddress::parse(bad), Err(EmailRefusal::Form), "{bad:?}");
        }
    }

    #[test]
    fn the_limits_are_those_of_mail_servers() {
        let local = "l".repeat(64);
        assert!(EmailAddress::parse(&format!("{local}@example.com")).is_ok());
        assert_eq!(EmailAddress::parse(&format!("{local}l@example.com")), Err(EmailRefusal::TooLong));
        let domain = ["d".repeat(60), "d".repeat(60), "d".repeat(60), "example".to_owned()].join(".");
        assert_eq!(EmailAddress::parse(&format!("{local}@{domain}")), Err(EmailRefusal::TooLong));
    }
}
