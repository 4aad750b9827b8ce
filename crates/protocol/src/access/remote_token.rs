//! What an access token of another issuer must say to be good at one of our resources (RFC 9068 §4, RFC 8725 §3, RFC 7519).
//!
//! The signature is verified elsewhere (`jws`), with keys that the issuer publishes or a secret that it shares. Nothing here
//! can be switched off; what differs between issuers is how they spell themselves, and how their tokens name whom they are
//! for. Called by `coatroom::issuers`.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::confirmation::is_sender_constrained;
use crate::jws::JwsRefusal;
use crate::words::{Resource, Scope, Scopes, Timestamp};

/// What tokens of one issuer must say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "each issuer's file builds one")]
pub struct RemoteRule {
    /// The spellings of the issuer, compared byte for byte.
    pub issuers: Vec<String>,
    /// Whom its tokens must be for.
    pub audience: Audience,
    /// The claims, or dotted paths, that may name the user, of which the first that is there counts; usually `sub` alone.
    pub subject: Vec<String>,
}

/// Whom a token must be for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these three")]
pub enum Audience {
    /// The resource itself: `aud` has its identifier, or `resource` is it (RFC 8707 §2).
    Resource,
    /// `aud` has one of these.
    AnyOf(Vec<String>),
    /// The issuer's tokens name nobody: one without `aud` is good at every resource of this issuer. One with `aud` must name
    /// the resource, as in [`Audience::Resource`] (RFC 7519 §4.1.3).
    Unnamed,
}

/// What a token says, once it was found to be good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is plain data")]
pub struct RemoteClaims {
    /// The user, as the issuer names them.
    pub subject: String,
    /// The client, if the token names one.
    pub client: Option<String>,
    /// Its scopes.
    pub scopes: Scopes,
    /// From when on it is refused: its end, and the allowance for clocks that differ.
    pub expires_at: Timestamp,
    /// Whether it is good only with the proof of a key.
    pub sender_constrained: bool,
}

/// Why a token of another issuer is refused (wire: 401 `invalid_token`, whichever it is).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever logs it names each")]
pub enum RemoteRefusal {
    /// It is no signed token that could be read: opaque, or encrypted for somebody else.
    Opaque,
    /// It looks like a signed JWT and is none.
    Malformed,
    /// It is signed with an algorithm that is not accepted for this issuer, such as `none`.
    Algorithm,
    /// It is signed with a key that the issuer does not publish.
    UnknownKey,
    /// Its signature is wrong.
    Signature,
    /// It is an ID token, a refresh token, or something else that opens no resource.
    Kind,
    /// It is another issuer's.
    Issuer,
    /// It does not say when it ends.
    NoEnd,
    /// It has expired.
    Expired,
    /// It was issued in the future, or is not valid yet.
    NotYetValid,
    /// It is not for this resource.
    Audience,
    /// It names no user.
    Subject,
}

impl From<JwsRefusal> for RemoteRefusal {
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

impl RemoteRefusal {
    /// The reason, for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "it is opaque: no JWT that could be verified here",
            Self::Malformed => "it is malformed",
            Self::Algorithm => "its algorithm is not accepted",
            Self::UnknownKey => "its key is unknown",
            Self::Signature => "its signature is wrong",
            Self::Kind => "it is no access token",
            Self::Issuer => "its issuer is another one",
            Self::NoEnd => "it has no exp",
            Self::Expired => "it expired",
            Self::NotYetValid => "it is not valid yet",
            Self::Audience => "it is for another audience",
            Self::Subject => "it has no sub",
        }
    }
}

impl fmt::Display for RemoteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for RemoteRefusal {}

impl RemoteRule {
    /// Checks the claims of a token whose header says that it is of the type `kind`. `now` is the server's clock.
    ///
    /// # Errors
    /// [`RemoteRefusal`] names the first thing that is wrong.
    ///
    /// # Security
    /// The caller must verify the signature of the very token, before or afterwards: this rule believes what it is given.
    pub fn check(
        &self,
        kind: Option<&str>,
        claims: &Map<String, Value>,
        resource: &Resource,
        now: Timestamp,
    ) -> Result<RemoteClaims, RemoteRefusal> {
        if !is_access_token(kind, claims) {
            return Err(RemoteRefusal::Kind);
        }
        if !text(claims, "iss").is_some_and(|iss| self.issuers.iter().any(|known| known == iss)) {
            return Err(RemoteRefusal::Issuer);
        }
        let expires_at = check_times(claims, now)?;
        if !self.audience.admits(claims, resource) {
            return Err(RemoteRefusal::Audience);
        }
        let subject = self.subject.iter().find_map(|path| text_at(claims, path)).filter(|text| is_id(text));
        Ok(RemoteClaims {
            subject: subject.ok_or(RemoteRefusal::Subject)?.to_owned(),
            client: ["client_id", "azp", "cid"].iter().find_map(|name| text(claims, name)).map(str::to_owned),
            scopes: scopes(claims),
            expires_at,
            sender_constrained: is_sender_constrained(claims),
        })
    }
}

