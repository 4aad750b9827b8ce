//! Signed tokens of others: reads a compact JWS (RFC 7515) and verifies it against a key set (RFC 7517).
//!
//! The algorithm is chosen by the key, from a list that holds neither `none` nor any HMAC: nothing in the token's header
//! can make a public key serve as a secret. Keys that the header brings along (`jwk`, `jku`, `x5c`, `x5u`) are ignored.
//! Signatures are verified by aws-lc-rs directly, so that no process-wide crypto provider is needed. An issuer that shares
//! a secret with its operator instead of publishing keys has a type of its own, [`SharedSecret`], which takes HS256 and
//! nothing else.

mod shared_secret;

use std::borrow::Cow;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::words::{from_base64url, parse_object};

pub use shared_secret::{SHORTEST_SHARED_SECRET, SharedSecret};

/// The signature algorithms that others may use (RFC 7518 §3.1, RFC 8037 §3.1). There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// The names of all of them, as metadata lists them.
pub const ALGORITHMS: [&str; 10] =
    ["ES256", "ES384", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

impl Algorithm {
    /// The algorithm of this name (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864); `None` for `none`, HMACs and all others.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 9864 gives EdDSA on Ed25519 a name of its own.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// A token taken apart; nothing in it is to be believed before [`KeySet::verify`].
#[derive(Debug)]
pub struct Jws<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    kind: Option<String>,
    signed: &'a str,
    signature: Vec<u8>,
    payload: Vec<u8>,
}

/// Why a signed token is not genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsRefusal {
    /// Not a compact JWS with a JSON header, or one with critical extensions, none of which are known here.
    #[error("it is malformed")]
    Malformed,
    /// Its algorithm is not on the list.
    #[error("its algorithm is not accepted")]
    Algorithm,
    /// No key in the set could have signed it. A newer set may hold one.
    #[error("its key is unknown")]
    UnknownKey,
    /// The key that it names did not sign it.
    #[error("its signature is wrong")]
    Signature,
    /// The key that signed it is for the tokens of another issuer.
    #[error("its key is another issuer's")]
    Issuer,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// The decoded parts of a compact JWS, whatever its algorithm.
struct Parts<'a> {
    header: Header,
    signed: &'a str,
    signature: Vec<u8>,
    payload: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn parse(token: &'a str) -> Result<Self, JwsRefusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsRefusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsRefusal::Malformed)?;
        let decode = |part: &str| from_base64url(part).ok_or(JwsRefusal::Malformed);
        let header = decode(header)?;
        // Members that are skipped are read too: what a strict parser cannot read is no header.
        serde_json::from_slice::<Value>(&header).map_err(|_| JwsRefusal::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| JwsRefusal::Malformed)?;
        if header.crit.is_some() {
            return Err(JwsRefusal::Malformed);
        }
        Ok(Self { header, signed, signature: decode(signature)?, payload: decode(payload)? })
    }
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`JwsRefusal::Malformed`] and [`JwsRefusal::Algorithm`].
    pub fn parse(token: &'a str) -> Result<Self, JwsRefusal> {
        let Parts { header, signed, signature, payload } = Parts::parse(token)?;
        Ok(Self {
            algorithm: Algorithm::parse(&header.alg).ok_or(JwsRefusal::Algorithm)?,
            kid: header.kid,
            kind: header.typ,
            signed,
            signature,
            payload,
        })
    }

    /// The algorithm that its header names; one of the list.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The type that its header names (RFC 7519 §5.1).
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// What it claims, which nobody has verified: good for finding the keys with which to verify it, and for nothing
    /// else.
    #[must_use]
    pub fn unverified_claims(&self) -> Option<Map<String, Value>> {
        parse_object(&self.payload).ok()
    }
}

