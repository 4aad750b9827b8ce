//! Reading the bodies of calls: each up to its limit, and all together up to another, so that whoever sends many large ones slowly
//! costs others a 503 at the worst, and not the process.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the bodies of all calls may hold together.
#[derive(Debug)]
pub(super) struct Bodies {
    room: Arc<Semaphore>,
    units: usize,
    /// Whether the log knows that there was no room.
    told: AtomicBool,
}

/// What one body holds of it, given back when the request is done with.
#[derive(Debug, Clone)]
pub(super) struct Held {
    _permit: Arc<Option<OwnedSemaphorePermit>>,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyTrouble {
    /// It is over its own limit.
    TooLarge,
    /// It broke off.
    Lost,
    /// All bodies together are over theirs.
    NoRoom,
}

impl Bodies {
    pub(super) fn new(bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(units)), units, told: AtomicBool::new(false) }
    }

    fn take(&self, units: usize) -> Option<OwnedSemaphorePermit> {
        let taken = Arc::clone(&self.room).try_acquire_many_owned(u32::try_from(units).ok()?).ok();
        // Said once, until half of it is free again.
        if taken.is_none() && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("there is no room for more bodies of calls");
        } else if self.told.load(Ordering::Relaxed) && self.room.available_permits() > self.units / 2 {
            self.told.store(false, Ordering::Relaxed);
        }
        taken
    }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(
    mut body: Body,
    limit: usize,
    bodies: Option<&Bodies>,
) -> Result<(Bytes, Held), BodyTrouble> {
    let mut whole = Gathered::default();
    let mut permit: Option<OwnedSemaphorePermit> = None;
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        // Trailers say nothing to us.
        let Ok(data) = frame.map_err(|_| BodyTrouble::Lost)?.into_data() else { continue };
        let length = whole.len().saturating_add(data.len());
        if length > limit {
            return Err(BodyTrouble::TooLarge);
        }
        let units = length.div_ceil(UNIT);
        if let Some(bodies) = bodies.filter(|_| units > taken) {
            let more = bodies.take(units - taken).ok_or(BodyTrouble::NoRoom)?;
            taken = units;
            match &mut permit {
                Some(permit) => permit.merge(more),
                None => permit = Some(more),
            }
        }
        whole.add(data);
    }
    Ok((whole.into_bytes(), Held { _permit: Arc::new(permit) }))
}

/// What comes of something that is nearly always there at once, which then needs no timer; `None` when it takes longer.
pub(super) async fn within<T>(patience: Duration, coming: impl Future<Output = T>) -> Option<T> {
    let mut coming = pin!(coming);
    if let Poll::Ready(come) = poll_fn(|cx| Poll::Ready(coming.as_mut().poll(cx))).await {
        return Some(come);
    }
    tokio::time::timeout(patience, coming).await.ok()
}

/// A body as it comes in. Nearly every one comes in one piece, which is not copied.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    /// All of it, from the second piece on.
    whole: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len().max(self.whole.len())
    }

    fn add(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.whole.is_empty() {
            self.whole.extend_from_slice(&self.first);
        }
        self.whole.extend_from_slice(&piece);
    }

    fn into_bytes(self) -> Bytes {
        if self.whole.is_empty() { self.first } else { self.whole.freeze() }
    }
}

/// In bytes.
const UNIT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_in_one_piece_is_not_copied_and_one_in_several_is_whole() {
        let piece = Bytes::from(vec![b'x'; 100]);
        let (whole, _) = read(Body::from(piece.clone()), 100, None).await.unwrap();
        assert_eq!(whole.as_ptr(), piece.as_ptr());
        let pieces = ["", "a", "", "bc", "d"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let (whole, _) = read(body, 4, None).await.unwrap();
        assert_eq!(whole, "abcd");
    }

    // Several bodies share what there is, and give it back.
    #[tokio::test]
    async fn all_bodies_together_have_a_limit_too() {
        let bodies = Bodies::new(10 * UNIT);
        let body = |length: usize| {
            let chunks = vec![b'x'; length].chunks(1000).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let chunks = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
            Body::from_stream(futures_util::stream::iter(chunks))
        };
        let read = |length| read(body(length), 9 * UNIT, Some(&bodies));
        let (whole, first) = read(9 * UNIT).await.unwrap();
        assert_eq!(whole.len(), 9 * UNIT);
        assert_eq!(read(9 * UNIT + 1).await.unwrap_err(), BodyTrouble::NoRoom);
        assert!(read(UNIT).await.is_ok());
        drop(first);
        assert_eq!(read(9 * UNIT + 1).await.unwrap_err(), BodyTrouble::TooLarge);
        assert!(read(9 * UNIT).await.is_ok());
        assert_eq!(bodies.room.available_permits(), 10);
    }
}
