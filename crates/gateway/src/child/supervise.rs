//! The supervisor: waits for the command, the gateway and signals, and leaves nothing behind.
//!
//! The gateway holds the other end of stdin. Once that is closed, on purpose or because the gateway is gone, the command has read the end of its
//! input too, and has a moment to finish; then it is asked to end, then it is ended. SIGTERM ends it at once.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context as _;
use coatroom::clock::{Clock as _, SystemClock};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal as Caught};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, getegid, geteuid, getpid, kill_process,
    kill_process_group, set_child_subreaper, set_dumpable_behavior, wait,
};
use rustix::thread::{CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities};

use super::plan::{Confinement, Plan};
use super::{CONFINE, INIT, ROLE};

pub(super) fn run(confinement: &Confinement) -> anyhow::Result<ExitCode> {
    if confinement.namespaces {
        separate().context("the system gives no namespaces")?;
    }
    // Nobody who runs as the same user may read the credentials out of this process.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // What loses its parent becomes ours, so that it can be found.
    set_child_subreaper(Some(getpid()))?;
    let caught: SigSet =
        [Caught::SIGTERM, Caught::SIGINT, Caught::SIGHUP, Caught::SIGCHLD].into_iter().collect();
    caught.thread_block()?;
    let signals = SignalFd::with_flags(&caught, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let plan = Plan::read(unbuffered_stdin()?).context("the gateway did not say what to run")?;
    let command = start(&plan, confinement)?;
    drop(plan);
    // The command alone speaks to the gateway: once it is gone, nobody holds the line.
    rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    Supervisor { signals, command, clock: SystemClock::new(), ending: None }.wait()
}

/// Stdin without a buffer: what follows the plan is the command's to read.
fn unbuffered_stdin() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

fn start(plan: &Plan, confinement: &Confinement) -> anyhow::Result<Pid> {
    let role = if confinement.namespaces { INIT } else { CONFINE };
    let started = in_role(role, confinement, &plan.command)?
        .env_clear()
        .envs(&plan.environment)
        // Of its own, so that it can be ended without ending the supervisor.
        .process_group(0)
        .spawn()
        .context("the system starts no more processes")?;
    Ok(Pid::from_child(&started))
}

/// This program in another role.
pub(super) fn in_role(role: &str, confinement: &Confinement, command: &[String]) -> anyhow::Result<Command> {
    let mut next = Command::new("/proc/self/exe");
    next.arg0("coatroom").args([ROLE, role, &confinement.to_text()?]).args(command);
    Ok(next)
}

/// Puts what this process starts from now on into namespaces of its own. Who is not root needs a user namespace for it, in which they stay
/// who they are, and hand on no more than it takes to hide things.
fn separate() -> anyhow::Result<()> {
    let spaces = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    let (uid, gid) = (geteuid(), getegid());
    if uid.is_root() {
        return Ok(unshare(spaces)?);
    }
    unshare(spaces | CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1", uid = uid.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1", gid = gid.as_raw()))?;
    let mut held = capabilities(None)?;
    held.inheritable |= CapabilitySet::SYS_ADMIN;
    set_capabilities(None, held)?;
    Ok(configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)?)
}

struct Supervisor {
    signals: SignalFd,
    command: Pid,
    clock: SystemClock,
    /// Since when the command is ending, and how it was asked.
    ending: Option<(Duration, Asked)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It has read the end of its input.
    ByItsInput,
    /// It got SIGTERM.
    ByName,
    /// It got SIGKILL.
    NoMore,
}

impl Supervisor {
    fn wait(mut self) -> anyhow::Result<ExitCode> {
        loop {
            if let Some(code) = self.reap()? {
                end_everybody();
                return Ok(code);
            }
            if self.gateway_is_gone()? {
                self.ending = Some((self.clock.elapsed(), Asked::ByItsInput));
            }
            while let Some(signal) = self.signals.read_signal()? {
                let number = i32::try_from(signal.ssi_signo)?;
                if Caught::try_from(number) != Ok(Caught::SIGCHLD) {
                    self.signal(Signal::KILL, Asked::NoMore);
                }
            }
            match self.ending {
                Some((since, Asked::ByItsInput)) if self.waited(since) >= GRACE => {
                    self.signal(Signal::TERM, Asked::ByName);
                }
                Some((since, Asked::ByName)) if self.waited(since) >= GRACE => {
                    self.signal(Signal::KILL, Asked::NoMore);
                }
                _ => {}
            }
        }
    }

    /// Waits until something happens; whether that is the end of stdin, which is told once.
    fn gateway_is_gone(&self) -> anyhow::Result<bool> {
        let stdin = io::stdin();
        let mut watched = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if self.ending.is_none() {
            // No event is asked for: what comes anyway is that nobody writes any more.
            watched.push(PollFd::new(&stdin, PollFlags::empty()));
        }
        let left = match self.ending {
            Some((since, Asked::ByItsInput | Asked::ByName)) => {
                Some(GRACE.saturating_sub(self.waited(since)))
            }
            Some((_, Asked::NoMore)) | None => None,
        };
        let left = left.map(Timespec::try_from).transpose()?;
        match poll(&mut watched, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(watched.get(1).is_some_and(|stdin| !stdin.revents().is_empty()))
    }

    /// Takes note of whoever ended; the command's code, once it was among them.
    fn reap(&self) -> anyhow::Result<Option<ExitCode>> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.command => return Ok(Some(code_of(status))),
                Ok(None) | Err(Errno::CHILD) => return Ok(None),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn waited(&self, since: Duration) -> Duration {
        self.clock.elapsed().saturating_sub(since)
    }

    fn signal(&mut self, signal: Signal, asked: Asked) {
        // Who has ended already is reaped in the next round.
        let _ = kill_process_group(self.command, signal);
        // Process 1 of a namespace is in the group too; of others it hears nothing but SIGKILL.
        self.ending = Some((self.clock.elapsed(), asked));
    }
}

/// The code that says how a command ended, as shells say it.
pub(super) fn code_of(status: WaitStatus) -> ExitCode {
    let exited = status.exit_status().and_then(|code| u8::try_from(code).ok());
    let ended =
        || status.terminating_signal().and_then(|signal| u8::try_from(signal).ok()?.checked_add(BY_SIGNAL));
    ExitCode::from(exited.or_else(ended).unwrap_or(1))
}

/// Ends whatever the command left behind, also what went into a session of its own: all of it is ours by now, or will be as soon as its
/// parent is gone.
fn end_everybody() {
    let children = || {
        let own = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        own.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect::<Vec<_>>()
    };
    loop {
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            // Nobody is left.
            Err(_) => return,
        }
    }
}

/// How long a command may take to end by itself, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

const BY_SIGNAL: u8 = 128;
