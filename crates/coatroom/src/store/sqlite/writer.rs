//! The one thread that writes: it commits together what waits together, and answers when the commit is on the disk.
//!
//! The thread outlives every failure. A commit that fails, or panics, is answered with `Unavailable` to all its writes,
//! and the next one starts on a fresh connection.
//!
//! Nobody waits for longer than their own patience, however many wait before them: while another program holds the lock,
//! the thread keeps trying for as long as somebody waits, and writes nothing for those who have left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::file::{BUSY_PAUSE, DatabaseFile};
use super::trouble::Trouble;
use super::verbs::Write;
use crate::clock::Clock;
use crate::store::{PATIENCE, StoreError};

/// The near end of the queue to the thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    file: Arc<DatabaseFile>,
    queue: Option<mpsc::Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the connection that writes, and starts the thread.
    pub(super) fn start(file: Arc<DatabaseFile>, clock: Arc<dyn Clock>) -> Result<Self, Trouble> {
        let connection = Some(file.writer()?);
        let (queue, waiting) = mpsc::channel(QUEUE);
        let scribe = Scribe { file: Arc::clone(&file), clock, connection };
        let thread = file.thread(move || scribe.work(waiting))?;
        Ok(Self { file, queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a write, and waits until it is durable or refused.
    pub(super) async fn write(&self, write: Write) -> Result<u64, StoreError> {
        let path = || self.file.path().to_owned();
        let written = timeout(PATIENCE, self.queue_and_wait(write)).await;
        written.unwrap_or_else(|_| Err(Trouble::Slow { path: path() }.into()))
    }

    async fn queue_and_wait(&self, write: Write) -> Result<u64, StoreError> {
        let unanswered = || Trouble::Unanswered { path: self.file.path().to_owned() };
        let queue = self.queue.as_ref().ok_or_else(unanswered)?;
        let (answer, answered) = oneshot::channel();
        queue.send(Waiting { write, answer }).await.map_err(|_| unanswered())?;
        answered.await.unwrap_or_else(|_| Err(unanswered().into()))
    }
}

impl Drop for Writer {
    /// Lets the thread finish what is queued, and waits until it has closed the file.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It catches its panics; there is nothing to pass on.
            drop(thread.join());
        }
    }
}

/// A write, and who waits for its answer.
#[derive(Debug)]
struct Waiting {
    write: Write,
    answer: oneshot::Sender<Answer>,
}

impl Waiting {
    /// Whether the caller has left.
    fn is_over(&self) -> bool {
        self.answer.is_closed()
    }
}

type Answer = Result<u64, StoreError>;

/// The far end of the queue.
#[derive(Debug)]
struct Scribe {
    file: Arc<DatabaseFile>,
    clock: Arc<dyn Clock>,
    /// None after a failure.
    connection: Option<Connection>,
}

impl Scribe {
    fn work(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::new();
        let mut last = Commit::default();
        while queue.blocking_recv_many(&mut batch, QUEUE) > 0 {
            let pause = last.pause_before(batch.len());
            gather(&mut queue, &mut batch, pause);
            let batch = std::mem::take(&mut batch);
            let (writes, began) = (batch.len(), self.clock.elapsed());
            // A panic drops the batch, and its callers learn that nobody will answer.
            drop(catch_unwind(AssertUnwindSafe(|| self.serve(batch))));
            last = Commit { writes, took: self.clock.elapsed().saturating_sub(began) };
        }
    }

    fn serve(&mut self, batch: Vec<Waiting>) {
        let answers = self.commit(&batch).unwrap_or_else(|trouble| {
            let trouble = Arc::new(trouble);
            batch.iter().map(|_| Err(Arc::clone(&trouble).into())).collect()
        });
        for (waiting, answer) in batch.into_iter().zip(answers) {
            // A caller that no longer waits is not told.
            drop(waiting.answer.send(answer));
        }
    }

    /// Does all the writes that somebody waits for, or none. The answers are in the order of the writes.
    fn commit(&mut self, batch: &[Waiting]) -> Result<Vec<Answer>, Trouble> {
        // Taken out, so that a connection on which something failed or panicked is never used again.
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.file.writer()?,
        };
        let answers = self
            .transact(&connection, batch)
            .map_err(|source| Trouble::Write { path: self.file.path().to_owned(), source })?;
        self.connection = Some(connection);
        Ok(answers)
    }

    fn transact(&self, connection: &Connection, batch: &[Waiting]) -> rusqlite::Result<Vec<Answer>> {
        let transaction = begin(connection, batch)?;
        let now = self.clock.at_least();
        let answer = |waiting: &Waiting| {
            if waiting.is_over() {
                // Who left was told that it is not known whether it was written. Then it had better not be.
                return Ok(Err(Trouble::Unanswered { path: self.file.path().to_owned() }.into()));
            }
            waiting.write.apply(&transaction, now)
        };
        let answers = batch.iter().map(answer).collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok(answers)
    }
}

