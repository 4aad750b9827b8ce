//! What a supervisor is told: which command, in which environment, and what it may do there.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// What to run. It holds credentials, so it comes by a pipe, and is never an argument.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// The whole environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// The access tokens that occur in either.
    #[serde(skip)]
    pub(crate) tokens: Vec<String>,
}

/// What a command may do. Nothing of it is secret, so it is an argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confinement {
    /// Its own folder, in which it starts and may write. It exists, and nobody else may enter it.
    pub(crate) folder: PathBuf,
    /// Whether it gets PID, mount and IPC namespaces of its own.
    #[serde(default)]
    pub(crate) namespaces: bool,
    /// Folders and files that it must not see, whoever it runs as; for namespaces.
    #[serde(default)]
    pub(crate) hidden: Vec<PathBuf>,
    /// As whom it runs; as the gateway where nobody is named.
    #[serde(default)]
    pub(crate) owner: Option<Owner>,
    /// Whether Landlock keeps it to its folder, the system's programs, and the paths below.
    #[serde(default)]
    pub(crate) landlock: bool,
    /// What else it may read and run.
    #[serde(default)]
    pub(crate) readable: Vec<PathBuf>,
    /// What else it may read, run and write.
    #[serde(default)]
    pub(crate) writable: Vec<PathBuf>,
    /// The control group that it enters: a folder. It exists.
    #[serde(default)]
    pub(crate) group: Option<PathBuf>,
    /// How much it may use.
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// A user and a group of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// How much a command may use; `None` as much as the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Bytes of memory that it can write to, in each of its processes.
    pub(crate) memory: Option<u64>,
    /// Processes and threads of its user.
    pub(crate) processes: Option<u64>,
    /// Open files, in each of its processes.
    pub(crate) open_files: Option<u64>,
    /// Seconds of computing, in each of its processes.
    pub(crate) cpu_seconds: Option<u64>,
}

impl Plan {
    /// Reads a plan from `input`: its length in four bytes, then as many bytes of JSON. What follows is the command's.
    ///
    /// # Errors
    /// When there is no whole plan.
    pub(crate) fn read(mut input: impl Read) -> io::Result<Self> {
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

    /// As [`Plan::read`] reads it.
    ///
    /// # Errors
    /// When it is longer than a supervisor takes.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let text = serde_json::to_vec(self)?;
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the command and its environment are too long")
        })?;
        Ok([length.to_be_bytes().as_slice(), &text].concat())
    }

    /// The same for two plans that differ in nothing but the process's own folder. Once it is another, a token was renewed, or
    /// something that is known of the user has changed.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let environment = self.environment.iter().filter(|(name, _)| !OF_THE_PLACE.contains(&name.as_str()));
        let pairs = environment.flat_map(|(name, value)| [name, value]);
        let mut digest = Context::new(&SHA256);
        digest.update(&self.command.len().to_be_bytes());
        for text in self.command.iter().chain(pairs) {
            digest.update(&text.len().to_be_bytes());
            digest.update(text.as_bytes());
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest.finish().as_ref());
        fingerprint
    }

    /// The same for a process whose own folder is another.
    #[must_use]
    pub(crate) fn at(mut self, folder: &Path, temporary: &Path) -> Self {
        for (name, path) in OF_THE_PLACE.iter().zip([folder, temporary]) {
            self.environment.insert((*name).to_owned(), path.to_string_lossy().into_owned());
        }
        self
    }

    /// The access tokens in it, which nothing that is shown or logged may contain.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(String::as_str)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.environment.keys().collect();
        let mut plan = f.debug_struct("Plan");
        plan.field("program", &self.command.first()).field("environment", &names).finish_non_exhaustive()
    }
}

impl Confinement {
    /// As one role tells it the next.
    pub(crate) fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    pub(super) fn from_text(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

/// The variables that name the process's own folder. They are set for each process, so no configuration sets them.
pub(crate) const OF_THE_PLACE: [&str; 2] = ["HOME", "TMPDIR"];

const LONGEST: u32 = 1024 * 1024;
