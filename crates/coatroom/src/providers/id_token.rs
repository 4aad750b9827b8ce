//! Checks what an ID token says (OpenID Connect Core 1.0 §3.1.3.7), once its signature is known to be genuine.

use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use coatroom_protocol::jws::{Algorithm, JwsRefusal};
use coatroom_protocol::words::{Timestamp, base64url, same_bytes};
use serde_json::{Map, Value};

use super::tokens::UpstreamToken;

/// Why an ID token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenRefusal {
    /// The token answer holds none.
    #[error("there is none")]
    Missing,
    /// It is not a signed JWT with the claims that every ID token has.
    #[error("it is malformed")]
    Malformed,
    /// It is signed with an algorithm that is not accepted, such as `none` or an HMAC.
    #[error("its algorithm is not accepted")]
    Algorithm,
    /// It is signed with a key that the provider does not publish.
    #[error("its key is unknown")]
    UnknownKey,
    /// Its signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// It is another issuer's.
    #[error("its issuer is not the provider")]
    Issuer,
    /// Its tenant is not among those that are welcome.
    #[error("its tenant is not welcome")]
    Tenant,
    /// It is for another client.
    #[error("its audience is not this client")]
    Audience,
    /// It was given to another client, or is for several and does not say to whom it was given.
    #[error("its authorized party is not this client")]
    AuthorizedParty,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It was issued in the future, or is not valid yet.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It belongs to another sign-in.
    #[error("its nonce is not the one of this sign-in")]
    Nonce,
    /// It belongs to another access token.
    #[error("its at_hash is not the access token's")]
    AccessTokenHash,
    /// It, or the user endpoint beside it, names no subject or another one.
    #[error("its subject is missing or not the same everywhere")]
    Subject,
}

impl From<JwsRefusal> for IdTokenRefusal {
    fn from(refusal: JwsRefusal) -> Self {
        match refusal {
            JwsRefusal::Malformed => Self::Malformed,
            JwsRefusal::Algorithm => Self::Algorithm,
            JwsRefusal::UnknownKey => Self::UnknownKey,
            JwsRefusal::Signature => Self::Signature,
            JwsRefusal::Issuer => Self::Issuer,
        }
    }
}

/// Whose ID tokens are taken. Issuers are compared byte for byte.
#[derive(Debug)]
pub(super) enum Issuers {
    /// Any of these: the spellings of one issuer.
    Listed(Vec<String>),
    /// The issuer of the tenant that the claim `tid` names: `before ‖ tid ‖ after`.
    OfTenant { before: String, after: &'static str, tenants: Tenants },
}

/// Which tenants are welcome.
#[derive(Debug)]
pub(super) enum Tenants {
    All,
    Only(Vec<String>),
    AllBut(&'static str),
}

impl Issuers {
    fn check(&self, claims: &Map<String, Value>) -> Result<(), IdTokenRefusal> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let issuer = text("iss").ok_or(IdTokenRefusal::Issuer)?;
        let (before, after, tenants) = match self {
            Self::Listed(known) if known.iter().any(|known| known == issuer) => return Ok(()),
            Self::Listed(_) => return Err(IdTokenRefusal::Issuer),
            Self::OfTenant { before, after, tenants } => (before, after, tenants),
        };
        let tenant = text("tid").filter(|tenant| is_guid(tenant)).ok_or(IdTokenRefusal::Issuer)?;
        if issuer != format!("{before}{tenant}{after}") {
            return Err(IdTokenRefusal::Issuer);
        }
        let is_welcome = match tenants {
            Tenants::All => true,
            Tenants::Only(welcome) => welcome.iter().any(|welcome| welcome == tenant),
            Tenants::AllBut(unwelcome) => *unwelcome != tenant,
        };
        if is_welcome { Ok(()) } else { Err(IdTokenRefusal::Tenant) }
    }
}

/// Whether a text is a GUID as Microsoft writes it: lower case, with hyphens.
pub(super) fn is_guid(text: &str) -> bool {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c == '-' || is_hex(c))
}

/// What an ID token must agree with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub issuers: &'a Issuers,
    pub client_id: &'a str,
    /// `None` for the ID token of a renewal, which has none to repeat (OpenID Connect Core 1.0 §12.2).
    pub nonce: Option<&'a str>,
    pub access_token: &'a UpstreamToken,
    pub now: Timestamp,
}

