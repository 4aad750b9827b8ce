//! When a credential must be renewed.

use std::time::Duration;

use coatroom_protocol::words::Timestamp;

use crate::records::ConnectionRecord;

/// How a credential stands at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Good,
    /// Good, and it is time to renew it.
    EndsSoon,
    /// Over, and there is something to renew it with.
    Ended,
    /// Over for good.
    Dead,
}

/// A credential is renewed when less than max(60 s, 10 %) of its life is left; a very short one when half of it is.
pub(super) fn freshness(record: &ConnectionRecord, now: Timestamp) -> Freshness {
    if record.dead_since.is_some() {
        return Freshness::Dead;
    }
    let Some(ends_at) = record.ends_at else { return Freshness::Good };
    match (now.has_reached(ends_at), record.renewable) {
        (true, true) => Freshness::Ended,
        (true, false) => Freshness::Dead,
        (false, _) if good_until(record).is_some_and(|until| now.has_reached(until)) => Freshness::EndsSoon,
        (false, _) => Freshness::Good,
    }
}

/// Until when a credential is good without a further look; `None` is for ever.
pub(super) fn good_until(record: &ConnectionRecord) -> Option<Timestamp> {
    let ends_at = record.ends_at?;
    if !record.renewable {
        return Some(ends_at);
    }
    let life = ends_at.since(record.issued_at);
    let margin = (life / 10).max(SOONEST).min(life / 2);
    Some(record.issued_at.plus(life.saturating_sub(margin)))
}

/// The least time before the end at which a token is renewed.
const SOONEST: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::{GrantId, ProviderName, Subject};

    use super::*;

    fn record(issued_at: u64, ends_at: Option<u64>, renewable: bool) -> ConnectionRecord {
        let provider = ProviderName::parse("demo").unwrap();
        ConnectionRecord {
            grant: GrantId::from_bytes([1; 16]),
            subject: Subject { provider: provider.clone(), id: "1".to_owned() },
            provider,
            sealed: String::new(),
            issued_at: Timestamp::from_unix(issued_at),
            ends_at: ends_at.map(Timestamp::from_unix),
            renewable,
            lease: None,
            dead_since: None,
            kept_until: Timestamp::from_unix(u64::MAX),
        }
    }

    fn at(record: &ConnectionRecord, now: u64) -> Freshness {
        freshness(record, Timestamp::from_unix(now))
    }

    #[test]
    fn a_token_is_renewed_in_its_last_tenth_and_in_its_last_minute_at_the_least() {
        let hour = record(0, Some(3600), true);
        assert_eq!(at(&hour, 3239), Freshness::Good);
        assert_eq!(at(&hour, 3240), Freshness::EndsSoon);
        assert_eq!(at(&hour, 3600), Freshness::Ended);
        let short = record(0, Some(300), true);
        assert_eq!(at(&short, 239), Freshness::Good);
        assert_eq!(at(&short, 240), Freshness::EndsSoon);
        // Or it would be renewed on every call.
        let shortest = record(0, Some(60), true);
        assert_eq!(at(&shortest, 29), Freshness::Good);
        assert_eq!(at(&shortest, 30), Freshness::EndsSoon);
    }

    #[test]
    fn a_token_without_an_end_stays_good_and_one_that_cannot_be_renewed_dies_at_its_end() {
        assert_eq!(at(&record(0, None, false), u64::MAX), Freshness::Good);
        let fixed = record(0, Some(3600), false);
        assert_eq!(at(&fixed, 3599), Freshness::Good);
        assert_eq!(at(&fixed, 3600), Freshness::Dead);
    }
}
