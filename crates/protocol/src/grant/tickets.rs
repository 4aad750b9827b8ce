//! The forms of what a client holds: codes, access tokens and refresh tokens.
//!
//! Each starts with a prefix that secret scanners know. Codes and refresh tokens carry the id of their grant, so that
//! an exchange reads one record. Secrets are 256 bits; the first ones of a grant are drawn at random and passed in,
//! successors are derived (ARCHITECTURE.md, rule 4).

use crate::words::{
    AccessToken, AuthorizationCode, GrantId, KeyId, MacKey, MacKeys, RefreshToken, Resource, Scopes,
    base64url, from_base64url, sha256,
};

/// Why a text is not one of our codes or refresh tokens. On the wire all of them are `invalid_grant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketRefusal {
    /// Another prefix, length or alphabet.
    #[error("it does not have the form of a token of ours")]
    Form,
    /// Made under a key that was retired or never existed.
    #[error("it was made under an unknown key")]
    UnknownKey,
    /// The MAC does not belong to it.
    #[error("it is forged")]
    Forged,
}

/// What an authorization code says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeParts {
    /// The grant that it begins.
    pub grant: GrantId,
}

/// What a genuine refresh token says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshParts {
    /// The grant that it continues.
    pub grant: GrantId,
    /// How many rotations came before it.
    pub generation: u32,
}

/// Writes an authorization code.
#[must_use]
pub fn authorization_code(grant: &GrantId, secret: &[u8; 32]) -> AuthorizationCode {
    AuthorizationCode::new(format!("{CODE}{}", base64url(&[&grant.as_bytes()[..], secret].concat())))
}

/// Reads which grant a code belongs to. The code is known to be genuine only when its hash is found there.
///
/// # Errors
/// [`TicketRefusal::Form`].
pub fn parse_code(code: &AuthorizationCode) -> Result<CodeParts, TicketRefusal> {
    let bytes = code.expose().strip_prefix(CODE).and_then(from_base64url).ok_or(TicketRefusal::Form)?;
    let bytes: [u8; 48] = bytes.try_into().map_err(|_| TicketRefusal::Form)?;
    let grant = bytes.first_chunk::<16>().ok_or(TicketRefusal::Form)?;
    Ok(CodeParts { grant: GrantId::from_bytes(*grant) })
}

/// Writes an access token: prefix, secret, and a checksum for secret scanners. The checksum proves nothing.
#[must_use]
pub fn access_token(secret: &[u8; 32]) -> AccessToken {
    let checksum = sha256(&[ACCESS.as_bytes(), secret].concat());
    let checksum = checksum.first_chunk::<4>().unwrap_or(&[0; 4]);
    AccessToken::new(format!("{ACCESS}{}", base64url(&[&secret[..], checksum].concat())))
}

/// Writes a refresh token: grant, generation, secret, and a MAC with the id of its key.
#[must_use]
pub fn refresh_token(key: &MacKey, parts: RefreshParts, secret: &[u8; 32]) -> RefreshToken {
    let generation = parts.generation.to_be_bytes();
    let mac = key.tag(REFRESH_MAC, &[parts.grant.as_bytes(), &generation, secret]);
    let bytes = [&parts.grant.as_bytes()[..], &generation, secret, key.id().as_bytes(), &mac].concat();
    RefreshToken::new(format!("{REFRESH}{}", base64url(&bytes)))
}

/// Reads a refresh token and checks that we made it.
///
/// # Errors
/// See [`TicketRefusal`]. None of them may change anything: only a genuine token can be a replay.
pub fn parse_refresh_token(token: &RefreshToken, keys: &MacKeys) -> Result<RefreshParts, TicketRefusal> {
    let bytes = token.expose().strip_prefix(REFRESH).and_then(from_base64url).ok_or(TicketRefusal::Form)?;
    let (grant, rest) = bytes.split_first_chunk::<16>().ok_or(TicketRefusal::Form)?;
    let (generation, rest) = rest.split_first_chunk::<4>().ok_or(TicketRefusal::Form)?;
    let (secret, rest) = rest.split_first_chunk::<32>().ok_or(TicketRefusal::Form)?;
    let (key_id, mac) = rest.split_first_chunk::<4>().ok_or(TicketRefusal::Form)?;
    let key = keys.find(KeyId::from_bytes(*key_id)).ok_or(TicketRefusal::UnknownKey)?;
    if !key.verify(REFRESH_MAC, &[grant, generation, secret], mac) {
        return Err(TicketRefusal::Forged);
    }
    Ok(RefreshParts { grant: GrantId::from_bytes(*grant), generation: u32::from_be_bytes(*generation) })
}

