//! A document that a provider publishes, metadata or keys: fetched when it is first needed, then remembered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coatroom_protocol::jws::{Jws, JwsRefusal, KeySet};
use serde_json::{Map, Value};

use super::error::ProviderError;
use crate::clock::Clock;

/// A remembered document.
///
/// At most one fetch is under way; who comes meanwhile waits for it and shares its result. When a fetch fails, the last
/// good document serves on for a day: an outage of the provider's documents ends no sign-in.
#[derive(Debug)]
pub(crate) struct Document<T> {
    clock: Arc<dyn Clock>,
    state: Mutex<State<T>>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State<T> {
    good: Option<Good<T>>,
    /// How many fetches have ended.
    fetches: u64,
    /// Whether the last of them failed.
    failed: bool,
    /// When the last attempt ended that was made although a document was there.
    renewed: Option<Duration>,
}

#[derive(Debug)]
struct Good<T> {
    document: Arc<T>,
    fetched: Duration,
}

impl<T> Document<T> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State { good: None, fetches: 0, failed: false, renewed: None };
        Self { clock, state: Mutex::new(state), flight: tokio::sync::Mutex::new(()) }
    }

    /// The document, at most an hour old if the provider can be reached.
    pub(crate) async fn current<F>(&self, fetch: impl FnOnce() -> F) -> Result<Arc<T>, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let (known, fetches) = {
            let state = self.state();
            let known = state.good.as_ref().filter(|good| self.age(good.fetched) < KEPT_FOR);
            if let Some(good) = known
                && (self.age(good.fetched) < FRESH_FOR || self.renewed_lately(&state))
            {
                return Ok(Arc::clone(&good.document));
            }
            (known.map(|good| Arc::clone(&good.document)), state.fetches)
        };
        match (self.fetch_once(fetches, fetch).await, known) {
            (Ok(document), _) => Ok(document),
            (Err(error), Some(known)) => {
                tracing::warn!(reason = %error, "a provider's document could not be renewed; the last one serves on");
                Ok(known)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// A document other than `seen`, which lacked something. `None` when there is none, or when the last look was less
    /// than half a minute ago: what others send must not make us ask the provider without end. Where that look failed,
    /// nobody can tell whether there is another one.
    pub(crate) async fn newer<F>(
        &self,
        seen: &Arc<T>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Option<Arc<T>>, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let fetches = {
            let state = self.state();
            match &state.good {
                Some(good) if !Arc::ptr_eq(&good.document, seen) => {
                    return Ok(Some(Arc::clone(&good.document)));
                }
                _ if self.renewed_lately(&state) && state.failed => return Err(failed_a_moment_ago()),
                _ if self.renewed_lately(&state) => return Ok(None),
                _ => state.fetches,
            }
        };
        self.fetch_once(fetches, fetch).await.map(Some)
    }

    /// Fetches, unless a fetch has ended since `fetches` were counted: then its result is the result.
    async fn fetch_once<F>(&self, fetches: u64, fetch: impl FnOnce() -> F) -> Result<Arc<T>, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let _flight = self.flight.lock().await;
        {
            let state = self.state();
            if state.fetches != fetches {
                let good = state.good.as_ref().filter(|_| !state.failed);
                return good.map(|good| Arc::clone(&good.document)).ok_or_else(failed_a_moment_ago);
            }
        }
        let result = fetch().await.map(Arc::new);
        let now = self.clock.elapsed();
        let mut state = self.state();
        state.fetches = state.fetches.wrapping_add(1);
        state.failed = result.is_err();
        if state.good.is_some() {
            state.renewed = Some(now);
        }
        let document = result?;
        state.good = Some(Good { document: Arc::clone(&document), fetched: now });
        Ok(document)
    }

    fn renewed_lately(&self, state: &State<T>) -> bool {
        state.renewed.is_some_and(|renewed| self.age(renewed) < RENEWED_LATELY)
    }

    fn age(&self, since: Duration) -> Duration {
        self.clock.elapsed().saturating_sub(since)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Document<KeySet> {
    /// The claims of a token that one of the keys signed. A key that is not known may be new: the keys are fetched once
    /// more.
    ///
    /// # Errors
    /// The outer one when the keys cannot be had, so that nobody can tell.
    pub(crate) async fn verify<F>(
        &self,
        token: &Jws<'_>,
        fetch: impl Fn() -> F,
    ) -> Result<Result<Map<String, Value>, JwsRefusal>, ProviderError>
    where
        F: Future<Output = Result<KeySet, ProviderError>>,
    {
        let keys = self.current(&fetch).await?;
        Ok(match keys.verify(token) {
            Err(JwsRefusal::UnknownKey) => match self.newer(&keys, &fetch).await? {
                Some(newer) => newer.verify(token),
                None => Err(JwsRefusal::UnknownKey),
            },
            verified => verified,
        })
    }
}

fn failed_a_moment_ago() -> ProviderError {
    ProviderError::transient("its document could not be fetched a moment ago")
}

const FRESH_FOR: Duration = Duration::from_hours(1);
/// A key that the provider has withdrawn must not live on for ever because its document cannot be fetched.
const KEPT_FOR: Duration = Duration::from_hours(24);
const RENEWED_LATELY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use coatroom_protocol::words::Timestamp;

    use super::*;
    use crate::clock::ManualClock;

    struct Fixture {
        clock: Arc<ManualClock>,
        document: Document<u32>,
        fetches: AtomicU32,
    }

    fn fixture() -> Fixture {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_000_000)));
        Fixture { document: Document::new(clock.clone()), clock, fetches: AtomicU32::new(0) }
    }

    impl Fixture {
        async fn good(&self) -> Result<u32, ProviderError> {
            tokio::task::yield_now().await;
            Ok(self.fetches.fetch_add(1, Ordering::Relaxed) + 1)
        }

        async fn bad(&self) -> Result<u32, ProviderError> {
            tokio::task::yield_now().await;
            self.fetches.fetch_add(1, Ordering::Relaxed);
            Err(ProviderError::transient("down"))
        }

        async fn current(&self) -> Result<u32, ProviderError> {
            self.document.current(|| self.good()).await.map(|document| *document)
        }
    }

    #[tokio::test]
    async fn a_document_is_fetched_once_an_hour() {
        let it = fixture();
        assert_eq!(it.current().await, Ok(1));
        it.clock.advance(Duration::from_secs(3599));
        assert_eq!(it.current().await, Ok(1));
        it.clock.advance(Duration::from_secs(1));
        assert_eq!(it.current().await, Ok(2));
    }

    #[tokio::test]
    async fn many_who_come_at_once_share_one_fetch() {
        let it = fixture();
        let all = futures_util::future::join_all((0..16).map(|_| it.current())).await;
        assert!(all.into_iter().all(|got| got == Ok(1)));
    }

    #[tokio::test]
    async fn many_who_come_at_once_share_one_failure() {
        let it = fixture();
        let calls = (0..16).map(|_| it.document.current(|| it.bad()));
        let all = futures_util::future::join_all(calls).await;
        assert!(all.into_iter().all(|got| got.unwrap_err().is_transient()));
        assert_eq!(it.fetches.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_last_good_document_serves_through_an_outage_of_a_day() {
        let it = fixture();
        it.current().await.unwrap();
        it.clock.advance(FRESH_FOR);
        assert_eq!(it.document.current(|| it.bad()).await.map(|document| *document), Ok(1));
        // The next look comes only after a while.
        assert_eq!(it.current().await, Ok(1));
        it.clock.advance(KEPT_FOR);
        assert!(it.document.current(|| it.bad()).await.is_err());
    }

    #[tokio::test]
    async fn a_newer_document_is_looked_for_once_in_a_while() {
        let it = fixture();
        let first = it.document.current(|| it.good()).await.unwrap();
        let second = it.document.newer(&first, || it.good()).await.unwrap().unwrap();
        assert_eq!(*second, 2);
        assert_eq!(it.document.newer(&first, || it.good()).await.unwrap().as_deref(), Some(&2));
        assert_eq!(it.document.newer(&second, || it.good()).await, Ok(None));
        it.clock.advance(RENEWED_LATELY);
        assert_eq!(it.document.newer(&second, || it.good()).await.unwrap().as_deref(), Some(&3));
    }

    #[tokio::test]
    async fn a_failed_look_for_a_newer_document_says_so() {
        let it = fixture();
        let first = it.document.current(|| it.good()).await.unwrap();
        assert!(it.document.newer(&first, || it.bad()).await.unwrap_err().is_transient());
    }
}
