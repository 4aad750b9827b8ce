//! Client ids that carry the registration themselves (RFC 7591 appendix A.5.2; ARCHITECTURE.md, rule 1).
//!
//! `coat_ci_` and the base64url of: format 1, key id, 128-bit nonce, issue time, metadata as JSON, HMAC-SHA-256 over all
//! of it. The nonce makes equal registrations distinct clients. The client secret is another tag of the same key over
//! the whole client id, so it needs no place either.

use super::metadata::{AuthenticationMethod, ClientMetadata};
use super::record::{Client, ClientAuthentication, ClientOrigin, ExpectedSecret, SecretMethods};
use crate::errors::{ErrorCode, OAuthError};
use crate::words::{ClientId, ClientSecret, KeyId, MacKey, MacKeys, Timestamp, base64url, from_base64url};

/// Why a client id is not one of ours. On the wire each is an unknown client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientIdRefusal {
    /// Not of this form.
    #[error("not a client id of this server")]
    Malformed,
    /// Made with a key that was retired, or that belongs to another server.
    #[error("the client id was made with a key that is not on the ring")]
    UnknownKey,
    /// The MAC is not ours.
    #[error("the MAC of the client id is wrong")]
    BadMac,
    /// Genuine, but of a format that this version does not read.
    #[error("the client id is genuine but cannot be read")]
    Unreadable,
}

/// Reads a registered client out of its client id.
///
/// RFC 7591 appendix A.5.2. The id is genuine when this returns: `keys` made it, and nobody changed it. Which schemes
/// may be registered is not asked again.
///
/// # Errors
/// [`ClientIdRefusal`]; the client is unknown.
pub fn open(client_id: &ClientId, keys: &MacKeys) -> Result<Client, ClientIdRefusal> {
    let text = client_id.as_str();
    if text.len() > MAX_CLIENT_ID_LENGTH {
        return Err(ClientIdRefusal::Malformed);
    }
    let encoded = text.strip_prefix(CLIENT_ID_PREFIX).ok_or(ClientIdRefusal::Malformed)?;
    let bytes = from_base64url(encoded).ok_or(ClientIdRefusal::Malformed)?;
    let parts = Parts::split(&bytes).ok_or(ClientIdRefusal::Malformed)?;
    let key = keys.find(parts.key).ok_or(ClientIdRefusal::UnknownKey)?;
    if !key.verify(ID_LABEL, &[parts.signed], parts.mac) {
        return Err(ClientIdRefusal::BadMac);
    }
    let metadata: ClientMetadata =
        serde_json::from_slice(parts.metadata).map_err(|_| ClientIdRefusal::Unreadable)?;
    Ok(client(client_id.clone(), metadata, parts.issued_at, key))
}

/// Writes the client id of `metadata`; `None` when it would be longer than [`MAX_CLIENT_ID_LENGTH`].
pub(super) fn seal(
    metadata: &ClientMetadata,
    key: &MacKey,
    nonce: &[u8; NONCE],
    issued_at: Timestamp,
) -> Option<ClientId> {
    let metadata = serde_json::to_vec(metadata).ok()?;
    let issued_at = issued_at.unix().to_be_bytes();
    let mut bytes = [&[FORMAT][..], key.id().as_bytes(), nonce, &issued_at, &metadata].concat();
    let mac = key.tag(ID_LABEL, &[&bytes]);
    bytes.extend_from_slice(&mac);
    let text = format!("{CLIENT_ID_PREFIX}{}", base64url(&bytes));
    (text.len() <= MAX_CLIENT_ID_LENGTH).then(|| ClientId::new(text))
}

/// The secret of a confidential client, derived from its id.
pub(super) fn secret_of(client_id: &ClientId, key: &MacKey) -> ClientSecret {
    let tag = key.tag(SECRET_LABEL, &[client_id.as_str().as_bytes()]);
    ClientSecret::new(format!("{SECRET_PREFIX}{}", base64url(&tag)))
}

/// The client that `metadata` describes; `key` made its id.
pub(super) fn client(id: ClientId, metadata: ClientMetadata, issued_at: Timestamp, key: &MacKey) -> Client {
    let secret = |methods| {
        let expected = ExpectedSecret::of(&secret_of(&id, key));
        ClientAuthentication::Secret { methods, expected }
    };
    let authentication = match metadata.method {
        AuthenticationMethod::None => ClientAuthentication::None,
        AuthenticationMethod::Basic => secret(SecretMethods { basic: true, post: false }),
        AuthenticationMethod::Post => secret(SecretMethods { basic: false, post: true }),
    };
    Client {
        id,
        name: metadata.name,
        redirect_uris: metadata.redirect_uris,
        authentication,
        may_refresh: metadata.may_refresh,
        // Clients register with the scopes they need first and step up with the same id; anybody could register anew
        // with more, so a limit would stop the honest alone.
        scope_ceiling: None,
        origin: ClientOrigin::Registered { issued_at },
        links: metadata.links,
    }
}

