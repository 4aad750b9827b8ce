//! Process 1 of a command's namespaces: hides what is not the command's business, and ends with the command. With it the system ends
//! whatever else is in the namespace.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
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
    for path in &confinement.hidden {
        let Ok(found) = fs::metadata(path) else { continue };
        let covered =
            if found.is_dir() { cover(path, &confinement.folder) } else { mount_bind("/dev/null", path) };
        covered.with_context(|| format!("{} cannot be hidden", path.display()))?;
    }
    // The processes of this namespace alone.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).context("/proc cannot be made anew")
}

/// Covers a folder with an empty one, in which only the command's own is found again if it was below.
fn cover(folder: &Path, own: &Path) -> rustix::io::Result<()> {
    let empty = || mount("tmpfs", folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, None);
    let Ok(below) = own.strip_prefix(folder) else { return empty() };
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    // Held open across the mount that covers it.
    let held = File::open(own).map_err(errno)?;
    empty()?;
    fs::create_dir_all(folder.join(below)).map_err(errno)?;
    mount_bind(format!("/proc/self/fd/{}", held.as_raw_fd()), own)
}