/// Checks the claims of a genuine token that was signed with `algorithm`.
pub(super) fn check_claims(
    claims: &Map<String, Value>,
    algorithm: Algorithm,
    expected: &Expected<'_>,
) -> Result<(), IdTokenRefusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    expected.issuers.check(claims)?;
    check_audience(claims, expected.client_id)?;
    check_times(claims, expected.now)?;
    let repeats =
        |asked: &str| text("nonce").is_some_and(|said| same_bytes(said.as_bytes(), asked.as_bytes()));
    if !expected.nonce.is_none_or(repeats) {
        return Err(IdTokenRefusal::Nonce);
    }
    if let Some(hash) = claims.get("at_hash")
        && hash.as_str() != Some(&access_token_hash(expected.access_token, algorithm))
    {
        return Err(IdTokenRefusal::AccessTokenHash);
    }
    text("sub").filter(|sub| !sub.is_empty()).map(|_| ()).ok_or(IdTokenRefusal::Subject)
}

fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), IdTokenRefusal> {
    let (listed, several) = match claims.get("aud") {
        Some(Value::String(one)) => (one == client_id, false),
        Some(Value::Array(all)) => (all.iter().any(|one| one == client_id), all.len() > 1),
        _ => (false, false),
    };
    if !listed {
        return Err(IdTokenRefusal::Audience);
    }
    match claims.get("azp") {
        Some(party) if party == client_id => Ok(()),
        None if !several => Ok(()),
        _ => Err(IdTokenRefusal::AuthorizedParty),
    }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), IdTokenRefusal> {
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => Timestamp::from_numeric_date(value).map(Some).ok_or(IdTokenRefusal::Malformed),
    };
    let expires_at = time("exp")?.ok_or(IdTokenRefusal::Malformed)?;
    let issued_at = time("iat")?.ok_or(IdTokenRefusal::Malformed)?;
    if now.has_reached(expires_at.plus(SKEW)) {
        return Err(IdTokenRefusal::Expired);
    }
    let latest = now.plus(SKEW);
    if issued_at > latest || time("nbf")?.is_some_and(|not_before| not_before > latest) {
        return Err(IdTokenRefusal::NotYetValid);
    }
    Ok(())
}

/// The left half of the access token's hash; the hash is the one of the signature (OpenID Connect Core 1.0 §3.1.3.6).
fn access_token_hash(token: &UpstreamToken, algorithm: Algorithm) -> String {
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => &SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &SHA384,
        // Ed25519 hashes with SHA-512 itself.
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa => &SHA512,
    };
    let whole = digest::digest(hash, token.expose().as_bytes());
    let (left, _) = whole.as_ref().split_at(whole.as_ref().len() / 2);
    base64url(left)
}

