//! A timer for one wait after the other, nearly all of which are over long before their time. It is set in the runtime once, and
//! looks only when it rings whether it was put off meanwhile: setting one for each wait and taking it back costs much more.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The time at which a wait is over that begins now, as the runtime's timers count it.
pub(super) fn after(patience: Duration) -> Instant {
    Instant::now() + patience
}

/// Rings at the time for which it was set last.
#[derive(Debug)]
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl Alarm {
    pub(super) fn at(at: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(at)), at }
    }

    pub(super) fn set(&mut self, at: Instant) {
        self.at = at;
        if at < self.sleep.deadline() {
            self.sleep.as_mut().reset(at);
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if self.sleep.deadline() >= self.at {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// How long it takes to ring, in milliseconds.
    async fn rings(alarm: &mut Alarm, began: Instant) -> u128 {
        poll_fn(|cx| alarm.poll(cx)).await;
        began.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_time_for_which_it_was_set_last() {
        let began = Instant::now();
        let mut alarm = Alarm::at(began + Duration::from_millis(10));
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx))).await.is_pending());
        alarm.set(began + Duration::from_millis(30));
        assert_eq!(rings(&mut alarm, began).await, 30);
        alarm.set(began + Duration::from_millis(50));
        alarm.set(began + Duration::from_millis(40));
        assert_eq!(rings(&mut alarm, began).await, 40);
        alarm.set(began + Duration::from_millis(200));
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx))).await.is_pending());
        alarm.set(began + Duration::from_millis(100));
        assert_eq!(rings(&mut alarm, began).await, 100);
    }
}
