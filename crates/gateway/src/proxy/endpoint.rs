//! The `endpoint` event of HTTP+SSE (MCP 2024-11-05, Transports): by it a server names the URL that takes its client's messages.
//!
//! It is read here, and goes on as the session id of the answer: the guard binds that to the user, and [`super::sse`] makes an
//! `endpoint` event of what the guard made of it. A further one would lead the client, with its token, past the guard, so
//! it becomes an event of a type that nobody knows. All else in the stream keeps its bytes.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use url::{Position, Url};

use super::answer::Failure;

/// Why the beginning of a stream does not say where messages go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointRefusal {
    /// Another answer than a stream.
    #[error("it answered {0} without an event stream; is `upstream` the URL of its SSE endpoint?")]
    NoStream(StatusCode),
    /// Other events, or nothing.
    #[error(
        "its event stream does not begin with an `endpoint` event; is `upstream` the URL of its SSE endpoint?"
    )]
    Missing,
    /// Not a URL, or a very long one.
    #[error("the URL in its `endpoint` event cannot be used")]
    Unusable,
    /// The user's credential would go where the operator did not send it.
    #[error(
        "its `endpoint` event leads to {0}, which is not its own origin; is `upstream` the URL by which it knows itself?"
    )]
    Elsewhere(String),
}

/// Reads a stream up to its `endpoint` event, for `patience` at most. What it names becomes the session id of the answer.
///
/// # Errors
/// [`Failure::Endpoint`] when the server, at `upstream`, does not say where messages go; [`Failure::Silent`] when it does not in
/// time. Other answers of failure pass.
pub(super) async fn opened(
    upstream: &Uri,
    response: Response<Body>,
    patience: Duration,
) -> Result<Response<Body>, Failure> {
    let status = response.status();
    let is_wrong_place = matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
    if !status.is_success() && !is_wrong_place {
        return Ok(response);
    }
    if is_wrong_place || !is_plain_event_stream(&response) {
        return Err(EndpointRefusal::NoStream(status).into());
    }
    let (mut parts, body) = response.into_parts();
    let mut pieces = body.into_data_stream();
    let reading = async {
        let mut beginning = Vec::new();
        while let Some(Ok(piece)) = pieces.next().await {
            beginning.extend_from_slice(&piece);
            if let Some(found) = Found::in_stream(&beginning) {
                return Ok((found.messages(upstream)?, found.others));
            }
            if beginning.len() > LONGEST_BEGINNING {
                break;
            }
        }
        Err(EndpointRefusal::Missing)
    };
    let (messages, others) = tokio::time::timeout(patience, reading).await.map_err(|_| Failure::Silent)??;
    parts.headers.insert(SESSION_ID, messages);
    let mut renaming = Renaming::default();
    let others = stream::once(async { Ok(Bytes::from(others)) });
    let pieces = others.chain(pieces).map(move |piece| piece.map(|piece| renaming.pass(&piece)));
    Ok(Response::from_parts(parts, Body::from_stream(pieces)))
}

/// What a message is answered with: that it was taken. Its answer comes in the stream, where the guard looks at it.
pub(super) fn taken(response: Response<Body>) -> Response<Body> {
    if !response.status().is_success() {
        return response;
    }
    let mut taken = Response::new(Body::empty());
    *taken.status_mut() = StatusCode::ACCEPTED;
    taken
}