impl Audience {
    fn admits(&self, claims: &Map<String, Value>, resource: &Resource) -> bool {
        let named: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is_resource = |text: &str| Resource::parse(text).is_ok_and(|named| named == *resource);
        let names_resource = || {
            named.iter().any(|text| is_resource(text)) || text(claims, "resource").is_some_and(is_resource)
        };
        match self {
            Self::Resource => names_resource(),
            Self::AnyOf(wanted) => wanted.iter().any(|one| named.contains(&one.as_str())),
            Self::Unnamed => !claims.contains_key("aud") || names_resource(),
        }
    }
}

/// Whether a token may be an access token. A header may say so (RFC 9068 §2.1); most issuers only say that it is a JWT, and
/// what tells their other tokens apart is in the claims.
fn is_access_token(kind: Option<&str>, claims: &Map<String, Value>) -> bool {
    let kind = kind.map(str::to_ascii_lowercase);
    match kind.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind)) {
        Some("at+jwt") => return true,
        None | Some("jwt") => {}
        Some(_) => return false,
    }
    // Keycloak's own word for the kind of each of its tokens.
    let inside = text(claims, "typ").map(str::to_ascii_lowercase);
    let says_so = matches!(inside.as_deref(), Some("bearer" | "dpop"));
    let says_otherwise = inside.is_some() && !says_so && inside.as_deref() != Some("jwt");
    // Cognito's.
    let used_otherwise = text(claims, "token_use").is_some_and(|used| used != "access");
    // OpenID Connect Core 1.0 §2 and §3.3.2.11; some old issuers copy the nonce into access tokens.
    let of_id_tokens = ["at_hash", "c_hash", "s_hash"].iter().any(|name| claims.contains_key(*name))
        || (claims.contains_key("nonce") && !says_so);
    // Logout tokens and other security events (RFC 8417 §2.2).
    !(says_otherwise || used_otherwise || of_id_tokens || claims.contains_key("events"))
}

/// When the token is refused for its age; the clocks of others may differ by a minute.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, RemoteRefusal> {
    let time = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Timestamp::from_numeric_date(value).map(Some).ok_or(RemoteRefusal::Malformed),
    };
    let ends = time("exp")?.ok_or(RemoteRefusal::NoEnd)?.plus(SKEW);
    if now.has_reached(ends) {
        return Err(RemoteRefusal::Expired);
    }
    let latest = now.plus(SKEW);
    if time("nbf")?.is_some_and(|begins| begins > latest) || time("iat")?.is_some_and(|at| at > latest) {
        return Err(RemoteRefusal::NotYetValid);
    }
    Ok(ends)
}

/// `scope` as text or a list (RFC 9068 §2.2.3), or else `scp`. What is no scope is left out.
fn scopes(claims: &Map<String, Value>) -> Scopes {
    let words = |value: &Value| -> Vec<Scope> {
        let texts = match value {
            Value::String(text) => vec![text.as_str()],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        texts.iter().flat_map(|text| text.split(' ')).filter_map(|word| word.parse().ok()).collect()
    };
    claims.get("scope").or_else(|| claims.get("scp")).map(words).unwrap_or_default().into_iter().collect()
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The text of the claim of this name, or else at this dotted path: names of claims may be URLs.
fn text_at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a str> {
    let inside = || {
        let mut names = path.split('.');
        let first = claims.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))?.as_str().filter(|text| !text.is_empty())
    };
    if claims.contains_key(path) { text(claims, path) } else { inside() }
}

/// Whether it stays the same wherever it is written, in a header too. At most 255 characters (OpenID Connect Core 1.0 §2).
fn is_id(text: &str) -> bool {
    text.len() <= 255 && text.trim() == text && !text.contains(char::is_control)
}

