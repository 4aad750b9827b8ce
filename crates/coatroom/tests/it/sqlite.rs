//! What the SQLite store promises beyond the contract: about its file, its commits and its failures.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coatroom::clock::{Clock, ManualClock, SystemClock};
use coatroom::protocol::words::Timestamp;
use coatroom::store::{Kind, NewRecord, SqliteStore, Store, StoreError, Version};
use rusqlite::{Connection, TransactionBehavior};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::store::manual_clock;

// === the file ===

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_a_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open();
    store.insert(record("a")).await.unwrap();
    for name in ["coatroom.db", "coatroom.db-wal", "coatroom.db-shm"] {
        let mode = fs::metadata(place.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_missing_folder_is_an_error_that_names_the_path() {
    let place = Place::new();
    let message = refusal(&place.folder.path().join("missing/coatroom.db"));
    assert!(message.contains("cannot create the database"), "{message}");
    assert!(message.contains("missing/coatroom.db"), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_is_an_error_that_names_the_path() {
    // Nobody creates files here, not even root.
    let message = refusal(Path::new("/sys/coatroom.db"));
    assert!(message.contains("cannot create the database /sys/coatroom.db"), "{message}");
    assert!(message.contains("denied"), "{message}");
}

#[test]
fn a_folder_in_the_place_of_the_file_is_an_error_that_names_the_path() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    assert!(refusal(&place.path).contains(place.path.to_str().unwrap()));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    fs::write(&place.path, "public_url = \"https://mcp.example.com\"\n".repeat(100)).unwrap();
    let before = fs::read(&place.path).unwrap();
    let message = refusal(&place.path);
    assert!(message.contains(place.path.to_str().unwrap()), "{message}");
    assert!(message.contains("file is not a database"), "{message}");
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let place = Place::new();
    place.raw().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let before = fs::read(&place.path).unwrap();
    assert!(refusal(&place.path).contains("not one of Coatroom's"));
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

#[test]
fn a_file_of_a_newer_program_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    place.raw().pragma_update(None, "user_version", 2).unwrap();
    let before = fs::read(&place.path).unwrap();
    let message = refusal(&place.path);
    assert!(message.contains("has format 2"), "{message}");
    assert!(message.contains("run a newer one, or restore a backup"), "{message}");
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

#[tokio::test]
async fn a_path_is_never_taken_for_a_special_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:x?mode=memory"] {
        let path = folder.path().join(name);
        let store = SqliteStore::open(&path, manual_clock()).unwrap();
        store.insert(record("a")).await.unwrap();
        assert!(store.get(Kind::Setting, "a").await.unwrap().is_some());
        assert!(path.is_file());
    }
}

#[tokio::test]
async fn dropping_the_store_folds_the_log_into_the_file() {
    let place = Place::new();
    let store = place.open();
    store.insert(record("a")).await.unwrap();
    assert!(store.get(Kind::Setting, "a").await.unwrap().is_some());
    assert!(place.log().is_file());
    drop(store);
    assert!(!place.log().exists());
    assert_eq!(place.count(), 1);
}

#[tokio::test]
async fn what_is_deleted_is_overwritten() {
    let place = Place::new();
    let store = place.open();
    let secret = "sealed-credential-".repeat(1000);
    store.insert(NewRecord { body: secret.clone(), ..record("deleted") }).await.unwrap();
    store.insert(NewRecord { body: secret, ..record("replaced") }).await.unwrap();
    store.delete(Kind::Setting, "deleted").await.unwrap();
    store.replace(record("replaced"), Version::FIRST).await.unwrap();
    drop(store);
    let file = fs::read(&place.path).unwrap();
    assert!(!file.windows(18).any(|bytes| bytes == b"sealed-credential-"));
}

#[tokio::test]
async fn a_purge_deletes_more_than_one_batch() {
    let (place, clock) = (Place::new(), manual_clock());
    let store = SqliteStore::open(&place.path, clock.clone()).unwrap();
    let expires_at = Some(clock.now().plus(Duration::from_secs(1)));
    let mortal = (0..1203).map(|number| NewRecord { expires_at, ..record(&format!("mortal-{number}")) });
    insert_all(&store, mortal).await;
    store.insert(record("lasting")).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.purge_expired(clock.now()).await.unwrap(), 1203);
    assert_eq!(place.count(), 1);
}

// A purge goes in steps, and writes go between them; two processes that purge at once share the work.
#[tokio::test(flavor = "multi_thread")]
async fn writers_go_on_while_two_processes_purge() {
    let (place, clock) = (Place::new(), manual_clock());
    let store = Arc::new(SqliteStore::open(&place.path, clock.clone()).unwrap());
    let other = SqliteStore::open(&place.path, clock.clone()).unwrap();
    let expires_at = Some(clock.now().plus(Duration::from_secs(1)));
    let mortal = (0..20_000).map(|number| NewRecord { expires_at, ..record(&format!("mortal-{number}")) });
    insert_all(&store, mortal).await;
    clock.advance(Duration::from_secs(1));
    let over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, over) = (Arc::clone(&store), Arc::clone(&over));
        tokio::spawn(async move {
            let mut written = 0;
            while !over.load(Ordering::Relaxed) {
                store.insert(record(&format!("lasting-{written}"))).await.unwrap();
                written += 1;
            }
            written
        })
    };
    let now = clock.now();
    let (one, two) = tokio::join!(store.purge_expired(now), other.purge_expired(now));
    over.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    assert_eq!(one.unwrap() + two.unwrap(), 20_000);
    // There were forty steps in all: nobody waited for more than a few of them.
    assert!(written >= 5, "{written} writes went through");
    assert_eq!(place.count(), written);
}

