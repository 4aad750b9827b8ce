//! How event streams end when the program does: whole, with what HTTP has for the end of an answer, and not in the middle of an event.
//!
//! A stream that a client holds open for whatever may come ends as soon as the shutdown begins: its client comes again, here or elsewhere,
//! and says which event it had last. A stream in which answers to calls are still to come may go on, and ends when the time for that is over.

use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// How far the shutdown has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none.
    #[default]
    Serving,
    /// It has begun.
    Ending,
    /// What still runs has had its time.
    Over,
}

/// What tells a stream when it has to end.
pub(super) struct Closing {
    phase: watch::Receiver<Phase>,
    /// The last bytes that passed.
    last: [u8; 3],
    /// Whether answers to calls come in it.
    has_answers: bool,
    /// Until the phase is another one.
    changed: Option<BoxFuture<'static, ()>>,
}

impl Closing {
    pub(super) fn new(phase: watch::Receiver<Phase>, has_answers: bool) -> Self {
        Self { phase, last: *b"\n\n\n", has_answers, changed: None }
    }

    /// Notes what passes.
    pub(super) fn passes(&mut self, piece: &[u8]) {
        let last = piece.get(piece.len().saturating_sub(self.last.len())..).unwrap_or_default();
        self.last.rotate_left(last.len());
        let kept = self.last.len() - last.len();
        for (place, byte) in self.last.iter_mut().skip(kept).zip(last) {
            *place = *byte;
        }
    }

    /// Whether what passed last was the end of an event.
    fn is_between(&self) -> bool {
        [b"\n\n".as_slice(), b"\n\r\n", b"\r\r"].iter().any(|end| self.last.ends_with(end))
    }

    /// Whether the stream has to end now; if not, `cx` is woken when that may have changed.
    pub(super) fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            // A change after this look wakes us.
            let phase = *self.phase.borrow_and_update();
            match phase {
                Phase::Over => return true,
                Phase::Ending if self.is_between() && !self.has_answers => return true,
                Phase::Serving | Phase::Ending => {}
            }
            let phase = &self.phase;
            let changed = self.changed.get_or_insert_with(|| {
                let mut phase = phase.clone();
                async move {
                    // Without a sender nothing is ever over.
                    if phase.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                .boxed()
            });
            if changed.poll_unpin(cx) == Poll::Pending {
                return false;
            }
            self.changed = None;
        }
    }
}
