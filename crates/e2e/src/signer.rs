//! Keys of issuers that tests play themselves, and the tokens that these sign.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A P-256 key with a name.
pub struct Signer {
    name: &'static str,
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl Signer {
    /// A new key.
    ///
    /// # Panics
    /// When there is no randomness.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).expect("the same key");
        Self { name, pair, pkcs8: pkcs8.as_ref().to_vec() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The public half as a key set has it.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let (x, y) = self.public_key()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.name,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// The private half as PEM.
    #[must_use]
    pub fn private_key(&self) -> String {
        let body = STANDARD.encode(&self.pkcs8);
        let (first, second) = body.split_at(64);
        format!("-----BEGIN PRIVATE KEY-----\n{first}\n{second}\n-----END PRIVATE KEY-----\n")
    }

    /// A token with these claims.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({ "alg": "ES256", "kid": self.name, "typ": "JWT" }), claims)
    }

    /// A token with a header of its own.
    ///
    /// # Panics
    /// When there is no randomness.
    #[must_use]
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let input = unsigned(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).expect("a signature");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Header and claims of a token, without a signature.
#[must_use]
pub fn unsigned(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

/// Seconds since 1970.
///
/// # Panics
/// When the clock is before that.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
