//! Where the tools are that `scripts/test` installed.

use std::env;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

/// The program under test, from `COATROOM_BIN`.
///
/// # Panics
/// When it is not set: a test that cannot find its subject must not pass.
#[must_use]
pub fn coatroom() -> PathBuf {
    from_environment("COATROOM_BIN")
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

/// A loopback port that was free a moment ago.
///
/// # Panics
/// When the machine has none left.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn from_environment(name: &str) -> PathBuf {
    let value =
        env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run scripts/test, which sets it"));
    let path = PathBuf::from(value);
    assert!(path.exists(), "{name} names {}, which does not exist", path.display());
    path
}