/// The parts of a decoded client id.
struct Parts<'a> {
    key: KeyId,
    issued_at: Timestamp,
    metadata: &'a [u8],
    /// Everything before the MAC.
    signed: &'a [u8],
    mac: &'a [u8; MAC],
}

impl<'a> Parts<'a> {
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (signed, mac) = bytes.split_last_chunk::<MAC>()?;
        let ([format], rest) = signed.split_first_chunk::<1>()?;
        let (key, rest) = rest.split_first_chunk::<4>()?;
        let (_nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        let (issued_at, metadata) = rest.split_first_chunk::<8>()?;
        let issued_at = Timestamp::from_unix(u64::from_be_bytes(*issued_at));
        (*format == FORMAT).then(|| Self { key: KeyId::from_bytes(*key), issued_at, metadata, signed, mac })
    }
}

impl From<ClientIdRefusal> for OAuthError {
    /// An unknown client at the token endpoint, where clients register again on it. The authorization endpoint shows it
    /// on a page.
    fn from(refusal: ClientIdRefusal) -> Self {
        match refusal {
            ClientIdRefusal::Malformed
            | ClientIdRefusal::UnknownKey
            | ClientIdRefusal::BadMac
            | ClientIdRefusal::Unreadable => Self::json(ErrorCode::InvalidClient, "the client is unknown"),
        }
    }
}

/// What registered client ids start with.
pub const CLIENT_ID_PREFIX: &str = "coat_ci_";

/// The most characters that a registered client id has: it travels in query strings.
pub const MAX_CLIENT_ID_LENGTH: usize = 700;

