//! Streams that are held back until their first message, so that a handler's first word can still become the guard's answer.
//!
//! The status of a stream cannot be changed once it has begun. A handler that finds the caller lacking does so before it sends
//! anything; what MCP libraries send before that has no content (MCP 2025-11-25, Streamable HTTP: the first event of a stream
//! may be empty).

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;

use super::answer::Resumed;
use super::call::{Call, GuardAnswer};
use super::ending::is_event_stream;

/// An answer as it came, a stream from its first message on, or what a handler asked the guard to answer instead.
pub(super) async fn until_first_message(
    call: &Call,
    response: Response<Body>,
) -> Result<Response<Body>, GuardAnswer> {
    if let Some(answer) = call.answer() {
        return Err(answer.clone());
    }
    if !is_event_stream(response.headers()) {
        return Ok(response);
    }
    let (parts, mut body) = response.into_parts();
    let mut held: VecDeque<Bytes> = VecDeque::new();
    let patience = tokio::time::sleep(LONGEST);
    tokio::pin!(patience);
    let mut failed = None;
    loop {
        tokio::select! {
            biased;
            () = call.noted() => {}
            frame = body.frame() => match frame {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    let has_content = has_content(&data);
                    held.push_back(data);
                    if !has_content {
                        continue;
                    }
                }
                Some(Err(error)) => failed = Some(error),
                None => {}
            },
            () = &mut patience => {}
        }
        break;
    }
    if let Some(answer) = call.answer() {
        return Err(answer.clone());
    }
    let rest =
        failed.map_or(body, |error| Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(error)])));
    Ok(Response::from_parts(parts, Body::new(Resumed { frames: held, rest })))
}

/// Whether a piece of a stream holds more than comments, ids, times and empty events.
fn has_content(piece: &[u8]) -> bool {
    piece.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        let is_silent =
            [b":".as_slice(), b"id:", b"retry:", b"event:"].iter().any(|start| line.starts_with(start));
        let is_empty = matches!(line, b"" | b"data" | b"data:" | b"data: ");
        !is_silent && !is_empty
    })
}

/// The longest that the beginning of a stream is held back.
const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_clients_would_read_is_content() {
        for silent in
            [": ping\n\n", "id: 0/0\nretry: 3000\ndata:\n\n", "", "\n", "event: message\n", "data: \r\n\r\n"]
        {
            assert!(!has_content(silent.as_bytes()), "{silent:?}");
        }
        for content in ["data: {}\n\n", "da", "data: a", "id: 1\ndata: 2\n\n", "{\"jsonrpc\""] {
            assert!(has_content(content.as_bytes()), "{content:?}");
        }
    }
}
