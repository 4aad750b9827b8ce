//! A few connections that only read. In WAL mode they wait for no writer, and see every commit before their query.

use std::sync::{Arc, Mutex, PoisonError};

use coatroom_protocol::words::Timestamp;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::file::DatabaseFile;
use super::trouble::Trouble;
use crate::clock::Clock;

/// Runs queries on Tokio's threads for blocking work, at most [`READERS`] at a time.
#[derive(Debug)]
pub(super) struct Readers {
    file: Arc<DatabaseFile>,
    clock: Arc<dyn Clock>,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    /// Opens no connection yet.
    pub(super) fn new(file: Arc<DatabaseFile>, clock: Arc<dyn Clock>) -> Self {
        Self { file, clock, idle: Mutex::default(), turns: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs `query`, and tells it the time at which it runs.
    pub(super) async fn read<T, Q>(self: &Arc<Self>, query: Q) -> Result<T, Trouble>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection, Timestamp) -> rusqlite::Result<T> + Send + 'static,
    {
        let unanswered = || Trouble::Unanswered { path: self.file.path().to_owned() };
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| unanswered())?;
        let readers = Arc::clone(self);
        let answer = spawn_blocking(move || {
            let answer = readers.run(query);
            drop(turn);
            answer
        });
        let answer = answer.await.map_err(|_| unanswered())?;
        answer.map_err(|source| Trouble::Read { path: self.file.path().to_owned(), source })
    }

    fn run<T, Q>(&self, query: Q) -> rusqlite::Result<T>
    where
        Q: FnOnce(&Connection, Timestamp) -> rusqlite::Result<T>,
    {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let connection = match waiting {
            Some(connection) => connection,
            None => self.file.reader()?,
        };
        let answer = query(&connection, self.clock.now())?;
        // Not reached by a connection that failed: the next query opens a fresh one.
        idle().push(connection);
        Ok(answer)
    }
}

/// Queries take microseconds unless the disk is asked, so a few suffice and cost little memory.
const READERS: usize = 4;
