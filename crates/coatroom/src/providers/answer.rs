//! Reads what providers answer, with everything that they do differently, and says what a failure means.

use std::time::Duration;

use bytes::Bytes;
use coatroom_protocol::words::Timestamp;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value};

use super::error::{ProviderError, printable};
use super::path::{find, find_text};
use super::profile::paths;
use super::tokens::{UpstreamToken, UpstreamTokens};

/// The members of a JSON object, or the fields of a form.
pub(super) type Members = Map<String, Value>;

/// Error codes of one provider that the RFCs do not define; with a colon and the description, where the code alone says
/// too little.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ErrorCodes {
    /// The code, the token or the refresh token will never work again.
    pub dead: &'static [&'static str],
    /// Our registration at the provider is wrong.
    pub misconfigured: &'static [&'static str],
    /// Not now.
    pub transient: &'static [&'static str],
}

/// Where the parts of a token answer stand, as paths; of each list the first that leads to something counts. An empty list
/// stands for the name of RFC 6749 §5.1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenPaths {
    /// The access token.
    pub access_token: Vec<String>,
    /// The token that renews it.
    pub refresh_token: Vec<String>,
    /// How many seconds the access token lives.
    pub expires_in: Vec<String>,
    /// The scopes that were granted.
    pub scope: Vec<String>,
    /// What kind of token it is.
    pub token_type: Vec<String>,
}

impl TokenPaths {
    /// The usual names inside of the member `within`, else at the top.
    pub(super) fn within(within: &str) -> Self {
        let both = |name: &str| vec![format!("{within}.{name}"), name.to_owned()];
        Self {
            access_token: both("access_token"),
            refresh_token: both("refresh_token"),
            expires_in: both("expires_in"),
            scope: both("scope"),
            token_type: both("token_type"),
        }
    }

    /// Every list with its name in a configuration file.
    pub(super) fn lists(&self) -> [(&'static str, &Vec<String>); 5] {
        [
            ("token.access_token", &self.access_token),
            ("token.refresh_token", &self.refresh_token),
            ("token.expires_in", &self.expires_in),
            ("token.scope", &self.scope),
            ("token.token_type", &self.token_type),
        ]
    }

    /// The same with every list filled.
    pub(super) fn complete(self) -> Self {
        let or = |mine: Vec<String>, name| if mine.is_empty() { paths(&[name]) } else { mine };
        Self {
            access_token: or(self.access_token, "access_token"),
            refresh_token: or(self.refresh_token, "refresh_token"),
            expires_in: or(self.expires_in, "expires_in"),
            scope: or(self.scope, "scope"),
            token_type: or(self.token_type, "token_type"),
        }
    }
}

/// How one provider's token answers differ.
#[derive(Debug, Clone)]
pub(super) struct TokenQuirks {
    /// Its own error codes.
    pub codes: ErrorCodes,
    /// Where everything stands.
    pub paths: TokenPaths,
    /// What it calls the type of a bearer token, if not so.
    pub kind: &'static str,
    /// How long an access token lives when the answer does not say; `None` when it then does not end.
    pub default_lifetime: Option<Duration>,
}

impl Default for TokenQuirks {
    fn default() -> Self {
        Self {
            codes: ErrorCodes::default(),
            paths: TokenPaths::default().complete(),
            kind: "bearer",
            default_lifetime: None,
        }
    }
}

/// What the answer of a token endpoint is judged by: when the request was sent, and the secrets in it, which some
/// providers repeat in their error texts.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub at: Timestamp,
    pub secrets: &'a [&'a str],
}

/// A successful answer of a token endpoint.
#[derive(Debug, Clone)]
pub(crate) struct TokenAnswer {
    pub(crate) tokens: UpstreamTokens,
    pub(crate) id_token: Option<UpstreamToken>,
}