const SKEW: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const RESOURCE: &str = "https://mcp.example.com/github";
    const ISSUER: &str = "https://idp.example/";

    fn rule(audience: Audience) -> RemoteRule {
        RemoteRule { issuers: vec![ISSUER.to_owned()], audience, subject: vec!["sub".to_owned()] }
    }

    fn good() -> Value {
        json!({ "iss": ISSUER, "sub": "alice", "aud": [RESOURCE, "other"], "exp": NOW + 300, "iat": NOW, "scope": "a b" })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn check_as(
        audience: Audience,
        kind: Option<&str>,
        claims: &Value,
    ) -> Result<RemoteClaims, RemoteRefusal> {
        let resource = Resource::parse(RESOURCE).unwrap();
        rule(audience).check(kind, claims.as_object().unwrap(), &resource, Timestamp::from_unix(NOW))
    }

    fn check(claims: &Value) -> Result<RemoteClaims, RemoteRefusal> {
        check_as(Audience::Resource, Some("JWT"), claims)
    }

    #[test]
    fn a_good_token_says_who_calls_through_what_and_for_how_long() {
        let said = check(&with("azp", json!("client-1"))).unwrap();
        assert_eq!((said.subject.as_str(), said.client.as_deref()), ("alice", Some("client-1")));
        assert_eq!(said.scopes, "a b".parse().unwrap());
        assert_eq!(said.expires_at, Timestamp::from_unix(NOW + 360));
        assert!(!said.sender_constrained);
        assert!(check(&with("cnf", json!({ "jkt": "x" }))).unwrap().sender_constrained);
    }

    // RS-13
    #[test]
    fn the_issuer_of_a_remote_token_is_compared_byte_for_byte() {
        for other in [
            json!("https://idp.example"),
            json!("https://IDP.example/"),
            json!([ISSUER]),
            json!(null),
            json!(""),
        ] {
            assert_eq!(check(&with("iss", other.clone())), Err(RemoteRefusal::Issuer), "{other}");
        }
        assert_eq!(check(&without("iss")), Err(RemoteRefusal::Issuer));
    }

    // RS-13, RS-29
    #[test]
    fn the_times_of_a_remote_token_are_checked_with_a_minute_of_skew() {
        assert_eq!(check(&without("exp")), Err(RemoteRefusal::NoEnd));
        for (name, value, expected) in [
            ("exp", json!(NOW - 59), None),
            ("exp", json!(NOW - 60), Some(RemoteRefusal::Expired)),
            ("exp", json!(0), Some(RemoteRefusal::Expired)),
            ("exp", json!("soon"), Some(RemoteRefusal::Malformed)),
            ("exp", json!(-1), Some(RemoteRefusal::Malformed)),
            ("exp", json!(1.9e300), Some(RemoteRefusal::Malformed)),
            ("exp", json!(1_800_000_300.25), None),
            ("nbf", json!(NOW + 60), None),
            ("nbf", json!(NOW + 61), Some(RemoteRefusal::NotYetValid)),
            ("iat", json!(NOW + 60), None),
            ("iat", json!(NOW + 61), Some(RemoteRefusal::NotYetValid)),
            ("iat", json!([]), Some(RemoteRefusal::Malformed)),
        ] {
            assert_eq!(check(&with(name, value.clone())).err(), expected, "{name}: {value}");
        }
    }

    // RS-11, RS-12
    #[test]
    fn a_remote_token_names_its_resource_in_aud_or_resource() {
        for good in [json!(RESOURCE), json!(["x", RESOURCE]), json!("HTTPS://mcp.example.com:443/github")] {
            assert!(check(&with("aud", good.clone())).is_ok(), "{good}");
        }
        for bad in [
            json!("https://mcp.example.com"),
            json!("https://mcp.example.com/github/"),
            json!("https://mcp.example.com/github2"),
            json!([[RESOURCE]]),
            json!({ RESOURCE: true }),
            json!(null),
        ] {
            assert_eq!(check(&with("aud", bad.clone())), Err(RemoteRefusal::Audience), "{bad}");
        }
        let mut by_resource = without("aud");
        assert_eq!(check(&by_resource), Err(RemoteRefusal::Audience));
        by_resource["resource"] = json!(RESOURCE);
        assert!(check(&by_resource).is_ok());
    }

    #[test]
    fn a_listed_audience_stands_in_for_the_resource_and_an_unnamed_one_must_not_name_another() {
        let listed = || Audience::AnyOf(vec!["authenticated".to_owned()]);
        let check_as = |audience, claims: &Value| check_as(audience, None, claims);
        assert!(check_as(listed(), &with("aud", json!("authenticated"))).is_ok());
        for bad in [good(), without("aud"), with("aud", json!("authenticated2"))] {
            assert_eq!(check_as(listed(), &bad), Err(RemoteRefusal::Audience), "{bad}");
        }
        assert!(check_as(Audience::Unnamed, &without("aud")).is_ok());
        assert!(check_as(Audience::Unnamed, &good()).is_ok());
        // The audience of an ID token is its client.
        assert_eq!(
            check_as(Audience::Unnamed, &with("aud", json!("client-1"))),
            Err(RemoteRefusal::Audience)
        );
    }

    #[test]
    fn a_remote_token_names_its_user() {
        for bad in
            [json!(""), json!(null), json!(7), json!(" alice"), json!("a\r\nb"), json!("x".repeat(256))]
        {
            assert_eq!(check(&with("sub", bad.clone())), Err(RemoteRefusal::Subject), "{bad}");
        }
        assert_eq!(check(&without("sub")), Err(RemoteRefusal::Subject));
    }

    #[test]
    fn a_remote_token_may_name_its_user_elsewhere() {
        let resource = Resource::parse(RESOURCE).unwrap();
        let named_at = |path: &str, claims: &Value| {
            let rule = RemoteRule { subject: vec![path.to_owned()], ..rule(Audience::Resource) };
            let said = rule.check(None, claims.as_object().unwrap(), &resource, Timestamp::from_unix(NOW));
            said.map(|said| said.subject)
        };
        let nested = with("user", json!({ "id": "u-1", "ids": ["u-2"] }));
        assert_eq!(named_at("user.id", &nested).as_deref(), Ok("u-1"));
        let mut both = nested.clone();
        both["user.id"] = json!("u-3");
        assert_eq!(named_at("user.id", &both).as_deref(), Ok("u-3"));
        both["user.id"] = json!(7);
        for (path, claims) in
            [("user.id", &both), ("user.ids", &nested), ("user.other", &nested), ("oid", &nested)]
        {
            assert_eq!(named_at(path, claims), Err(RemoteRefusal::Subject), "{path}");
        }
    }

    // RS-14
    #[test]
    fn tokens_of_other_kinds_are_no_access_tokens() {
        for kind in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/at+JWT")] {
            assert!(check_as(Audience::Resource, kind, &good()).is_ok(), "{kind:?}");
        }
        for kind in
            ["logout+jwt", "oauth-id-jag+jwt", "dpop+jwt", "coatroom-assertion+jwt", "secevent+jwt", ""]
        {
            assert_eq!(check_as(Audience::Resource, Some(kind), &good()), Err(RemoteRefusal::Kind), "{kind}");
        }
        for (name, value) in [
            ("at_hash", json!("x")),
            ("c_hash", json!("x")),
            ("nonce", json!("x")),
            ("typ", json!("ID")),
            ("typ", json!("Refresh")),
            ("typ", json!("Logout")),
            ("token_use", json!("id")),
            ("events", json!({})),
        ] {
            assert_eq!(check(&with(name, value)), Err(RemoteRefusal::Kind), "{name}");
        }
        let mut of_old_keycloak = with("nonce", json!("x"));
        of_old_keycloak["typ"] = json!("Bearer");
        assert!(check(&of_old_keycloak).is_ok());
        assert!(check(&with("token_use", json!("access"))).is_ok());
    }

    #[test]
    fn scopes_are_text_or_a_list_under_two_names() {
        let scopes = |claims: &Value| check(claims).unwrap().scopes.to_string();
        assert_eq!(scopes(&with("scope", json!(["b", "a c"]))), "a b c");
        assert_eq!(scopes(&with("scope", json!("a \"quoted\" b"))), "a b");
        assert_eq!(scopes(&without("scope")), "");
        let mut scp = without("scope");
        scp["scp"] = json!("files.read");
        assert_eq!(scopes(&scp), "files.read");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| proptest::collection::vec(inner, 0..3).prop_map(Value::from))
    }

    proptest! {
        #[test]
        fn no_claim_panics(name in "(iss|sub|aud|exp|nbf|iat|scope|resource|typ)", value in any_json()) {
            let _ = check(&with(&name, value));
        }
    }
}
