//! A store that counts and remembers what is written, and fails as it is told.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use coatroom::protocol::words::Timestamp;
use coatroom::store::{Kind, NewRecord, Page, Portable, Record, Store, StoreError, Version};

/// The six verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Insert,
    Get,
    Replace,
    Delete,
    List,
    Purge,
}

/// How a verb fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing happened.
    Before,
    /// It happened, but the answer was lost.
    After,
    /// Nothing happens, and there is no answer either.
    Never,
}

/// Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Watched(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Box<dyn Portable>,
    writes: AtomicUsize,
    written: Mutex<Vec<String>>,
    purges: AtomicUsize,
    plan: Mutex<Vec<Planned>>,
}

#[derive(Debug)]
struct Planned {
    verb: Verb,
    /// `None` for every kind.
    kind: Option<Kind>,
    failure: Failure,
    /// Which calls fail, counted from when it was planned.
    calls: Range<usize>,
    seen: usize,
}

impl Watched {
    pub(crate) fn new(store: impl Portable + 'static) -> Self {
        Self(Arc::new(Inner {
            store: Box::new(store),
            writes: AtomicUsize::new(0),
            written: Mutex::default(),
            purges: AtomicUsize::new(0),
            plan: Mutex::default(),
        }))
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// How many purges are over.
    pub(crate) fn purges(&self) -> usize {
        self.0.purges.load(Ordering::SeqCst)
    }

    /// Every key, owner and body that was ever written.
    pub(crate) fn written(&self) -> String {
        self.0.written.lock().unwrap().join("\n")
    }

    /// Lets a verb fail on one kind of record; `calls` says which of the coming calls.
    pub(crate) fn fail(&self, verb: Verb, kind: Kind, failure: Failure, calls: Range<usize>) {
        self.0.plan.lock().unwrap().push(Planned { verb, kind: Some(kind), failure, calls, seen: 0 });
    }

    /// Lets a verb fail on everything until [`recover`](Self::recover).
    pub(crate) fn break_verb(&self, verb: Verb) {
        self.break_with(verb, Failure::Before);
    }

    pub(crate) fn break_with(&self, verb: Verb, failure: Failure) {
        let all = Planned { verb, kind: None, failure, calls: 0..usize::MAX, seen: 0 };
        self.0.plan.lock().unwrap().push(all);
    }

    pub(crate) fn recover(&self) {
        self.0.plan.lock().unwrap().clear();
    }

    /// Every live record, as a thief of the database has them.
    pub(crate) async fn dump(&self) -> Vec<Record> {
        let (mut records, mut place) = (Vec::new(), None);
        loop {
            let page = self.0.store.page(place.as_deref()).await.unwrap();
            records.extend(page.records);
            place = page.next;
            if place.is_none() {
                return records;
            }
        }
    }

    /// Puts a record back as it was read earlier, as a restored backup does.
    pub(crate) async fn restore(&self, record: Record) {
        let Record { kind, key, owner, expires_at, body, .. } = record;
        self.0.store.delete(kind, &key).await.unwrap();
        self.0.store.insert(NewRecord { kind, key, owner, expires_at, body }).await.unwrap();
    }

    fn planned(&self, verb: Verb, kind: Option<Kind>) -> Option<Failure> {
        let mut plan = self.0.plan.lock().unwrap();
        let meets =
            |planned: &&mut Planned| planned.verb == verb && (planned.kind.is_none() || planned.kind == kind);
        let planned = plan.iter_mut().find(meets)?;
        planned.seen += 1;
        planned.calls.contains(&(planned.seen - 1)).then_some(planned.failure)
    }

    fn note(&self, record: &NewRecord) {
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        let owner = record.owner.as_deref().unwrap_or_default();
        self.0.written.lock().unwrap().push(format!("{} {owner} {}", record.key, record.body));
    }

    async fn run<T: Send>(
        &self,
        verb: Verb,
        kind: Option<Kind>,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.planned(verb, kind) {
            None => work.await,
            Some(Failure::Before) => Err(StoreError::unavailable("the test says so")),
            Some(Failure::After) => {
                work.await?;
                Err(StoreError::unavailable("the test lost the answer"))
            }
            Some(Failure::Never) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for Watched {
    async fn insert(&self, record: NewRecord) -> Result<(), StoreError> {
        self.note(&record);
        self.run(Verb::Insert, Some(record.kind), self.0.store.insert(record)).await
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        let read = self.run(Verb::Get, Some(kind), self.0.store.get(kind, key)).await;
        // The answer takes its time, as that of a store far away does: whoever asks at the same time reads the same.
        tokio::task::yield_now().await;
        read
    }

    async fn replace(&self, record: NewRecord, seen: Version) -> Result<(), StoreError> {
        self.note(&record);
        self.run(Verb::Replace, Some(record.kind), self.0.store.replace(record, seen)).await
    }

    async fn delete(&self, kind: Kind, key: &str) -> Result<(), StoreError> {
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        self.run(Verb::Delete, Some(kind), self.0.store.delete(kind, key)).await
    }

    async fn list(&self, kind: Kind, owner: &str) -> Result<Vec<Record>, StoreError> {
        self.run(Verb::List, Some(kind), self.0.store.list(kind, owner)).await
    }

    async fn purge_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        let purged = self.run(Verb::Purge, None, self.0.store.purge_expired(now)).await;
        self.0.purges.fetch_add(1, Ordering::SeqCst);
        purged
    }
}

#[async_trait]
impl Portable for Watched {
    async fn page(&self, place: Option<&str>) -> Result<Page, StoreError> {
        self.0.store.page(place).await
    }

    async fn put(&self, record: Record) -> Result<(), StoreError> {
        self.0.store.put(record).await
    }
}
