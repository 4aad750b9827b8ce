//! The file: how it comes to be, what it must look like, and how connections to it are set up.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::trouble::Trouble;
use crate::store::Synchronous;

/// A database file of the right format.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    synchronous: Synchronous,
}

impl DatabaseFile {
    /// Makes sure that there is a file at `path`; a new one is empty and only its owner may read it.
    pub(super) fn create(path: &Path, synchronous: Synchronous) -> Result<Self, Trouble> {
        let trouble = |source| Trouble::Create { path: path.to_owned(), source };
        // An absolute path is never taken for one of SQLite's special names, such as `:memory:` or `file:…`.
        let path = std::path::absolute(path).map_err(trouble)?;
        match create_private(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(trouble(error)),
        }
        Ok(Self { path, synchronous })
    }

    /// A file that has to be there.
    pub(super) fn existing(path: &Path) -> Result<Self, Trouble> {
        let trouble = |source| Trouble::Missing { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(trouble)?;
        std::fs::metadata(&path).map_err(trouble)?;
        Ok(Self { path, synchronous: Synchronous::Full })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the connection that writes, and lays out the tables if the file is new.
    pub(super) fn writer(&self) -> Result<Connection, Trouble> {
        let open = |source| Trouble::Open { path: self.path.clone(), source };
        let mut connection = self.plain_writer().map_err(open)?;
        // Looked at before anything is changed: the file may belong to someone else.
        self.check(&connection)?;
        let mode: String = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            .map_err(open)?;
        if mode != "wal" {
            return Err(Trouble::NoWriteAheadLog { path: self.path.clone() });
        }
        self.set_up_writing(&connection).map_err(open)?;
        // Also shows at start whether the file can be written.
        let layout = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(open)?;
        if self.check(&layout)? == Contents::Empty {
            layout.execute_batch(TABLES).map_err(open)?;
            layout.pragma_update(None, "application_id", APPLICATION_ID).map_err(open)?;
            layout.pragma_update(None, "user_version", FORMAT).map_err(open)?;
        }
        layout.commit().map_err(open)?;
        Ok(connection)
    }

    /// Opens a connection that can only read. The file is known to be laid out.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE_KIB)
    }

    /// Opens a connection that can write, to a file that is not laid out or is about to go.
    pub(super) fn plain_writer(&self) -> rusqlite::Result<Connection> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_KIB)
    }

    fn connect(&self, access: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
        let mut connection =
            Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_handler(Some(keep_waiting))?;
        // Negative numbers are KiB, positive ones pages.
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        // A server may have no writable folder for temporary files.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }

    fn set_up_writing(&self, connection: &Connection) -> rusqlite::Result<()> {
        // With FULL an answered write survives a power cut: the log is flushed at each commit, on macOS through the disk's own cache.
        // With NORMAL it is flushed before it is folded into the file, so that the file is never half of something.
        connection.pragma_update(None, "synchronous", self.synchronous.as_str())?;
        connection.pragma_update(None, "fullfsync", true)?;
        // What is deleted or replaced is overwritten with zeros, since a revoked grant must not linger in free pages.
        connection.pragma_update(None, "secure_delete", true)?;
        // The log shrinks again after a burst.
        connection.pragma_update(None, "journal_size_limit", LOG_LIMIT_BYTES)
    }

    /// Starts a thread that works on the file.
    pub(super) fn thread(&self, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Trouble> {
        let thread = thread::Builder::new().name("coatroom-sqlite".to_owned()).spawn(work);
        thread.map_err(|source| Trouble::NoThread { path: self.path.clone(), source })
    }

    pub(super) fn check(&self, connection: &Connection) -> Result<Contents, Trouble> {
        // In one query, so that another process that lays out the file is seen before or after, never halfway.
        let query = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
            FROM pragma_application_id, pragma_user_version";
        let numbers = connection.query_row(query, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        let numbers = numbers.map_err(|source| Trouble::Open { path: self.path.clone(), source })?;
        match numbers {
            (0, 0, 0) => Ok(Contents::Empty),
            (APPLICATION_ID, 1..=FORMAT, _) => Ok(Contents::Records),
            (APPLICATION_ID, found, _) if found > FORMAT => {
                Err(Trouble::Newer { path: self.path.clone(), found })
            }
            _ => Err(Trouble::Foreign { path: self.path.clone() }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    Empty,
    Records,
}

/// Waits a little for another process that holds the lock; gives up after five seconds. For opening and reading: who
/// writes has a patience of their own.
///
/// SQLite's own handler soon looks only ten times a second, and starves beside a process that writes all the time.
fn keep_waiting(times_waited: i32) -> bool {
    thread::sleep(BUSY_PAUSE);
    times_waited < BUSY_PAUSES
}

/// Makes a file that only its owner may read.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The newest layout that this program knows. A file with a higher number is refused.
pub(super) const FORMAT: i64 = 1;

/// Bodies are too large for a clustered table (`WITHOUT ROWID`), which suits rows of a twentieth of a page.
const TABLES: &str = "
    CREATE TABLE records (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        owner TEXT,
        version INTEGER NOT NULL,
        expires_at INTEGER,
        body TEXT NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT;
    CREATE INDEX records_by_owner ON records (kind, owner) WHERE owner IS NOT NULL;
    CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
";

/// Marks the file as ours: the letters `coat`.
const APPLICATION_ID: i64 = 0x636f_6174;

/// Between two looks at a lock.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(2);
const BUSY_PAUSES: i32 = 2500;

const WRITER_CACHE_KIB: i64 = 2048;

/// Small, because each commit empties a reader's cache; the operating system's cache does the work.
const READER_CACHE_KIB: i64 = 256;

const LOG_LIMIT_BYTES: i64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_flushed_unless_less_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for (synchronous, number) in [(Synchronous::Full, 2), (Synchronous::Normal, 1)] {
            let file = DatabaseFile::create(&folder.path().join("coatroom.db"), synchronous).unwrap();
            let writer = file.writer().unwrap();
            let found: i64 = writer.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
            assert_eq!(found, number, "{synchronous:?}");
        }
    }
}
