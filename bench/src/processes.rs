//! Processes that are measured: the core that they run on, and how long they computed.

use std::fs;
use std::process::Command;
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