const SECRET_PREFIX: &str = "coat_cs_";
const ID_LABEL: &str = "client id";
const SECRET_LABEL: &str = "client secret";
const FORMAT: u8 = 1;
const NONCE: usize = 16;
const MAC: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::app_uris::AppUris;
    use super::super::metadata::RegistrationRequest;
    use super::*;

    fn key(id: u8, secret: u8) -> MacKey {
        MacKey::new(KeyId::from_bytes([id; 4]), [secret; 32])
    }

    fn ring() -> MacKeys {
        MacKeys::new(key(1, 1), Vec::new())
    }

    fn metadata(body: &Value) -> ClientMetadata {
        RegistrationRequest::parse(body.to_string().as_bytes()).unwrap().check(&AppUris::shipped()).unwrap()
    }

    fn sealed() -> ClientId {
        let metadata = metadata(&json!({
            "redirect_uris": ["http://localhost/callback", "https://h.example/cb"],
            "client_name": "Müller",
            "client_uri": "https://h.example/",
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_post",
        }));
        seal(&metadata, &key(1, 1), &[9; 16], Timestamp::from_unix(1_800_000_000)).unwrap()
    }

    #[test]
    fn a_client_is_read_out_of_its_id() {
        let client = open(&sealed(), &ring()).unwrap();
        assert_eq!(client.id, sealed());
        assert_eq!(client.name.as_deref(), Some("Müller"));
        assert_eq!(client.redirect_uris.len(), 2);
        assert_eq!(client.scope_ceiling, None, "what it registered with does not keep it from stepping up");
        assert_eq!(client.links.client_uri.as_deref(), Some("https://h.example/"));
        assert!(client.may_refresh && !client.is_public() && !client.is_trusted());
        assert_eq!(
            client.origin,
            ClientOrigin::Registered { issued_at: Timestamp::from_unix(1_800_000_000) }
        );
    }

    #[test]
    fn an_id_is_short_unreserved_and_never_a_url() {
        let id = sealed();
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!(id.as_str().bytes().all(unreserved) && id.as_str().len() <= MAX_CLIENT_ID_LENGTH);
        assert!(!id.as_str().starts_with("http"));
        assert!(secret_of(&id, &key(1, 1)).expose().bytes().all(unreserved));
    }

    #[test]
    fn ids_and_secrets_of_earlier_releases_are_still_good() {
        // Never change these texts: clients keep them for years. They follow from the format alone.
        let released = ClientId::new(RELEASED_ID);
        let client = open(&released, &ring()).unwrap();
        assert_eq!(
            Client { id: sealed(), ..client.clone() },
            Client { authentication: client.authentication, ..open(&sealed(), &ring()).unwrap() }
        );
        assert_eq!(secret_of(&released, &key(1, 1)).expose(), RELEASED_SECRET);
    }

    #[test]
    fn a_retired_or_foreign_key_is_unknown_and_an_older_one_is_not() {
        let rotated = MacKeys::new(key(2, 2), vec![key(1, 1)]);
        assert!(open(&sealed(), &rotated).is_ok());
        assert_eq!(open(&sealed(), &MacKeys::new(key(2, 2), Vec::new())), Err(ClientIdRefusal::UnknownKey));
        assert_eq!(open(&sealed(), &MacKeys::new(key(1, 7), Vec::new())), Err(ClientIdRefusal::BadMac));
    }

    #[test]
    fn other_texts_are_no_client_ids() {
        let padded = format!("{}=", sealed());
        let long = format!("{CLIENT_ID_PREFIX}{}", "A".repeat(4 * MAX_CLIENT_ID_LENGTH));
        for bad in ["", "coat_ci_", "coat_ci_AAAA", "portal", "https://h.example/client", &padded, &long] {
            let refusal = open(&ClientId::new(bad), &ring()).unwrap_err();
            assert_eq!(refusal, ClientIdRefusal::Malformed, "{bad}");
            assert_eq!(OAuthError::from(refusal).code(), ErrorCode::InvalidClient);
        }
    }

    #[test]
    fn a_secret_belongs_to_one_id_and_one_key_and_is_no_mac() {
        let id = sealed();
        let secret = secret_of(&id, &key(1, 1));
        assert!(ExpectedSecret::of(&secret).is(&secret_of(&id, &key(1, 1))));
        assert!(!ExpectedSecret::of(&secret).is(&secret_of(&id, &key(1, 2))));
        assert!(!ExpectedSecret::of(&secret).is(&secret_of(&ClientId::new("coat_ci_x"), &key(1, 1))));
        assert!(!id.as_str().contains(secret.expose().trim_start_matches(SECRET_PREFIX)));
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened_again(
            path in "[a-z]{0,40}", name in any::<String>(), refresh in any::<bool>(), nonce in any::<[u8; 16]>(), at in any::<u64>(),
        ) {
            let grants = if refresh { json!(["authorization_code", "refresh_token"]) } else { Value::Null };
            let metadata = metadata(&json!({
                "redirect_uris": [format!("https://h.example/{path}")],
                "client_name": name,
                "grant_types": grants,
                "token_endpoint_auth_method": "none",
            }));
            if let Some(id) = seal(&metadata, &key(1, 1), &nonce, Timestamp::from_unix(at)) {
                let opened = open(&id, &ring()).unwrap();
                prop_assert_eq!(opened, client(id, metadata, Timestamp::from_unix(at), &key(1, 1)));
            }
        }

        #[test]
        fn one_changed_character_makes_it_unknown(at in 0_usize..700, with in "[A-Za-z0-9_-]") {
            let mut text = sealed().as_str().to_owned();
            let at = at % text.len();
            prop_assume!(text.get(at..=at) != Some(with.as_str()));
            text.replace_range(at..=at, &with);
            prop_assert!(open(&ClientId::new(text), &ring()).is_err());
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let _ = open(&ClientId::new(text), &ring());
            let with_known_key = [&[FORMAT, 1, 1, 1, 1][..], &bytes].concat();
            let _ = open(&ClientId::new(format!("{CLIENT_ID_PREFIX}{}", base64url(&with_known_key))), &ring());
        }
    }

    const RELEASED_ID: &str = concat!(
        "coat_ci_AQEBAQEJCQkJCQkJCQkJCQkJCQkJAAAAAGtJ0gB7InIiOlsiaHR0cDovL2xvY2FsaG9zdC9jYWxsYmFjay",
        "IsImh0dHBzOi8vaC5leGFtcGxlL2NiIl0sIm0iOiJwIiwiYSI6Im4iLCJmIjp0cnVlLCJuIjoiTcO8bGxlciIsInUi",
        "OiJodHRwczovL2guZXhhbXBsZS8ifUNiIA2hlYhlxfWwRIrL1oxcDd7LgWDj0D_GdAisslid",
    );
    const RELEASED_SECRET: &str = "coat_cs_x-KBK2kMQYMreSEnzlk7SGv3GM3N8olRyiiHNRJY6JI";
}
