//! The only place that asks the system for the time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coatroom_protocol::words::Timestamp;

/// Tells the time. Everything that depends on time takes one, so that tests can move it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time of day, in whole seconds.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment, for measuring short spans; never set back.
    fn elapsed(&self) -> Duration;

    /// The earliest that it can be: [`now`](Self::now), and for ten minutes after the clock was set forward what it would
    /// show if it had not been.
    ///
    /// What begins is stamped with `now`, and by this it is judged whether it is over. So nothing that lives for less than
    /// ten minutes ends early because the clock was set, and nothing at all because it was wrong for a moment.
    fn at_least(&self) -> Timestamp {
        self.now()
    }
}

/// The clock of the machine.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    steps: Steps,
}

impl SystemClock {
    /// A clock that starts measuring spans now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the file that asks the system")]
    pub fn new() -> Self {
        Self { started: Instant::now(), steps: Steps::default() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(time_of_day().as_secs())
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn at_least(&self) -> Timestamp {
        let before = self.elapsed();
        let time = time_of_day();
        let elapsed = self.elapsed();
        if elapsed.saturating_sub(before) > TOLERATED / 2 {
            // The machine stood still in between: the two do not belong together.
            return Timestamp::from_unix(time.as_secs());
        }
        self.steps.at_least(time, elapsed)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the file that asks the system")]
fn time_of_day() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// Notices that the clock was set, by how far the time of day is ahead of the time that passed.
#[derive(Debug, Default)]
struct Steps(Mutex<Option<Seen>>);

/// The least that was seen within [`REMEMBERED`].
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// In milliseconds; negative for a clock that shows the year 1970.
    ahead: i128,
    /// When it was seen last, by the time that passed.
    at: Duration,
    is_told: bool,
}

impl Steps {
    fn at_least(&self, time: Duration, elapsed: Duration) -> Timestamp {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = milliseconds(time) - milliseconds(elapsed);
        if let Some(least) = seen.as_mut() {
            let step = ahead - least.ahead;
            let by = Duration::from_millis(u64::try_from(step.abs()).unwrap_or(u64::MAX));
            let is_recent = elapsed.saturating_sub(least.at) < REMEMBERED;
            if step > 0 && by > TOLERATED && is_recent && time.saturating_sub(by) > UNSET {
                if !least.is_told {
                    tracing::warn!(
                        by_s = by.as_secs(),
                        "the clock was set forward: what is under way is judged by its old time for ten minutes"
                    );
                    least.is_told = true;
                }
                return Timestamp::from_unix(time.saturating_sub(by).as_secs());
            }
            if step < 0 && by > TOLERATED && !least.is_told {
                tracing::warn!(
                    by_s = by.as_secs(),
                    "the clock was set back: what is kept lives longer by that"
                );
            }
        }
        *seen = Some(Seen { ahead, at: elapsed, is_told: false });
        Timestamp::from_unix(time.as_secs())
    }
}

fn milliseconds(time: Duration) -> i128 {
    i128::try_from(time.as_millis()).unwrap_or(i128::MAX)
}

/// What a clock shows that was never set is before November 2023, and no time to judge by.
const UNSET: Duration = Duration::from_secs(1_700_000_000);

/// Longer than a code, a window or a flow lives.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Less is no step: a clock is also slewed, and two clocks are never read at once.
const TOLERATED: Duration = Duration::from_secs(2);

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    hands: Mutex<Hands>,
    steps: Steps,
}

#[derive(Debug, Clone, Copy)]
struct Hands {
    time: Duration,
    elapsed: Duration,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        let time = Duration::from_secs(now.unix());
        Self { hands: Mutex::new(Hands { time, elapsed: time }), steps: Steps::default() }
    }

    /// Moves the clock forward, as time does.
    pub fn advance(&self, span: Duration) {
        self.turn(|hands| {
            hands.time = hands.time.saturating_add(span);
            hands.elapsed = hands.elapsed.saturating_add(span);
        });
    }

    /// Sets the time of day forward, as an operator does.
    pub fn set_forward(&self, span: Duration) {
        self.turn(|hands| hands.time = hands.time.saturating_add(span));
    }

    /// Sets the time of day back.
    pub fn set_back(&self, span: Duration) {
        self.turn(|hands| hands.time = hands.time.saturating_sub(span));
    }

    fn turn(&self, turn: impl FnOnce(&mut Hands)) {
        // Somebody looks at a clock all the time.
        self.at_least();
        turn(&mut self.hands.lock().unwrap_or_else(PoisonError::into_inner));
        self.at_least();
    }

    fn hands(&self) -> Hands {
        *self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.hands().time.as_secs())
    }

    fn elapsed(&self) -> Duration {
        self.hands().elapsed
    }

    fn at_least(&self) -> Timestamp {
        let Hands { time, elapsed } = self.hands();
        self.steps.at_least(time, elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);
    const START: u64 = 1_800_000_000;

    #[test]
    fn a_clock_that_was_set_forward_is_believed_ten_minutes_later() {
        let clock = ManualClock::at(Timestamp::from_unix(START));
        clock.set_forward(HOUR);
        assert_eq!(seen(&clock), (3600, 0));
        clock.advance(Duration::from_secs(599));
        assert_eq!(seen(&clock), (4199, 599));
        clock.advance(Duration::from_secs(1));
        assert_eq!(seen(&clock), (4200, 4200));
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_moment_ends_nothing() {
        let clock = ManualClock::at(Timestamp::from_unix(START));
        clock.set_forward(HOUR * 24 * 365);
        clock.advance(MINUTE);
        assert_eq!(seen(&clock).1, 60);
        clock.set_back(HOUR * 24 * 365);
        assert_eq!(seen(&clock), (60, 60));
        clock.set_back(HOUR);
        assert_eq!(seen(&clock), (60 - 3600, 60 - 3600), "what it shows is the earliest that it can be");
        clock.advance(MINUTE);
        // What was stamped meanwhile is an hour older than it looks, and ends as late as it should.
        clock.set_forward(HOUR);
        assert_eq!(seen(&clock), (120, 120 - 3600));
        clock.advance(MINUTE * 10);
        assert_eq!(seen(&clock), (720, 720));
    }

    #[test]
    fn a_clock_that_is_slewed_is_believed_at_once() {
        let clock = ManualClock::at(Timestamp::from_unix(START));
        for _ in 0..100 {
            clock.set_forward(Duration::from_secs(1));
            assert_eq!(clock.at_least(), clock.now());
        }
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_believed() {
        let clock = ManualClock::at(Timestamp::from_unix(100));
        clock.set_forward(Duration::from_secs(START));
        assert_eq!(seen(&clock), (100, 100));
    }

    #[test]
    fn the_clock_of_the_machine_shows_one_time() {
        let clock = SystemClock::new();
        let (before, at_least, after) = (clock.now(), clock.at_least(), clock.now());
        assert!(before <= at_least && at_least <= after, "{before:?} {at_least:?} {after:?}");
    }

    /// What it shows, and the earliest that it can be, in seconds after the start.
    fn seen(clock: &ManualClock) -> (i64, i64) {
        let since = |time: Timestamp| time.unix().cast_signed() - START.cast_signed();
        (since(clock.now()), since(clock.at_least()))
    }
}
