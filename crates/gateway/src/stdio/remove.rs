//! Removing what a process left behind: whatever is in it, however deep, and whatever its modes.
//!
//! The process may still run, and exchange a folder for a link to another: nothing here follows a link. A folder of a folder is brought up
//! before it is emptied, so that a thousand folders in each other take no more memory or open files than two.

use std::ffi::CStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// Removes a folder with everything in it. What is not there is removed already.
///
/// # Errors
/// When something in it belongs to somebody else, or is being changed all the time.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    let opened = match open(CWD, folder) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    empty(&opened)?;
    fs::remove_dir(folder)
}

fn empty(top: &OwnedFd) -> rustix::io::Result<()> {
    let mut brought_up = 0_u64;
    loop {
        let mut folders = Vec::new();
        each(top, |name, is_folder| {
            if is_folder {
                folders.push(name.to_owned());
                return Ok(());
            }
            unlinkat(top, name, AtFlags::empty())
        })?;
        if folders.is_empty() {
            return Ok(());
        }
        for folder in folders {
            let opened = open(top, folder.as_c_str())?;
            each(&opened, |name, is_folder| {
                if !is_folder {
                    return unlinkat(&opened, name, AtFlags::empty());
                }
                // It must be writable itself to be moved.
                open(&opened, name)?;
                loop {
                    brought_up += 1;
                    let to = format!(".removed-{brought_up}");
                    match renameat(&opened, name, top, to.as_str()) {
                        Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                        moved => return moved,
                    }
                }
            })?;
            unlinkat(top, folder.as_c_str(), AtFlags::REMOVEDIR)?;
        }
    }
}

/// Opens a folder, whatever its mode; a link is none.
fn open(parent: impl AsFd, name: impl rustix::path::Arg + Copy) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = openat(parent.as_fd(), name, flags | OFlags::PATH, Mode::empty())?;
    // By the folder that was opened, and not by its name, which may be another's by now.
    let itself = format!("/proc/self/fd/{}", path.as_raw_fd());
    if statat(&path, c"", AtFlags::EMPTY_PATH)?.st_mode & 0o700 != 0o700 {
        fs::set_permissions(itself.as_str(), Permissions::from_mode(0o700))
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    }
    openat(path.as_fd(), c".", flags | OFlags::RDONLY, Mode::empty())
}

/// Does something with everything in a folder.
fn each(
    folder: &OwnedFd,
    mut work: impl FnMut(&CStr, bool) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let folder: BorrowedFd<'_> = folder.as_fd();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
            }
            kind => kind,
        };
        work(name, kind == FileType::Directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whatever_its_modes_and_however_deep_everything_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("left");
        fs::create_dir_all(left.join("a/b/c")).unwrap();
        fs::write(left.join("a/b/file"), "x").unwrap();
        for path in ["a/b/c", "a/b", "a", ""] {
            fs::set_permissions(left.join(path), Permissions::from_mode(0o000)).unwrap();
            if !rustix::process::geteuid().is_root() {
                fs::set_permissions(left.join(path), Permissions::from_mode(0o100)).unwrap();
            }
        }
        remove(&left).unwrap();
        assert!(!left.exists());
        remove(&left).unwrap();
        let deep = folder.path().join("deep");
        fs::create_dir(&deep).unwrap();
        let mut at = openat(CWD, &deep, OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..3_000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = openat(&at, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        drop(at);
        remove(&deep).unwrap();
        assert!(!deep.exists());
    }

    #[test]
    fn what_a_link_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (left, kept) = (folder.path().join("left"), folder.path().join("kept"));
        fs::create_dir(&left).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "x").unwrap();
        symlink(&kept, left.join("link")).unwrap();
        remove(&left).unwrap();
        assert!(kept.join("file").exists());
        symlink(&kept, &left).unwrap();
        remove(&left).unwrap_err();
        assert!(kept.join("file").exists());
    }
}
