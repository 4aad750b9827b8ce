//! What a supervisor is told: which command, in which environment, and what it may do there.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What to run. It holds credentials, so it comes by a pipe, and is never an argument.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// The whole environment.
    pub(super) environment: BTreeMap<String, String>,
}

/// What a command may do. Nothing of it is secret, so it is an argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Confinement {
    /// Its own folder, in which it starts and may write. It exists, and nobody else may enter it.
    pub(super) folder: PathBuf,
    /// Whether it gets PID, mount and IPC namespaces of its own.
    #[serde(default)]
    pub(super) namespaces: bool,
    /// Folders and files that it must not see, whoever it runs as; for namespaces.
    #[serde(default)]
    pub(super) hidden: Vec<PathBuf>,
    /// As whom it runs; as the gateway where nobody is named.
    #[serde(default)]
    pub(super) owner: Option<Owner>,
    /// Whether Landlock keeps it to its folder, the system's programs, and the paths below.
    #[serde(default)]
    pub(super) landlock: bool,
    /// What else it may read and run.
    #[serde(default)]
    pub(super) readable: Vec<PathBuf>,
    /// What else it may read, run and write.
    #[serde(default)]
    pub(super) writable: Vec<PathBuf>,
    /// How much it may use.
    #[serde(default)]
    pub(super) limits: Limits,
}

/// A user and a group of the system.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// How much a command may use; `None` as much as the gateway.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// Bytes of memory that it can write to, in each of its processes.
    pub(super) memory: Option<u64>,
    /// Processes and threads of its user.
    pub(super) processes: Option<u64>,
    /// Open files, in each of its processes.
    pub(super) open_files: Option<u64>,
    /// Seconds of computing, in each of its processes.
    pub(super) cpu_seconds: Option<u64>,
}

impl Plan {
    /// Reads a plan from `input`: its length in four bytes, then as many bytes of JSON. What follows is the command's.
    ///
    /// # Errors
    /// When there is no whole plan.
    pub(super) fn read(mut input: impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the plan is too long"));
        }
        let mut text = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        input.read_exact(&mut text)?;
        // What serde says of it could quote a credential.
        let plan: Self = serde_json::from_slice(&text)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the plan is not understood"))?;
        if plan.command.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the plan names no command"));
        }
        Ok(plan)
    }
}

impl Confinement {
    /// As one role tells it the next.
    pub(super) fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    pub(super) fn from_text(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

const LONGEST: u32 = 1024 * 1024;
