//! Event streams whose events are looked at, or whose event ids are bound to their session.
//!
//! WHATWG HTML, "Server-sent events". Each event passes as soon as it is complete, and comments at once; an event that is not
//! changed keeps its bytes. Where only a mark is looked for, what has no mark passes in the pieces in which it came. What
//! must be filtered and cannot be, ends the stream.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use coatroom_protocol::access::ListRefusal;
use http::Response;
use http::header::CONTENT_LENGTH;
use http_body::{Body as HttpBody, Frame, SizeHint};
use memchr::{memchr2, memmem};
use serde::de::IgnoredAny;

use super::answer::{AnswerRefusal, Inspection};
use super::sessions::Sessions;

/// The session whose streams these are.
pub(super) struct EventIds {
    pub(super) sessions: Arc<Sessions>,
    /// The id that the client sees.
    pub(super) session: String,
}

/// Lets an event stream through as its events may pass.
pub(super) fn watch(
    inspection: Option<Inspection>,
    ids: Option<EventIds>,
    mut response: Response<Body>,
) -> Response<Body> {
    if inspection.is_none() && ids.is_none() {
        return response;
    }
    response.headers_mut().remove(CONTENT_LENGTH);
    let events = Events { inspection, ids, block: Block::default(), is_first: true, passes: false };
    response.map(|inner| Body::new(Stream { inner, events, ended: false }))
}

/// What becomes of the events of one stream.
struct Events {
    inspection: Option<Inspection>,
    ids: Option<EventIds>,
    block: Block,
    /// Nothing has passed yet, so a byte order mark may come.
    is_first: bool,
    /// The rest of an event that is too large to be looked at.
    passes: bool,
}

/// A stream that must not go on.
struct MustEnd;

impl Events {
    /// Takes what came in, and gives what may pass now.
    fn feed(&mut self, piece: Bytes, is_last: bool) -> (Vec<Bytes>, Result<(), MustEnd>) {
        let mut passing = Vec::new();
        let stands_alone = self.block.bytes.is_empty() && !self.is_first;
        if stands_alone && (self.passes || !self.matters(&piece)) && (ends_event(&piece) || self.passes) {
            self.passes &= !ends_event(&piece);
            passing.push(piece);
            return (passing, Ok(()));
        }
        self.block.bytes.extend_from_slice(&piece);
        while let Some(event) = self.block.next(is_last) {
            passing.extend(self.settle(event));
        }
        let limit = self.inspection.as_ref().map_or(LONGEST_UNSEEN, Inspection::limit);
        if self.block.bytes.len() <= limit {
            return (passing, Ok(()));
        }
        if let Some(inspection) = self.inspection.as_ref().filter(|inspection| inspection.must_look()) {
            let error = inspection.error(AnswerRefusal::List(ListRefusal::TooLarge));
            passing.push(format!("data: {error}\n\n").into());
            return (passing, Err(MustEnd));
        }
        self.passes = true;
        passing.push(self.block.take_all());
        (passing, Ok(()))
    }

    fn matters(&self, bytes: &[u8]) -> bool {
        self.inspection.as_ref().is_some_and(|inspection| inspection.wants(bytes))
            || (self.ids.is_some() && has_id_line(bytes))
    }

    /// What a complete event, or a comment, becomes; nothing when it must not pass.
    fn settle(&mut self, event: Bytes) -> Option<Bytes> {
        let marked = std::mem::take(&mut self.is_first) && event.starts_with(BYTE_ORDER_MARK);
        if !self.matters(&event) {
            return Some(event);
        }
        let lines =
            lines_of(if marked { event.get(BYTE_ORDER_MARK.len()..).unwrap_or_default() } else { &event });
        let data = match self.look(&lines) {
            Ok(data) => data,
            Err(NotForAnybody) => return None,
        };
        let ids = self.ids.as_ref();
        let mut data = data.as_deref();
        let mut written = Vec::with_capacity(event.len());
        let replaces = data.is_some();
        let mut changed = replaces;
        for line in &lines {
            match (line.field(), data, ids) {
                (Some(("data", _)), Some(text), _) => {
                    for part in text.split('\n') {
                        written.extend_from_slice(b"data: ");
                        written.extend_from_slice(part.as_bytes());
                        written.push(b'\n');
                    }
                    data = None;
                }
                (Some(("data", _)), None, _) if replaces => {}
                (Some(("id", id)), _, Some(ids)) if !id.is_empty() && !id.contains('\0') => {
                    let bound = ids.sessions.bind_event(&ids.session, id);
                    written.extend_from_slice(format!("id: {bound}\n").as_bytes());
                    changed = true;
                }
                _ => written.extend_from_slice(line.whole),
            }
        }
        Some(if changed { written.into() } else { event })
    }

