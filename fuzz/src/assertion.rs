//! Client assertions: whatever is accepted was signed by the client, whole, for us, now, and once.
//!
//! An input is a line for the header, one for the claims, and perhaps one with a number. Header and claims are signed with the
//! client's key; of the result the bit of that number is flipped. A first line that starts with `raw ` is an assertion as it
//! came from elsewhere.

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use coatroom_protocol::client::{
    AssertionRefusal, ClientKeys, ExpectedAssertion, KeySource, MAX_ASSERTION_LENGTH, MAX_JTI_LENGTH,
    VerifiedAssertion, check_assertion, claimed_client,
};
use coatroom_protocol::jws::KeySet;
use coatroom_protocol::words::{ClientAssertion, ClientId, Timestamp, base64url};
use serde_json::{Map, Value, json};

use crate::tree::unique;

/// Checks one assertion.
///
/// # Panics
/// When one is accepted that says something else, or that the client did not sign.
#[must_use]
pub fn check(data: &[u8]) -> bool {
    if let Some(raw) = data.strip_prefix(b"raw ") {
        let Ok(raw) = std::str::from_utf8(raw) else { return false };
        let _ = claimed_client(&ClientAssertion::new(raw));
        assert!(verdict(raw, NOW).is_err(), "a stranger signed it");
        return false;
    }
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (header, claims, flipped) = (line(), line(), line());
    let mut text = sign(header, claims);
    let bit = std::str::from_utf8(flipped).ok().and_then(|bit| bit.parse::<usize>().ok());
    if let Some(changed) = bit.and_then(|bit| flip(&text, bit)) {
        text = changed;
        assert!(verdict(&text, NOW).is_err(), "changed on the way");
        return false;
    }
    let Ok(verified) = verdict(&text, NOW) else { return false };

    let header = serde_json::from_slice::<Map<String, Value>>(header).expect("a header is an object");
    let claims = unique(claims).expect("claims are JSON without repeated keys");
    says_the_client(&header, &claims);
    is_for_us_and_now(&claims, &verified);
    assert_eq!(claimed_client(&ClientAssertion::new(text.as_str())), Some(ClientId::new(CLIENT)));
    assert!(text.len() <= MAX_ASSERTION_LENGTH);
    // Its record is kept until it is refused for its age.
    assert!(verdict(&text, verified.kept_until.unix()) == Err(AssertionRefusal::Expired));
    assert!(verdict(&text, verified.kept_until.unix() - 1) != Err(AssertionRefusal::Expired));
    true
}

fn says_the_client(header: &Map<String, Value>, claims: &Value) {
    assert!(["EdDSA", "Ed25519"].iter().any(|name| header.get("alg") == Some(&json!(name))), "{header:?}");
    assert!(header.get("crit").is_none_or(Value::is_null), "{header:?}");
    if let Some(kind) = header.get("typ").filter(|kind| !kind.is_null()) {
        let kind = kind.as_str().expect("a text").to_ascii_lowercase();
        assert!(kind.ends_with("jwt"), "{kind}");
    }
    assert!(claims["iss"] == CLIENT && claims["sub"] == CLIENT, "{claims}");
}

fn is_for_us_and_now(claims: &Value, verified: &VerifiedAssertion) {
    let audience = match &claims["aud"] {
        Value::Array(one) if one.len() == 1 => &one[0],
        other => other,
    };
    assert!([ISSUER, "https://gate.example/", TOKEN].iter().any(|ours| audience == ours), "{claims}");
    let time = |name: &str| claims[name].as_f64().map(f64::floor);
    let now = 1_800_000_000_f64;
    let ends = time("exp").expect("an end");
    assert!(ends + 60.0 > now && ends <= now + 660.0, "{claims}");
    assert!(["iat", "nbf"].iter().all(|name| time(name).is_none_or(|time| time <= now + 60.0)), "{claims}");
    let id = claims["jti"].as_str().expect("an id");
    assert!((1..=MAX_JTI_LENGTH).contains(&id.len()));
    assert!(!verified.record_key.contains(id) || id.len() < 8, "the key of the record is a hash");
}

/// The client's key pair, and the set that it publishes.
struct Signer {
    pair: Ed25519KeyPair,
    keys: ClientKeys,
    set: KeySet,
}

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key pair");
    let x = base64url(pair.public_key().as_ref());
    let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x }] });
    let set = KeySet::parse(&set).expect("a key set");
    let keys = ClientKeys { source: KeySource::Inline(set.clone()), algorithm: None, optional: false };
    Signer { pair, keys, set }
});

fn sign(header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", base64url(header), base64url(claims));
    format!("{input}.{}", base64url(SIGNER.pair.sign(input.as_bytes()).as_ref()))
}

/// The text with one bit flipped; `None` when that is no text.
fn flip(text: &str, bit: usize) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let at = (bit / 7) % bytes.len();
    bytes[at] ^= 1 << (bit % 7);
    String::from_utf8(bytes).ok()
}

fn verdict(text: &str, now: u64) -> Result<VerifiedAssertion, AssertionRefusal> {
    let client = ClientId::new(CLIENT);
    let expected =
        ExpectedAssertion { client: &client, audiences: &[ISSUER, TOKEN], now: Timestamp::from_unix(now) };
    check_assertion(&ClientAssertion::new(text), &SIGNER.keys, &SIGNER.set, &expected)
}

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://gate.example";
const TOKEN: &str = "https://gate.example/token";
const CLIENT: &str = "https://client.example/oauth/client.json";

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_and_mutations_of_it_hold() {
        crate::engine::run("assertion", super::check, 2_000);
    }
}
