//! The answer to one POST: a JSON body where there is nothing but answers, a stream of events where there is more, or where it takes long.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use coatroom::protocol::access::Era;
use coatroom::protocol::bridge::{Envelope, Kind};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tokio::sync::mpsc;

/// Where a call puts what its client is to hear.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    messages: mpsc::Sender<Said>,
    /// Whether the client takes anything but the answer.
    pub(super) streams: bool,
}

/// What the client of an [`Outbox`] gets.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: mpsc::Receiver<Said>,
    streams: bool,
    era: Era,
    /// Whether the client sent a batch, and gets one.
    is_batch: bool,
    /// How many answers there will be.
    answers: usize,
}

#[derive(Debug)]
enum Said {
    Before(String),
    Answer(String),
}

/// A call that is made again, with what its client was asked for.
#[derive(Debug)]
pub(super) struct Resumed {
    /// The request.
    pub(super) text: String,
    /// Its id, as JSON text.
    pub(super) id: String,
    pub(super) outbox: Outbox,
}

impl Outbox {
    /// For a request with these headers, of which `answers` are expected.
    pub(super) fn new(headers: &HeaderMap, era: Era, answers: usize, is_batch: bool) -> (Self, Inbox) {
        // Answers that are there at once are put in before anybody reads.
        let (sender, messages) = mpsc::channel(UNREAD.max(answers));
        let streams = takes_streams(headers);
        (Self { messages: sender, streams }, Inbox { messages, streams, era, is_batch, answers })
    }

    /// Sends something before the answer; false when the client is gone, or takes no such thing.
    pub(super) async fn say(&self, text: String) -> bool {
        self.streams && self.messages.send(Said::Before(text)).await.is_ok()
    }

    /// Sends something before the answer, if its client reads: where others would have to wait for one that does not.
    pub(super) fn say_if_room(&self, text: String) {
        if self.streams {
            // Who does not read learns of it when they ask.
            let _ = self.messages.try_send(Said::Before(text));
        }
    }

    /// Sends the answer.
    pub(super) async fn answer(&self, text: String) {
        // Nobody waits any more.
        let _ = self.messages.send(Said::Answer(text)).await;
    }

    /// Completes when the client is gone.
    pub(super) async fn closed(&self) {
        self.messages.closed().await;
    }
}

impl Inbox {
    /// The response: as soon as it is known what it will be.
    pub(super) async fn respond(mut self) -> Response<Body> {
        let mut answers = Vec::new();
        let mut patience = std::pin::pin!(tokio::time::sleep(PATIENCE));
        loop {
            let said = tokio::select! {
                said = self.messages.recv() => said,
                () = &mut patience, if self.streams => return self.stream(answers, None),
            };
            match said {
                Some(Said::Answer(text)) => answers.push(text),
                Some(Said::Before(text)) => return self.stream(answers, Some(text)),
                // A request that its client took back has no answer.
                None => return self.body(&answers),
            }
            if answers.len() == self.answers {
                return self.body(&answers);
            }
        }
    }

    fn body(&self, answers: &[String]) -> Response<Body> {
        let text = match answers {
            [] => return accepted(),
            [answer] if !self.is_batch => answer.clone(),
            several => format!("[{}]", several.join(",")),
        };
        let status = if self.era == Era::Modern { status_of(&text) } else { StatusCode::OK };
        json(status, text)
    }

    fn stream(self, answers: Vec<String>, then: Option<String>) -> Response<Body> {
        let left = self.answers.saturating_sub(answers.len());
        let ready: Vec<Said> = answers.into_iter().map(Said::Answer).chain(then.map(Said::Before)).collect();
        // What was taken counts no more.
        let events = stream::unfold(
            (ready.into_iter(), self.messages, left),
            |(mut ready, mut rest, left)| async move {
                if let Some(Said::Before(text) | Said::Answer(text)) = ready.next() {
                    return Some((event(&text), (ready, rest, left)));
                }
                if left == 0 {
                    return None;
                }
                match tokio::time::timeout(KEEP_ALIVE, rest.recv()).await {
                    Err(_) => Some((Bytes::from_static(COMMENT), (ready, rest, left))),
                    Ok(Some(Said::Before(text))) => Some((event(&text), (ready, rest, left))),
                    Ok(Some(Said::Answer(text))) => Some((event(&text), (ready, rest, left - 1))),
                    Ok(None) => None,
                }
            },
        );
        streaming(Body::from_stream(stream::StreamExt::map(events, Ok::<_, Infallible>)))
    }
}

/// The stream that a client of a session opens for what is about no request.
pub(super) fn stream_of(messages: mpsc::Receiver<String>) -> Response<Body> {
    let first = Some(Bytes::from_static(COMMENT));
    let events = stream::unfold((first, messages), |(first, mut messages)| async move {
        // The client learns at once that the stream is open.
        if let Some(first) = first {
            return Some((first, (None, messages)));
        }
        match tokio::time::timeout(KEEP_ALIVE, messages.recv()).await {
            Err(_) => Some((Bytes::from_static(COMMENT), (None, messages))),
            Ok(Some(text)) => Some((event(&text), (None, messages))),
            Ok(None) => None,
        }
    });
    streaming(Body::from_stream(stream::StreamExt::map(events, Ok::<_, Infallible>)))
}