    /// Looks at the data of an event; what it is to be replaced with, if anything.
    fn look(&self, lines: &[Line<'_>]) -> Result<Option<String>, NotForAnybody> {
        let Some(inspection) = &self.inspection else { return Ok(None) };
        let mut data: Option<Cow<'_, str>> = None;
        for line in lines {
            let Some(("data", value)) = line.field() else {
                if line.is_unclear && inspection.must_look() {
                    return Err(NotForAnybody);
                }
                continue;
            };
            data = Some(match data {
                None => Cow::Borrowed(value),
                Some(data) => Cow::Owned(format!("{data}\n{value}")),
            });
        }
        let Some(data) = data.filter(|data| !data.is_empty()) else { return Ok(None) };
        match inspection.look(&data) {
            Ok(changed) => Ok(changed),
            // No client reads a message in it either; servers send such pings.
            Err(_) if serde_json::from_str::<IgnoredAny>(&data).is_err() => Err(NotForAnybody),
            Err(refusal) => Ok(Some(inspection.error(refusal))),
        }
    }
}

/// An event that cannot be read where everything must be.
struct NotForAnybody;

/// The bytes of an event that is not complete yet.
#[derive(Default)]
struct Block {
    bytes: BytesMut,
    /// Where its last, unfinished line begins.
    line: usize,
    /// Up to where no end of that line was found.
    searched: usize,
    /// Whether the line before ended with a lone carriage return.
    bare: bool,
    /// Whether there is more in it than comments.
    has_fields: bool,
}

impl Block {
    /// The next complete event, or the comments before it; at the end of the stream, whatever is left.
    fn next(&mut self, is_last: bool) -> Option<Bytes> {
        while let Some((content, end, bare)) = self.next_line(is_last) {
            let line = self.bytes.get(self.line..content).unwrap_or_default();
            let is_comment = line.starts_with(b":") && !self.has_fields;
            if line.is_empty() || is_comment {
                let event = self.bytes.split_to(end).freeze();
                *self = Self { bytes: std::mem::take(&mut self.bytes), bare, ..Self::default() };
                return Some(event);
            }
            self.has_fields |= !line.starts_with(b":");
            (self.line, self.searched, self.bare) = (end, end, bare);
        }
        (is_last && !self.bytes.is_empty()).then(|| self.take_all())
    }

    /// Where the content of the next line ends, where the line ends, and whether with a lone carriage return.
    fn next_line(&mut self, is_last: bool) -> Option<(usize, usize, bool)> {
        let rest = self.bytes.get(self.searched..)?;
        let Some(found) = memchr2(b'\r', b'\n', rest) else {
            self.searched = self.bytes.len();
            return None;
        };
        let at = self.searched + found;
        let after = self.bytes.get(at + 1);
        if self.bytes.get(at) == Some(&b'\n') {
            return Some((at, at + 1, false));
        }
        match after {
            Some(b'\n') => Some((at, at + 2, false)),
            Some(_) => Some((at, at + 1, true)),
            // A line feed may follow, unless this stream does not use them.
            None if is_last || (self.bare && at == self.line) => Some((at, at + 1, true)),
            None => {
                self.searched = at;
                None
            }
        }
    }

    fn take_all(&mut self) -> Bytes {
        std::mem::take(self).bytes.freeze()
    }
}

/// A line of an event, with and without what ends it.
struct Line<'a> {
    whole: &'a [u8],
    text: &'a str,
    /// It is not UTF-8, so clients read something else than what stands there.
    is_unclear: bool,
}

impl<'a> Line<'a> {
    /// The name and value of a field; `None` for comments, blank lines and what cannot be read.
    fn field(&self) -> Option<(&'a str, &'a str)> {
        if self.text.is_empty() || self.text.starts_with(':') {
            return None;
        }
        let (name, value) = self.text.split_once(':').unwrap_or((self.text, ""));
        Some((name, value.strip_prefix(' ').unwrap_or(value)))
    }
}

fn lines_of(event: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut rest = event;
    while !rest.is_empty() {
        let content = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let is_pair = rest.get(content..).is_some_and(|end| end.starts_with(b"\r\n"));
        let end = (content + if is_pair { 2 } else { 1 }).min(rest.len());
        let (whole, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let text = std::str::from_utf8(whole.get(..content).unwrap_or_default());
        lines.push(Line { whole, text: text.unwrap_or(""), is_unclear: text.is_err() });
        rest = after;
    }
    lines
}

fn ends_event(piece: &[u8]) -> bool {
    [b"\n\n".as_slice(), b"\r\n\r\n", b"\r\r"].iter().any(|end| piece.ends_with(end))
}

fn has_id_line(bytes: &[u8]) -> bool {
    bytes.starts_with(b"id")
        || bytes.starts_with(BYTE_ORDER_MARK)
        || [b"\nid".as_slice(), b"\rid"].iter().any(|start| memmem::find(bytes, start).is_some())
}

/// The body of such a stream.
struct Stream {
    inner: Body,
    events: Events,
    ended: bool,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while !self.ended {
            let polled = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
            let (piece, is_last) = match polled.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(piece))) => (piece, false),
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => (Bytes::new(), true),
            };
            let (mut passing, outcome) = self.events.feed(piece, is_last);
            if is_last || outcome.is_err() {
                self.ended = true;
                self.inner = Body::empty();
            }
            let passed = match (passing.pop(), passing.is_empty()) {
                (Some(only), true) => only,
                (Some(last), false) => {
                    passing.push(last);
                    passing.concat().into()
                }
                (None, _) => continue,
            };
            if !passed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passed))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An event whose id alone matters is not held beyond this.
const LONGEST_UNSEEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_does_not_matter_passes_byte_for_byte_however_it_is_cut(
            stream in proptest::collection::vec(proptest::sample::select(b"\r\n:a id\xff".to_vec()), 0..60),
            cuts in proptest::collection::vec(1_usize..6, 1..60),
        ) {
            let mut events =
                Events { inspection: None, ids: None, block: Block::default(), is_first: true, passes: false };
            let (mut rest, mut passed) = (stream.as_slice(), Vec::new());
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                rest = after;
                passed.extend(events.feed(Bytes::copy_from_slice(piece), false).0.concat());
            }
            passed.extend(events.feed(Bytes::copy_from_slice(rest), false).0.concat());
            passed.extend(events.feed(Bytes::new(), true).0.concat());
            prop_assert_eq!(passed, stream);
        }
    }
}
