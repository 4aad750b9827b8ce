//! Which headers pass, in both directions. Everything that says who is calling is removed and set anew.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use coatroom::guard::Caller;
use coatroom::user::User;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::edge::is_event_stream;

/// How a request came to the gateway.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'a> {
    /// The address of the client, when it is known.
    pub(super) client: Option<IpAddr>,
    /// Host and port of the public URL.
    pub(super) host: Option<&'a HeaderValue>,
    /// Whether clients use https.
    pub(super) is_https: bool,
    /// The name of the request in the gateway's log.
    pub(super) request_id: Option<&'a HeaderValue>,
}

/// What of a request's headers reaches an upstream: not the client's credentials, nor what only proxies may say, what belongs to this
/// connection, and each header that the gateway is configured to set (whether or not it has a value this time). An
/// `X-Api-Key` may be meant for the server, and passes.
pub(super) fn passing<'a>(
    sent: &HeaderMap,
    configured: &(impl Iterator<Item = &'a HeaderName> + Clone),
) -> HeaderMap {
    let named = named_by_connection(sent);
    let stays_here = |name: &HeaderName| {
        let folded = folded(name);
        is_hop_by_hop(name, &named)
            || is_of_request(&folded)
            || is_of_proxies(&folded)
            || has_prefix(&folded, PREFIXES)
            || has_prefix(&folded, PREFIXES_OF_PROXIES)
            || configured.clone().any(|set| is_alike(set.as_str(), &folded))
    };
    let mut passing = HeaderMap::with_capacity(sent.keys_len() + ADDED);
    for (name, value) in sent {
        if !stays_here(name) {
            passing.append(name.clone(), value.clone());
        }
    }
    passing
}

/// Sets what an upstream learns of the client, its connection and the user.
pub(super) fn identify(headers: &mut HeaderMap, arrival: Arrival<'_>, caller: Option<&Caller>) {
    let scheme = HeaderValue::from_static(if arrival.is_https { "https" } else { "http" });
    headers.insert(FORWARDED_PROTO, scheme);
    if let Some(host) = arrival.host {
        headers.insert(FORWARDED_HOST, host.clone());
    }
    if let Some(client) = arrival.client {
        headers.insert(FORWARDED_FOR, written(client));
    }
    if let Some(id) = arrival.request_id {
        headers.insert(REQUEST_ID, id.clone());
    }
    if let Some(caller) = caller {
        let identity = caller.derived(Identity::of);
        let said = IDENTITY.into_iter().zip(&identity.0);
        headers.extend(said.filter_map(|(name, value)| Some((name, value.clone()?))));
    }
}

fn written(address: IpAddr) -> HeaderValue {
    let text = match address {
        IpAddr::V4(address) => {
            let [first, others @ ..] = address.octets();
            let mut text = String::with_capacity("255.255.255.255".len());
            text.push_str(itoa::Buffer::new().format(first));
            for other in others {
                text.push('.');
                text.push_str(itoa::Buffer::new().format(other));
            }
            text
        }
        IpAddr::V6(address) => address.to_string(),
    };
    // RFC 7239 §6.2 has this word.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"))
}

/// What servers are told of a caller, whatever they are called for. It is held for every remembered token, so the names are not in it.
struct Identity([Option<HeaderValue>; 4]);

impl Identity {
    fn of(caller: &Caller) -> Self {
        let (subject, scopes) = (caller.user().subject.to_string(), caller.scopes().to_string());
        let client = caller.client().id.as_str();
        let said = [Some(&*subject), Some(client), Some(&*scopes), verified_email(caller.user())];
        // All of them share one piece of memory.
        let mut rest = Bytes::from(said.into_iter().flatten().collect::<Vec<_>>().concat());
        // What no header can carry is left out.
        Self(said.map(|text| HeaderValue::from_maybe_shared(rest.split_to(text?.len())).ok()))
    }
}

const IDENTITY: [HeaderName; 4] = [USER, CLIENT, SCOPES, EMAIL];

/// The user's e-mail address, if the provider has verified it. At some providers users can write any address into
/// their profile, and a server that looks people up by it would take one for another.
pub(super) fn verified_email(user: &User) -> Option<&str> {
    user.email.as_deref().filter(|_| user.email_verified)
}

