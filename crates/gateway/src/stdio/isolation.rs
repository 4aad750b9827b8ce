//! What keeps the processes of different users apart on this machine: found out at start, by trying.
//!
//! `docs/decisions/0040` says what each of the means holds, and what it does not.

use std::fmt;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};

use super::cgroup::Groups;
use super::place::{Folder, Places};
use super::program::installed;
use crate::child::{LOOK, Limits, Plan, ROLE, SUPERVISE};
use crate::command::{CommandConfig, IsolationChoice, ProcessesConfig};

/// What the machine offers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Means {
    /// Each process runs as a user of the system of its own.
    pub(crate) owner: bool,
    /// PID, mount and IPC namespaces.
    pub(crate) namespaces: bool,
    /// Landlock.
    pub(crate) landlock: bool,
}

impl Places {
    /// Finds out what keeps processes apart here, and makes the folder in which they will live. From here on nobody reads this
    /// process's memory or environment who is not root.
    ///
    /// It starts processes and waits for them, some milliseconds in all.
    ///
    /// # Errors
    /// When too little keeps them apart and a server asks for it, or a server may read what no process may; the message says what was
    /// tried, and what to do.
    pub(crate) fn probe(config: &ProcessesConfig, servers: &[&CommandConfig]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program is not found")?;
        Self::probe_with(&program, config, servers)
    }

    pub(super) fn probe_with(
        program: &Path,
        config: &ProcessesConfig,
        servers: &[&CommandConfig],
    ) -> anyhow::Result<Self> {
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .context("this process cannot keep its memory from others")?;
        for server in servers {
            refuse_open_secrets(config, server)?;
        }
        let is_root = geteuid().is_root();
        if let Some(uids) = &config.uids {
            refuse_people(uids)?;
        }
        let uids = is_root.then(|| config.uids.clone().unwrap_or_else(default_uids));
        let about = || format!("{} cannot hold the folders of processes", config.folder.display());
        let folder = Arc::new(Folder::open(&config.folder, is_root).with_context(about)?);
        let trial = Trial { program, config, folder, uids, groups: groups() };
        let (apart, open): (Vec<&CommandConfig>, Vec<_>) =
            servers.iter().partition(|server| server.isolation == IsolationChoice::Auto);
        for server in open {
            let program = server.program();
            tracing::warn!(
                "isolation is off for `{program}`: the process of one user may read whatever the gateway may, and others' too"
            );
        }
        if apart.is_empty() {
            return Ok(trial.places(Means::default()));
        }
        let means = trial.means(is_root)?;
        for server in apart {
            refuse_readable_arguments(server, means)?;
        }
        trial.check(means)?;
        tracing::info!("processes of users are kept apart by {means}");
        Ok(trial.places(means))
    }
}

/// What is tried.
struct Trial<'a> {
    /// This program.
    program: &'a Path,
    config: &'a ProcessesConfig,
    folder: Arc<Folder>,
    uids: Option<RangeInclusive<u32>>,
    groups: Option<Arc<Groups>>,
}

