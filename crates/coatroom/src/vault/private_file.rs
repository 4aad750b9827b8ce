//! Files that only their owner can read, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::key_trouble::KeyRingError;

/// The text of a file that only its owner can read.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyRingError> {
    let io = |source| KeyRingError::Io { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map(Zeroizing::new).map_err(io)?;
    refuse_readable(path)?;
    Ok(text)
}

/// Writes a new file beside `path` that only its owner can read, and makes it durable.
pub(super) fn write_partial(path: &Path, text: &[u8]) -> io::Result<PathBuf> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.new", std::process::id()));
    let partial = PathBuf::from(partial);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    if written.is_err() {
        fs::remove_file(&partial).ok();
    }
    written.map(|()| partial)
}

/// Whoever runs the servers must be able to read what the administrator wrote.
#[cfg(unix)]
pub(super) fn keep_owner(old: &Path, new: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let (old, made) = (fs::metadata(old)?, fs::metadata(new)?);
    if (old.uid(), old.gid()) == (made.uid(), made.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(new, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
pub(super) fn keep_owner(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn refuse_readable(path: &Path) -> Result<(), KeyRingError> {
    use std::os::unix::fs::PermissionsExt as _;

    let metadata = fs::metadata(path).map_err(|source| KeyRingError::Io { path: path.to_owned(), source })?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyRingError::Readable { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable(_: &Path) -> Result<(), KeyRingError> {
    Ok(())
}