/// Where the messages of a session go: at the server's own origin, whatever the session says.
pub(super) fn message_url(upstream: &Uri, session: &HeaderValue) -> Option<Uri> {
    let path = session.to_str().ok().filter(|path| path.starts_with('/'))?;
    let mut parts = upstream.clone().into_parts();
    parts.path_and_query = Some(path.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

fn is_plain_event_stream(response: &Response<Body>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("text/event-stream")
        && !response.headers().contains_key(header::CONTENT_ENCODING)
}

/// The first `endpoint` event of a stream.
struct Found {
    /// What it says.
    data: String,
    /// All that came with it.
    others: Vec<u8>,
}

impl Found {
    /// Finds it as soon as it is complete (WHATWG HTML, "Server-sent events").
    fn in_stream(stream: &[u8]) -> Option<Self> {
        let stream = stream.strip_prefix(BYTE_ORDER_MARK).unwrap_or(stream);
        let (mut before, mut rest) = (Vec::new(), stream);
        let (mut event, mut is_endpoint, mut data) = (Vec::new(), false, String::new());
        while let Some((line, end, after)) = next_line(rest) {
            rest = after;
            event.extend_from_slice(line);
            event.extend_from_slice(end);
            if line.is_empty() {
                if is_endpoint && !data.is_empty() {
                    return Some(Self { data, others: [&before, rest].concat() });
                }
                before.append(&mut event);
                (is_endpoint, data) = (false, String::new());
                continue;
            }
            let line = String::from_utf8_lossy(line);
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "event" => is_endpoint = value == ENDPOINT,
                "data" => data.push_str(value),
                _ => {}
            }
        }
        None
    }

    /// The path and query of the URL for messages.
    fn messages(&self, upstream: &Uri) -> Result<HeaderValue, EndpointRefusal> {
        let base = Url::parse(&upstream.to_string()).map_err(|_| EndpointRefusal::Unusable)?;
        let url = base.join(self.data.trim()).map_err(|_| EndpointRefusal::Unusable)?;
        if url.origin() != base.origin() {
            return Err(EndpointRefusal::Elsewhere(url.origin().ascii_serialization()));
        }
        let path = &url[Position::BeforePath..Position::AfterQuery];
        let is_short = path.len() <= LONGEST_MESSAGE_URL;
        HeaderValue::from_str(path).ok().filter(|_| is_short).ok_or(EndpointRefusal::Unusable)
    }
}

/// A line, what ends it, and the rest.
fn next_line(stream: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = stream.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (line, rest) = stream.split_at_checked(length)?;
    let (end, after) = rest.split_at_checked(if rest.starts_with(b"\r\n") { 2 } else { 1 })?;
    Some((line, end, after))
}

/// Takes the type `endpoint` from the events of a stream, line by line, so that nothing large is held back.
#[derive(Default)]
struct Renaming {
    /// The beginning of a line that may still name a type.
    line: Vec<u8>,
    /// The rest of the line may not.
    passes: bool,
}

impl Renaming {
    fn pass(&mut self, piece: &[u8]) -> Bytes {
        let mut passed = Vec::with_capacity(self.line.len() + piece.len());
        for part in piece.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
            let is_whole = part.ends_with(b"\n") || part.ends_with(b"\r");
            self.line.extend_from_slice(part);
            if !self.passes && names_endpoint(&self.line) && is_whole {
                passed.extend_from_slice(b"event: refused-endpoint");
                passed.extend(part.last());
                self.line.clear();
            } else if self.passes || is_whole || !may_name_type(&self.line) {
                passed.append(&mut self.line);
                self.passes = !is_whole;
            }
        }
        passed.into()
    }
}

/// Whether a line may name the type of its event, as far as it is known.
fn may_name_type(line: &[u8]) -> bool {
    line.len() <= LONGEST_TYPE && (EVENT.starts_with(line) || line.starts_with(EVENT))
}

