//! Process 1 of a command's namespaces: hides what is not the command's business, and ends with the command. With it the system ends
//! whatever else is in the namespace.

use std::ffi::CStr;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, wait};

use super::CONFINE;
use super::plan::Confinement;
use super::supervise::{code_of, in_role};

pub(super) fn run(confinement: &Confinement, command: &[String]) -> anyhow::Result<ExitCode> {
    // The supervisor is the only process outside that could end this one.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let next = in_role(CONFINE, confinement, command)?;
    hide(confinement).context("what is not the command's cannot be hidden from it")?;
    let mut next = next;
    let main = Pid::from_child(&next.spawn().context("the system starts no more processes")?);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => return Ok(code_of(status)),
            // Somebody's orphan.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn hide(confinement: &Confinement) -> anyhow::Result<()> {
    // Nothing of this is seen outside.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let own = std::iter::once(&confinement.folder);
    let kept: Vec<&Path> =
        own.chain(&confinement.readable).chain(&confinement.writable).map(PathBuf::as_path).collect();
    // Where everybody writes, users would meet.
    for path in SHARED.map(Path::new) {
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            cover(path, &kept, SCRATCH).with_context(|| format!("there is no own {}", path.display()))?;
        }
    }
    for path in &confinement.hidden {
        let Ok(found) = fs::metadata(path) else { continue };
        let covered = if found.is_dir() { cover(path, &kept, EMPTY) } else { mount_bind("/dev/null", path) };
        covered.with_context(|| format!("{} cannot be hidden", path.display()))?;
    }
    // The processes of this namespace alone.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).context("/proc cannot be made anew")
}

/// Covers a folder with an empty one, in which only what is kept is found again if it was below.
fn cover(folder: &Path, kept: &[&Path], options: &CStr) -> rustix::io::Result<()> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mut held = Vec::new();
    for path in kept.iter().filter(|path| path.starts_with(folder)) {
        // Held open across the mount that covers it.
        match open(*path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(opened) => held.push((path, opened)),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    if kept.contains(&folder) {
        return Ok(());
    }
    mount("tmpfs", folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options))?;
    for (path, opened) in held {
        let source = format!("/proc/self/fd/{}", opened.as_raw_fd());
        if fs::metadata(&source).map_err(errno)?.is_dir() {
            fs::create_dir_all(path).map_err(errno)?;
        } else {
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(errno)?;
            fs::write(path, "").map_err(errno)?;
        }
        mount_bind(source, *path)?;
    }
    Ok(())
}

/// Where each command gets an empty folder of its own.
pub(super) const SHARED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// It is memory, so there is little of it: temporary files belong into the command's own folder, where `TMPDIR` leads.
const SCRATCH: &CStr = c"mode=1777,size=64m";

const EMPTY: &CStr = c"mode=755,size=1m";