/// What the last commit was like.
#[derive(Debug, Default)]
struct Commit {
    writes: usize,
    took: Duration,
}

impl Commit {
    /// How long to wait for company before the next one.
    ///
    /// Callers that were just answered write again a moment later. Without a pause the first of them would be committed alone, and
    /// the rest would wait for that and then for their own: half as many in each commit, and everybody waits for two.
    fn pause_before(&self, waiting: usize) -> Duration {
        let is_worth_it = waiting < self.writes && self.took >= SLOW_COMMIT;
        if is_worth_it { (self.took / 4).min(LONGEST_PAUSE) } else { Duration::ZERO }
    }
}

/// Adds what comes during the pause, and no more than may be committed together.
fn gather(queue: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>, pause: Duration) {
    if pause.is_zero() {
        return;
    }
    thread::sleep(pause);
    while batch.len() < QUEUE {
        let Ok(waiting) = queue.try_recv() else { return };
        batch.push(waiting);
    }
}

/// Begins a transaction as soon as no other process holds the lock.
fn begin<'a>(connection: &'a Connection, batch: &[Waiting]) -> rusqlite::Result<Transaction<'a>> {
    // Not left to SQLite, which would be as patient for the last caller as for the first.
    connection.busy_timeout(Duration::ZERO)?;
    loop {
        // Immediate: what is read to compare stays true until it is swapped, also for other processes.
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && !batch.iter().all(Waiting::is_over) =>
            {
                thread::sleep(BUSY_PAUSE);
            }
            begun => return begun,
        }
    }
}

/// How many writes may wait, and how many are committed together at most.
const QUEUE: usize = 512;