/// Removes what must not reach a client: the upstream's challenges and cookies (SPEC TP-04, TP-05), what belongs to its
/// connection, its CORS policy (ours stands for both), and what it says about an origin that is not its own or to the proxies
/// before us.
///
/// The answer comes from the origin at which people agree to clients. Opened in a browser it must not become a page of that
/// origin, whose scripts could press the button for them.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    // Chunks override a length beside them (RFC 9112 §6.3). It would outlive them here, and cut the answer.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let named = named_by_connection(headers);
    let stays_here = |name: &HeaderName| {
        is_hop_by_hop(name, &named)
            || is_of_response(name.as_str())
            || has_prefix(name.as_str(), RESPONSE_PREFIXES)
            || name.as_str().ends_with("cdn-cache-control")
    };
    let removed: Vec<HeaderName> = headers.keys().filter(|name| stays_here(name)).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NO_PAGE));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let is_stream = is_event_stream(headers);
    // An answer is one user's. A stream says so as MCP servers do, which also keeps proxies from compressing it.
    let cache = HeaderValue::from_static(if is_stream { "no-cache, no-transform" } else { "no-store" });
    headers.insert(header::CACHE_CONTROL, cache);
    if is_stream {
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
}

/// Whether the configuration may set this header.
pub(crate) fn is_settable(name: &HeaderName) -> bool {
    let folded = folded(name);
    let is_ours = has_prefix(&folded, PREFIXES);
    let frames = [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::ACCEPT];
    !is_ours && !is_of_connections(&folded) && !frames.contains(name) && !folded.starts_with("mcp-")
}

/// The headers that belong to one connection because it says so, in lower case.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::CONNECTION).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// Whether a header is of one connection: one of the fixed ones, or of those that `Connection` names (RFC 9110 §7.6.1). What MCP
/// says in headers never is: the guard judged by it, and the server must see the same.
fn is_hop_by_hop(name: &HeaderName, named: &[String]) -> bool {
    let is_named = || named.iter().any(|other| other == name.as_str());
    is_of_connections(name.as_str()) || (is_named() && !is_of_mcp(name))
}

fn is_of_mcp(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("mcp-") || matches!(name, "accept" | "content-type" | "last-event-id")
}

