//! Tokens of an issuer that shares a secret with its operator: HMAC with SHA-256 (RFC 7518 §3.2), and nothing else.
//!
//! It is kept apart from the key sets, so that a public key can never serve as a secret, nor a secret as one key of many.

use std::fmt;

use aws_lc_rs::hmac;
use serde_json::{Map, Value};

use super::{JwsRefusal, Parts};
use crate::words::parse_object;

/// The secret with which an issuer signs.
#[derive(Clone)]
pub struct SharedSecret(hmac::Key);

/// The shortest secret that is taken, in bytes: as long as the hash (RFC 7518 §3.2).
pub const SHORTEST_SHARED_SECRET: usize = 32;

impl SharedSecret {
    /// The secret; `None` when it is shorter than [`SHORTEST_SHARED_SECRET`].
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        let is_long = secret.len() >= SHORTEST_SHARED_SECRET;
        is_long.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The type and the claims of a token that was signed with the secret.
    ///
    /// # Errors
    /// [`JwsRefusal::Algorithm`] for every algorithm but HS256, [`JwsRefusal::Signature`] when the secret did not sign it.
    pub fn verify(&self, token: &str) -> Result<(Option<String>, Map<String, Value>), JwsRefusal> {
        let Parts { header, signed, signature, payload } = Parts::parse(token)?;
        if header.alg != "HS256" {
            return Err(JwsRefusal::Algorithm);
        }
        hmac::verify(&self.0, signed.as_bytes(), &signature).map_err(|_| JwsRefusal::Signature)?;
        let claims = parse_object(&payload).map_err(|_| JwsRefusal::Malformed)?;
        Ok((header.typ, claims))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::words::base64url;

    const SECRET: &[u8] = b"a-secret-of-thirty-two-bytes-or-more";

    fn signed(alg: &str, secret: &[u8]) -> String {
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let input =
            format!("{}.{}", part(&json!({"alg": alg, "typ": "JWT"})), part(&json!({"sub": "alice"})));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signature = base64url(hmac::sign(&key, input.as_bytes()).as_ref());
        format!("{input}.{signature}")
    }

    #[test]
    fn a_shared_secret_verifies_hs256_and_nothing_else() {
        let secret = SharedSecret::new(SECRET).unwrap();
        let (kind, claims) = secret.verify(&signed("HS256", SECRET)).unwrap();
        assert_eq!((kind.as_deref(), &claims["sub"]), (Some("JWT"), &json!("alice")));
        for alg in ["none", "HS384", "HS512", "RS256", "ES256", "hs256", ""] {
            assert_eq!(secret.verify(&signed(alg, SECRET)), Err(JwsRefusal::Algorithm), "{alg}");
        }
        let other = signed("HS256", b"another-secret-of-thirty-two-bytes!!");
        assert_eq!(secret.verify(&other), Err(JwsRefusal::Signature));
        let unsigned = signed("HS256", SECRET).rsplit_once('.').unwrap().0.to_owned() + ".";
        assert_eq!(secret.verify(&unsigned), Err(JwsRefusal::Signature));
    }

    #[test]
    fn a_shared_secret_has_at_least_32_bytes_and_is_never_shown() {
        assert!(SharedSecret::new(&[b'x'; 31]).is_none());
        let secret = SharedSecret::new(&[b'x'; 32]).unwrap();
        assert!(!format!("{secret:?}").contains('x'));
    }
}