/// The public keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// Reads a JWK Set. Keys of other kinds and uses, and keys that cannot be read, are left out; `None` when no key is
    /// left, so that an empty answer never takes the place of a good one.
    #[must_use]
    pub fn parse(document: &Value) -> Option<Self> {
        let keys = document.get("keys")?.as_array()?;
        let keys: Vec<Key> = keys.iter().take(MAX_KEYS).filter_map(Key::parse).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The claims of a token that one of the keys signed.
    ///
    /// # Errors
    /// [`JwsRefusal::UnknownKey`] when no key could have signed it, [`JwsRefusal::Signature`] when the named one did not,
    /// [`JwsRefusal::Issuer`] when each that did is for the tokens of another issuer.
    pub fn verify(&self, token: &Jws<'_>) -> Result<Map<String, Value>, JwsRefusal> {
        // A name is a hint (RFC 7515 §4.1.4): without one on either side every key that fits is tried.
        let named = |key: &&Key| key.kid.is_none() || token.kid.is_none() || key.kid == token.kid;
        let mut signed = self.0.iter().filter(named).filter(|key| key.verifies(token)).peekable();
        if signed.peek().is_some() {
            let claims = parse_object(&token.payload).map_err(|_| JwsRefusal::Malformed)?;
            let admitted = signed.any(|key| key.admits(&claims));
            return if admitted { Ok(claims) } else { Err(JwsRefusal::Issuer) };
        }
        let known = token.kid.is_some() && self.0.iter().any(|key| key.kid == token.kid);
        Err(if known { JwsRefusal::Signature } else { JwsRefusal::UnknownKey })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    kid: Option<String>,
    /// The one issuer whose tokens it is for, if its document says so. Microsoft publishes the keys of all tenants in one
    /// document, and writes `{tenantid}` where each may stand.
    issuer: Option<String>,
    /// The key for each algorithm that its material allows, and its issuer does not rule out by pinning another one.
    verifiers: Vec<Verifier>,
}

/// A public key for one algorithm, parsed once and not for each token.
#[derive(Debug, Clone)]
struct Verifier {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl PartialEq for Verifier {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.key.as_ref() == other.key.as_ref()
    }
}

impl Eq for Verifier {}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    issuer: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Key {
    fn parse(value: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(value).ok()?;
        let signs = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs {
            return None;
        }
        let pinned = match &jwk.alg {
            Some(name) => Some(Algorithm::parse(name)?),
            None => None,
        };
        let mut verifiers = verifiers(&jwk)?;
        verifiers.retain(|verifier| pinned.is_none_or(|pinned| pinned == verifier.algorithm));
        Some(Self { kid: jwk.kid, issuer: jwk.issuer, verifiers })
    }

    /// Whether it is for the tokens of the issuer that the claims name.
    fn admits(&self, claims: &Map<String, Value>) -> bool {
        let Some(own) = &self.issuer else { return true };
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let own = match text("tid") {
            Some(tenant) => Cow::from(own.replace(TENANT, tenant)),
            None if own.contains(TENANT) => return false,
            None => Cow::from(own),
        };
        text("iss") == Some(&*own)
    }

    fn verifies(&self, token: &Jws<'_>) -> bool {
        let fitting = self.verifiers.iter().find(|verifier| verifier.algorithm == token.algorithm);
        fitting.is_some_and(|verifier| {
            verifier.key.verify_sig(token.signed.as_bytes(), &token.signature).is_ok()
        })
    }
}

/// The key for every algorithm that its material allows; `None` when it cannot be read.
fn verifiers(jwk: &Jwk) -> Option<Vec<Verifier>> {
    let bytes = |member: &Option<String>| member.as_deref().and_then(from_base64url);
    let one = |algorithm, by: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
        Some(vec![Verifier { algorithm, key: ParsedPublicKey::new(by, key).ok()? }])
    };
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let key = RsaPublicKeyComponents { n: unsigned(bytes(&jwk.n)?), e: unsigned(bytes(&jwk.e)?) };
            let parsed =
                |(algorithm, by)| Some(Verifier { algorithm, key: key.to_parsed_public_key(by).ok()? });
            RSA.into_iter().map(parsed).collect()
        }
        ("EC", Some("P-256")) => {
            let point = point(bytes(&jwk.x)?, bytes(&jwk.y)?, 32)?;
            one(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, point)
        }
        ("EC", Some("P-384")) => {
            let point = point(bytes(&jwk.x)?, bytes(&jwk.y)?, 48)?;
            one(Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, point)
        }
        ("OKP", Some("Ed25519")) => one(Algorithm::EdDsa, &ED25519, bytes(&jwk.x)?),
        _ => None,
    }
}

/// What one RSA key may be for.
const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

/// An uncompressed point (SEC 1 §2.3.3) of its two coordinates, each of `size` bytes.
fn point(x: Vec<u8>, y: Vec<u8>, size: usize) -> Option<Vec<u8>> {
    (x.len() == size && y.len() == size).then(|| [vec![4], x, y].concat())
}

