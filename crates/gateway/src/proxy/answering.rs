//! The body of an answer, with all that is held for the server until it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::lanes::Slot;
use super::places::Place;

/// A body as it comes in.
#[derive(Debug)]
pub(crate) struct Answering {
    body: Incoming,
    _slot: Option<Slot>,
    _place: Option<Place>,
}

impl Answering {
    pub(super) const fn new(body: Incoming) -> Self {
        Self { body, _slot: None, _place: None }
    }

    /// The stream of an HTTP/2 connection.
    pub(super) const fn in_slot(body: Incoming, slot: Slot) -> Self {
        Self { body, _slot: Some(slot), _place: None }
    }

    /// A request that is under way until this ends.
    pub(super) fn at(self, mut place: Place) -> Self {
        place.begun();
        Self { _place: Some(place), ..self }
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
