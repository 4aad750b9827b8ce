use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use proptest::prelude::*;
use serde_json::json;

use super::super::record::KeySource;
use super::*;
use crate::jws::Algorithm;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://gate.example";
const TOKEN: &str = "https://gate.example/token";
const CLIENT: &str = "https://client.example/oauth/client.json";

/// A client's key pair, and the set that it publishes.
struct Signer {
    pair: Ed25519KeyPair,
    set: KeySet,
}

impl Signer {
    fn new() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let key =
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": base64url(pair.public_key().as_ref()) });
        let set = KeySet::parse(&json!({ "keys": [key] })).unwrap();
        Self { pair, set }
    }

    fn sign(&self, header: &Value, claims: &Value) -> ClientAssertion {
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = base64url(self.pair.sign(input.as_bytes()).as_ref());
        ClientAssertion::new(format!("{input}.{signature}"))
    }
}

fn header() -> Value {
    json!({ "alg": "EdDSA", "kid": "k" })
}

fn claims() -> Value {
    json!({ "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 300, "iat": NOW, "jti": "one" })
}

fn keys(set: &KeySet, algorithm: Option<Algorithm>) -> ClientKeys {
    ClientKeys { source: KeySource::Inline(set.clone()), algorithm, optional: false }
}

fn checked(signer: &Signer, assertion: &ClientAssertion) -> Result<VerifiedAssertion, AssertionRefusal> {
    let client = ClientId::new(CLIENT);
    let expected =
        ExpectedAssertion { client: &client, audiences: &[ISSUER, TOKEN], now: Timestamp::from_unix(NOW) };
    check_assertion(assertion, &keys(&signer.set, None), &signer.set, &expected)
}

/// The verdict on a good assertion after one claim was set, or removed by null.
fn verdict(signer: &Signer, claim: &str, value: Value) -> Result<(), AssertionRefusal> {
    let mut claims = claims();
    claims[claim] = value;
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    checked(signer, &signer.sign(&header(), &claims)).map(|_| ())
}

#[test]
fn each_claim_of_an_assertion_is_checked() {
    use AssertionRefusal as R;
    let signer = Signer::new();
    let table = [
        ("iss", json!(CLIENT), Ok(())),
        ("iss", json!("https://client.example/oauth/client.json/"), Err(R::Subject)),
        ("iss", Value::Null, Err(R::Subject)),
        ("sub", json!("other"), Err(R::Subject)),
        ("sub", Value::Null, Err(R::Subject)),
        ("aud", json!([ISSUER]), Ok(())),
        ("aud", json!("https://gate.example/"), Ok(())),
        ("aud", json!(TOKEN), Ok(())),
        ("aud", json!([TOKEN]), Ok(())),
        ("aud", json!("https://gate.example/token/"), Err(R::Audience)),
        ("aud", json!("https://gate.example//"), Err(R::Audience)),
        ("aud", json!("https://GATE.example"), Err(R::Audience)),
        ("aud", json!("https://gate.example.evil.example"), Err(R::Audience)),
        ("aud", json!("https://other.example"), Err(R::Audience)),
        ("aud", json!([ISSUER, "https://other.example"]), Err(R::Audience)),
        ("aud", json!([ISSUER, ISSUER]), Err(R::Audience)),
        ("aud", json!([]), Err(R::Audience)),
        ("aud", Value::Null, Err(R::Audience)),
        ("exp", json!(NOW - 59), Ok(())),
        ("exp", json!(NOW - 60), Err(R::Expired)),
        ("exp", json!(NOW + 660), Ok(())),
        ("exp", json!(NOW + 661), Err(R::TooLasting)),
        ("exp", json!(1e300), Err(R::Times)),
        ("exp", json!(-1), Err(R::Times)),
        ("exp", json!(1_800_000_100.75), Ok(())),
        ("exp", json!("soon"), Err(R::Times)),
        ("exp", Value::Null, Err(R::Times)),
        ("iat", json!(NOW + 60), Ok(())),
        ("iat", json!(NOW + 61), Err(R::NotYetValid)),
        ("iat", json!("x"), Err(R::Times)),
        ("iat", Value::Null, Ok(())),
        ("nbf", json!(NOW + 60), Ok(())),
        ("nbf", json!(NOW + 61), Err(R::NotYetValid)),
        ("jti", json!(""), Err(R::NoId)),
        ("jti", json!(7), Err(R::NoId)),
        ("jti", json!("j".repeat(MAX_JTI_LENGTH + 1)), Err(R::NoId)),
        ("jti", Value::Null, Err(R::NoId)),
    ];
    for (claim, value, expected) in table {
        assert_eq!(verdict(&signer, claim, value.clone()), expected, "{claim} {value}");
    }
    for refusal in [R::Subject, R::Audience, R::Used, R::Jws(JwsRefusal::Signature)] {
        assert_eq!(OAuthError::from(refusal).code(), ErrorCode::InvalidClient);
    }
}

#[test]
fn only_the_types_of_client_assertions_are_accepted() {
    let signer = Signer::new();
    let with_typ = |typ: &str| {
        let header = json!({ "alg": "EdDSA", "kid": "k", "typ": typ });
        checked(&signer, &signer.sign(&header, &claims())).map(|_| ())
    };
    for good in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
        assert_eq!(with_typ(good), Ok(()), "{good}");
    }
    for bad in ["at+jwt", "dpop+jwt", "oauth-id-jag+jwt", ""] {
        assert_eq!(with_typ(bad), Err(AssertionRefusal::Kind), "{bad}");
    }
}

#[test]
fn another_key_another_algorithm_and_none_prove_nothing() {
    let (signer, mallory) = (Signer::new(), Signer::new());
    assert_eq!(
        checked(&signer, &mallory.sign(&header(), &claims())),
        Err(AssertionRefusal::Jws(JwsRefusal::Signature))
    );
    let other = json!({ "alg": "EdDSA", "kid": "other" });
    assert_eq!(
        checked(&signer, &signer.sign(&other, &claims())),
        Err(AssertionRefusal::Jws(JwsRefusal::UnknownKey))
    );
    for alg in ["none", "HS256", "none "] {
        let assertion = signer.sign(&json!({ "alg": alg, "kid": "k" }), &claims());
        assert_eq!(checked(&signer, &assertion), Err(AssertionRefusal::Jws(JwsRefusal::Algorithm)), "{alg}");
    }
    let client = ClientId::new(CLIENT);
    let expected =
        ExpectedAssertion { client: &client, audiences: &[ISSUER], now: Timestamp::from_unix(NOW) };
    let registered = keys(&signer.set, Some(Algorithm::Rs256));
    let verdict = check_assertion(&signer.sign(&header(), &claims()), &registered, &signer.set, &expected);
    assert_eq!(verdict, Err(AssertionRefusal::OtherAlgorithm));
}

#[test]
fn claims_with_two_readings_are_refused() {
    let signer = Signer::new();
    let input = format!(
        "{}.{}",
        base64url(header().to_string().as_bytes()),
        base64url(format!(r#"{{"sub":"x",{}"#, &claims().to_string()[1..]).as_bytes())
    );
    let signature = base64url(signer.pair.sign(input.as_bytes()).as_ref());
    let assertion = ClientAssertion::new(format!("{input}.{signature}"));
    assert_eq!(checked(&signer, &assertion), Err(AssertionRefusal::Jws(JwsRefusal::Malformed)));
    assert_eq!(claimed_client(&assertion), None);
}

#[test]
fn the_client_is_read_from_the_assertion_that_claims_it() {
    let signer = Signer::new();
    assert_eq!(claimed_client(&signer.sign(&header(), &claims())), Some(ClientId::new(CLIENT)));
    for bad in ["", "a.b.c", &"x".repeat(MAX_ASSERTION_LENGTH + 1)] {
        assert_eq!(claimed_client(&ClientAssertion::new(bad)), None);
    }
}

#[test]
fn an_assertion_is_recorded_by_client_and_id_for_as_long_as_it_could_be_used() {
    let signer = Signer::new();
    let one = checked(&signer, &signer.sign(&header(), &claims())).unwrap();
    assert_eq!(one.kept_until, Timestamp::from_unix(NOW + 360));
    let mut later = claims();
    later["exp"] = json!(NOW + 400);
    assert_eq!(checked(&signer, &signer.sign(&header(), &later)).unwrap().record_key, one.record_key);
    later["jti"] = json!("two");
    assert_ne!(checked(&signer, &signer.sign(&header(), &later)).unwrap().record_key, one.record_key);
}

#[test]
fn debug_never_shows_an_assertion() {
    assert_eq!(format!("{:?}", ClientAssertion::new("canary")), "ClientAssertion([redacted])");
}

proptest! {
    #[test]
    fn no_bytes_make_an_assertion_panic(text in any::<String>(), header in any::<Vec<u8>>(), claims in any::<Vec<u8>>()) {
        let signer = Signer::new();
        let _ = checked(&signer, &ClientAssertion::new(text));
        let forged = format!("{}.{}.AA", base64url(&header), base64url(&claims));
        let _ = checked(&signer, &ClientAssertion::new(forged));
    }
}