/// Also for readers that are generous with spaces.
fn names_endpoint(line: &[u8]) -> bool {
    let value = line.strip_prefix(EVENT).and_then(|rest| rest.trim_ascii_start().strip_prefix(b":"));
    value.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(ENDPOINT.as_bytes()))
}

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const ENDPOINT: &str = "endpoint";
const EVENT: &[u8] = b"event";
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A server names the URL first, perhaps after comments.
const LONGEST_BEGINNING: usize = 64 * 1024;
/// As long as the session ids of servers may be, which the guard binds.
const LONGEST_MESSAGE_URL: usize = 1024;
/// A line that is held back beyond this names no type that anybody knows.
const LONGEST_TYPE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(stream: &str) -> Option<(String, String)> {
        let found = Found::in_stream(stream.as_bytes())?;
        Some((found.data, String::from_utf8(found.others).unwrap()))
    }

    fn messages(data: &str) -> Result<String, EndpointRefusal> {
        let found = Found { data: data.to_owned(), others: Vec::new() };
        let path = found.messages(&"https://mcp.example.com:8443/v1/sse?key=1".parse().unwrap())?;
        Ok(path.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_endpoint_is_found_however_its_stream_is_written() {
        let plain = Some(("/m?s=1".to_owned(), String::new()));
        for stream in [
            "event: endpoint\ndata: /m?s=1\n\n",
            "event:endpoint\r\ndata:/m?s=1\r\n\r\n",
            "data: /m?s=1\revent: endpoint\r\r",
            "\u{feff}event: endpoint\nid: 1\ndata: /m?s=1\n\n",
        ] {
            assert_eq!(found(stream), plain, "{stream:?}");
        }
        let (_, others) = found(": hi\n\ndata: 1\n\nevent: endpoint\ndata: /m\n\n: there").unwrap();
        assert_eq!(others, ": hi\n\ndata: 1\n\n: there");
        for none in
            ["", "event: endpoint\ndata: /m\n", "data: /m\n\n", "event: endpoint\n\n", ": endpoint\n\n"]
        {
            assert_eq!(found(none), None, "{none:?}");
        }
    }

    #[test]
    fn messages_go_to_the_servers_own_origin() {
        assert_eq!(messages("/messages/?session_id=1"), Ok("/messages/?session_id=1".to_owned()));
        assert_eq!(messages("message?s=1#f"), Ok("/v1/message?s=1".to_owned()));
        assert_eq!(messages("?s=1"), Ok("/v1/sse?s=1".to_owned()));
        assert_eq!(messages("https://MCP.example.com:8443/m"), Ok("/m".to_owned()));
        for elsewhere in [
            "https://evil.example/m",
            "//evil.example/m",
            "\\\\evil.example\\m",
            "http://mcp.example.com:8443/m",
            "https://mcp.example.com/m",
            "https://mcp.example.com:8443@evil.example/m",
            "data:text/plain,x",
        ] {
            assert!(matches!(messages(elsewhere), Err(EndpointRefusal::Elsewhere(_))), "{elsewhere}");
        }
        assert_eq!(messages("https://[/m"), Err(EndpointRefusal::Unusable));
        assert_eq!(messages(&"x".repeat(1025)), Err(EndpointRefusal::Unusable));
    }

    #[test]
    fn a_session_names_no_other_origin() {
        let upstream = "http://127.0.0.1:3000/sse".parse().unwrap();
        let url = |session: &'static str| message_url(&upstream, &HeaderValue::from_static(session));
        assert_eq!(url("/m?s=1").unwrap(), "http://127.0.0.1:3000/m?s=1");
        assert_eq!(url("//evil.example/m").unwrap().authority().unwrap(), "127.0.0.1:3000");
        for none in ["s-1", "http://evil.example/m", ""] {
            assert_eq!(url(none), None, "{none}");
        }
    }

    #[test]
    fn no_further_endpoint_passes_however_the_stream_is_cut_and_all_else_does() {
        let stream = "data: /evil\nevent: endpoint\n\nevent:endpoint\r\ndata: /evil\r\n\r\nevent : Endpoint \r\n\
                      event: message\ndata: event: endpoint\n\neventual\n: event: endpoint\n\nevent: endpoints\n\nevent";
        let passed = "data: /evil\nevent: refused-endpoint\n\nevent: refused-endpoint\r\ndata: /evil\r\n\r\n\
                      event: refused-endpoint\r\nevent: message\ndata: event: endpoint\n\neventual\n\
                      : event: endpoint\n\nevent: endpoints\n\n";
        for size in 1..=stream.len() {
            let mut renaming = Renaming::default();
            let pieces = stream.as_bytes().chunks(size).map(|piece| renaming.pass(piece));
            assert_eq!(String::from_utf8(pieces.collect::<Vec<_>>().concat()).unwrap(), passed, "{size}");
        }
    }
}