/// Reads the answer of a token endpoint (RFC 6749 §5.1 and §5.2).
///
/// An error is an error whatever the status: some providers send theirs with 200.
pub(super) fn read_tokens(
    answer: &Response<Bytes>,
    quirks: &TokenQuirks,
    sent: Sent<'_>,
) -> Result<TokenAnswer, ProviderError> {
    check_available(answer)?;
    let members = read_members(answer.body());
    if let Some(members) = &members {
        check_error(members, &quirks.codes, sent.secrets)?;
    }
    check_status(answer)?;
    let members = members.ok_or_else(|| ProviderError::bad_answer("neither a JSON object nor a form"))?;

    let said = |paths: &[String]| paths.iter().find_map(|path| find(&members, path));
    let token = |paths: &[String]| paths.iter().find_map(|path| find(&members, path).and_then(some_text));
    let Some(access_token) = token(&quirks.paths.access_token) else {
        return Err(ProviderError::bad_answer("no access_token"));
    };
    // RFC 6749, appendix A.12 and A.17. Whatever else it is, no header carries it.
    let is_sendable = |token: &str| token.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !is_sendable(access_token) || !token(&quirks.paths.refresh_token).is_none_or(is_sendable) {
        return Err(ProviderError::bad_answer("a token with characters that no token has"));
    }
    let kind = quirks.paths.token_type.iter().find_map(|path| find_text(&members, path));
    if let Some(kind) = kind.filter(|kind| !kind.eq_ignore_ascii_case(quirks.kind)) {
        return Err(ProviderError::bad_answer(format!("token_type is {}", printable(&kind))));
    }
    let lifetime = said(&quirks.paths.expires_in).and_then(read_seconds).or(quirks.default_lifetime);
    Ok(TokenAnswer {
        tokens: UpstreamTokens {
            access_token: UpstreamToken::new(access_token),
            refresh_token: token(&quirks.paths.refresh_token).map(UpstreamToken::new),
            expires_at: lifetime.map(|lifetime| sent.at.plus(lifetime)),
            scopes: said(&quirks.paths.scope).map(read_scopes).unwrap_or_default(),
        },
        id_token: text(&members, "id_token").map(UpstreamToken::new),
    })
}

/// Reads the JSON answer of any other endpoint: a user, a list of addresses, a document.
pub(crate) fn read_json(
    answer: &Response<Bytes>,
    codes: &ErrorCodes,
    secrets: &[&str],
) -> Result<Value, ProviderError> {
    check_available(answer)?;
    check_status(answer)?;
    let value: Value =
        serde_json::from_slice(answer.body()).map_err(|_| ProviderError::bad_answer("not JSON"))?;
    if let Value::Object(members) = &value {
        check_error(members, codes, secrets)?;
    }
    Ok(value)
}

/// Reads the answer to a revocation (RFC 7009 §2.2): a token that is not known there any more is revoked too.
pub(super) fn read_revocation(
    answer: &Response<Bytes>,
    codes: &ErrorCodes,
    secrets: &[&str],
) -> Result<(), ProviderError> {
    check_available(answer)?;
    if answer.status().is_success() {
        return Ok(());
    }
    let members = read_members(answer.body()).unwrap_or_default();
    if matches!(text(&members, "error"), Some("invalid_token" | "invalid_grant")) {
        return Ok(());
    }
    check_error(&members, codes, secrets)?;
    check_status(answer)
}

/// Refuses the statuses that say "not now", before the body is looked at: nothing that comes with them is a verdict.
fn check_available(answer: &Response<Bytes>) -> Result<(), ProviderError> {
    let status = answer.status();
    let not_now = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY
        )
        || (status == StatusCode::FORBIDDEN && is_rate_limited(answer.headers()));
    if not_now {
        return Err(ProviderError::transient(format!("status {}", status.as_u16())));
    }
    Ok(())
}

/// Whether a 403 is a rate limit in disguise, as GitHub sends it.
fn is_rate_limited(headers: &HeaderMap) -> bool {
    headers.contains_key("retry-after")
        || headers.get("x-ratelimit-remaining").is_some_and(|left| left.as_bytes() == b"0")
}