/// Derives the secret of the refresh token that follows `old`. The same token and salt give the same successor, so a
/// repeated refresh is answered alike; once the salt is wiped, an old token derives nothing.
#[must_use]
pub fn successor_secret(key: &MacKey, old: &RefreshToken, salt: &[u8; 32]) -> [u8; 32] {
    key.tag(SUCCESSOR, &[old.expose().as_bytes(), salt])
}

/// Derives the secret of the access token that is issued together with the successor of `old`.
#[must_use]
pub fn derived_access_secret(
    key: &MacKey,
    old: &RefreshToken,
    salt: &[u8; 32],
    scopes: &Scopes,
    resource: &Resource,
) -> [u8; 32] {
    let scopes = scopes.to_string();
    key.tag(
        SUCCESSOR_ACCESS,
        &[old.expose().as_bytes(), salt, scopes.as_bytes(), resource.as_str().as_bytes()],
    )
}

const CODE: &str = "coat_ac_";
const ACCESS: &str = "coat_at_";
const REFRESH: &str = "coat_rt_";
const REFRESH_MAC: &str = "refresh token";
const SUCCESSOR: &str = "refresh token successor";
const SUCCESSOR_ACCESS: &str = "access token of a refresh";

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8) -> MacKey {
        MacKey::new(KeyId::from_bytes([id; 4]), [id; 32])
    }

    fn keys() -> MacKeys {
        MacKeys::new(key(1), vec![key(2)])
    }

    const PARTS: RefreshParts = RefreshParts { grant: GrantId::from_bytes([9; 16]), generation: 7 };

    #[test]
    fn a_code_names_its_grant() {
        let grant = GrantId::from_bytes([3; 16]);
        let code = authorization_code(&grant, &[4; 32]);
        assert!(code.expose().starts_with("coat_ac_"));
        assert_eq!(parse_code(&code), Ok(CodeParts { grant }));
        for bad in ["", "coat_ac_", "coat_at_AAAA", &code.expose()[..20]] {
            assert_eq!(parse_code(&AuthorizationCode::new(bad)), Err(TicketRefusal::Form), "{bad}");
        }
    }

    #[test]
    fn a_refresh_token_is_genuine_under_active_and_older_keys() {
        for id in [1, 2] {
            let token = refresh_token(&key(id), PARTS, &[5; 32]);
            assert_eq!(parse_refresh_token(&token, &keys()), Ok(PARTS));
        }
        let retired = refresh_token(&key(3), PARTS, &[5; 32]);
        assert_eq!(parse_refresh_token(&retired, &keys()), Err(TicketRefusal::UnknownKey));
    }

    #[test]
    fn every_changed_byte_of_a_refresh_token_is_noticed() {
        let token = refresh_token(&key(1), PARTS, &[5; 32]);
        let bytes = from_base64url(token.expose().strip_prefix(REFRESH).unwrap()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = RefreshToken::new(format!("{REFRESH}{}", base64url(&changed)));
            assert!(parse_refresh_token(&changed, &keys()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_successor_depends_on_token_salt_and_key() {
        let old = refresh_token(&key(1), PARTS, &[5; 32]);
        let other = refresh_token(&key(1), PARTS, &[6; 32]);
        let secret = successor_secret(&key(1), &old, &[0; 32]);
        assert_eq!(secret, successor_secret(&key(1), &old, &[0; 32]));
        assert_ne!(secret, successor_secret(&key(1), &other, &[0; 32]));
        assert_ne!(secret, successor_secret(&key(1), &old, &[1; 32]));
        assert_ne!(secret, successor_secret(&key(2), &old, &[0; 32]));
    }

    #[test]
    fn derived_access_tokens_differ_by_scope_and_resource() {
        let old = refresh_token(&key(1), PARTS, &[5; 32]);
        let resource = Resource::parse("https://h.example/mcp").unwrap();
        let of = |scopes: &str, resource: &Resource| {
            derived_access_secret(&key(1), &old, &[0; 32], &scopes.parse().unwrap(), resource)
        };
        assert_eq!(of("a b", &resource), of("b a", &resource));
        assert_ne!(of("a b", &resource), of("a", &resource));
        assert_ne!(of("a", &resource), of("a", &Resource::parse("https://h.example/other").unwrap()));
        assert_ne!(of("a", &resource), successor_secret(&key(1), &old, &[0; 32]));
    }
}
