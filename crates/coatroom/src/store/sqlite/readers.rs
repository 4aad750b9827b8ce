//! A few threads that only read, each on its own read-only connection. In WAL mode they wait for no writer, and see
//! every commit that ended before their query began.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use coatroom_protocol::words::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::file::DatabaseFile;
use super::trouble::Trouble;
use crate::clock::Clock;
use crate::store::PATIENCE;

/// The near end of the queue to the threads that read. It is as long as there are callers who wait.
#[derive(Debug)]
pub(super) struct Readers {
    file: Arc<DatabaseFile>,
    queue: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts the threads; each opens its connection when it is first needed.
    pub(super) fn start(file: &Arc<DatabaseFile>, clock: &Arc<dyn Clock>) -> Result<Self, Trouble> {
        let (queue, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        // Made first, so that a thread that cannot start ends those that have.
        let mut readers = Self { file: Arc::clone(file), queue: Some(queue), threads: Vec::new() };
        for _ in 0..READERS {
            let reader = Reader { file: Arc::clone(file), clock: Arc::clone(clock), connection: None };
            let jobs = Arc::clone(&jobs);
            readers.threads.push(file.thread(move || reader.work(&jobs))?);
        }
        Ok(readers)
    }

    /// Runs `query`, and tells it the time at which it runs.
    pub(super) async fn read<T, Q>(&self, query: Q) -> Result<T, Trouble>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection, Timestamp) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |reader| {
            if !answer.is_closed() {
                // A caller that no longer waits is not told.
                drop(answer.send(reader.run(query)));
            }
        });
        let path = || self.file.path().to_owned();
        let queued = self.queue.as_ref().is_some_and(|queue| queue.send(job).is_ok());
        if !queued {
            return Err(Trouble::Unanswered { path: path() });
        }
        let answer = timeout(PATIENCE, answered).await;
        let answer = answer.map_err(|_| Trouble::Slow { path: path() })?;
        let answer = answer.map_err(|_| Trouble::Unanswered { path: path() })?;
        answer.map_err(|source| Trouble::Read { path: path(), source })
    }
}

impl Drop for Readers {
    /// Waits until the connections are closed.
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            // It catches its panics; there is nothing to pass on.
            drop(thread.join());
        }
    }
}

type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// The far end of the queue.
#[derive(Debug)]
struct Reader {
    file: Arc<DatabaseFile>,
    clock: Arc<dyn Clock>,
    /// None before the first query and after one that failed.
    connection: Option<Connection>,
}

impl Reader {
    fn work(mut self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = next else { return };
            // A panic drops the job, and its caller learns that nobody will answer.
            drop(catch_unwind(AssertUnwindSafe(|| job(&mut self))));
        }
    }

    fn run<T, Q>(&mut self, query: Q) -> rusqlite::Result<T>
    where
        Q: FnOnce(&Connection, Timestamp) -> rusqlite::Result<T>,
    {
        // Taken out, so that a connection on which something failed or panicked is never used again.
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.file.reader()?,
        };
        let answer = query(&connection, self.clock.at_least())?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

/// Queries take microseconds unless the disk is asked, so a few suffice and cost little memory.
const READERS: usize = 4;
