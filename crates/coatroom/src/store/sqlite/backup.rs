//! Copies of the database: made while it is used, and put in its place while it is not.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::file::{Contents, DatabaseFile, create_private};
use super::trouble::Trouble;

/// Writes a copy, as the database is at one moment.
pub(super) fn back_up(path: &Path, copy: &Path) -> Result<(), Trouble> {
    // Found before anything is made: a mistyped path must not leave an empty database behind.
    let file = DatabaseFile::existing(path)?;
    let connection = file.reader().map_err(|source| Trouble::Open { path: path.to_owned(), source })?;
    if file.check(&connection)? == Contents::Empty {
        return Err(Trouble::Foreign { path: path.to_owned() });
    }
    // Made by us, so that nobody else may read it at any moment; SQLite fills an empty file.
    create_private(copy).map_err(|source| Trouble::Create { path: copy.to_owned(), source })?;
    fill(&connection, path, copy).inspect_err(|_| {
        // With its journal, which SQLite leaves beside a file that it could not finish.
        for half in [copy.to_owned(), beside(copy, "-journal")] {
            drop(fs::remove_file(half));
        }
    })
}

fn fill(connection: &Connection, path: &Path, copy: &Path) -> Result<(), Trouble> {
    let name = copy.to_string_lossy();
    let filled = connection.execute("VACUUM INTO ?1", [name.as_ref()]);
    filled.map_err(|source| Trouble::Copy { path: path.to_owned(), copy: copy.to_owned(), source })?;
    sync(copy).map_err(|source| Trouble::Create { path: copy.to_owned(), source })
}

/// Puts a copy in the place of the database.
pub(super) fn restore(copy: &Path, path: &Path, over: bool) -> Result<(), Trouble> {
    let source = DatabaseFile::existing(copy)?;
    let connection = source.reader().map_err(|source| Trouble::Open { path: copy.to_owned(), source })?;
    if source.check(&connection)? == Contents::Empty || !is_sound(&connection) {
        return Err(Trouble::Broken { path: copy.to_owned() });
    }
    let is_there = path.try_exists().map_err(|source| Trouble::Create { path: path.to_owned(), source })?;
    if is_there {
        leave(path, over)?;
    }
    // Beside the database, so that it takes its place in one step.
    let fresh = beside(path, ".restored");
    match fs::remove_file(&fresh) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(Trouble::Create { path: fresh, source });
        }
        _ => {}
    }
    back_up(copy, &fresh)?;
    let placed = fs::rename(&fresh, path).and_then(|()| sync(path));
    placed.map_err(|source| Trouble::Create { path: path.to_owned(), source })
}

/// Makes sure that the database may be replaced: nobody uses it, and nothing of it is in side files.
fn leave(path: &Path, over: bool) -> Result<(), Trouble> {
    let file = DatabaseFile::existing(path)?;
    let open = |source| Trouble::Open { path: path.to_owned(), source };
    let connection = file.plain_writer().map_err(open)?;
    if file.check(&connection)? == Contents::Records {
        let has_records: bool = connection
            .query_row("SELECT EXISTS (SELECT 1 FROM records)", [], |row| row.get(0))
            .map_err(open)?;
        if has_records && !over {
            return Err(Trouble::Occupied { path: path.to_owned() });
        }
    }
    // Only who is alone with a database can take it out of WAL mode; the log is folded in and removed.
    let left =
        connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0));
    match left {
        Ok(mode) if mode == "delete" => Ok(()),
        _ => Err(Trouble::InUse { path: path.to_owned() }),
    }
}

fn is_sound(connection: &Connection) -> bool {
    let answer = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    answer.is_ok_and(|answer| answer == "ok")
}

/// Makes a file, and its name, survive a power cut. Elsewhere than on Unix a folder cannot be opened as a file.
fn sync(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path)?.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}
