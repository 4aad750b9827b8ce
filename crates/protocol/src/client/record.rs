//! What is known of a client, whichever way it was made known.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::client_id::CLIENT_ID_PREFIX;
use super::document_url::ClientUrl;
use super::redirect_prefixes::RedirectPrefixes;
use super::redirect_uri::RedirectUri;
use crate::errors::{ErrorCode, OAuthError};
use crate::jws::{Algorithm, KeySet};
use crate::words::{ClientId, ClientSecret, OFFLINE_ACCESS, Scopes, Timestamp, TokenHash, same_bytes};

/// A client: who asks for access on a user's behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// The name to show; chosen by the client itself unless it is configured.
    pub name: Option<String>,
    /// Where its authorization responses may go; never empty.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it proves who it is at the token and revocation endpoints.
    pub authentication: ClientAuthentication,
    /// Whether it registered for refresh tokens; one that did not may still ask for `offline_access`.
    pub may_refresh: bool,
    /// The scopes that it may ever be granted; `None` sets no limit. Only an operator sets one (docs/decisions/0002).
    pub scope_ceiling: Option<Scopes>,
    /// How it was made known.
    pub origin: ClientOrigin,
    /// Its links, for a person to follow.
    pub links: ClientLinks,
}

/// How a client proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// It cannot: a public client, which names itself and proves the possession of codes by PKCE.
    None,
    /// By a shared secret.
    Secret {
        /// The ways in which it may present the secret.
        methods: SecretMethods,
        /// What the secret is compared with.
        expected: ExpectedSecret,
    },
    /// By an assertion that it signs: `private_key_jwt` (RFC 7523, OpenID Connect Core §9).
    Keys(ClientKeys),
}

/// With what a client signs its assertions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKeys {
    /// Its public keys.
    pub source: KeySource,
    /// The one algorithm that it uses, if it says so.
    pub algorithm: Option<Algorithm>,
    /// Whether it may as well come as a public client, because it says itself that it does both.
    pub optional: bool,
}

/// Where the public keys of a client are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Here.
    Inline(KeySet),
    /// At an address, to be fetched.
    At(ClientUrl),
}

/// The ways in which one client may present its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretMethods {
    /// `client_secret_basic`: in the `Authorization` header.
    pub basic: bool,
    /// `client_secret_post`: in the body.
    pub post: bool,
}

/// What a presented client secret is compared with: the hash of the right one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ExpectedSecret(TokenHash);

/// How a client was made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientOrigin {
    /// By the operator: its name and redirect URIs are trusted.
    Configured,
    /// By itself, through dynamic registration: nothing it says is verified.
    Registered {
        /// When its client id was issued.
        issued_at: Timestamp,
    },
    /// By a document at the URL that is its id: whoever holds that URL wrote it, and nothing else of it is verified.
    Document,
}

/// Where a client says that a person can read more about it; https only, unverified.
///
/// The short names are the stored form in client ids: they never change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientLinks {
    /// Its home page.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its logo. Never put into a page as it is: that would tell the client who looks at it.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// Its terms of service.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Its privacy policy.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
}

/// Why the operator's description of a client cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfiguredClientRefusal {
    /// Another character than a letter, a digit, `-`, `.`, `_` or `~`, whose encoding in headers clients disagree on.
    #[error("a configured client id has letters, digits and -._~ only")]
    IdCharacters,
    /// The prefix of registered client ids.
    #[error("a configured client id must not start with {CLIENT_ID_PREFIX}")]
    IdReserved,
    /// No redirect URI.
    #[error("a configured client has at least one redirect URI")]
    NoRedirectUri,
    /// An empty secret.
    #[error("a configured client secret must not be empty; leave it out for a public client")]
    EmptySecret,
    /// A secret and keys.
    #[error("a configured client has a secret or keys, not both")]
    SecretAndKeys,
}

/// Why an authorization request's redirect URI cannot be used. Shown on a page, never redirected (OAuth 2.1 §4.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectRefusal {
    /// None was sent, and the client registered several.
    #[error("redirect_uri is missing, and the client registered more than one")]
    Missing,
    /// The client did not register it.
    #[error("redirect_uri is not registered for this client")]
    NotRegistered,
}

