//! What a process can see and take of the machine that it runs on.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Its whole environment.
pub(crate) fn environment() -> Value {
    let all: BTreeMap<String, String> = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into()))
        .collect();
    json!(all)
}

/// Who and where it is, and which processes it can see.
pub(crate) fn identity() -> Value {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next());
    json!({
        "pid": std::process::id(),
        "uid": user.and_then(|user| user.parse::<u32>().ok()),
        "folder": env::current_dir().ok(),
        "processes": numbers(),
        "status": status,
    })
}

/// The names in a folder.
pub(crate) fn list(folder: &str) -> Result<String, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    let names = entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.collect::<Vec<_>>().join("\n"))
}

/// What a file holds.
pub(crate) fn read(path: &str) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn write(path: &str, text: &str) -> Result<String, String> {
    fs::write(path, text).map_err(|error| format!("{path}: {error}"))?;
    Ok("written".to_owned())
}

/// The processes whose environment, arguments or memory maps it can read and find `text` in.
pub(crate) fn search_processes(text: &str) -> String {
    let own = std::process::id();
    let mut found = Vec::new();
    for process in numbers().into_iter().filter(|process| *process != own) {
        for file in ["environ", "cmdline", "maps"] {
            let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(text) {
                found.push(format!("{process}/{file}"));
            }
        }
    }
    found.join("\n")
}

fn numbers() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Leaves a process behind, in a session of its own, that ignores whatever can be ignored.
pub(crate) fn fork(word: &str) -> Result<String, String> {
    let script = "trap '' TERM HUP INT; while :; do sleep 1; done";
    let mut command = Command::new("setsid");
    command.args(["sh", "-c", script, word]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| error.to_string())?;
    Ok(child.id().to_string())
}

/// Takes as many MiB and touches them.
pub(crate) fn eat_memory(mebibytes: u64) -> String {
    let mut eaten = Vec::new();
    for _ in 0..mebibytes {
        eaten.push(vec![7_u8; 1 << 20]);
    }
    format!("ate {} MiB", std::hint::black_box(&eaten).len())
}

/// Starts as many processes, and says how many there were at once.
pub(crate) fn many_processes(count: u64) -> String {
    let start = |_| Command::new("sleep").arg("30").stdin(Stdio::null()).stdout(Stdio::null()).spawn().ok();
    let mut started: Vec<Child> = (0..count).map_while(start).collect();
    for child in &mut started {
        let _ = child.kill();
        let _ = child.wait();
    }
    started.len().to_string()
}

/// Opens as many files, and says how many there were at once.
pub(crate) fn open_files(count: u64) -> String {
    let opened: Vec<File> = (0..count).map_while(|_| File::open("/dev/null").ok()).collect();
    opened.len().to_string()
}

/// Computes for so long.
pub(crate) fn burn(time: Duration) -> String {
    let began = Instant::now();
    let mut number = 1_u64;
    while began.elapsed() < time {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    format!("burnt {time:?}")
}
