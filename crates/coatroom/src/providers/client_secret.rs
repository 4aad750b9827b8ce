//! Client secrets that are made for each request: a short-lived JWT, signed with ES256 by a key that the provider gave us.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coatroom_protocol::words::{ClientSecret, Timestamp, base64url};
use zeroize::Zeroizing;

use super::error::ProviderError;

/// Makes our client secrets.
pub(super) struct SecretSigner {
    pair: EcdsaKeyPair,
    /// The key's name at the provider.
    pub key_id: String,
    /// Who we are there.
    pub issuer: String,
    /// Our client id.
    pub subject: String,
    /// The provider.
    pub audience: &'static str,
}

impl SecretSigner {
    /// Reads the key from its PEM (PKCS #8, P-256); line ends may be written as `\n`, as they are in variables. `None` when
    /// it is no such key.
    pub(super) fn new(
        pem: &str,
        (issuer, key_id, subject): (&str, &str, &str),
        audience: &'static str,
    ) -> Option<Self> {
        let pem = Zeroizing::new(pem.replace("\\n", "\n"));
        let (_, body) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
        let (body, _) = body.split_once("-----END PRIVATE KEY-----")?;
        let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
        let pkcs8 = Zeroizing::new(STANDARD.decode(body.as_bytes()).ok()?);
        Some(Self {
            pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).ok()?,
            key_id: key_id.to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience,
        })
    }

    /// A secret that is good for five minutes.
    pub(super) fn secret(&self, now: Timestamp) -> Result<ClientSecret, ProviderError> {
        let header = serde_json::json!({"alg": "ES256", "kid": self.key_id, "typ": "JWT"});
        let claims = serde_json::json!({
            "iss": self.issuer, "sub": self.subject, "aud": self.audience,
            "iat": now.unix(), "exp": now.plus(LIFE).unix(),
        });
        let part = |value: &serde_json::Value| base64url(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes());
        let signature =
            signature.map_err(|_| ProviderError::transient("our client secret could not be signed"))?;
        Ok(ClientSecret::new(format!("{input}.{}", base64url(signature.as_ref()))))
    }
}

impl fmt::Debug for SecretSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretSigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

const LIFE: Duration = Duration::from_mins(5);

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn pem(line_end: &str) -> String {
        let key =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let text = STANDARD.encode(key.as_ref());
        let (first, second) = text.split_at(64);
        ["-----BEGIN PRIVATE KEY-----", first, second, "-----END PRIVATE KEY-----", ""].join(line_end)
    }

    fn read(pem: &str) -> Option<SecretSigner> {
        SecretSigner::new(pem, ("TEAM", "KEY", "our-id"), "https://idp.example")
    }

    #[test]
    fn a_key_is_read_with_real_and_with_written_line_ends() {
        for line_end in ["\n", "\r\n", "\\n"] {
            assert!(read(&pem(line_end)).is_some(), "{line_end:?}");
        }
        for bad in ["", "key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let signer = read(&pem("\n")).unwrap();
        assert_eq!(format!("{signer:?}"), "SecretSigner { key_id: \"KEY\", .. }");
    }
}
