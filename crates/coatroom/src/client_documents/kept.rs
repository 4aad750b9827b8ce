//! What was fetched, by its URL: fetched once for everybody who asks at the same time, and remembered within a bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::failure::DocumentFailure;

/// Something that was fetched, with the moment until which it is good.
#[derive(Debug)]
pub(super) struct Fresh<T> {
    pub(super) value: T,
    pub(super) life: Duration,
    /// About how many bytes remembering it takes.
    pub(super) weight: usize,
}

/// Things of one kind.
#[derive(Debug)]
pub(super) struct Kept<T> {
    entries: Mutex<HashMap<String, Arc<Entry<T>>>>,
    most_bytes: usize,
}

/// One URL.
#[derive(Debug)]
struct Entry<T> {
    state: Mutex<State<T>>,
    /// Held while a fetch is under way.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State<T> {
    good: Option<Good<T>>,
    /// Why the last fetch gave nothing; gone with the next one that does.
    failure: Option<DocumentFailure>,
    /// How many fetches in a row gave nothing.
    failures: u32,
    /// When the last fetch ended.
    ended: Option<Duration>,
    fetches: u64,
    used: Duration,
    weight: usize,
}

#[derive(Debug)]
struct Good<T> {
    value: Arc<T>,
    fetched: Duration,
    fresh_until: Duration,
}

/// How badly a new copy is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// An old copy does not do. Failures that follow each other make everybody wait, for a minute at the most.
    New,
    /// An old copy does, so that after a failure or a fetch there is no hurry.
    Better,
}

impl<T> Kept<T> {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { entries: Mutex::default(), most_bytes }
    }

    /// The last good copy, whatever its age.
    pub(super) fn last(&self, url: &str) -> Option<Arc<T>> {
        let entry = self.lock().get(url).map(Arc::clone)?;
        let state = entry.lock();
        state.good.as_ref().map(|good| Arc::clone(&good.value))
    }

    /// The last good copy, if it was fetched less than `age` ago.
    pub(super) fn recent(&self, url: &str, now: Duration, age: Duration) -> Option<Arc<T>> {
        let entry = self.lock().get(url).map(Arc::clone)?;
        let state = entry.lock();
        let good = state.good.as_ref().filter(|good| now.saturating_sub(good.fetched) < age);
        good.map(|good| Arc::clone(&good.value))
    }

    /// A copy that is still good.
    pub(super) fn fresh(&self, url: &str, now: Duration) -> Option<Arc<T>> {
        let entry = self.lock().get(url).map(Arc::clone)?;
        let mut state = entry.lock();
        state.used = now;
        state.good.as_ref().filter(|good| now < good.fresh_until).map(|good| Arc::clone(&good.value))
    }

    /// Fetches a new copy, or waits for somebody who does and shares what they get.
    pub(super) async fn fetch<F>(
        &self,
        url: &str,
        need: Need,
        clock: impl Fn() -> Duration,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, DocumentFailure>
    where
        F: Future<Output = Result<Fresh<T>, DocumentFailure>>,
    {
        let entry = self.entry(url, clock());
        let fetches = entry.lock().fetches;
        let flight = entry.flight.lock().await;
        {
            let state = entry.lock();
            if state.fetches != fetches {
                return state.outcome();
            }
            state.wait(need, clock())?;
        }
        let outcome = fetch().await;
        let now = clock();
        let outcome = {
            let mut state = entry.lock();
            state.fetches = state.fetches.wrapping_add(1);
            state.ended = Some(now);
            match outcome {
                Ok(Fresh { value, life, weight }) => {
                    state.failure = None;
                    state.failures = 0;
                    state.weight = weight;
                    let fresh_until = now.saturating_add(life);
                    state.good = Some(Good { value: Arc::new(value), fetched: now, fresh_until });
                }
                Err(failure) => {
                    state.failures = state.failures.saturating_add(1);
                    state.failure = Some(failure);
                }
            }
            state.outcome()
        };
        drop(flight);
        self.make_room(url);
        outcome
    }

    fn entry(&self, url: &str, now: Duration) -> Arc<Entry<T>> {
        let mut entries = self.lock();
        let new = || {
            Arc::new(Entry {
                state: Mutex::new(State {
                    good: None,
                    failure: None,
                    failures: 0,
                    ended: None,
                    fetches: 0,
                    used: now,
                    weight: 0,
                }),
                flight: tokio::sync::Mutex::new(()),
            })
        };
        let entry = Arc::clone(entries.entry(url.to_owned()).or_insert_with(new));
        entry.lock().used = now;
        entry
    }

    /// Forgets what was used longest ago until the rest fits; what was never good goes first.
    fn make_room(&self, kept: &str) {
        let mut entries = self.lock();
        let weigh = |(url, entry): (&String, &Arc<Entry<T>>)| entry.lock().weight + url.len() + ENTRY_BYTES;
        let mut bytes: usize = entries.iter().map(weigh).sum();
        if bytes <= self.most_bytes {
            return;
        }
        let mut order: Vec<_> = entries
            .iter()
            .filter(|(url, _)| *url != kept)
            .map(|(url, entry)| {
                let state = entry.lock();
                ((state.good.is_some(), state.used), url.clone(), state.weight + url.len() + ENTRY_BYTES)
            })
            .collect();
        order.sort();
        // Somewhat more than needed, so that not every fetch sorts them all.
        let goal = self.most_bytes / 10 * 9;
        for (_, url, weight) in order {
            if bytes <= goal {
                break;
            }
            entries.remove(&url);
            bytes = bytes.saturating_sub(weight);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry<T>>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }
}

impl<T> Entry<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// What the last fetch gave.
    fn outcome(&self) -> Result<Arc<T>, DocumentFailure> {
        match (&self.failure, &self.good) {
            (Some(failure), _) => Err(failure.clone()),
            (None, Some(good)) => Ok(Arc::clone(&good.value)),
            (None, None) => Err(DocumentFailure::Unreachable),
        }
    }

    /// Whether a fetch may begin.
    fn wait(&self, need: Need, now: Duration) -> Result<(), DocumentFailure> {
        let Some(ended) = self.ended else { return Ok(()) };
        let pause = match need {
            Need::Better => BETTER_EVERY,
            // A few at once: whoever mends a document wants to see that it works.
            Need::New => Duration::from_secs(1 << self.failures.saturating_sub(FREE_FAILURES).min(6))
                .min(LONGEST_PAUSE),
        };
        let is_free = need == Need::New && self.failures <= FREE_FAILURES;
        let left = pause.saturating_sub(now.saturating_sub(ended));
        if is_free || left.is_zero() { Ok(()) } else { Err(DocumentFailure::Busy(left)) }
    }
}