/// What the provider's clock may differ from ours.
const SKEW: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_000_000;

    /// The verdict on a good token after one claim was set, or removed by null.
    fn verdict(claim: &str, value: Value) -> Result<(), IdTokenRefusal> {
        let mut claims = json!({
            "iss": "https://idp.example", "aud": "us", "sub": "alice", "nonce": "n", "exp": NOW + 300, "iat": NOW,
        });
        claims[claim] = value;
        let mut claims = claims.as_object().unwrap().clone();
        claims.retain(|_, value| !value.is_null());
        let access_token = UpstreamToken::new("at");
        let expected = Expected {
            issuers: &Issuers::Listed(vec!["https://idp.example".to_owned()]),
            client_id: "us",
            nonce: Some("n"),
            access_token: &access_token,
            now: Timestamp::from_unix(NOW),
        };
        check_claims(&claims, Algorithm::Rs256, &expected)
    }

    #[test]
    fn each_claim_is_checked() {
        use IdTokenRefusal as R;
        let table = [
            ("sub", json!("alice"), Ok(())),
            ("iss", json!("https://idp.example/"), Err(R::Issuer)),
            ("iss", json!("https://evil.example"), Err(R::Issuer)),
            ("iss", Value::Null, Err(R::Issuer)),
            ("aud", json!(["us"]), Ok(())),
            ("aud", json!("them"), Err(R::Audience)),
            ("aud", json!(["them"]), Err(R::Audience)),
            ("aud", json!([]), Err(R::Audience)),
            ("aud", Value::Null, Err(R::Audience)),
            ("aud", json!(["us", "them"]), Err(R::AuthorizedParty)),
            ("azp", json!("us"), Ok(())),
            ("azp", json!("them"), Err(R::AuthorizedParty)),
            ("exp", json!(NOW - 59), Ok(())),
            ("exp", json!(NOW - 60), Err(R::Expired)),
            ("exp", json!(1_000_300.9), Ok(())),
            ("exp", json!(999_940.9), Err(R::Expired)),
            ("exp", json!(-1.5), Err(R::Malformed)),
            ("exp", json!(1e300), Err(R::Malformed)),
            ("exp", json!("soon"), Err(R::Malformed)),
            ("exp", Value::Null, Err(R::Malformed)),
            ("iat", json!(NOW + 60), Ok(())),
            ("iat", json!(NOW + 61), Err(R::NotYetValid)),
            ("iat", Value::Null, Err(R::Malformed)),
            ("nbf", json!(NOW + 60), Ok(())),
            ("nbf", json!(NOW + 61), Err(R::NotYetValid)),
            ("nonce", json!("other"), Err(R::Nonce)),
            ("nonce", json!(""), Err(R::Nonce)),
            ("nonce", Value::Null, Err(R::Nonce)),
            // The left halves of SHA-256("at") and of SHA-256("other").
            ("at_hash", json!("sda5G2fCr6XjIpiNlGJjjQ"), Ok(())),
            ("at_hash", json!("2SmKENGwc1g33EvYXaxkGw"), Err(R::AccessTokenHash)),
            ("at_hash", json!(7), Err(R::AccessTokenHash)),
            ("sub", json!(""), Err(R::Subject)),
            ("sub", json!(7), Err(R::Subject)),
            ("sub", Value::Null, Err(R::Subject)),
        ];
        for (claim, value, expected) in table {
            assert_eq!(verdict(claim, value.clone()), expected, "{claim} {value}");
        }
    }

    #[test]
    fn the_issuer_of_a_tenant_is_the_one_of_its_own_tid() {
        const ONE: &str = "11111111-1111-1111-1111-111111111111";
        const TWO: &str = "22222222-2222-2222-2222-222222222222";
        let check = |iss: &str, tid: Value, tenants| {
            let before = "https://login.example/".to_owned();
            let issuers = Issuers::OfTenant { before, after: "/v2.0", tenants };
            issuers.check(json!({"iss": iss, "tid": tid}).as_object().unwrap())
        };
        let issuer = |tenant: &str| format!("https://login.example/{tenant}/v2.0");
        let only = |tenant: &str| Tenants::Only(vec![tenant.to_owned()]);
        assert_eq!(check(&issuer(ONE), json!(ONE), Tenants::All), Ok(()));
        assert_eq!(check(&issuer(ONE), json!(ONE), only(ONE)), Ok(()));
        assert_eq!(check(&issuer(ONE), json!(ONE), only(TWO)), Err(IdTokenRefusal::Tenant));
        assert_eq!(check(&issuer(ONE), json!(ONE), Tenants::AllBut(ONE)), Err(IdTokenRefusal::Tenant));
        for (iss, tid) in [
            (issuer(ONE), json!(TWO)),
            (issuer(ONE), Value::Null),
            (issuer("common"), json!("common")),
            (issuer("{tenantid}"), json!(ONE)),
            (format!("https://evil.example/{ONE}/v2.0"), json!(ONE)),
            (issuer("evil/11111111"), json!("evil/11111111")),
        ] {
            assert_eq!(check(&iss, tid.clone(), Tenants::All), Err(IdTokenRefusal::Issuer), "{iss} {tid}");
        }
    }

    #[test]
    fn a_token_for_several_names_us_as_the_authorized_party() {
        let claims = json!({"aud": ["us", "them"], "azp": "us"});
        assert_eq!(check_audience(claims.as_object().unwrap(), "us"), Ok(()));
    }

    #[test]
    fn the_access_token_hash_is_the_published_example() {
        // OpenID Connect Core 1.0, appendix A.3: the ID token there carries this at_hash for this access token.
        let token = UpstreamToken::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        assert_eq!(access_token_hash(&token, Algorithm::Rs256), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
