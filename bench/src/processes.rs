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
