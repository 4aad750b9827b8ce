//! How many instructions the rules take: `cargo bench -p coatroom-bench --bench instructions -- peek`.
//!
//! Each case runs in a process of its own under valgrind, whose tool callgrind counts. What it does for the first time is not counted.

mod cases;

use std::hint::black_box;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use self::cases::{Case, Work};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Options {
    /// Counts what has this in its name.
    #[arg(default_value = "")]
    filter: String,
    /// Does this case, to be counted.
    #[arg(long, hide = true)]
    only: Option<String>,
    /// What cargo says.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let cases = cases::all();
    if let Some(name) = options.only {
        let case = cases.iter().find(|case| case.name == name).context("there is no such case")?;
        run(case);
        return Ok(());
    }
    println!("| case | instructions | per KiB |\n|---|---:|---:|");
    for case in cases.iter().filter(|case| case.name.contains(&options.filter)) {
        let count = count(case)?;
        let per_kib = case.kib.map(|kib| (count / kib).to_string());
        println!("| {} | {count} | {} |", case.name, per_kib.unwrap_or_default());
    }
    Ok(())
}

fn run(case: &Case) {
    match case.make() {
        Work::Again(mut work) => {
            work();
            counted(&mut work);
        }
        Work::Anew(mut next) => {
            next()();
            counted(next());
        }
    }
}

/// Callgrind counts what happens in here.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
    black_box(());
}

/// Runs one case under callgrind, and reads what it counted.
fn count(case: &Case) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("counts");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*instructions*counted*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe()?)
        .args(["--only", &case.name])
        .output()
        .context("valgrind is not installed")?;
    ensure!(output.status.success(), "{}: {}", case.name, String::from_utf8_lossy(&output.stderr));
    let counts = std::fs::read_to_string(file)?;
    let total = counts
        .lines()
        .find_map(|line| line.strip_prefix("summary: "))
        .context("callgrind counted nothing")?;
    let total = total.trim().parse()?;
    ensure!(total > 0, "{}: callgrind did not find `counted`: is the program stripped?", case.name);
    Ok(total)
}
