//! How long nobody tries to connect again after it failed: a server that comes back is not met by a crowd, and callers
//! learn at once that it is gone.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The pause between attempts. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Rest {
    resting: Arc<AtomicBool>,
    /// Failures since the last success.
    failures: Arc<AtomicU32>,
    /// The last one, in words.
    reason: Arc<Mutex<String>>,
}

impl Rest {
    /// What went wrong, while it is too early to try again.
    pub(super) fn resting(&self) -> Option<String> {
        self.resting.load(Ordering::SeqCst).then(|| self.reason().clone())
    }

    /// Starts a pause, twice as long as the one before. Attempts that fail together count as one.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) {
        let causes = std::iter::successors(Some(error), |&error| error.source());
        *self.reason() = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        if self.resting.swap(true, Ordering::SeqCst) {
            return;
        }
        let failures = self.failures.fetch_add(1, Ordering::SeqCst);
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(DOUBLINGS));
        let resting = Arc::clone(&self.resting);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            resting.store(false, Ordering::SeqCst);
        });
    }

    /// Forgets the failures.
    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::SeqCst);
    }

    fn reason(&self) -> MutexGuard<'_, String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// After so many the pause stays as it is, at 1.6 s.
const DOUBLINGS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_limit_until_something_succeeds() {
        let rest = Rest::default();
        for milliseconds in [50, 100, 200, 400, 800, 1600, 1600] {
            rest.failed(&std::fmt::Error);
            rest.failed(&std::fmt::Error);
            tokio::time::sleep(Duration::from_millis(milliseconds - 1)).await;
            assert!(rest.resting().is_some(), "{milliseconds}");
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert!(rest.resting().is_none(), "{milliseconds}");
        }
        rest.succeeded();
        rest.failed(&std::fmt::Error);
        tokio::time::sleep(Duration::from_millis(51)).await;
        assert!(rest.resting().is_none());
    }
}
