//! Where the tools are that `scripts/test` installed.

use std::env;
use std::iter;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::process::{Child, Command};

/// The program under test, from `COATROOM_BIN`.
///
/// # Panics
/// When it is not set: a test that cannot find its subject must not pass.
#[must_use]
pub fn coatroom() -> PathBuf {
    from_environment("COATROOM_BIN")
}

/// A built example, in the folder that `COATROOM_EXAMPLES` names.
///
/// # Panics
/// When it is not set, or the example is not there.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let file = from_environment("COATROOM_EXAMPLES").join(name);
    assert!(file.exists(), "{} does not exist", file.display());
    file
}

/// The folder with Node, its packages and the Python environments, from `COATROOM_E2E_TOOLS`.
///
/// # Panics
/// When it is not set.
#[must_use]
pub fn folder() -> PathBuf {
    from_environment("COATROOM_E2E_TOOLS")
}

/// Chromium, from `COATROOM_CHROMIUM`, else where Debian puts it.
#[must_use]
pub fn chromium() -> PathBuf {
    env::var_os("COATROOM_CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from)
}

/// A port for a server that starts in a moment.
///
/// It lies below the range from which the system itself gives ports away, or a server that asks the system for any port would
/// get this one in the meantime; tests of other processes begin to look elsewhere.
///
/// # Panics
/// When the machine has none left.
#[must_use]
pub fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let ports = iter::repeat_with(|| {
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let place = std::process::id().wrapping_mul(97).wrapping_add(asked.wrapping_mul(7919)) % 20_000;
        10_000 + u16::try_from(place).expect("below 20,000")
    });
    ports.take(1_000).find(is_free).expect("no free port")
}

/// Asks a program to stop, as a service manager does (SIGTERM).
///
/// # Panics
/// When it has ended, or cannot be asked.
pub async fn ask_to_stop(program: &Child) {
    let id = program.id().expect("the program has not ended").to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill");
    assert!(sent.success(), "SIGTERM could not be sent");
}

/// How much the long tests do, from `COATROOM_SOAK`: five times their unit unless it says otherwise; a hundred before a release.
///
/// # Panics
/// When it is no number: a setting that was misread must not make a test smaller.
#[must_use]
pub fn soak() -> usize {
    let Some(value) = env::var_os("COATROOM_SOAK") else { return 5 };
    value.to_str().and_then(|value| value.parse().ok()).expect("COATROOM_SOAK is a number")
}

fn from_environment(name: &str) -> PathBuf {
    let value =
        env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run scripts/test, which sets it"));
    let path = PathBuf::from(value);
    assert!(path.exists(), "{name} names {}, which does not exist", path.display());
    path
}
