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
    #[error("there is no database at {}", path.display())]
    Missing { path: PathBuf, source: io::Error },
    #[error("{} is no backup, or a damaged one", path.display())]
    Broken { path: PathBuf },
    #[error("{} has records already", path.display())]
    Occupied { path: PathBuf },
    #[error("a program uses the database {}: stop it first", path.display())]
    InUse { path: PathBuf },
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
    #[error("cannot copy the database {} to {}", path.display(), copy.display())]
    Copy { path: PathBuf, copy: PathBuf, source: rusqlite::Error },
    #[error("the database {} did not answer in time: another program holds it, or the disk is slow", path.display())]
    Slow { path: PathBuf },
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
