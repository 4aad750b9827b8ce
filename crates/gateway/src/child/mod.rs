//! A process of one user's own: started in a place where it sees nothing of others, and never left behind.
//!
//! The gateway runs this program again as `coatroom child`, in three roles that each do one thing:
//!
//! 1. [`supervise`] stands between the gateway and the command. It is told what to run ([`plan`]), the credentials on stdin, and ends the
//!    command, with everything that the command started, as soon as it is told to or the gateway is gone, also by `kill -9`.
//! 2. [`init`] is process 1 of a PID namespace, where the machine offers one: it hides what is not the command's business, and with it ends
//!    everything.
//! 3. [`confine`] limits itself for good, and becomes the command.
//!
//! To see at start what the machine offers, the gateway lets them run a command of its own, [`look`].
//!
//! None of it needs `unsafe`: what is to hold for the command is done by a process to itself before it becomes the command. Each role runs
//! in a process with a single thread; nothing here may start another.

#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
mod init;
#[cfg(target_os = "linux")]
mod look;
mod plan;
#[cfg(target_os = "linux")]
mod supervise;

#[cfg(target_os = "linux")]
use std::process::ExitCode;

#[cfg(target_os = "linux")]
use crate::terminal;

pub(crate) use plan::{Confinement, Limits, OF_THE_PLACE, Owner, Plan};

/// The word by which the program is asked for one of these roles. It is no command of the program: people have no use for it.
pub(crate) const ROLE: &str = "child";

/// Plays the role that the arguments after [`ROLE`] name.
#[cfg(target_os = "linux")]
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let unknown = || Err(anyhow::anyhow!("`coatroom {ROLE}` is for the program itself"));
    let done = match arguments {
        [role, files @ ..] if role == LOOK => return look::run(files),
        [role, confinement, command @ ..] => match (role.as_str(), Confinement::from_text(confinement)) {
            (SUPERVISE, Ok(confinement)) => supervise::run(&confinement),
            (INIT, Ok(confinement)) => init::run(&confinement, command),
            (CONFINE, Ok(confinement)) => confine::run(&confinement, command),
            _ => unknown(),
        },
        _ => unknown(),
    };
    done.unwrap_or_else(|error| {
        terminal::complain(format_args!("{error:#}"));
        ExitCode::from(CANNOT_RUN)
    })
}

/// A command for any of the roles to run: tries to read what it may not, and says what it could.
pub(crate) const LOOK: &str = "look";

/// The first role, and the only one for the gateway to ask for.
pub(crate) const SUPERVISE: &str = "supervise";
const INIT: &str = "init";
const CONFINE: &str = "confine";

/// As shells say that a command cannot be run.
const CANNOT_RUN: u8 = 127;