// === commits ===

#[tokio::test]
async fn writes_that_wait_are_committed_together() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let commits_before = place.commits();

    let mut blocker = place.raw();
    let lock = blocker.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&store);
        // Half of them lose, which is nothing to the others.
        tasks.spawn(async move { store.insert(record(&format!("{}", number / 2))).await });
    }
    // On this runtime each task runs until it waits for its answer; some sixty of them between two turns of this one.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    drop(lock);

    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(StoreError::Exists))));
    assert_eq!(place.count(), 100);
    // One for those that came before the writer ran into the lock, and one for all that came meanwhile.
    let commits = place.commits() - commits_before;
    assert!((1..=2).contains(&commits), "{commits} commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_crash() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            store.insert(record(&format!("{number}"))).await.unwrap();
            number
        });
    }
    let mut answered = Vec::new();
    while answered.len() < 50 {
        answered.push(tasks.join_next().await.unwrap().unwrap());
    }
    // The files as a crash leaves them at this moment, while other writes are under way: first the database, which is
    // not touched before the log is a thousand pages long, then the log, whose end may be cut in the middle of a frame.
    let crashed = Place::new();
    fs::copy(&place.path, &crashed.path).unwrap();
    fs::copy(place.log(), crashed.log()).unwrap();
    let restarted = crashed.open();
    for number in answered {
        assert!(restarted.get(Kind::Setting, &format!("{number}")).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_log_that_was_cut_short_loses_only_its_end() {
    let place = Place::new();
    let store = place.open();
    store.insert(record("first")).await.unwrap();
    let length = fs::metadata(place.log()).unwrap().len();
    store.insert(record("second")).await.unwrap();
    let crashed = Place::new();
    fs::copy(&place.path, &crashed.path).unwrap();
    let log = fs::read(place.log()).unwrap();
    fs::write(crashed.log(), &log[..usize::try_from(length).unwrap() + 1000]).unwrap();
    let restarted = crashed.open();
    assert!(restarted.get(Kind::Setting, "first").await.unwrap().is_some());
    assert!(restarted.get(Kind::Setting, "second").await.unwrap().is_none());
    restarted.insert(record("second")).await.unwrap();
}

#[tokio::test]
async fn a_store_that_was_never_closed_can_be_opened_again() {
    let place = Place::new();
    let store = place.open();
    store.insert(record("a")).await.unwrap();
    std::mem::forget(store);
    assert!(place.open().get(Kind::Setting, "a").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_can_be_opened_by_many_at_once() {
    let place = Place::new();
    let mut tasks = JoinSet::new();
    for number in 0..16 {
        let path = place.path.clone();
        tasks.spawn_blocking(move || (number, SqliteStore::open(&path, manual_clock()).unwrap()));
    }
    for (number, store) in tasks.join_all().await {
        store.insert(record(&format!("{number}"))).await.unwrap();
    }
    assert_eq!(place.count(), 16);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_the_database_is_not_kept_in_memory() {
    let place = Place::new();
    let store = place.open();
    let body = "x".repeat(8 << 10);
    let owner = Some("ann".to_owned());
    insert_all(&store, (0..16).map(|number| record(&format!("warm-{number}")))).await;
    let before = resident_kib();
    for round in 0..64 {
        let records = (0..64).map(|number| {
            let key = format!("{round}-{number}");
            NewRecord { owner: owner.clone(), body: body.clone(), ..record(&key) }
        });
        insert_all(&store, records).await;
        assert!(store.get(Kind::Setting, &format!("{round}-0")).await.unwrap().is_some());
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(fs::metadata(&place.path).unwrap().len() > 32 << 20);
    assert!(grown < 24 << 10, "{grown} KiB for a database of 32 MiB");
}

// === failures ===

#[tokio::test]
async fn a_refused_write_is_unavailable_until_its_cause_is_gone() {
    let place = Place::new();
    let store = place.open();
    place.raw().execute_batch(REFUSE_INSERTS).unwrap();
    for _ in 0..2 {
        assert!(unavailable(store.insert(record("a")).await).contains("refused"));
    }
    place.raw().execute_batch("DROP TRIGGER refuse").unwrap();
    store.insert(record("a")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_program_holds_is_unavailable_in_time_for_everybody() {
    let place = Place::new();
    let store = Arc::new(place.open());
    store.insert(record("before")).await.unwrap();
    let blocker = place.raw();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut tasks = JoinSet::new();
    // More than fit into the queue, and some that come when the first have waited for long.
    for number in 0..1200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_millis(2 * number)).await;
            let clock = SystemClock::new();
            let answer = store.insert(record(&format!("{number}"))).await;
            assert!(clock.elapsed() < Duration::from_secs(6), "{:?}", clock.elapsed());
            unavailable(answer)
        });
    }
    for message in tasks.join_all().await {
        assert!(message.contains("did not answer in time"), "{message}");
    }
    blocker.execute_batch("ROLLBACK").unwrap();
    store.insert(record("after")).await.unwrap();
    assert_eq!(place.count(), 2, "what nobody waited for any more was not written");
}

#[tokio::test]
async fn a_missing_file_is_unavailable_and_not_made_anew() {
    let place = Place::new();
    let store = place.open();
    store.insert(record("a")).await.unwrap();
    // After a failure the file is opened again.
    place.raw().execute_batch(REFUSE_INSERTS).unwrap();
    unavailable(store.insert(record("b")).await);
    place.raw().execute_batch("DROP TRIGGER refuse").unwrap();

    let away = place.folder.path().join("away.db");
    fs::rename(&place.path, &away).unwrap();
    for _ in 0..2 {
        let message = unavailable(store.insert(record("b")).await);
        assert!(message.contains("cannot open the database"), "{message}");
    }
    assert!(!place.path.exists());
    fs::rename(&away, &place.path).unwrap();
    store.insert(record("b")).await.unwrap();
    assert!(store.get(Kind::Setting, "a").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_threads_hangs_nobody() {
    let place = Place::new();
    let clock = Arc::new(FaultyClock { panics: AtomicBool::new(false), clock: manual_clock() });
    let store = SqliteStore::open(&place.path, clock.clone()).unwrap();
    store.insert(record("a")).await.unwrap();
    clock.panics.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        assert!(unavailable(store.insert(record("b")).await).contains("gave up"));
        assert!(unavailable(store.get(Kind::Setting, "a").await).contains("gave up"));
    }
    clock.panics.store(false, Ordering::SeqCst);
    assert!(store.get(Kind::Setting, "a").await.unwrap().is_some());
    store.insert(record("b")).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_disturbs_nobody() {
    let place = Place::new();
    let store = place.open();
    for number in 0..100 {
        let name = format!("{number}");
        tokio::select! {
            biased;
            _ = store.insert(record(&name)) => {}
            () = tokio::task::yield_now() => {}
        }
    }
    store.insert(record("last")).await.unwrap();
    assert!(store.get(Kind::Setting, "last").await.unwrap().is_some());
}

// === backups ===

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_private_and_made_while_the_store_is_used() {
    let place = Place::new();
    let store = Arc::new(place.open());
    insert_all(&store, (0..500).map(|number| record(&format!("{number}")))).await;
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { insert_all(&store, (500..1000).map(|number| record(&format!("{number}")))).await }
    });
    let copy = place.folder.path().join("copy.db");
    SqliteStore::back_up(&place.path, &copy).unwrap();
    writing.await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let restored = Place::new();
    SqliteStore::restore(&copy, &restored.path, false).unwrap();
    let found = restored.count();
    assert!((500..=1000).contains(&found), "{found}");
    let restored = restored.open();
    for number in 0..500 {
        assert!(restored.get(Kind::Setting, &format!("{number}")).await.unwrap().is_some());
    }
    assert_eq!(place.count(), 1000);
}

#[tokio::test]
async fn a_backup_replaces_nothing_and_invents_nothing() {
    let place = Place::new();
    let copy = place.folder.path().join("copy.db");
    let message = unavailable(SqliteStore::back_up(&place.path, &copy));
    assert!(message.contains("there is no database"), "{message}");
    assert!(!copy.exists() && !place.path.exists());
    drop(place.open());
    fs::write(&copy, "mine").unwrap();
    unavailable(SqliteStore::back_up(&place.path, &copy));
    assert_eq!(fs::read(&copy).unwrap(), b"mine");
}

#[tokio::test]
async fn a_restore_takes_the_place_of_a_store_only_when_told_and_while_nobody_uses_it() {
    let place = Place::new();
    let (copy, store) = (place.folder.path().join("copy.db"), place.open());
    store.insert(record("old")).await.unwrap();
    SqliteStore::back_up(&place.path, &copy).unwrap();
    store.insert(record("new")).await.unwrap();
    let message = unavailable(SqliteStore::restore(&copy, &place.path, false));
    assert!(message.contains("has records already"), "{message}");
    let message = unavailable(SqliteStore::restore(&copy, &place.path, true));
    assert!(message.contains("stop it first"), "{message}");
    store.insert(record("newer")).await.unwrap();
    drop(store);
    SqliteStore::restore(&copy, &place.path, true).unwrap();
    let store = place.open();
    assert!(store.get(Kind::Setting, "old").await.unwrap().is_some());
    assert!(store.get(Kind::Setting, "new").await.unwrap().is_none());
}

#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let place = Place::new();
    let (copy, store) = (place.folder.path().join("copy.db"), place.open());
    insert_all(&store, (0..200).map(|number| record(&format!("{number}")))).await;
    SqliteStore::back_up(&place.path, &copy).unwrap();
    let whole = fs::read(&copy).unwrap();
    let restored = Place::new();
    let mut damaged = whole.clone();
    damaged[4096..8192].fill(0xff);
    for bad in [damaged, whole[..whole.len() / 2].to_vec(), b"no database at all".repeat(99), Vec::new()] {
        fs::write(&copy, bad).unwrap();
        unavailable(SqliteStore::restore(&copy, &restored.path, false));
        assert!(!restored.path.exists());
    }
}

// === what the tests need ===

struct Place {
    folder: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coatroom.db");
        Self { folder, path }
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path, manual_clock()).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("coatroom.db-wal")
    }

    /// A connection of another program.
    fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn count(&self) -> i64 {
        self.raw().query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap()
    }

    /// How many commits the log holds: frames whose header says how large the database is after them
    /// (SQLite's file format, section 4.1).
    fn commits(&self) -> usize {
        let log = fs::read(self.log()).unwrap();
        let (header, frames) = log.split_at(32);
        let page = usize::try_from(u32::from_be_bytes(header[8..12].try_into().unwrap())).unwrap();
        let frames = frames.chunks_exact(24 + page);
        frames.filter(|frame| frame[8..16] == header[16..24] && frame[4..8] != [0; 4]).count()
    }
}

#[derive(Debug)]
struct FaultyClock {
    panics: AtomicBool,
    clock: Arc<ManualClock>,
}

impl Clock for FaultyClock {
    fn now(&self) -> Timestamp {
        assert!(!self.panics.load(Ordering::SeqCst), "the clock fell off the wall, as this test wants it");
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

const REFUSE_INSERTS: &str =
    "CREATE TRIGGER refuse BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'refused'); END";

fn record(key: &str) -> NewRecord {
    NewRecord {
        kind: Kind::Setting,
        key: key.to_owned(),
        owner: None,
        expires_at: None,
        body: "{}".to_owned(),
    }
}

/// The memory of the whole process, the other tests in it included.
#[cfg(target_os = "linux")]
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn insert_all(store: &SqliteStore, records: impl Iterator<Item = NewRecord>) {
    for answer in futures_util::future::join_all(records.map(|record| store.insert(record))).await {
        answer.unwrap();
    }
}

/// Why the file cannot be opened.
fn refusal(path: &Path) -> String {
    unavailable(SqliteStore::open(path, manual_clock()))
}

/// The whole chain of causes of an answer that must be `Unavailable`.
fn unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    let error = answer.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let error: &dyn std::error::Error = &error;
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