/// What an entry takes beside its value.
const ENTRY_BYTES: usize = 512;

/// How many fetches in a row may fail before the next one has to wait.
const FREE_FAILURES: u32 = 5;

const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How often a copy that does is replaced by a better one.
const BETTER_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A clock and a counter of fetches.
    #[derive(Default)]
    struct Fixture {
        kept: Option<Kept<u64>>,
        seconds: AtomicU64,
        fetches: AtomicU64,
    }

    impl Fixture {
        fn new(most_bytes: usize) -> Self {
            Self { kept: Some(Kept::new(most_bytes)), ..Self::default() }
        }

        fn kept(&self) -> &Kept<u64> {
            self.kept.as_ref().unwrap()
        }

        fn now(&self) -> Duration {
            Duration::from_secs(self.seconds.load(Ordering::SeqCst))
        }

        fn advance(&self, seconds: u64) {
            self.seconds.fetch_add(seconds, Ordering::SeqCst);
        }

        async fn fetch(&self, url: &str, need: Need, good: bool) -> Result<u64, DocumentFailure> {
            let fetch = async || {
                tokio::task::yield_now().await;
                let number = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
                let fresh = Fresh { value: number, life: Duration::from_mins(1), weight: 100 };
                if good { Ok(fresh) } else { Err(DocumentFailure::Unreachable) }
            };
            self.kept().fetch(url, need, || self.now(), fetch).await.map(|value| *value)
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_share_one_fetch() {
        let it = Fixture::new(1 << 20);
        let all = futures_util::future::join_all((0..32).map(|_| it.fetch("a", Need::New, true))).await;
        assert!(all.iter().all(|one| *one == Ok(1)));
        let failing = futures_util::future::join_all((0..32).map(|_| it.fetch("b", Need::New, false))).await;
        assert!(failing.iter().all(Result::is_err));
        assert_eq!(it.fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_copy_is_fresh_for_its_life_and_the_last_good_one_stays() {
        let it = Fixture::new(1 << 20);
        assert!(it.fetch("a", Need::New, true).await.is_ok());
        it.advance(59);
        assert!(it.kept().fresh("a", it.now()).is_some());
        it.advance(1);
        assert!(it.kept().fresh("a", it.now()).is_none());
        assert!(it.fetch("a", Need::New, false).await.is_err());
        assert_eq!(it.kept().last("a").as_deref(), Some(&1));
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered_and_failures_in_a_row_are_slowed_down() {
        let it = Fixture::new(1 << 20);
        for _ in 0..5 {
            assert_eq!(it.fetch("a", Need::New, false).await, Err(DocumentFailure::Unreachable));
        }
        assert!(it.fetch("a", Need::New, true).await.is_ok(), "good again at once");
        for _ in 0..6 {
            assert_eq!(it.fetch("a", Need::New, false).await, Err(DocumentFailure::Unreachable));
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            let Err(DocumentFailure::Busy(wait)) = it.fetch("a", Need::New, false).await else {
                panic!("no wait")
            };
            waits.push(wait.as_secs());
            it.advance(wait.as_secs());
            assert_eq!(it.fetch("a", Need::New, false).await, Err(DocumentFailure::Unreachable));
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[tokio::test]
    async fn a_better_copy_is_looked_for_twice_a_minute() {
        let it = Fixture::new(1 << 20);
        assert!(it.fetch("a", Need::Better, true).await.is_ok());
        assert_eq!(it.fetch("a", Need::Better, true).await, Err(DocumentFailure::Busy(BETTER_EVERY)));
        it.advance(30);
        assert_eq!(it.fetch("a", Need::Better, true).await, Ok(2));
    }

    #[tokio::test]
    async fn memory_is_bounded_and_what_was_never_good_is_forgotten_first() {
        let it = Fixture::new(100 * 1024);
        assert!(it.fetch("good", Need::New, true).await.is_ok());
        for number in 0..1000 {
            it.advance(1);
            let _ = it.fetch(&format!("bad {number}"), Need::New, false).await;
        }
        assert!(it.kept().len() < 200);
        assert!(it.kept().last("good").is_some());
        for number in 0..1000 {
            it.advance(1);
            assert!(it.fetch(&format!("other {number}"), Need::New, true).await.is_ok());
        }
        assert!(it.kept().len() < 200);
        assert!(it.kept().last("good").is_none(), "the longest unused goes");
    }
}
