use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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

    /// Reads a `NumericDate` (RFC 7519 §2), whose fractions of a second say nothing to us. `None` for anything else.
    #[must_use]
    pub fn from_numeric_date(value: &Value) -> Option<Self> {
        let whole = || {
            let number = value.as_f64().filter(|number| (0.0..LAST_DATE).contains(number))?;
            format!("{:.0}", number.floor()).parse().ok()
        };
        value.as_u64().or_else(whole).map(Self::from_unix)
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

    /// The day in UTC, in the Gregorian calendar.
    #[must_use]
    pub const fn date(self) -> Date {
        // Days since 1 March of the year 0, so that a leap day is the last of its year; 146,097 days are 400 years.
        let days = self.0 / 86_400 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400;
        Date { year: if month <= 2 { year + 1 } else { year }, month, day }
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

/// A day of the Gregorian calendar. Prints as ISO 8601 has it: `2026-11-26`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a day has no more parts")]
pub struct Date {
    /// The year.
    pub year: u64,
    /// The month, from 1 on.
    pub month: u64,
    /// The day of the month, from 1 on.
    pub day: u64,
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The year 9999, well below what a double counts exactly.
const LAST_DATE: f64 = 253_402_300_800.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (86_400, "1970-01-02"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (1_735_689_599, "2024-12-31"),
            (1_795_651_200, "2026-11-26"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Timestamp::from_unix(seconds).date().to_string(), date);
        }
    }

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
