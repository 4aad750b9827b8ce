//! Real servers for tests and benchmarks: private ones, in folders and on ports of their own, gone with whoever started them.
//!
//! Debian's packages `postgresql`, `pgbouncer`, `redis-server` and `redis-sentinel` have the programs. A missing one fails the test.
#![cfg(unix)]

pub mod disk;
pub mod pgbouncer;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod redis_tls;
pub mod tls;

use std::ffi::OsStr;
use std::iter;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A program that runs until it is dropped, or until the test is killed.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts `program`; what it says goes to a file in `folder`.
    pub fn start(program: &Path, arguments: &[impl AsRef<OsStr>], folder: &Path, user: Option<&str>) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        // Postgres refuses to run as root.
        if let Some(user) = user.filter(|_| is_root()) {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.arg(program).args(arguments).current_dir(folder).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display())))
    }

    /// Ends it and its children at once, without a chance to finish anything.
    pub fn kill(&mut self) {
        // The children go first: those of Postgres would otherwise serve for a moment more.
        let children = self.children();
        if !children.is_empty() {
            Command::new("kill").arg("-KILL").args(children).stderr(Stdio::null()).status().unwrap();
        }
        self.0.kill().ok();
        self.0.wait().unwrap();
    }

    /// Stops it, and its children, without ending them: it still has its connections, and answers nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    fn signal(&self, signal: &str) {
        let send =
            |id: String| Command::new("kill").args([signal, &id]).stderr(Stdio::null()).status().unwrap();
        assert!(send(self.0.id().to_string()).success());
        // One of them may just have ended.
        for child in self.children() {
            send(child);
        }
    }

    fn children(&self) -> Vec<String> {
        let id = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        children.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program to its end, and returns what it printed.
pub fn run(program: &Path, arguments: &[&str], user: Option<&str>) -> String {
    let mut command = match user.filter(|_| is_root()) {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    let output = command.args(arguments).current_dir("/").output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{} {arguments:?} said: {}{}", program.display(), said[0], said[1]);
    said[0].clone()
}

/// A port that was free a moment ago.
///
/// It lies below those that the system gives to whoever asks for any, or a connection of somebody else could have it while its server
/// is down; and apart from those of the tests from outside, which use these servers too.
pub fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let ports = iter::repeat_with(|| {
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let place = std::process::id().wrapping_mul(97).wrapping_add(asked.wrapping_mul(619)) % 2_700;
        30_000 + u16::try_from(place).unwrap()
    });
    ports.take(1_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("no free port")
}

/// Waits until `is_so`, and fails with `what` after half a minute.
pub async fn wait_until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain: {what}");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