/// What was taken, and has no answer.
pub(super) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// One message as a JSON body.
pub(super) fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether a client takes a stream of events as an answer (RFC 9110 §12.5.1).
pub(super) fn takes_streams(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds = accepted.flat_map(|value| value.split(','));
    let mut kinds = kinds.map(|kind| kind.split(';').next().unwrap_or(kind).trim());
    kinds.any(|kind| {
        ["text/event-stream", "text/*", "*/*"].iter().any(|known| kind.eq_ignore_ascii_case(known))
    })
}

fn streaming(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

fn event(text: &str) -> Bytes {
    Bytes::from(format!("event: message\ndata: {text}\n\n"))
}

/// MCP 2026-07-28, Streamable HTTP: errors that say something about the request as a whole have a status of their own.
fn status_of(answer: &str) -> StatusCode {
    // Most answers have no error, and need not be read again for that.
    if !answer.contains("\"error\"") {
        return StatusCode::OK;
    }
    let error = Envelope::read(answer).filter(|message| matches!(message.kind, Kind::Error { .. }));
    match error.and_then(|error| error.error_code()) {
        Some(-32601) => StatusCode::NOT_FOUND,
        Some(-32700 | -32600 | -32022..=-32020) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

/// What a client has not read of one answer.
const UNREAD: usize = 16;

/// How long an answer may take before its client is shown that it is on its way.
const PATIENCE: Duration = Duration::from_secs(10);

/// Proxies give up connections on which nothing comes for a minute or less.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const COMMENT: &[u8] = b": \n\n";

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn pair(era: Era, answers: usize, is_batch: bool) -> (Outbox, Inbox) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, Text/Event-Stream;q=1"));
        Outbox::new(&headers, era, answers, is_batch)
    }

    async fn read(response: Response<Body>) -> (StatusCode, String) {
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn answers_alone_are_a_body_and_anything_more_is_a_stream() {
        let (outbox, inbox) = pair(Era::Legacy, 1, false);
        outbox.answer("1".to_owned()).await;
        assert_eq!(read(inbox.respond().await).await, (StatusCode::OK, "1".to_owned()));

        let (outbox, inbox) = pair(Era::Legacy, 2, true);
        outbox.answer("1".to_owned()).await;
        outbox.answer("2".to_owned()).await;
        assert_eq!(read(inbox.respond().await).await.1, "[1,2]");

        let (outbox, inbox) = pair(Era::Legacy, 2, true);
        outbox.answer("1".to_owned()).await;
        assert!(outbox.say("between".to_owned()).await);
        outbox.answer("2".to_owned()).await;
        let text = read(inbox.respond().await).await.1;
        let events: Vec<&str> =
            text.split("\n\n").filter_map(|event| event.strip_prefix("event: message\ndata: ")).collect();
        assert_eq!(events, ["1", "between", "2"]);
    }

    #[tokio::test]
    async fn every_answer_of_a_batch_has_room_before_anybody_reads() {
        let (outbox, inbox) = pair(Era::Legacy, 100, true);
        for _ in 0..100 {
            outbox.answer("1".to_owned()).await;
        }
        assert_eq!(read(inbox.respond().await).await.1.matches('1').count(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_long_sees_that_it_does_not_wait_in_vain() {
        let (outbox, inbox) = pair(Era::Legacy, 1, false);
        let response = inbox.respond().await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut body = response.into_body();
        let comment = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(comment, COMMENT);
        outbox.answer("late".to_owned()).await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), event("late"));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn what_a_client_took_back_is_accepted_and_not_answered() {
        let (outbox, inbox) = pair(Era::Legacy, 1, false);
        drop(outbox);
        assert_eq!(read(inbox.respond().await).await, (StatusCode::ACCEPTED, String::new()));
    }

    #[tokio::test]
    async fn who_takes_json_alone_gets_the_answer_alone() {
        let (outbox, inbox) = Outbox::new(&HeaderMap::new(), Era::Modern, 1, false);
        assert!(!outbox.say("progress".to_owned()).await);
        outbox.answer(r#"{"id":1,"error":{"code":-32601}}"#.to_owned()).await;
        assert_eq!(read(inbox.respond().await).await.0, StatusCode::NOT_FOUND);
    }

    #[test]
    fn errors_about_the_request_have_a_status_on_the_modern_wire() {
        let status =
            |code: i32| status_of(&format!(r#"{{"id":1,"error":{{"code":{code},"message":"m"}}}}"#)).as_u16();
        assert_eq!(
            [-32601, -32700, -32600, -32020, -32021, -32022, -32602, -32000, 7].map(status),
            [404, 400, 400, 400, 400, 400, 200, 200, 200]
        );
        assert_eq!(status_of(r#"{"id":1,"result":{"error":{"code":-32601}}}"#), StatusCode::OK);
    }
}
