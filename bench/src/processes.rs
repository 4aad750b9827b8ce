//! Processes that are measured: the core that they run on, and how long they computed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use coatroom_e2e::processes;

/// A command that runs on one core alone, so that it starts as many threads as that core needs.
pub(crate) fn on_core(core: usize, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string(), program]);
    command
}

/// Keeps this process, with all of its threads, on one core.
pub(crate) fn stay_on(core: usize) -> Result<()> {
    let process = std::process::id().to_string();
    let set = Command::new("taskset").args(["-acp", &core.to_string(), &process]).output();
    let set = set.context("taskset is missing: it is in Debian's package util-linux")?;
    ensure!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    Ok(())
}

/// How long a process and all that it started have computed; processes that have ended do not count.
pub(crate) fn computed(process: u32) -> Duration {
    let of_one = |process: u32| -> Option<u64> {
        let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
        let nanoseconds = |thread: fs::DirEntry| {
            let said = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            said.split(' ').next()?.parse::<u64>().ok()
        };
        Some(threads.filter_map(|thread| nanoseconds(thread.ok()?)).sum())
    };
    let all = [process].into_iter().chain(processes::descendants(process));
    Duration::from_nanos(all.filter_map(of_one).sum())
}

/// What a process and all that it started hold in memory, and the part of it that is theirs where it is shared, in KiB.
pub(crate) fn memory(process: u32) -> (u64, u64) {
    let of_one = |process: u32, name: &str| -> u64 {
        let said = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let line = said.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default()
    };
    let all: Vec<u32> = [process].into_iter().chain(processes::descendants(process)).collect();
    let sum = |name: &str| all.iter().map(|process| of_one(*process, name)).sum();
    (sum("Rss:"), sum("Pss:"))
}

/// A server of this program in a process of its own, which says in its first line where it listens; gone with this.
pub(crate) struct Listening {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Listening {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse().context("it did not say where it listens")? })
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The core that what is measured has to itself, and the one of everything else.
pub(crate) const CONTENDER_CORE: usize = 0;
pub(crate) const LOAD_CORE: usize = 1;