impl Client {
    /// A client that the operator configured, public if it has no secret. It may use refresh tokens, and present its
    /// secret either way.
    ///
    /// # Errors
    /// See [`ConfiguredClientRefusal`].
    pub fn configured(
        id: &str,
        secret: Option<&ClientSecret>,
        redirect_uris: Vec<RedirectUri>,
    ) -> Result<Self, ConfiguredClientRefusal> {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if id.is_empty() || !id.bytes().all(unreserved) {
            return Err(ConfiguredClientRefusal::IdCharacters);
        }
        if id.starts_with(CLIENT_ID_PREFIX) {
            return Err(ConfiguredClientRefusal::IdReserved);
        }
        if redirect_uris.is_empty() {
            return Err(ConfiguredClientRefusal::NoRedirectUri);
        }
        let authentication = match secret {
            None => ClientAuthentication::None,
            Some(secret) if secret.expose().is_empty() => return Err(ConfiguredClientRefusal::EmptySecret),
            Some(secret) => ClientAuthentication::Secret {
                methods: SecretMethods { basic: true, post: true },
                expected: ExpectedSecret::of(secret),
            },
        };
        Ok(Self {
            id: ClientId::new(id),
            name: None,
            redirect_uris,
            authentication,
            may_refresh: true,
            scope_ceiling: None,
            origin: ClientOrigin::Configured,
            links: ClientLinks::default(),
        })
    }

    /// The same client, which proves who it is by signed assertions.
    ///
    /// # Errors
    /// [`ConfiguredClientRefusal::SecretAndKeys`] when it has a secret.
    pub fn with_keys(mut self, source: KeySource) -> Result<Self, ConfiguredClientRefusal> {
        if !self.is_public() {
            return Err(ConfiguredClientRefusal::SecretAndKeys);
        }
        let keys = ClientKeys { source, algorithm: None, optional: false };
        self.authentication = ClientAuthentication::Keys(keys);
        Ok(self)
    }

    /// Whether the operator vouches for the client.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        matches!(self.origin, ClientOrigin::Configured)
    }

    /// Whether the client cannot prove who it is.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        matches!(self.authentication, ClientAuthentication::None)
    }

    /// The redirect URI for an authorization request that sent `asked`; it may be left out by a client that registered
    /// exactly one (OAuth 2.1 §2.3.2). `prefixes` is the operator's list of sites where a segment is free.
    ///
    /// # Errors
    /// [`RedirectRefusal`], which must be shown on a page and never be redirected.
    pub fn redirect_uri(
        &self,
        asked: Option<&str>,
        prefixes: &RedirectPrefixes,
    ) -> Result<RedirectUri, RedirectRefusal> {
        match (asked, self.redirect_uris.as_slice()) {
            (Some(asked), registered) => registered
                .iter()
                .find_map(|registered| {
                    registered.accept(asked).or_else(|| prefixes.accept(registered, asked))
                })
                .ok_or(RedirectRefusal::NotRegistered),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(RedirectRefusal::Missing),
        }
    }

    /// The scopes of `asked` that the client may be granted. `offline_access` is no scope of a resource and stays.
    #[must_use]
    pub fn within_ceiling(&self, asked: &Scopes) -> Scopes {
        let Some(ceiling) = &self.scope_ceiling else { return asked.clone() };
        let allowed =
            asked.iter().filter(|scope| scope.as_str() == OFFLINE_ACCESS || ceiling.contains(scope));
        allowed.cloned().collect()
    }
}

impl ExpectedSecret {
    /// What `secret` is recognised by.
    #[must_use]
    pub fn of(secret: &ClientSecret) -> Self {
        Self(secret.hash())
    }

    /// Whether `presented` is the secret; takes the same time for every wrong one.
    #[must_use]
    pub fn is(&self, presented: &ClientSecret) -> bool {
        same_bytes(self.0.as_bytes(), presented.hash().as_bytes())
    }
}

impl fmt::Debug for ExpectedSecret {
    /// Leaves the hash out: an operator's secret may be guessable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExpectedSecret([redacted])")
    }
}

