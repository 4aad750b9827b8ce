//! How long a fetched document is good without asking again (RFC 9111 §4.2, within limits of our own).

use std::time::Duration;

/// The life of a document whose answer had these `Cache-Control` and `Age` headers, and whose `Expires` leaves it this long.
///
/// `Cache-Control` counts before `Expires` (RFC 9111 §5.3). What the answer says counts between [`SHORTEST_LIFE`] and `longest`; an answer that says nothing gets an hour. One
/// that forbids keeping gets the shortest life: a sign-in looks at the document more than once.
#[must_use]
pub fn document_life(
    cache_control: Option<&str>,
    age: Option<&str>,
    expires: Option<Duration>,
    longest: Duration,
) -> Duration {
    let says = cache_control.unwrap_or_default().to_ascii_lowercase();
    let mut shared = None;
    let mut own = None;
    let mut forbids = false;
    for directive in says.split(',').map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let seconds = || value.trim().trim_matches('"').parse::<u64>().ok();
        match name.trim() {
            "no-store" | "no-cache" | "private" => forbids = true,
            // One that cannot be read counts as stale (RFC 9111 §4.2.1).
            "s-maxage" => shared = Some(seconds().unwrap_or_default()),
            "max-age" => own = Some(seconds().unwrap_or_default()),
            _ => {}
        }
    }
    let age = age.and_then(|age| age.trim().parse::<u64>().ok()).unwrap_or_default();
    let said = shared.or(own).map(Duration::from_secs).or(expires);
    let life = match (forbids, said) {
        (true, _) => Duration::ZERO,
        (false, Some(said)) => said.saturating_sub(Duration::from_secs(age)),
        (false, None) => USUAL_LIFE,
    };
    life.max(SHORTEST_LIFE).min(longest.max(SHORTEST_LIFE))
}

/// The least time for which a document is good.
pub const SHORTEST_LIFE: Duration = Duration::from_mins(1);

const USUAL_LIFE: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_decide_within_our_own_limits() {
        let day = Duration::from_hours(24);
        let life =
            |control: Option<&str>, age: Option<&str>| document_life(control, age, None, day).as_secs();
        assert_eq!(life(None, None), 3600);
        assert_eq!(life(Some("public"), None), 3600);
        assert_eq!(life(Some("max-age=600"), None), 600);
        assert_eq!(life(Some("Public, Max-Age=\"600\""), None), 600);
        assert_eq!(life(Some("max-age=600"), Some("200")), 400);
        assert_eq!(life(Some("max-age=600"), Some("900")), 60);
        assert_eq!(life(Some("max-age=600, s-maxage=7200"), None), 7200);
        assert_eq!(life(Some("max-age=5"), None), 60);
        assert_eq!(life(Some("max-age=soon"), None), 60);
        assert_eq!(life(Some("no-store, max-age=600"), None), 60);
        assert_eq!(life(Some("no-cache"), None), 60);
        assert_eq!(life(Some("private, max-age=600"), None), 60);
        assert_eq!(life(Some("max-age=31536000, immutable"), None), 86400);
        assert_eq!(document_life(Some("max-age=600"), None, None, Duration::from_mins(2)).as_secs(), 120);
        let expires = |control, seconds| {
            document_life(control, None, Some(Duration::from_secs(seconds)), day).as_secs()
        };
        assert_eq!((expires(None, 600), expires(Some("public"), 0)), (600, 60));
        assert_eq!((expires(Some("max-age=600"), 0), expires(Some("no-store"), 600)), (600, 60));
    }
}
