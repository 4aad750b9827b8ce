//! Control groups (version 2): how much memory and how many processes everything together may use that a command starts.
//!
//! They are there where the system gave the gateway a group of its own to divide, as systemd does with `Delegate=yes`. The gateway moves
//! into a group below it first: a group that is divided has no process itself. Elsewhere the limits of each process have to do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::child::Limits;

/// The group that the gateway may divide.
#[derive(Debug)]
pub(super) struct Groups {
    folder: PathBuf,
    opened: AtomicU64,
}

/// The group of one command, gone when this is dropped.
#[derive(Debug)]
pub(super) struct Group(PathBuf);

impl Groups {
    /// Divides the group in which the gateway is.
    ///
    /// # Errors
    /// When it may not, or there are no groups of version 2.
    pub(super) fn divide() -> io::Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        let own = own.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "there are none"))?;
        Self::divide_at(&Path::new(ROOT).join(own))
    }

    fn divide_at(folder: &Path) -> io::Result<Self> {
        let offered = fs::read_to_string(folder.join("cgroup.controllers"));
        let offered = offered.map_err(|error| {
            io::Error::new(error.kind(), format!("{} is no group of version 2: {error}", folder.display()))
        })?;
        if let Some(missing) =
            CONTROLLERS.iter().find(|name| !offered.split_whitespace().any(|own| own == **name))
        {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the system limits no {missing} there"),
            ));
        }
        let leaf = folder.join("gateway");
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => fs::write(leaf.join(PROCESSES), std::process::id().to_string())?,
        }
        let wanted = CONTROLLERS.map(|name| format!("+{name}")).join(" ");
        fs::write(folder.join("cgroup.subtree_control"), wanted)?;
        let groups = Self { folder: folder.to_owned(), opened: AtomicU64::new(0) };
        groups.remove_left();
        Ok(groups)
    }

    /// What a gateway left that was killed. Where processes still end, the next start finds them.
    fn remove_left(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// Makes a group with these limits.
    ///
    /// # Errors
    /// When the system makes no more.
    pub(super) fn open(&self, limits: &Limits) -> io::Result<Group> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Group(folder);
        for (file, limit) in [("memory.max", limits.memory), ("pids.max", limits.processes)] {
            if let Some(limit) = limit {
                fs::write(group.0.join(file), limit.to_string())?;
            }
        }
        Ok(group)
    }
}

impl Group {
    /// Where it is, for what enters it.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever is left in it; older systems cannot.
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        if let Err(error) = fs::remove_dir(&self.0) {
            tracing::warn!(%error, group = %self.0.display(), "the group of a process cannot be removed");
        }
    }
}

const ROOT: &str = "/sys/fs/cgroup";
const CONTROLLERS: [&str; 2] = ["memory", "pids"];
const PROCESSES: &str = "cgroup.procs";
const PREFIX: &str = "coatroom-";

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a group: the machines of developers and of CI delegate none.
    #[test]
    fn a_group_is_divided_and_each_command_has_its_limits() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        fs::write(folder.path().join("cgroup.controllers"), "cpu memory\n").unwrap();
        let error = Groups::divide_at(folder.path()).unwrap_err();
        assert!(error.to_string().contains("limits no pids"), "{error}");
        fs::write(folder.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        fs::create_dir(folder.path().join("coatroom-1-7")).unwrap();
        let groups = Groups::divide_at(folder.path()).unwrap();
        assert!(!folder.path().join("coatroom-1-7").exists(), "what was left is removed");
        assert_eq!(file("gateway/cgroup.procs"), std::process::id().to_string());
        assert_eq!(file("cgroup.subtree_control"), "+memory +pids");
        let limits = Limits { memory: Some(1 << 30), processes: Some(99), ..Limits::default() };
        let group = groups.open(&limits).unwrap();
        let limit = |name: &str| fs::read_to_string(group.folder().join(name)).unwrap();
        assert_eq!((limit("memory.max").as_str(), limit("pids.max").as_str()), ("1073741824", "99"));
        assert!(!groups.open(&Limits::default()).unwrap().folder().join("memory.max").exists());
    }
}
