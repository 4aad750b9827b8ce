//! Which headers of a request the guard reads, refuses and removes.

use coatroom_protocol::access::{EraRefusal, Field, MirrorHeaders};
use http::header::AsHeaderName;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

use super::respond::Refusal;

/// Exactly one JSON body, in no encoding that hides it.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity");
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or(""));
    let (Some(only), None, true) = (types.next(), types.next(), plain) else {
        return Err(Refusal::MediaType);
    };
    let mut parts = only.split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if json && utf8 { Ok(()) } else { Err(Refusal::MediaType) }
}

/// The media type that a body is said to have, without its parameters; empty where nothing is said.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// The headers that mirror the body. No header of MCP occurs twice, and none comes in the spelling that some servers read as
/// the same name.
pub(super) fn mirrors(headers: &HeaderMap) -> Result<MirrorHeaders<'_>, EraRefusal> {
    let mut mirrors = MirrorHeaders::default();
    let mut last = None;
    // All values of a name come one after the other.
    for (name, value) in headers.iter().filter(|(name, _)| is_mcp(name.as_str())) {
        if last.replace(name) == Some(name) || name.as_str().contains('_') {
            return Err(EraRefusal::Malformed("a header of MCP"));
        }
        let read = || Field::read([value.as_bytes()]);
        match name.as_str() {
            "mcp-protocol-version" => mirrors.version = read(),
            "mcp-method" => mirrors.method = read(),
            "mcp-name" => mirrors.name = read(),
            _ => {}
        }
    }
    Ok(mirrors)
}

/// All values of a header.
pub(super) fn field(headers: &HeaderMap, name: impl AsHeaderName) -> Field<'_> {
    Field::read(headers.get_all(name).iter().map(HeaderValue::as_bytes))
}

fn is_mcp(name: &str) -> bool {
    matches!(name.as_bytes(), [b'm', b'c', b'p', b'-' | b'_', ..])
}

/// Step 8: removes what must not reach the server behind the guard, and says the length of what is forwarded.
pub(super) fn clean(headers: &mut HeaderMap, length: usize) {
    let removed: Vec<HeaderName> = headers.keys().filter(|name| is_removed(name)).cloned().collect();
    for name in removed {
        headers.remove(name);
    }
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONTENT_LENGTH);
    if length > 0 {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Credentials of the client, what only the gateway may say, and every name that a server could read as another: CGI and
/// what descends from it turn `_`, and some of them any sign at all, into what `-` becomes.
fn is_removed(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "authorization" | "proxy-authorization" | "cookie" | "dpop")
        || name.starts_with("x-coatroom-")
        || !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Whether a query has a parameter that is called like a token, however its name is encoded.
pub(super) fn names_a_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name.eq_ignore_ascii_case("access_token"))
}

pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