impl Trial<'_> {
    fn places(&self, means: Means) -> Places {
        let groups = self.groups.clone();
        Places::new(Arc::clone(&self.folder), means, self.uids.clone(), (self.config, groups))
    }

    /// Everything that works here.
    fn means(&self, is_root: bool) -> anyhow::Result<Means> {
        let none = Means::default();
        let mut tried = Vec::new();
        let mut works = |what: &'static str, means: Means| match self.look(means) {
            Ok(_) => true,
            Err(cause) => {
                tracing::warn!(cause = format!("{cause:#}"), "processes of users get no {what}");
                tried.push(format!("{what}: {cause:#}"));
                false
            }
        };
        let owner = is_root && works("users of the system of their own", Means { owner: true, ..none });
        let namespaces = works("namespaces of their own", Means { namespaces: true, ..none });
        let landlock = works("rules of Landlock", Means { landlock: true, ..none });
        let tried = tried.join("; ");
        if is_root && !owner {
            anyhow::bail!(
                "the gateway is root, and commands of users never are ({tried}): run the gateway as another user, or let it have \
                 CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_KILL and set `processes.uids` to users that exist \
                 here; or write `isolation = \"none\"` for each server that is a command, if every user may have what every other has"
            );
        }
        let means = Means { owner, namespaces, landlock };
        if means == none {
            anyhow::bail!(
                "nothing keeps the processes of different users apart here ({tried}): allow one of these to the gateway, or write \
                 `isolation = \"none\"` for each server that is a command, if every user may have what every other has"
            );
        }
        Ok(means)
    }

    /// Makes sure that what works alone works together, and that a process reads nothing that it may not.
    fn check(&self, means: Means) -> anyhow::Result<()> {
        let readable = self.look(means).with_context(|| format!("{means} do not work together"))?;
        let Some(first) = readable.first() else { return Ok(()) };
        anyhow::bail!(
            "kept apart by {means}, processes of users could still read {first}: move it into a folder of its own, and let nobody but \
             the gateway read it (chmod go= {first})"
        )
    }

    /// Runs a command with these means; what it could read of what it should not.
    fn look(&self, means: Means) -> anyhow::Result<Vec<String>> {
        let command = CommandConfig {
            command: Vec::new(),
            environment: Vec::new(),
            passed: Vec::new(),
            isolation: IsolationChoice::Auto,
            readable: vec![self.program.to_owned()],
            writable: Vec::new(),
            limits: Limits::default(),
            idle: Duration::ZERO,
            start: Duration::ZERO,
        };
        let place = self.places(means).open(&command)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut files = self.config.hidden.iter().map(|path| text(path)).collect::<Vec<_>>();
        if !means.namespaces {
            files.push(format!("/proc/{}/environ", std::process::id()));
        }
        let command =
            [text(self.program), ROLE.to_owned(), LOOK.to_owned()].into_iter().chain(files).collect();
        let plan = Plan { command, environment: std::collections::BTreeMap::new(), tokens: Vec::new() };
        let mut process = Command::new(self.program)
            .args([ROLE, SUPERVISE, &place.confinement().to_text()?])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("the system starts no more processes")?;
        let written = process.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(&plan.to_bytes()?));
        let output = process.wait_with_output()?;
        let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        anyhow::ensure!(output.status.success(), "{errors}");
        written?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.owner, "users of the system of their own"),
            (self.namespaces, "namespaces"),
            (self.landlock, "Landlock"),
        ];
        let words: Vec<&str> = words.into_iter().filter_map(|(has, word)| has.then_some(word)).collect();
        f.write_str(&if words.is_empty() { "nothing".to_owned() } else { words.join(", ") })
    }
}

fn groups() -> Option<Arc<Groups>> {
    Groups::divide().map(Arc::new).map_err(|error| {
        tracing::warn!(
            %error,
            "no control group was delegated: limits of memory are each process's own, and not of all that it starts"
        );
    }).ok()
}

/// Refuses a server that lets its processes into a folder with secrets of the gateway's in it.
fn refuse_open_secrets(config: &ProcessesConfig, server: &CommandConfig) -> anyhow::Result<()> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let installed = installed(&server.program(), config.path());
    for opened in server.readable.iter().chain(&server.writable).chain(&installed) {
        let open = real(opened);
        let mut secrets = config.hidden.iter().chain([&config.folder]);
        if let Some(secret) = secrets.find(|secret| real(secret).starts_with(&open)) {
            anyhow::bail!(
                "`{}` may read or write {}, and {} is in there: name a folder without it, or move it",
                server.program(),
                opened.display(),
                secret.display()
            );
        }
    }
    Ok(())
}

/// Refuses users that are somebody already, who would get what processes leave, and processes what is theirs.
fn refuse_people(uids: &RangeInclusive<u32>) -> anyhow::Result<()> {
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    for line in known.lines() {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next().unwrap_or_default(), fields.nth(1).and_then(|uid| uid.parse().ok()));
        if let Some(uid) = uid.filter(|uid| uids.contains(uid)) {
            anyhow::bail!(
                "`processes.uids` has the user {name} ({uid}) in it: choose numbers that nobody has"
            );
        }
    }
    Ok(())
}

/// Everybody reads everybody's arguments in `/proc`, unless there are namespaces.
fn refuse_readable_arguments(server: &CommandConfig, means: Means) -> anyhow::Result<()> {
    if server.command.iter().all(|argument| argument.providers().next().is_none()) {
        return Ok(());
    }
    let program = server.program();
    anyhow::ensure!(
        means.namespaces,
        "`{program}` gets an access token as an argument, which every process here can read: give it in `env`"
    );
    tracing::warn!(
        "`{program}` gets an access token as an argument, which every user of this machine can read: give it in `env`"
    );
    Ok(())
}

/// Users that no system gives to anybody; in a container that has few, some of those.
fn default_uids() -> RangeInclusive<u32> {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let covers = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().unwrap_or(0));
        let (first, count) = (numbers.next().unwrap_or(0), numbers.nth(1).unwrap_or(0));
        (first..first.saturating_add(count)).contains(&u64::from(*UIDS.end()))
    };
    if map.lines().any(covers) { UIDS } else { FEW_UIDS }
}

const UIDS: RangeInclusive<u32> = 2_000_000_000..=2_000_009_999;
const FEW_UIDS: RangeInclusive<u32> = 50_000..=59_999;