impl From<RedirectRefusal> for OAuthError {
    fn from(refusal: RedirectRefusal) -> Self {
        match refusal {
            RedirectRefusal::Missing | RedirectRefusal::NotRegistered => {
                Self::page(ErrorCode::InvalidRequest, refusal.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::app_uris::AppUris;
    use super::*;
    use crate::errors::Shown;

    fn client(redirect_uris: &[&str]) -> Client {
        let uris =
            redirect_uris.iter().map(|text| RedirectUri::parse(text, &AppUris::none()).unwrap()).collect();
        Client::configured("portal", None, uris).unwrap()
    }

    #[test]
    fn a_redirect_uri_may_be_left_out_only_if_there_is_one() {
        let one = client(&["https://h.example/cb"]);
        assert_eq!(
            one.redirect_uri(None, &RedirectPrefixes::default()).unwrap().as_str(),
            "https://h.example/cb"
        );
        let two = client(&["https://h.example/cb", "http://localhost/cb"]);
        assert_eq!(two.redirect_uri(None, &RedirectPrefixes::default()), Err(RedirectRefusal::Missing));
        assert_eq!(
            two.redirect_uri(Some("http://localhost:5/cb"), &RedirectPrefixes::default()).unwrap().as_str(),
            "http://localhost:5/cb"
        );
    }

    #[test]
    fn an_unregistered_redirect_uri_is_never_redirected_to() {
        let refusal = client(&["https://h.example/cb"])
            .redirect_uri(Some("https://evil.example/cb"), &RedirectPrefixes::default())
            .unwrap_err();
        assert_eq!(refusal, RedirectRefusal::NotRegistered);
        assert_eq!(OAuthError::from(refusal).shown(), Shown::OnPage);
    }

    #[test]
    fn a_configured_client_is_trusted_and_public_without_a_secret() {
        let uris = client(&["https://h.example/cb"]).redirect_uris;
        assert!(client(&["https://h.example/cb"]).is_trusted());
        assert!(client(&["https://h.example/cb"]).is_public());
        let confidential =
            Client::configured("portal", Some(&ClientSecret::new("canary")), uris.clone()).unwrap();
        assert!(!confidential.is_public());
        assert!(!format!("{confidential:?}").contains("canary"));
        let refused = |id, secret: &str, uris| {
            Client::configured(id, Some(&ClientSecret::new(secret)), uris).unwrap_err()
        };
        assert_eq!(refused("", "s", uris.clone()), ConfiguredClientRefusal::IdCharacters);
        assert_eq!(refused("a:b", "s", uris.clone()), ConfiguredClientRefusal::IdCharacters);
        assert_eq!(refused("coat_ci_x", "s", uris.clone()), ConfiguredClientRefusal::IdReserved);
        assert_eq!(refused("portal", "", uris), ConfiguredClientRefusal::EmptySecret);
        assert_eq!(refused("portal", "s", Vec::new()), ConfiguredClientRefusal::NoRedirectUri);
    }

    #[test]
    fn the_ceiling_cuts_every_scope_but_offline_access() {
        let mut client = client(&["https://h.example/cb"]);
        let asked: Scopes = "offline_access read write".parse().unwrap();
        assert_eq!(client.within_ceiling(&asked), asked);
        client.scope_ceiling = Some("read other".parse().unwrap());
        assert_eq!(client.within_ceiling(&asked).to_string(), "offline_access read");
    }

    #[test]
    fn a_secret_is_recognised_by_its_hash() {
        let expected = ExpectedSecret::of(&ClientSecret::new("right"));
        assert!(expected.is(&ClientSecret::new("right")));
        assert!(!expected.is(&ClientSecret::new("wrong")));
        assert_eq!(format!("{expected:?}"), "ExpectedSecret([redacted])");
    }

    proptest! {
        #[test]
        fn nothing_is_granted_that_was_not_asked_or_is_above_the_ceiling(asked in "([abc]|offline_access| ){0,6}", ceiling in "[abc ]{1,6}") {
            let mut client = client(&["https://h.example/cb"]);
            let (asked, ceiling): (Scopes, Scopes) = (asked.parse().unwrap(), ceiling.parse().unwrap());
            client.scope_ceiling = Some(ceiling.clone());
            let granted = client.within_ceiling(&asked);
            prop_assert!(granted.is_subset(&asked));
            let beyond = granted.difference(&ceiling);
            prop_assert!(beyond.iter().all(|scope| scope.as_str() == OFFLINE_ACCESS));
        }
    }
}