/// The name as servers may see it that make variables of headers: `X_Coatroom_User` is `X-Coatroom-User` to them.
fn folded(name: &HeaderName) -> Cow<'_, str> {
    let name = name.as_str();
    if name.bytes().any(|byte| byte == b'_') {
        Cow::Owned(name.replace('_', "-"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether a configured name is this one, [`folded`].
fn is_alike(configured: &str, folded: &str) -> bool {
    let alike = |(left, right)| left == right || (left == b'_' && right == b'-');
    configured.len() == folded.len() && configured.bytes().zip(folded.bytes()).all(alike)
}

/// Whether a name begins with one of these. Most begin with another letter than any.
fn has_prefix(name: &str, prefixes: &[&str]) -> bool {
    let first = name.bytes().next();
    prefixes.iter().any(|prefix| prefix.bytes().next() == first && name.starts_with(prefix))
}

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const USER: HeaderName = HeaderName::from_static("x-coatroom-user");
const CLIENT: HeaderName = HeaderName::from_static("x-coatroom-client");
const SCOPES: HeaderName = HeaderName::from_static("x-coatroom-scopes");
const EMAIL: HeaderName = HeaderName::from_static("x-coatroom-email");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How many headers are set beside those that pass, so that the map need not grow.
const ADDED: usize = 12;

fn is_of_connections(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// `Accept-Encoding` is among them since compressing an event stream buffers it, and since the guard reads answers.
fn is_of_request(name: &str) -> bool {
    matches!(
        name,
        "accept-encoding"
            | "authorization"
            | "content-length"
            | "cookie"
            | "dpop"
            | "expect"
            | "forwarded"
            | "host"
            | "origin"
            | "referer"
            | "via"
            | "x-real-ip"
            | "x-request-id"
    )
}

const PREFIXES: &[&str] = &["x-coatroom-", "x-forwarded-", "sec-"];

/// By these a proxy says who calls, from where, and which URL and method are really meant. A server that stood behind one, or
/// has a framework that knows them, believes them; a client must not say them. The configuration may.
fn is_of_proxies(name: &str) -> bool {
    matches!(
        name,
        "cf-connecting-ip"
            | "fastly-client-ip"
            | "true-client-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-rewrite-url"
            | "x-user"
    )
}

/// The same, by families: CGI and Authelia (`Remote-User`), Kubernetes, oauth2-proxy, Grafana, nginx, client certificates, and
/// what identity-aware proxies of clouds sign or set.
const PREFIXES_OF_PROXIES: &[&str] = &[
    "cf-access-",
    "client-cert",
    "remote-",
    "ssl-client-",
    "tailscale-",
    "x-amzn-oidc-",
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-client-cert",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-original-",
    "x-pomerium-",
    "x-remote-",
    "x-ssl-client-",
    "x-webauth-",
];

/// `Location` among them since no redirect passes, and `X-Sendfile` since a proxy in front of us would obey it.
fn is_of_response(name: &str) -> bool {
    matches!(
        name,
        "accept-ch"
            | "alt-svc"
            | "authentication-info"
            | "clear-site-data"
            | "content-location"
            | "content-security-policy-report-only"
            | "critical-ch"
            | "dpop-nonce"
            | "link"
            | "location"
            | "nel"
            | "proxy-authentication-info"
            | "public-key-pins"
            | "public-key-pins-report-only"
            | "refresh"
            | "report-to"
            | "reporting-endpoints"
            | "server"
            | "service-worker-allowed"
            | "set-cookie"
            | "set-cookie2"
            | "set-login"
            | "strict-transport-security"
            | "surrogate-control"
            | "www-authenticate"
            | "x-sendfile"
    )
}

const RESPONSE_PREFIXES: &[&str] = &["access-control-", "x-accel-", "x-coatroom-"];

/// What a browser may do with an answer of an upstream: nothing (Content Security Policy Level 3, `sandbox`).
const NO_PAGE: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::super::testing::alice;
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn credentials_and_claims_of_identity_do_not_reach_the_upstream() {
        let mut sent = headers(&[
            ("authorization", "Bearer coat_at_x"),
            ("cookie", "a=b"),
            ("dpop", "proof"),
            ("x-coatroom-user", "github:666"),
            ("x_coatroom_user", "github:666"),
            ("x-forwarded-for", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x-login", "mallory"),
            ("x_login", "mallory"),
            ("origin", "https://evil.example"),
            ("mcp-session-id", "s"),
            ("traceparent", "00-1-2-01"),
        ]);
        sent = passing(&sent, &[HeaderName::from_static("x-login")].iter());
        assert_eq!(names(&sent), ["mcp-session-id", "traceparent"]);
    }

    #[test]
    fn what_only_a_proxy_may_say_is_not_believed_of_a_client() {
        let claims = [
            "cf-access-authenticated-user-email",
            "cf-connecting-ip",
            "client-cert",
            "fastly-client-ip",
            "remote-groups",
            "remote-user",
            "remote_user",
            "true-client-ip",
            "x-amzn-oidc-identity",
            "x-auth-request-email",
            "x-auth-request-user",
            "x-authenticated-user",
            "x-authenticated_userid",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-goog-authenticated-user-email",
            "x-http-method",
            "x-http-method-override",
            "x-method-override",
            "x-original-url",
            "x-remote-user",
            "x-rewrite-url",
            "x-user",
            "x-webauth-user",
            "x_http_method_override",
            "x_user",
        ];
        for name in claims {
            let mut sent = headers(&[(name, "mallory"), ("x-api-key", "k"), ("x-user-agent", "grpc-web")]);
            sent = passing(&sent, &std::iter::empty());
            assert_eq!(names(&sent), ["x-api-key", "x-user-agent"], "{name}");
            assert!(is_settable(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn headers_of_one_connection_end_there() {
        let mut sent = headers(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("accept", "text/event-stream"),
        ]);
        sent = passing(&sent, &std::iter::empty());
        assert_eq!(names(&sent), ["accept"]);
    }

    #[test]
    fn nobody_makes_what_a_call_was_judged_by_a_header_of_one_connection() {
        let lines = [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("last-event-id", "7"),
            ("mcp-method", "tools/call"),
            ("mcp-param-region", "eu"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-session-id", "s"),
        ];
        let mut sent = headers(&lines);
        let named = lines.map(|(name, _)| name).join(", ").to_uppercase();
        sent.insert(header::CONNECTION, named.parse().unwrap());
        sent = passing(&sent, &std::iter::empty());
        assert_eq!(names(&sent), lines.map(|(name, _)| name));
    }

    #[test]
    fn the_upstream_learns_who_calls_from_the_gateway() {
        let mut sent = HeaderMap::new();
        let arrival = Arrival {
            client: Some("203.0.113.9".parse().unwrap()),
            host: Some(&HeaderValue::from_static("mcp.example.com")),
            is_https: true,
            request_id: Some(&HeaderValue::from_static("r1")),
        };
        identify(&mut sent, arrival, Some(&alice()));
        assert_eq!(sent["x-request-id"], "r1");
        assert_eq!(sent["x-coatroom-user"], "github:1");
        assert_eq!(sent["x-coatroom-email"], "alice@example.com");
        assert_eq!(sent["x-coatroom-client"], "client-1");
        assert_eq!(sent["x-coatroom-scopes"], "repos:read repos:write");
        assert_eq!(sent["x-forwarded-for"], "203.0.113.9");
        assert_eq!(sent["x-forwarded-proto"], "https");
    }

    #[test]
    fn an_address_that_nobody_verified_is_not_told() {
        let mut user = alice().user().clone();
        assert_eq!(verified_email(&user), Some("alice@example.com"));
        user.email_verified = false;
        assert_eq!(verified_email(&user), None);
    }

    #[test]
    fn challenges_cookies_and_cors_of_the_upstream_do_not_reach_the_client() {
        let mut answer = headers(&[
            ("www-authenticate", "Bearer realm=\"x\""),
            ("set-cookie", "a=b"),
            ("set-cookie2", "a=b"),
            ("authentication-info", "nextnonce=\"x\""),
            ("proxy-authentication-info", "nextnonce=\"x\""),
            ("dpop-nonce", "x"),
            ("server", "x"),
            ("access-control-allow-origin", "*"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("mcp-session-id", "s"),
            ("content-type", "text/event-stream; charset=utf-8"),
        ]);
        clean_response(&mut answer);
        let kept = ["content-type", "mcp-session-id", "x-accel-buffering"];
        assert_eq!(names(&answer), [OURS[0], OURS[1], kept[0], kept[1], kept[2], OURS[2]]);
    }

    #[test]
    fn an_answer_is_never_a_page_of_our_origin() {
        let mut answer = headers(&[
            ("content-type", "text/html"),
            ("content-security-policy", "script-src *"),
            ("refresh", "0;url=https://evil.example"),
            ("service-worker-allowed", "/"),
        ]);
        clean_response(&mut answer);
        assert_eq!(answer["content-security-policy"], "sandbox; default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer["x-content-type-options"], "nosniff");
        assert!(!answer.contains_key("refresh") && !answer.contains_key("service-worker-allowed"));
    }

    #[test]
    fn an_answer_says_nothing_for_our_origin_and_nothing_to_proxies_before_us() {
        let lines = [
            "accept-ch",
            "alt-svc",
            "clear-site-data",
            "content-location",
            "content-security-policy-report-only",
            "critical-ch",
            "link",
            "location",
            "nel",
            "public-key-pins",
            "public-key-pins-report-only",
            "refresh",
            "report-to",
            "reporting-endpoints",
            "service-worker-allowed",
            "set-login",
            "strict-transport-security",
            "x-accel-redirect",
            "x-sendfile",
        ];
        let mut answer = headers(&lines.map(|name| (name, "x")));
        clean_response(&mut answer);
        assert_eq!(names(&answer), OURS);
    }

    #[test]
    fn no_cache_keeps_an_answer_for_others() {
        let public = [
            ("cache-control", "public, s-maxage=600"),
            ("cdn-cache-control", "max-age=600"),
            ("cloudflare-cdn-cache-control", "max-age=600"),
            ("surrogate-control", "max-age=600"),
            ("x-accel-expires", "600"),
        ];
        let mut answer = headers(&public);
        clean_response(&mut answer);
        assert_eq!(names(&answer), OURS);
        assert_eq!(answer["cache-control"], "no-store");
        let mut stream = headers(&public);
        stream.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        clean_response(&mut stream);
        assert_eq!(stream["cache-control"], "no-cache, no-transform");
        assert!(!stream.contains_key("cdn-cache-control"));
    }

    /// What each answer has.
    const OURS: [&str; 3] = ["cache-control", "content-security-policy", "x-content-type-options"];

    #[test]
    fn the_configuration_cannot_set_what_belongs_to_the_gateway() {
        for name in
            ["x-coatroom-user", "x_coatroom_user", "host", "connection", "x-forwarded-for", "mcp-name"]
        {
            assert!(!is_settable(&HeaderName::from_static(name)), "{name}");
        }
        assert!(is_settable(&header::AUTHORIZATION));
        assert!(is_settable(&HeaderName::from_static("x-api-key")));
    }
}