/// An unsigned number without the leading zeros that some issuers write.
fn unsigned(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

const MAX_KEYS: usize = 100;

const TENANT: &str = "{tenantid}";

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    };
    use serde_json::json;

    use super::*;
    use crate::words::base64url;

    fn signed(header: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let input = format!("{}.{}", part(header), part(&json!({"sub": "alice"})));
        let signature = base64url(&sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    fn verify(keys: &Value, token: &str) -> Result<Map<String, Value>, JwsRefusal> {
        KeySet::parse(keys).ok_or(JwsRefusal::UnknownKey)?.verify(&Jws::parse(token)?)
    }

    fn ed25519() -> (Ed25519KeyPair, Value) {
        let pair = Ed25519KeyPair::generate().unwrap();
        let jwk =
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": base64url(pair.public_key().as_ref())});
        (pair, jwk)
    }

    #[test]
    fn every_rsa_algorithm_is_verified() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let n = base64url(public.modulus().big_endian_without_leading_zero());
        let e = base64url(public.exponent().big_endian_without_leading_zero());
        let keys = json!({"keys": [{"kty": "RSA", "kid": "k", "n": n, "e": e}]});
        let algorithms: [(&str, &'static dyn RsaEncoding); 6] = [
            ("RS256", &RSA_PKCS1_SHA256),
            ("RS384", &RSA_PKCS1_SHA384),
            ("RS512", &RSA_PKCS1_SHA512),
            ("PS256", &RSA_PSS_SHA256),
            ("PS384", &RSA_PSS_SHA384),
            ("PS512", &RSA_PSS_SHA512),
        ];
        for (name, encoding) in algorithms {
            let token = signed(&json!({"alg": name, "kid": "k"}), |message| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            });
            assert!(verify(&keys, &token).is_ok(), "{name}");
            let pinned = json!({"keys": [{"kty": "RSA", "kid": "k", "n": n, "e": e, "alg": "PS384"}]});
            assert_eq!(verify(&pinned, &token).is_ok(), name == "PS384", "{name}");
        }
    }

    #[test]
    fn elliptic_curves_are_verified() {
        for (name, curve, algorithm) in [
            ("ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            ("ES384", "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        ] {
            let pair = EcdsaKeyPair::generate(algorithm).unwrap();
            let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
            let keys = json!({"keys": [{"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y), "use": "sig"}]});
            let sign = |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
            assert!(verify(&keys, &signed(&json!({"alg": name}), sign)).is_ok(), "{name}");
        }
        let (pair, jwk) = ed25519();
        let sign = |message: &[u8]| pair.sign(message).as_ref().to_vec();
        for name in ["EdDSA", "Ed25519"] {
            assert!(verify(&json!({"keys": [jwk]}), &signed(&json!({"alg": name}), sign)).is_ok(), "{name}");
        }
    }

    #[test]
    fn none_and_hmac_are_no_algorithms() {
        let (_, jwk) = ed25519();
        let public = from_base64url(jwk["x"].as_str().unwrap()).unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public);
        let mac = |message: &[u8]| aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec();
        for name in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "rs256"] {
            let token = signed(&json!({"alg": name, "kid": "k"}), mac);
            assert_eq!(verify(&json!({"keys": [jwk]}), &token), Err(JwsRefusal::Algorithm), "{name}");
        }
        let unsigned = signed(&json!({"alg": "EdDSA", "kid": "k"}), |_| Vec::new());
        assert_eq!(verify(&json!({"keys": [jwk]}), &unsigned), Err(JwsRefusal::Signature));
    }

    #[test]
    fn a_key_that_the_token_brings_along_is_ignored() {
        let (_, known) = ed25519();
        let (mallory, own) = ed25519();
        let header = json!({"alg": "EdDSA", "kid": "k", "jwk": own, "jku": "https://mallory.example/keys"});
        let token = signed(&header, |message| mallory.sign(message).as_ref().to_vec());
        assert_eq!(verify(&json!({"keys": [known]}), &token), Err(JwsRefusal::Signature));
    }

    #[test]
    fn a_key_serves_its_own_algorithm_and_use_only() {
        let (pair, jwk) = ed25519();
        let token =
            signed(&json!({"alg": "EdDSA", "kid": "k"}), |message| pair.sign(message).as_ref().to_vec());
        for (member, value) in [("alg", json!("ES256")), ("use", json!("enc")), ("key_ops", json!(["sign"]))]
        {
            let mut jwk = jwk.clone();
            jwk[member] = value;
            assert!(verify(&json!({"keys": [jwk]}), &token).is_err(), "{member}");
        }
    }

    #[test]
    fn a_key_of_another_name_is_unknown_and_an_unreadable_key_is_left_out() {
        let (pair, jwk) = ed25519();
        let sign = |message: &[u8]| pair.sign(message).as_ref().to_vec();
        let keys = json!({"keys": [{"kty": "oct", "k": "AA"}, {"kty": 7}, "nonsense", jwk]});
        assert!(verify(&keys, &signed(&json!({"alg": "EdDSA", "kid": "k"}), sign)).is_ok());
        let other = signed(&json!({"alg": "EdDSA", "kid": "other"}), sign);
        assert_eq!(verify(&keys, &other), Err(JwsRefusal::UnknownKey));
    }

    // Microsoft's documents have the keys of all tenants, some of which are for one tenant alone.
    #[test]
    fn a_key_that_names_an_issuer_verifies_no_other_issuers_tokens() {
        const ONE: &str = "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0";
        const ANY: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let (pair, jwk) = ed25519();
        let verdict = |issuers: &[Value], claims: &Value| {
            let part = |value: &Value| base64url(value.to_string().as_bytes());
            let input = format!("{}.{}", part(&json!({"alg": "EdDSA", "kid": "k"})), part(claims));
            let token = format!("{input}.{}", base64url(pair.sign(input.as_bytes()).as_ref()));
            let key = |issuer: &Value| {
                let mut jwk = jwk.clone();
                jwk["issuer"] = issuer.clone();
                jwk
            };
            let keys: Vec<Value> = issuers.iter().map(key).collect();
            verify(&json!({"keys": keys}), &token).map(drop)
        };
        let own = json!({"iss": ONE, "tid": "11111111-1111-1111-1111-111111111111"});
        let others = json!({"iss": ONE, "tid": "22222222-2222-2222-2222-222222222222"});
        let without_tenant = json!({"iss": ONE});
        let template = json!({"iss": ANY, "tid": "{tenantid}"});
        let nobody = json!({"iss": ANY.replace("{tenantid}", ""), "tid": ""});
        for (issuer, claims, expected) in [
            (json!(ANY), &own, Ok(())),
            (json!(ANY), &others, Err(JwsRefusal::Issuer)),
            (json!(ANY), &without_tenant, Err(JwsRefusal::Issuer)),
            (json!(ANY), &json!({"iss": ANY}), Err(JwsRefusal::Issuer)),
            (json!(ANY), &nobody, Err(JwsRefusal::Issuer)),
            (json!(ONE), &own, Ok(())),
            (json!(ONE), &without_tenant, Ok(())),
            (json!(ONE), &others, Ok(())),
            (json!(ONE), &json!({"iss": "https://evil.example", "tid": "x"}), Err(JwsRefusal::Issuer)),
            (json!(ONE), &json!({}), Err(JwsRefusal::Issuer)),
            (
                json!("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
                &own,
                Err(JwsRefusal::Issuer),
            ),
            (Value::Null, &own, Ok(())),
        ] {
            assert_eq!(verdict(std::slice::from_ref(&issuer), claims), expected, "{issuer} {claims}");
        }
        // A key may stand in the document once for each of its issuers.
        assert_eq!(verdict(&[json!("https://other.example"), json!(ANY)], &own), Ok(()));
        // A name that is no text is no name that could be compared.
        assert_eq!(verdict(&[json!(7)], &own), Err(JwsRefusal::UnknownKey));
        assert_eq!(verdict(&[json!(ANY)], &template), Ok(()), "what a tenant is called, others decide");
    }

    #[test]
    fn a_set_without_a_usable_key_is_no_key_set() {
        for document in
            [json!({"keys": []}), json!({"keys": [{"kty": "oct", "k": "AA"}]}), json!({}), json!([])]
        {
            assert!(KeySet::parse(&document).is_none(), "{document}");
        }
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let header = base64url(br#"{"alg":"EdDSA","crit":["b64"]}"#);
        for bad in
            ["", ".", "..", "a.b", "a.b.c", &format!("{header}.e30.AA"), "e30.e30.AA.AA.AA", "e30=.e30.AA"]
        {
            assert_eq!(Jws::parse(bad).unwrap_err(), JwsRefusal::Malformed, "{bad}");
        }
    }
}
