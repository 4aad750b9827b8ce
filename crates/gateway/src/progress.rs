//! How far long work has come, told to whoever waits for it.

use std::sync::Arc;
use std::time::Duration;

use coatroom::clock::Clock;

use crate::terminal;

/// Tells every few seconds how much was done. Quick work is never mentioned.
pub(crate) struct Progress {
    clock: Arc<dyn Clock>,
    told_at: Duration,
    what: String,
}

impl Progress {
    /// `what` follows the number.
    pub(crate) fn new(clock: Arc<dyn Clock>, what: &str) -> Self {
        let told_at = clock.elapsed();
        Self { clock, told_at, what: what.to_owned() }
    }

    /// Tells that `done` are done, if it is time again. What a command prints is not mixed with it: it goes to stderr.
    pub(crate) fn tell(&mut self, done: u64) {
        let now = self.clock.elapsed();
        if now.saturating_sub(self.told_at) >= EVERY {
            self.told_at = now;
            terminal::complain(format_args!("{done} {} ...", self.what));
        }
    }
}

const EVERY: Duration = Duration::from_secs(2);