/// From when on a commit is slow enough for a pause, which itself takes at least a twentieth of this.
const SLOW_COMMIT: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use coatroom_protocol::words::Timestamp;

    use super::super::verbs;
    use super::*;
    use crate::clock::ManualClock;
    use crate::store::{Kind, NewRecord, Synchronous};

    #[test]
    fn a_full_disk_fails_the_whole_commit_until_there_is_space() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        limit_pages(&scribe, 10);
        let batch = || [insert("small", 10), insert("large", 100_000)];
        let trouble = commit(&mut scribe, batch()).unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Write { source, .. } if source.to_string().contains("full")),
            "{trouble}"
        );
        assert!(!is_there(&scribe, "small"));
        let answers = commit(&mut scribe, batch()).unwrap();
        assert!(answers.iter().all(Result::is_ok));
        assert!(is_there(&scribe, "small") && is_there(&scribe, "large"));
    }

    #[test]
    fn a_file_that_turns_read_only_fails_the_commit_until_it_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        scribe.connection.as_ref().unwrap().pragma_update(None, "query_only", true).unwrap();
        assert!(matches!(commit(&mut scribe, [insert("a", 10)]), Err(Trouble::Write { .. })));
        assert!(commit(&mut scribe, [insert("a", 10)]).unwrap().iter().all(Result::is_ok));
    }

    #[test]
    fn a_locked_file_fails_the_commit_until_it_is_unlocked() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        let mut other = scribe.file.writer().unwrap();
        let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let (answer, answered) = oneshot::channel();
        let caller = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(answered);
        });
        let trouble = scribe.commit(&[Waiting { write: insert("a", 10), answer }]).unwrap_err();
        caller.join().unwrap();
        let Trouble::Write { source, .. } = trouble else { panic!("{trouble}") };
        assert_eq!(source.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        assert!(!is_there(&scribe, "a"), "readers wait for nobody");
        drop(lock);
        assert!(commit(&mut scribe, [insert("a", 10)]).unwrap().iter().all(Result::is_ok));
        assert!(is_there(&scribe, "a"));
    }

    #[test]
    fn each_write_of_a_commit_has_its_own_answer() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        let missing = Write::Delete(Kind::Setting, "missing".to_owned());
        let batch = [insert("a", 10), insert("a", 10), missing, insert("b", 10)];
        let answers = commit(&mut scribe, batch).unwrap();
        assert!(matches!(answers.as_slice(), [Ok(1), Err(StoreError::Exists), Ok(0), Ok(1)]), "{answers:?}");
    }

    #[test]
    fn all_writes_of_a_failed_commit_are_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        limit_pages(&scribe, 10);
        let (batch, answers): (Vec<_>, Vec<_>) =
            [10, 100_000, 20].map(|size| waiting(insert(&size.to_string(), size))).into_iter().unzip();
        scribe.serve(batch);
        for mut answer in answers {
            assert!(matches!(answer.try_recv(), Ok(Err(StoreError::Unavailable(_)))));
        }
    }

    #[test]
    fn nothing_is_written_for_who_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let mut scribe = scribe(folder.path());
        let (stays, answered) = waiting(insert("stays", 10));
        let (left, _) = waiting(insert("left", 10));
        scribe.serve(vec![stays, left]);
        assert!(matches!(answered.blocking_recv(), Ok(Ok(1))));
        assert!(is_there(&scribe, "stays") && !is_there(&scribe, "left"));
    }

    #[test]
    fn who_comes_back_at_once_is_waited_for_and_nobody_else() {
        let last = |writes, millis| Commit { writes, took: Duration::from_millis(millis) };
        assert_eq!(last(64, 4).pause_before(1), Duration::from_millis(1));
        assert_eq!(last(64, 4).pause_before(64), Duration::ZERO, "everybody is there");
        assert_eq!(last(1, 4).pause_before(1), Duration::ZERO, "nobody else was there");
        assert_eq!(last(64, 0).pause_before(1), Duration::ZERO, "the next commit comes soon");
        assert_eq!(last(64, 5_000).pause_before(1), LONGEST_PAUSE, "another program held the lock");
    }

    #[test]
    fn what_comes_during_the_pause_is_committed_with_the_rest() {
        let (queue, mut waiting_writes) = mpsc::channel(QUEUE + 1);
        for number in 0..=QUEUE {
            queue.try_send(waiting(insert(&number.to_string(), 10)).0).unwrap();
        }
        let mut batch = vec![waiting_writes.try_recv().unwrap()];
        gather(&mut waiting_writes, &mut batch, Duration::ZERO);
        assert_eq!(batch.len(), 1);
        gather(&mut waiting_writes, &mut batch, Duration::from_millis(1));
        assert_eq!((batch.len(), waiting_writes.len()), (QUEUE, 1));
    }

    #[tokio::test]
    async fn what_is_queued_is_written_before_the_thread_ends() {
        let folder = tempfile::tempdir().unwrap();
        let Scribe { file, clock, .. } = scribe(folder.path());
        let writer = Writer::start(Arc::clone(&file), clock).unwrap();
        let mut answers = Vec::new();
        for number in 0..100 {
            let (answer, answered) = oneshot::channel();
            let waiting = Waiting { write: insert(&number.to_string(), 10), answer };
            writer.queue.as_ref().unwrap().send(waiting).await.unwrap();
            answers.push(answered);
        }
        drop(writer);
        assert!(answers.iter_mut().all(|answer| matches!(answer.try_recv(), Ok(Ok(1)))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_stays_full_is_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let (queue, waiting) = mpsc::channel(1);
        let writer = Writer { file: scribe(folder.path()).file, queue: Some(queue), thread: None };
        let (answer, _answered) = oneshot::channel();
        writer.queue.as_ref().unwrap().try_send(Waiting { write: insert("a", 10), answer }).unwrap();
        let Err(StoreError::Unavailable(cause)) = writer.write(insert("b", 10)).await else { panic!() };
        assert!(cause.to_string().contains("did not answer"), "{cause}");
        drop(waiting);
    }

    fn scribe(folder: &Path) -> Scribe {
        let file = DatabaseFile::create(&folder.join("coatroom.db"), Synchronous::Full).unwrap();
        let connection = Some(file.writer().unwrap());
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_800_000_000)));
        Scribe { file: Arc::new(file), clock, connection }
    }

    /// Commits writes whose callers wait.
    fn commit<const N: usize>(scribe: &mut Scribe, writes: [Write; N]) -> Result<Vec<Answer>, Trouble> {
        let (batch, _callers): (Vec<_>, Vec<_>) = writes.into_iter().map(waiting).unzip();
        scribe.commit(&batch)
    }

    fn waiting(write: Write) -> (Waiting, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Waiting { write, answer }, answered)
    }

    /// As a full disk does, but for this connection alone.
    fn limit_pages(scribe: &Scribe, pages: i64) {
        scribe.connection.as_ref().unwrap().pragma_update(None, "max_page_count", pages).unwrap();
    }

    fn insert(key: &str, size: usize) -> Write {
        let (key, body) = (key.to_owned(), "x".repeat(size));
        Write::Insert(NewRecord { kind: Kind::Setting, key, owner: None, expires_at: None, body })
    }

    fn is_there(scribe: &Scribe, key: &str) -> bool {
        let reader = scribe.file.reader().unwrap();
        verbs::get(&reader, Kind::Setting, key, scribe.clock.now()).unwrap().is_some()
    }
}