/// What a status says when the body gives no error code. Never that a credential is dead.
fn check_status(answer: &Response<Bytes>) -> Result<(), ProviderError> {
    let status = answer.status();
    let said = || format!("status {}", status.as_u16());
    match status {
        _ if status.is_success() => Ok(()),
        _ if status.is_redirection() => {
            Err(ProviderError::bad_answer(format!("{}; redirects are not followed", said())))
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(ProviderError::misconfigured(said())),
        _ => Err(ProviderError::Refused { code: said() }),
    }
}

/// Finds an error in the members of an answer.
fn check_error(members: &Members, codes: &ErrorCodes, secrets: &[&str]) -> Result<(), ProviderError> {
    let failed = members.get("ok") == Some(&Value::Bool(false));
    let code = match members.get("error") {
        Some(Value::String(code)) if !code.is_empty() => code,
        None | Some(Value::Null | Value::Bool(false) | Value::String(_)) if !failed => return Ok(()),
        _ => "an error without a code",
    };
    let description = text(members, "error_description").map(|text| format!(": {text}")).unwrap_or_default();
    let hide = |said: String, secret: &&str| said.replace(*secret, "[redacted]");
    let whole = format!("{code}{description}");
    let said = secrets.iter().filter(|secret| !secret.is_empty()).fold(whole.clone(), hide);
    Err(classify((code, &whole), printable(&said), codes))
}

fn classify((code, whole): (&str, &str), said: String, codes: &ErrorCodes) -> ProviderError {
    let among = |own: &[&str]| own.contains(&code) || own.contains(&whole);
    if among(codes.transient) || TRANSIENT.contains(&code) {
        ProviderError::transient(said)
    } else if among(codes.dead) || DEAD.contains(&code) {
        ProviderError::Dead { code: said }
    } else if among(codes.misconfigured) || MISCONFIGURED.contains(&code) {
        ProviderError::misconfigured(said)
    } else {
        ProviderError::Refused { code: said }
    }
}

fn read_members(body: &[u8]) -> Option<Members> {
    let body = body.trim_ascii();
    if body.starts_with(b"{") {
        return serde_json::from_slice(body).ok();
    }
    let looks_like_a_form = body.contains(&b'=') && !body.starts_with(b"<");
    looks_like_a_form.then(|| {
        let fields = url::form_urlencoded::parse(body);
        fields.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect()
    })
}

/// The text of a member; `None` when it is absent, empty or not a text.
pub(super) fn text<'a>(members: &'a Members, name: &str) -> Option<&'a str> {
    members.get(name).and_then(some_text)
}

