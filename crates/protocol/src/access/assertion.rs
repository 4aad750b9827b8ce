//! What we tell an MCP server about the caller in a form that it can verify by itself: a short-lived signed JWT
//! (RFC 7519), `X-Coatroom-Assertion` in the gateway.
//!
//! It is for one server alone (`aud`), and its type keeps it apart from access tokens, ID tokens and client assertions
//! (RFC 8725 §3.11). Nobody takes it as a token, we least of all: our tokens are opaque.

use std::time::Duration;

use serde::Serialize;

use crate::words::{ClientId, Issuer, KeyId, Scopes, Subject, Timestamp, base64url};

/// What is said about one call.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "whoever signs says all of it")]
pub struct Assertion<'a> {
    /// Us.
    pub issuer: &'a Issuer,
    /// The exact URL of the server that it is for.
    pub audience: &'a str,
    /// The user.
    pub subject: &'a Subject,
    /// The client through which the user calls.
    pub client: &'a ClientId,
    /// The scopes of the call's token, with everything that they imply.
    pub scopes: &'a Scopes,
    /// The user's e-mail address, if the provider verified it.
    pub email: Option<&'a str>,
    /// The server's clock.
    pub now: Timestamp,
    /// Random: each assertion has a name of its own.
    pub id: [u8; 16],
}

impl Assertion<'_> {
    /// What is signed with ES256 and this key: header and claims, as JWS joins them (RFC 7515 §5.1).
    #[must_use]
    pub fn signing_input(&self, key: KeyId) -> String {
        let header = Header { alg: "ES256", typ: ASSERTION_TYPE, kid: key.to_string() };
        let claims = Claims {
            iss: self.issuer.as_str(),
            aud: self.audience,
            sub: self.subject.to_string(),
            client_id: self.client.as_str(),
            scope: self.scopes.to_string(),
            email: self.email,
            iat: self.now.unix(),
            exp: self.now.plus(ASSERTION_LIFE).unix(),
            jti: base64url(&self.id),
        };
        format!("{}.{}", part(&header), part(&claims))
    }
}

/// The `typ` of every assertion.
pub const ASSERTION_TYPE: &str = "coatroom-assertion+jwt";

/// How long an assertion is good.
pub const ASSERTION_LIFE: Duration = Duration::from_mins(1);

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
    kid: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    client_id: &'a str,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    iat: u64,
    exp: u64,
    jti: String,
}

fn part(value: &impl Serialize) -> String {
    // Texts and numbers always serialise.
    base64url(&serde_json::to_vec(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::words::{ProviderName, from_base64url};

    // KEY-02
    #[test]
    fn an_assertion_says_who_calls_whom_for_a_minute_and_is_no_token() {
        let assertion = Assertion {
            issuer: &Issuer::parse("https://mcp.example.com").unwrap(),
            audience: "http://127.0.0.1:3000/mcp",
            subject: &Subject { provider: ProviderName::parse("github").unwrap(), id: "1".to_owned() },
            client: &ClientId::new("client-1"),
            scopes: &"read write".parse().unwrap(),
            email: Some("alice@example.com"),
            now: Timestamp::from_unix(1000),
            id: [7; 16],
        };
        let input = assertion.signing_input(KeyId::from_bytes([0; 4]));
        let parts: Vec<Value> = input
            .split('.')
            .map(|part| serde_json::from_slice(&from_base64url(part).unwrap()).unwrap())
            .collect();
        let header = json!({ "alg": "ES256", "typ": "coatroom-assertion+jwt", "kid": "AAAAAA" });
        let claims = json!({
            "iss": "https://mcp.example.com", "aud": "http://127.0.0.1:3000/mcp", "sub": "github:1",
            "client_id": "client-1", "scope": "read write", "email": "alice@example.com",
            "iat": 1000, "exp": 1060, "jti": base64url(&[7; 16]),
        });
        assert_eq!(parts, [header, claims]);
    }
}
