//! The program that is measured: the one that `COATROOM_BIN` names, or else the one of this source, built for release.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::peers;

/// Makes sure that `COATROOM_BIN` names the program by its whole path, which is where the tools of the tests look for it. Where it does not,
/// the `packages` are built, and this process begins anew, since none may change its own environment once it has threads.
pub(crate) fn name_or_build(packages: &[&str]) -> Result<()> {
    let program = match env::var_os(NAME).map(PathBuf::from) {
        Some(named) if named.is_absolute() => return Ok(()),
        Some(named) => named.canonicalize().with_context(|| format!("{NAME}={}", named.display()))?,
        None => build(packages)?,
    };
    let mut again = Command::new(env::current_exe()?);
    let error = again.args(env::args_os().skip(1)).env(NAME, program).exec();
    Err(error).context("the benchmark does not start again")
}

fn build(packages: &[&str]) -> Result<PathBuf> {
    let target = peers::target()?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--bins", "--manifest-path", MANIFEST, "--target-dir"]).arg(&target);
    cargo.args(packages.iter().flat_map(|package| ["-p", package]));
    let built = cargo.status().context("cargo is missing; or name a program in COATROOM_BIN")?;
    ensure!(built.success(), "the program was not built");
    Ok(target.join("release/coatroom"))
}

const NAME: &str = "COATROOM_BIN";
const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
