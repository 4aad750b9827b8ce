//! What can be wrong with the database, in words that name the file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::file::FORMAT;
use crate::store::StoreError;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("cannot create the database {}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot open the database {}", path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("{} is a database, but not one of Coatroom's", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "{} has format {found}, but this program knows formats up to {FORMAT} only: run a newer one, or restore a backup",
        path.display()
    )]
    Newer { path: PathBuf, found: i64 },
    #[error("the file system of {} cannot hold SQLite's write-ahead log", path.display())]
    NoWriteAheadLog { path: PathBuf },
    #[error("cannot start a thread for the database {}", path.display())]
    NoThread { path: PathBuf, source: io::Error },
    #[error("cannot write to the database {}", path.display())]
    Write { path: PathBuf, source: rusqlite::Error },
    #[error("cannot read from the database {}", path.display())]
    Read { path: PathBuf, source: rusqlite::Error },
    #[error("too many writes wait for the database {}", path.display())]
    Full { path: PathBuf },
    #[error("the database {} gave up before it answered", path.display())]
    Unanswered { path: PathBuf },
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        Self::unavailable(trouble)
    }
}

impl From<Arc<Trouble>> for StoreError {
    /// One failed commit is the answer to all its writes.
    fn from(trouble: Arc<Trouble>) -> Self {
        Self::unavailable(trouble)
    }
}
