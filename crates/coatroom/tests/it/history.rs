//! What a store may never do, whatever happens to its server: lose a write that it answered, or let two win one race.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coatroom::clock::{Clock as _, SystemClock};
use coatroom::store::{Kind, NewRecord, Store, StoreError, Version};
use tokio::task::JoinSet;

/// Writers that go on until they are told to stop, and what they were told.
pub(crate) struct History {
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    writers: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// The keys whose insert was answered.
    inserted: Mutex<Vec<String>>,
    /// The versions of the contested record whose replacement was answered, and with which body.
    replaced: Mutex<Vec<(u64, String)>>,
    /// The keys whose deletion was answered, and that nobody writes again.
    deleted: Mutex<Vec<String>>,
}

impl History {
    /// Starts writers that insert and delete records of their own, and contest one that they share.
    pub(crate) async fn begin(store: Arc<dyn Store>) -> Self {
        store.insert(record(CONTESTED, "begin")).await.unwrap();
        let shared = Arc::<Shared>::default();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, shared) = (Arc::clone(&store), Arc::clone(&shared));
            writers.spawn(async move {
                let mut round = 0;
                while !shared.is_over.load(Ordering::SeqCst) {
                    round += 1;
                    write(store.as_ref(), &shared, &format!("{writer}-{round}")).await;
                }
            });
        }
        Self { store, shared, writers }
    }

    /// How many inserts were answered so far.
    pub(crate) fn answered(&self) -> usize {
        self.shared.inserted.lock().unwrap().len()
    }

    /// Waits until some more writes are answered.
    pub(crate) async fn goes_on(&self) {
        let (before, began) = (self.answered(), SystemClock::new());
        while self.answered() < before + 20 {
            assert!(began.elapsed() < Duration::from_mins(1), "the store does not recover");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops the writers, and compares what they were told with what is there.
    pub(crate) async fn end(mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        while let Some(writer) = self.writers.join_next().await {
            writer.unwrap();
        }
        let inserted = self.shared.inserted.lock().unwrap().clone();
        for key in &inserted {
            let found = self.store.get(Kind::Setting, key).await.unwrap();
            assert!(found.is_some(), "the insert of {key} was answered, and it is gone");
        }
        let deleted = self.shared.deleted.lock().unwrap().clone();
        for key in &deleted {
            let found = self.store.get(Kind::Setting, key).await.unwrap();
            assert!(found.is_none(), "the deletion of {key} was answered, and it is there");
        }
        let listed = self.store.list(Kind::Setting, OWNER).await.unwrap();
        for key in &inserted {
            assert!(listed.iter().any(|record| record.key == *key), "{key} is in no list");
        }
        let mut replaced = self.shared.replaced.lock().unwrap().clone();
        replaced.sort_unstable();
        for pair in replaced.windows(2) {
            assert_ne!(pair[0].0, pair[1].0, "two replaced the same version: {pair:?}");
        }
        let last = self.store.get(Kind::Setting, CONTESTED).await.unwrap().unwrap();
        let (seen, body) = replaced.last().expect("nobody replaced anything");
        assert!(
            last.version.number() > *seen,
            "the replacement of version {seen} was answered, and it is gone"
        );
        assert!(
            last.version.number() > seen + 1 || last.body == *body,
            "another body than the one that was answered"
        );
    }
}

async fn write(store: &dyn Store, shared: &Shared, name: &str) {
    let key = format!("mine-{name}");
    let insert = timed(store.insert(record(&key, "mine"))).await;
    // Nobody else uses this key, and no write is tried twice: it can exist for no other reason than that it was written.
    assert!(!matches!(insert, Err(StoreError::Exists)), "{key} was written twice");
    if insert.is_ok() {
        shared.inserted.lock().unwrap().push(key);
    }
    let gone = format!("gone-{name}");
    if timed(store.insert(record(&gone, "gone"))).await.is_ok()
        && timed(store.delete(Kind::Setting, &gone)).await.is_ok()
    {
        shared.deleted.lock().unwrap().push(gone);
    }
    let seen = match timed(store.get(Kind::Setting, CONTESTED)).await {
        Ok(Some(found)) => found.version,
        Ok(None) => panic!("the contested record is gone"),
        Err(_) => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            return;
        }
    };
    if timed(store.replace(record(CONTESTED, name), seen)).await.is_ok() {
        shared.replaced.lock().unwrap().push((seen.number(), name.to_owned()));
    }
}

/// Every answer comes within five seconds and a little.
async fn timed<T>(verb: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let began = SystemClock::new();
    let answer = verb.await;
    assert!(began.elapsed() < Duration::from_secs(6), "an answer took {:?}", began.elapsed());
    answer
}

/// A store that was told nothing must not answer that it knows. The verb is tried until the store is back.
pub(crate) async fn recovers(store: &dyn Store, key: &str) {
    let began = SystemClock::new();
    loop {
        match timed(store.insert(record(key, "back"))).await {
            Ok(()) | Err(StoreError::Exists) => return,
            Err(StoreError::Unavailable(_)) => {
                assert!(began.elapsed() < Duration::from_secs(30), "it does not recover");
            }
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asserts that every verb is unavailable, within the time that a caller waits.
pub(crate) async fn is_unavailable(store: &dyn Store) {
    let (insert, get, replace, delete, list) = tokio::join!(
        timed(store.insert(record("unavailable", ""))),
        timed(store.get(Kind::Setting, "unavailable")),
        timed(store.replace(record("unavailable", ""), Version::FIRST)),
        timed(store.delete(Kind::Setting, "unavailable")),
        timed(store.list(Kind::Setting, OWNER)),
    );
    let (get, list) = (get.map(drop), list.map(drop));
    for (verb, answer) in
        [("insert", insert), ("get", get), ("replace", replace), ("delete", delete), ("list", list)]
    {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{verb}: {answer:?}");
    }
}

/// Asserts that writing is unavailable, and returns the whole chain of causes.
pub(crate) async fn refuses_writes(store: &dyn Store) -> String {
    causes(&timed(store.insert(record("refused", ""))).await.unwrap_err())
}

/// The whole chain of causes of an outage.
pub(crate) fn causes(error: &StoreError) -> String {
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let error: &dyn std::error::Error = error;
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

pub(crate) fn record(key: &str, body: &str) -> NewRecord {
    NewRecord {
        kind: Kind::Setting,
        key: key.to_owned(),
        owner: Some(OWNER.to_owned()),
        expires_at: None,
        body: body.to_owned(),
    }
}

const OWNER: &str = "history";
const CONTESTED: &str = "contested";
const WRITERS: u64 = 8;
