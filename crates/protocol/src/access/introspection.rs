//! What another resource server learns about a token that was presented to it (RFC 7662).
//!
//! It learns only of tokens that are meant for it (§4). Whatever else it presents gets the same answer, which says nothing.
//! That it is authenticated, and that the token is live, was found out before.

use serde::Serialize;

use crate::words::{ClientId, Issuer, Resource, Scopes, Subject, Timestamp, TokenHash, base64url, sha256};

/// An access token that is live: unexpired, and of an active grant.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "whoever found the token says all of it")]
pub struct LiveToken<'a> {
    /// Who issued it.
    pub issuer: &'a Issuer,
    /// Its hash.
    pub token: &'a TokenHash,
    /// The client that holds it.
    pub client: &'a ClientId,
    /// The user.
    pub subject: &'a Subject,
    /// The only resource that it is good at.
    pub resource: &'a Resource,
    /// Its scopes, with everything that they imply.
    pub scopes: &'a Scopes,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is refused.
    pub ends_at: Timestamp,
}

/// The answer to an introspection request.
#[derive(Debug, Clone, Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(flatten)]
    token: Option<Members>,
}

/// The members of RFC 7662 §2.2.
#[derive(Debug, Clone, Serialize)]
struct Members {
    scope: String,
    client_id: String,
    token_type: &'static str,
    exp: u64,
    iat: u64,
    sub: String,
    aud: String,
    iss: String,
    jti: String,
}

impl Introspection {
    /// The answer about everything that is not live, or not meant for whoever asks.
    #[must_use]
    pub const fn inactive() -> Self {
        Self { active: false, token: None }
    }

    /// The answer about `token` to a resource server of `audience`.
    #[must_use]
    pub fn of(token: &LiveToken<'_>, audience: &[Resource]) -> Self {
        if !audience.contains(token.resource) {
            return Self::inactive();
        }
        let members = Members {
            scope: token.scopes.to_string(),
            client_id: token.client.as_str().to_owned(),
            token_type: "Bearer",
            exp: token.ends_at.unix(),
            iat: token.issued_at.unix(),
            sub: token.subject.to_string(),
            aud: token.resource.to_string(),
            iss: token.issuer.to_string(),
            jti: token_id(token.token),
        };
        Self { active: true, token: Some(members) }
    }

    /// Whether it says anything.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active
    }
}

/// A name for a token that is always the same, and from which neither the token nor the key of its record follows.
fn token_id(token: &TokenHash) -> String {
    let digest = sha256(&[b"coatroom jti ".as_slice(), token.as_bytes()].concat());
    base64url(digest.get(..16).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::words::{AccessToken, ProviderName};

    fn resource(path: &str) -> Resource {
        Resource::parse(&format!("https://h.example{path}")).unwrap()
    }

    fn asked(audience: &[Resource]) -> serde_json::Value {
        let token = LiveToken {
            issuer: &Issuer::parse("https://h.example").unwrap(),
            token: &AccessToken::new("coat_at_canary").hash(),
            client: &ClientId::new("client-1"),
            subject: &Subject { provider: ProviderName::parse("github").unwrap(), id: "1".to_owned() },
            resource: &resource("/api"),
            scopes: &"read write".parse().unwrap(),
            issued_at: Timestamp::from_unix(100),
            ends_at: Timestamp::from_unix(3700),
        };
        serde_json::to_value(Introspection::of(&token, audience)).unwrap()
    }

    // INT-04
    #[test]
    fn a_live_token_is_described_by_the_members_of_the_norm() {
        let answer = asked(&[resource("/other"), resource("/api")]);
        let jti = answer["jti"].as_str().unwrap();
        assert_eq!(jti.len(), 22);
        assert_eq!(
            answer,
            json!({
                "active": true, "scope": "read write", "client_id": "client-1", "token_type": "Bearer",
                "exp": 3700, "iat": 100, "sub": "github:1", "aud": "https://h.example/api",
                "iss": "https://h.example", "jti": jti,
            })
        );
        assert_ne!(jti, &AccessToken::new("coat_at_canary").hash().to_string()[..22]);
    }

    // INT-03, INT-05
    #[test]
    fn whoever_a_token_is_not_meant_for_learns_nothing() {
        for audience in [&[][..], &[resource("/other")], &[resource("/api2")], &[resource("/")]] {
            assert_eq!(asked(audience), json!({ "active": false }));
        }
        assert_eq!(serde_json::to_string(&Introspection::inactive()).unwrap(), r#"{"active":false}"#);
    }
}
