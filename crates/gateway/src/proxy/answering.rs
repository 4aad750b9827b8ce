//! The body of an answer, with all that is held for the server until it ends.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::lanes::Slot;
use super::places::Place;
use super::pool::Leased;

/// A body as it comes in.
#[derive(Debug)]
pub(crate) struct Answering {
    body: Incoming,
    comes_by: Way,
    place: Option<Place>,
}

/// What it comes by.
#[derive(Debug)]
enum Way {
    /// A connection of HTTP/1.1, which whoever reads moves on.
    Driven(Leased),
    /// A stream of a connection of HTTP/2, which somebody else moves on.
    Stream { _slot: Slot },
    /// All of it has come.
    Ended,
}

impl Answering {
    /// The answer in an HTTP/1.1 connection.
    pub(super) fn driving(body: Incoming, connection: Leased) -> Self {
        let mut answering = Self { body, comes_by: Way::Driven(connection), place: None };
        if answering.body.is_end_stream() {
            answering.end();
        }
        answering
    }

    /// The stream of an HTTP/2 connection.
    pub(super) const fn in_slot(body: Incoming, slot: Slot) -> Self {
        Self { body, comes_by: Way::Stream { _slot: slot }, place: None }
    }

    /// A request that is under way until this ends.
    pub(super) fn at(self, mut place: Place) -> Self {
        place.begun();
        Self { place: Some(place), ..self }
    }

    /// Others may have what was held for it.
    fn end(&mut self) {
        self.place = None;
        if let Way::Driven(connection) = std::mem::replace(&mut self.comes_by, Way::Ended) {
            connection.release();
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Way::Driven(connection) = &mut self.comes_by else {
            return Pin::new(&mut self.body).poll_frame(cx);
        };
        // Nothing but the connection makes it ready, and that has to know first that more is wanted.
        let never = &mut Context::from_waker(Waker::noop());
        let polled = Pin::new(&mut self.body).poll_frame(never);
        if polled.is_ready() {
            return polled;
        }
        connection.drive(cx);
        Pin::new(&mut self.body).poll_frame(never)
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = self.poll_body(cx);
        let has_ended = match &polled {
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        if has_ended {
            self.end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
