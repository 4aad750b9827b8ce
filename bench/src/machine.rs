//! What the figures were measured on.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// One line about the machine and the disk that `folder` is on.
pub(crate) fn describe(folder: &Path) -> Result<String> {
    let cores = thread::available_parallelism()?;
    let model = value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = value("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".to_owned());
    let flush = flush(folder)?.as_secs_f64() * 1000.0;
    Ok(format!(
        "{cores} cores ({model}), memory {memory}, one flush of 4 KiB to the disk takes {flush:.2} ms"
    ))
}

/// Asks the system for so many open files, as far as the administrator lets us.
pub(crate) fn allow_open_files(files: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < files) {
        let possible = limit.maximum.map_or(files, |maximum| maximum.min(files));
        setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum: limit.maximum }).ok();
    }
}

/// What this process holds in memory, in bytes.
pub(crate) fn resident() -> Result<u64> {
    let held =
        value("/proc/self/status", "VmRSS").context("the system does not say how much memory is used")?;
    let kib: u64 = held.trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// How long it takes until 4 KiB more of a file are on the disk: the median of a few hundred times.
pub(crate) fn flush(folder: &Path) -> Result<Duration> {
    let path = folder.join("flush");
    let mut file = fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..300 {
        file.write_all(&[7; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    fs::remove_file(path)?;
    times.sort();
    Ok(times[times.len() / 2])
}

/// The middle one; of an even number, the higher of the two.
pub(crate) fn median(rates: &[f64]) -> f64 {
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The value of the first line `name: value` of a file.
fn value(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
