//! The only place that asks the system for the time.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coatroom_protocol::words::Timestamp;

/// Tells the time. Everything that depends on time takes one, so that tests can move it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time of day, in whole seconds.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment, for measuring short spans; never set back.
    fn elapsed(&self) -> Duration;
}

/// The clock of the machine.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock that starts measuring spans now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the file that asks the system")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the file that asks the system")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_unix(since_epoch.as_secs())
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    time: Mutex<Duration>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { time: Mutex::new(Duration::from_secs(now.unix())) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        let mut time = self.time.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *time = time.saturating_add(span);
    }

    fn time(&self) -> Duration {
        *self.time.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.time().as_secs())
    }

    fn elapsed(&self) -> Duration {
        self.time()
    }
}
