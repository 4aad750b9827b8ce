//! A future that is polled only when it was woken itself.
//!
//! A connection polls what answers its request whenever anything happens to the connection, and reading the request's body wakes it twice
//! more than that answer can go on. Each such poll would go through all that stands between the client and the server for nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use pin_project_lite::pin_project;

pin_project! {
    /// A future with a waker of its own.
    pub(super) struct Woken<F> {
        bell: Arc<Bell>,
        waker: Waker,
        #[pin]
        inner: F,
    }
}

/// What the future wakes.
struct Bell {
    rang: AtomicBool,
    outer: AtomicWaker,
}

impl<F> Woken<F> {
    pub(super) fn new(inner: F) -> Self {
        let bell = Arc::new(Bell { rang: AtomicBool::new(true), outer: AtomicWaker::new() });
        Self { waker: Arc::clone(&bell).into(), bell, inner }
    }
}

impl<F: Future> Future for Woken<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // Before it is looked whether it rang: whoever rings later finds the waker.
        this.bell.outer.register(cx.waker());
        if !this.bell.rang.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.inner.poll(&mut Context::from_waker(this.waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.outer.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn it_is_polled_at_first_and_then_when_it_was_woken() {
        let woken: Arc<Mutex<Option<Waker>>> = Arc::default();
        let keep = Arc::clone(&woken);
        let mut polls = 0;
        let inner = poll_fn(move |cx| {
            polls += 1;
            *keep.lock().unwrap() = Some(cx.waker().clone());
            if polls < 3 { Poll::Pending } else { Poll::Ready(polls) }
        });
        let bell = Arc::new(Bell { rang: AtomicBool::new(false), outer: AtomicWaker::new() });
        let outer: Waker = Arc::clone(&bell).into();
        let cx = &mut Context::from_waker(&outer);
        let mut future = pin!(Woken::new(inner));
        let ring = || woken.lock().unwrap().take().unwrap().wake();
        for _ in 0..5 {
            assert!(future.as_mut().poll(cx).is_pending());
        }
        assert!(!bell.rang.load(Ordering::Relaxed));
        ring();
        assert!(bell.rang.swap(false, Ordering::Relaxed), "whoever polls it is woken");
        assert!(future.as_mut().poll(cx).is_pending());
        ring();
        assert_eq!(future.as_mut().poll(cx), Poll::Ready(3));
    }
}