fn some_text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A number of seconds, written as a number or as text. Zero and less say nothing.
fn read_seconds(value: &Value) -> Option<Duration> {
    let written = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let whole = written.trim().split('.').next()?;
    whole.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// Scopes as spaces, commas or an array separate them, in the order in which they came.
fn read_scopes(value: &Value) -> String {
    let written: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let scopes = written.iter().flat_map(|text| text.split([' ', ',', '\t', '\r', '\n']));
    scopes.filter(|scope| !scope.is_empty()).collect::<Vec<_>>().join(" ")
}

/// RFC 6749 §5.2.
const DEAD: &[&str] = &["invalid_grant"];
/// RFC 6749 §4.1.2.1, RFC 8628 §3.5.
const TRANSIENT: &[&str] = &["temporarily_unavailable", "server_error", "slow_down"];
/// RFC 6749 §5.2: what is wrong is not the user's credential.
const MISCONFIGURED: &[&str] = &[
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "invalid_scope",
    "redirect_uri_mismatch",
    "invalid_redirect_uri",
];

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Sent<'_> = Sent { at: Timestamp::from_unix(1_000), secrets: &["canary"] };

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
    }

    fn read(status: u16, body: &str) -> Result<TokenAnswer, ProviderError> {
        let codes = ErrorCodes {
            dead: &["bad_refresh_token", "odd: gone"],
            misconfigured: &["incorrect_client_credentials"],
            transient: &["ratelimited"],
        };
        read_tokens(&answer(status, body), &TokenQuirks { codes, ..TokenQuirks::default() }, SENT)
    }

    fn outcome(status: u16, body: &str) -> &'static str {
        read(status, body).map_or_else(|error| error.outcome(), |_| "ok")
    }

    #[test]
    fn only_a_providers_verdict_on_the_credential_makes_it_dead() {
        let table = [
            (200, r#"{"access_token":"t"}"#, "ok"),
            (201, r#"{"access_token":"t","error":null}"#, "ok"),
            (400, r#"{"error":"invalid_grant"}"#, "dead"),
            (401, r#"{"error":"invalid_grant"}"#, "dead"),
            (200, r#"{"error":"invalid_grant","access_token":"t"}"#, "dead"),
            (200, r#"{"error":"bad_refresh_token"}"#, "dead"),
            (200, "error=bad_refresh_token&error_description=x", "dead"),
            (400, r#"{"error":"odd","error_description":"gone"}"#, "dead"),
            (400, r#"{"error":"odd","error_description":"else"}"#, "refused"),
            (400, r#"{"error":"odd"}"#, "refused"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "transient"),
            (500, r#"{"error":"invalid_grant"}"#, "transient"),
            (503, "", "transient"),
            (429, r#"{"error":"invalid_grant"}"#, "transient"),
            (408, "", "transient"),
            (400, r#"{"error":"temporarily_unavailable"}"#, "transient"),
            (200, r#"{"error":"server_error"}"#, "transient"),
            (401, r#"{"error":"invalid_client"}"#, "misconfigured"),
            (400, r#"{"error":"unauthorized_client"}"#, "misconfigured"),
            (400, r#"{"error":"redirect_uri_mismatch"}"#, "misconfigured"),
            (200, r#"{"error":"incorrect_client_credentials"}"#, "misconfigured"),
            (404, "<html>", "misconfigured"),
            (400, "", "refused"),
            (401, "", "refused"),
            (403, "<html>a = b</html>", "refused"),
            (400, r#"{"error":"invalid_request"}"#, "refused"),
            (400, r#"{"error":"access_denied"}"#, "refused"),
            (400, r#"{"error":{"code":"invalid_grant"}}"#, "refused"),
            (200, r#"{"ok":false,"error":"invalid_code"}"#, "refused"),
            (200, r#"{"ok":false}"#, "refused"),
            (302, "", "bad_answer"),
            (200, "", "bad_answer"),
            (200, "<html>a=b</html>", "bad_answer"),
            (200, r#"{"access_token":"#, "bad_answer"),
            (200, r#"{"access_token":""}"#, "bad_answer"),
            (200, r#"{"access_token":7}"#, "bad_answer"),
            (200, r#"{"access_token":"abc\r\ndef"}"#, "bad_answer"),
            (200, r#"{"access_token":"t","refresh_token":"\u00e9"}"#, "bad_answer"),
            (200, "[]", "bad_answer"),
            (200, r#"{"access_token":"t","token_type":"DPoP"}"#, "bad_answer"),
        ];
        for (status, body, expected) in table {
            assert_eq!(outcome(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_403_with_an_exhausted_rate_limit_is_transient() {
        for (name, value) in [("retry-after", "60"), ("x-ratelimit-remaining", "0")] {
            let mut answer = answer(403, r#"{"error":"invalid_grant"}"#);
            answer.headers_mut().insert(name, value.parse().unwrap());
            assert!(read_tokens(&answer, &TokenQuirks::default(), SENT).unwrap_err().is_transient());
        }
    }

    #[test]
    fn an_answer_may_be_form_encoded() {
        let tokens = read(200, "access_token=a%2Bb&scope=repo%2Cuser&token_type=bearer").unwrap().tokens;
        assert_eq!(tokens.access_token.expose(), "a+b");
        assert_eq!(tokens.scopes, "repo user");
        assert!(tokens.refresh_token.is_none());
    }

    #[test]
    fn a_lifetime_may_be_a_number_a_text_or_missing() {
        let expiry = |member: &str| {
            let body = format!(r#"{{"access_token":"t"{member}}}"#);
            read(200, &body).unwrap().tokens.expires_at.map(Timestamp::unix)
        };
        assert_eq!(expiry(r#","expires_in":60"#), Some(1_060));
        assert_eq!(expiry(r#","expires_in":"60""#), Some(1_060));
        assert_eq!(expiry(r#","expires_in":60.9"#), Some(1_060));
        for silent in
            ["", r#","expires_in":null"#, r#","expires_in":0"#, r#","expires_in":-1"#, r#","expires_in":"x""#]
        {
            assert_eq!(expiry(silent), None, "{silent}");
        }
    }

    #[test]
    fn a_configured_lifetime_stands_in_for_a_missing_one() {
        let quirks =
            TokenQuirks { default_lifetime: Some(Duration::from_hours(1)), ..TokenQuirks::default() };
        let tokens = read_tokens(&answer(200, r#"{"access_token":"t"}"#), &quirks, SENT).unwrap().tokens;
        assert_eq!(tokens.expires_at, Some(Timestamp::from_unix(4_600)));
    }

    #[test]
    fn scopes_may_be_separated_by_spaces_or_commas_or_be_an_array() {
        for scope in [r#""a b  c""#, r#""a,b,c""#, r#""a, b, c""#, r#"["a","b","c"]"#, r#"["a b","c",7]"#] {
            let body = format!(r#"{{"access_token":"t","scope":{scope}}}"#);
            assert_eq!(read(200, &body).unwrap().tokens.scopes, "a b c", "{scope}");
        }
        assert_eq!(read(200, r#"{"access_token":"t","scope":7}"#).unwrap().tokens.scopes, "");
    }

    #[test]
    fn the_token_type_is_compared_without_case() {
        for kind in ["bearer", "Bearer", "BEARER", ""] {
            let body = format!(r#"{{"access_token":"t","token_type":"{kind}"}}"#);
            assert!(read(200, &body).is_ok(), "{kind}");
        }
    }

    #[test]
    fn an_empty_refresh_token_is_none() {
        assert!(
            read(200, r#"{"access_token":"t","refresh_token":""}"#).unwrap().tokens.refresh_token.is_none()
        );
    }

    #[test]
    fn the_parts_may_stand_elsewhere() {
        let quirks =
            TokenQuirks { paths: TokenPaths::within("user"), kind: "user", ..TokenQuirks::default() };
        let read = |body: &str| read_tokens(&answer(200, body), &quirks, SENT);
        let nested =
            read(r#"{"user":{"access_token":"t","token_type":"user","expires_in":9,"scope":"a,b"}}"#);
        let nested = nested.unwrap().tokens;
        assert_eq!((nested.access_token.expose(), nested.scopes.as_str()), ("t", "a b"));
        assert_eq!(nested.expires_at, Some(Timestamp::from_unix(1_009)));
        assert_eq!(read(r#"{"access_token":"t"}"#).unwrap().tokens.access_token.expose(), "t");
        assert!(read(r#"{"access_token":"t","token_type":"bot"}"#).is_err());
    }

    #[test]
    fn revoking_what_is_already_gone_succeeds() {
        let codes = ErrorCodes::default();
        for (status, body) in [(200, ""), (204, ""), (400, r#"{"error":"invalid_token"}"#)] {
            assert_eq!(read_revocation(&answer(status, body), &codes, &[]), Ok(()), "{status}");
        }
        assert!(read_revocation(&answer(503, ""), &codes, &[]).unwrap_err().is_transient());
        assert_eq!(
            read_revocation(&answer(401, r#"{"error":"invalid_client"}"#), &codes, &[])
                .unwrap_err()
                .outcome(),
            "misconfigured"
        );
    }

    #[test]
    fn an_error_text_that_repeats_our_secret_is_redacted() {
        let error =
            read(400, r#"{"error":"invalid_grant","error_description":"no token canary"}"#).unwrap_err();
        assert_eq!(error, ProviderError::Dead { code: "invalid_grant: no token [redacted]".to_owned() });
    }

    proptest::proptest! {
        #[test]
        fn no_answer_without_a_verdict_makes_a_credential_dead(
            status in 100_u16..600,
            code in "[a-z_]{0,20}|invalid_client|server_error|invalid_grant ",
            shape in 0..4,
            rest in ".{0,80}",
        ) {
            let body = match shape {
                0 => serde_json::json!({"error": code, "error_description": rest}).to_string(),
                1 => serde_json::json!({"error": {"code": code}, "message": rest}).to_string(),
                2 => format!("error={code}&x={rest}"),
                _ => rest,
            };
            let verdict = code == "invalid_grant" || code == "bad_refresh_token";
            let dead = read(status, &body).is_err_and(|error| error.is_dead());
            proptest::prop_assert!(verdict || !dead, "{} {}", status, body);
        }
    }

    #[test]
    fn debug_of_an_answer_shows_no_token() {
        let read =
            read(200, r#"{"access_token":"canary","refresh_token":"canary","id_token":"canary"}"#).unwrap();
        assert!(!format!("{read:?}").contains("canary"));
    }
}
