//! That the benchmarks still run. What they measure here means nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_benchmark_of_the_stores_prints_its_tables() {
    let few = ["stores", "--stores", "memory,sqlite", "--grants", "100,200", "--clients", "8"];
    let rows =
        ["| memory | 100 |", "| memory | 200 |", "| SQLite 3", "| durable refreshes |", "| durable writes |"];
    prints(Command::new(BENCH).args(few).args(BRIEFLY), &rows);
}

#[test]
fn the_benchmark_of_the_token_endpoint_prints_its_table() {
    let few = ["tokens", "--contenders", "coatroom-memory,coatroom", "--warmup", "0.1", "--users", "2"];
    let rows =
        ["| Coatroom, memory |", "| Coatroom, SQLite (FULL) |", "| SQLite alone, FULL, sixteen together |"];
    prints(Command::new(BENCH).args(few).args(BRIEFLY).env("COATROOM_BIN", program()), &rows);
}

#[test]
fn the_benchmark_of_calls_prints_its_table() {
    let few = ["calls", "--contenders", "direct,hyper,floor,coatroom", "--connections", "2"];
    let rows =
        ["| the server itself |", "| minimal hyper proxy, tokens remembered (floor) |", "| Coatroom |"];
    // Its name may be relative, as people write it.
    let program = program();
    let (folder, name) = (program.parent().unwrap(), program.file_name().unwrap());
    let mut command = Command::new(BENCH);
    prints(command.args(few).args(BRIEFLY).current_dir(folder).env("COATROOM_BIN", name), &rows);
}

fn prints(command: &mut Command, rows: &[&str]) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for row in rows {
        assert!(said.contains(row), "{row} is missing in: {said}");
    }
}

/// The program, which a build of the whole workspace puts beside the benchmark.
fn program() -> PathBuf {
    let program = std::env::var_os("COATROOM_BIN")
        .map_or_else(|| Path::new(BENCH).with_file_name("coatroom"), PathBuf::from);
    assert!(program.exists(), "{} is not built: cargo build -p coatroom-gateway", program.display());
    program
}

const BENCH: &str = env!("CARGO_BIN_EXE_coatroom-bench");
const BRIEFLY: [&str; 4] = ["--rounds", "1", "--seconds", "0.2"];
