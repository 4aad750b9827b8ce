use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: whole seconds since 1970-01-01 UTC.
///
/// Rules take one as `now`; nothing in this crate asks a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time `seconds` after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// The time `span` later. Stops at the largest representable time instead of wrapping.
    #[must_use]
    pub const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// The time that passed since `earlier`; zero when a clock was set back in between.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// Whether a thing that expires at `expires_at` is expired now.
    ///
    /// A thing whose expiry equals now is expired (RFC 7519 §4.1.4, "on or after"). Every expiry in this project is
    /// decided by this one function.
    #[must_use]
    pub const fn has_reached(self, expires_at: Self) -> bool {
        self.0 >= expires_at.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_expired_in_the_second_of_its_expiry() {
        let expiry = Timestamp::from_unix(100);
        assert!(!Timestamp::from_unix(99).has_reached(expiry));
        assert!(Timestamp::from_unix(100).has_reached(expiry));
        assert!(Timestamp::from_unix(101).has_reached(expiry));
    }

    #[test]
    fn elapsed_time_is_never_negative() {
        let later = Timestamp::from_unix(100);
        assert_eq!(Timestamp::from_unix(50).since(later), Duration::ZERO);
        assert_eq!(later.since(Timestamp::from_unix(50)), Duration::from_secs(50));
    }

    #[test]
    fn adding_stops_at_the_end_of_time() {
        let end = Timestamp::from_unix(u64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
    }
}
