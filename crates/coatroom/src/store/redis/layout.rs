//! Where things are: one key for each record, and one for what each owner has of a kind.

use std::time::Duration;

use coatroom_protocol::words::Timestamp;

use crate::store::Kind;

/// What the keys of all records start with.
pub(super) const RECORDS: &str = "coatroom:r:";

/// The key that holds the format of all the others.
pub(super) const FORMAT_KEY: &str = "coatroom:format";

/// The newest format that this program knows. A higher number is refused.
pub(super) const FORMAT: u64 = 1;

/// The key of a record.
pub(super) fn record_key(kind: Kind, key: &str) -> String {
    format!("{RECORDS}{kind}:{key}")
}

/// The kind and key of a record whose key is this; the error is the kind that is not known.
pub(super) fn kind_and_key(record_key: &str) -> Result<(Kind, &str), String> {
    let rest = record_key.strip_prefix(RECORDS).unwrap_or(record_key);
    let (kind, key) = rest.split_once(':').unwrap_or((rest, ""));
    Kind::parse(kind).map(|kind| (kind, key)).ok_or_else(|| kind.to_owned())
}

/// The key of the set of what an owner has.
pub(super) fn owner_key(kind: Kind, owner: &str) -> String {
    format!("coatroom:o:{kind}:{owner}")
}

/// How long the server keeps a record: a little longer than it lives, since the clock that counts is not the server's.
pub(super) fn keep(expires_at: Timestamp, now: Timestamp) -> u64 {
    expires_at.since(now).saturating_add(DRIFT).as_secs().clamp(1, LONGEST)
}

/// Until when an owner's set holds a record that ends at `expires_at`: longer than it lives, so that most replacements which
/// move its end need not touch the set.
pub(super) fn held_until(expires_at: Timestamp, now: Timestamp) -> Timestamp {
    let life = expires_at.since(now);
    expires_at.plus((life / 8).max(LEAST_HOLD))
}

/// How long that is from now on, by the clock of the set's server.
pub(super) fn hold(until: Timestamp, now: Timestamp) -> u64 {
    until.since(now).saturating_add(DRIFT).as_secs().min(LONGEST)
}

/// Clocks of servers drift apart by less.
const DRIFT: Duration = Duration::from_mins(1);

const LEAST_HOLD: Duration = Duration::from_mins(10);

/// A hundred years. The server does not count much further.
const LONGEST: u64 = 100 * 365 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_outlives_what_counts() {
        let at = Timestamp::from_unix;
        assert_eq!(keep(at(1000), at(900)), 160);
        assert_eq!(keep(at(900), at(1000)), 60);
        assert_eq!(keep(at(u64::MAX), at(0)), LONGEST);
        assert_eq!(held_until(at(1000), at(0)), at(1600));
        assert_eq!(held_until(at(80_000), at(0)), at(90_000));
        assert_eq!(hold(at(u64::MAX), at(0)), LONGEST);
    }

    #[test]
    fn a_key_names_its_kind_whatever_is_in_it() {
        for key in ["", "a", "a:b", "{a}:grant"] {
            assert_eq!(kind_and_key(&record_key(Kind::AccessToken, key)), Ok((Kind::AccessToken, key)));
        }
        assert_eq!(kind_and_key("coatroom:r:recipe:a"), Err("recipe".to_owned()));
    }
}
