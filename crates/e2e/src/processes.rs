//! The processes of this machine, looked at from outside.

use std::fs;
use std::time::{Duration, Instant};

/// All processes that this one started, and those that they started, as far as they belong to it.
#[must_use]
pub fn descendants(process: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> =
        all().into_iter().filter_map(|child| Some((child, parent(child)?))).collect();
    let mut found = vec![process];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(child, _)| *child));
        at += 1;
    }
    found.split_off(1)
}

/// The processes that have a text in their environment or among their arguments.
#[must_use]
pub fn with(text: &str) -> Vec<u32> {
    let has = |process: &u32, file: &str| {
        let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    };
    let own = std::process::id();
    let others = all().into_iter().filter(|process| *process != own);
    others.filter(|process| has(process, "environ") || has(process, "cmdline")).collect()
}

/// The same, of those that run this program alone.
#[must_use]
pub fn of(program: &str, text: &str) -> Vec<u32> {
    let runs =
        |process: &u32| fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|file| file == *program);
    with(text).into_iter().filter(runs).collect()
}

/// Whether a process is there. One that ended and was not waited for is not.
#[must_use]
pub fn runs(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until none of these is there; how long that took.
///
/// # Panics
/// When one is still there after `patience`.
pub async fn gone(processes: &[u32], patience: Duration) -> Duration {
    until(patience, "they are still there", || !processes.iter().any(|process| runs(*process))).await
}

/// Waits until something is so; how long that took.
///
/// # Panics
/// When it is not after `patience`.
pub async fn until(patience: Duration, otherwise: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < patience, "after {patience:?}: {otherwise}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// Kills a process at once.
pub fn kill(process: u32) {
    let killed = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).output();
    killed.expect("kill");
}

/// Memory that a process has for itself alone, in KiB.
#[must_use]
pub fn private_kib(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    status.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
