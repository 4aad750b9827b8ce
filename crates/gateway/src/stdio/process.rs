//! One user's process as it runs: lines go in and come out, and it ends with everything that it started.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::BufReader;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::{Notify, watch};

use super::input::Input;
use super::last_words::LastWords;
use super::lines::Lines;
use super::place::Place;
use crate::child::{Plan, ROLE, SUPERVISE};

/// A process that runs, or ran. Dropping it closes its input, by which it ends.
pub(super) struct Process {
    input: Input,
    kill: Arc<Notify>,
    closes: AtomicBool,
    ended: watch::Receiver<bool>,
    said: Arc<LastWords>,
}

/// What a process writes to stdout.
pub(super) type Output = Lines<BufReader<ChildStdout>>;

/// The process takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process has ended")]
pub(super) struct Gone;

impl Process {
    /// Starts the command of `plan` at its place.
    ///
    /// # Errors
    /// When the system starts no more processes.
    pub(super) fn start(place: Place, plan: &Plan) -> io::Result<(Self, Output)> {
        let confinement = place.confinement().to_text().map_err(io::Error::other)?;
        let mut command = std::process::Command::new("/proc/self/exe");
        command.arg0("coatroom").args([ROLE, SUPERVISE, &confinement]);
        // What the command gets is in the plan; the supervisor needs nothing of the gateway's.
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut supervisor = Command::from(command).spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (supervisor.stdin.take(), supervisor.stdout.take(), supervisor.stderr.take())
        else {
            return Err(io::Error::other("a pipe is missing"));
        };
        let input = Input::new(stdin)?;
        // The first that it reads, and the pipe takes so much at once.
        input.try_send(plan.to_bytes()?);
        let kill = Arc::new(Notify::new());
        let said = Arc::new(LastWords::without(plan.secrets().map(str::to_owned)));
        let (ends, ended) = watch::channel(false);
        let heard = tokio::spawn(hear(stderr, Arc::clone(&said)));
        tokio::spawn(keep(supervisor, Arc::clone(&kill), place, (heard, ends)));
        Ok((
            Self { input, kill, closes: AtomicBool::new(false), ended, said },
            Lines::new(BufReader::new(stdout), LONGEST_LINE),
        ))
    }

    /// Writes one line.
    ///
    /// # Errors
    /// [`Gone`] when it takes no more.
    pub(super) async fn send(&self, line: String) -> Result<(), Gone> {
        self.input.send(ended(line)).await
    }

    /// Writes one line if it takes one at once: for what is of no use later.
    pub(super) fn try_send(&self, line: String) {
        self.input.try_send(ended(line));
    }

    /// Closes its input, by which it ends; it is made to, if it does not.
    pub(super) fn close(&self) {
        self.input.close();
        // One that reads nothing never sees the end of its input.
        let (kill, mut ended) = (Arc::clone(&self.kill), self.ended.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !self.closes.swap(true, Ordering::Relaxed)
        {
            runtime.spawn(async move {
                let ended = tokio::time::timeout(CLOSED, ended.wait_for(|ended| *ended)).await;
                if ended.is_err() {
                    kill.notify_one();
                }
            });
        }
    }

    /// Ends it at once, with everything that it started.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }

    /// Completes when it is gone, with everything that it started.
    pub(super) async fn ended(&self) {
        // The sender is there until it has told so.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Notes why it is ended, with what it wrote to stderr last.
    pub(super) fn note(&self, why: &str) {
        self.said.hear(why.as_bytes());
    }

    /// What it said, as it may be shown.
    pub(super) fn redacted(&self, said: &str) -> String {
        self.said.redacted(said)
    }

    /// What it wrote to stderr last.
    pub(super) fn last_words(&self) -> String {
        self.said.text()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.close();
    }
}

fn ended(mut line: String) -> Vec<u8> {
    line.push('\n');
    line.into_bytes()
}

async fn hear(stderr: ChildStderr, said: Arc<LastWords>) {
    let mut lines = Lines::new(BufReader::new(stderr), LONGEST_WORDS);
    loop {
        match lines.next().await {
            Ok(Some(line)) => tracing::debug!(line = said.hear(&line), "a server wrote to stderr"),
            // Nobody reads so long a line. It is read nevertheless: a process whose stderr is full stands still.
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// Waits for the end of a process, and brings it about when asked. The supervisor is never killed: it would leave behind what it watches.
async fn keep(
    mut supervisor: Child,
    kill: Arc<Notify>,
    place: Place,
    (heard, ends): (tokio::task::JoinHandle<()>, watch::Sender<bool>),
) {
    let pid = supervisor.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let status = loop {
        tokio::select! {
            status = supervisor.wait() => break status,
            // It was not waited for yet, so the number is still its own.
            () = kill.notified() => if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::TERM);
            },
        }
    };
    match status {
        Ok(status) => tracing::debug!(%status, "a process ended"),
        Err(error) => tracing::warn!(%error, "a process ended, and nobody knows how"),
    }
    drop(place);
    // Its last words may still be on their way, unless somebody holds stderr open.
    let _ = tokio::time::timeout(LAST_WORDS, heard).await;
    ends.send_replace(true);
}

/// The longest message of a server, in bytes: a large image as base64.
const LONGEST_LINE: usize = 32 * 1024 * 1024;

/// The longest line of stderr that is looked at as one, in bytes.
const LONGEST_WORDS: usize = 64 * 1024;

/// How long a process may take to end by itself; its supervisor makes it within half of that, unless the input never ends.
const CLOSED: std::time::Duration = std::time::Duration::from_secs(10);

const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(200);
