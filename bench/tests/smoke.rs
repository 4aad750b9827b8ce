//! That the benchmark still runs. What it measures here means nothing.

use std::process::Command;

#[test]
fn the_benchmark_of_the_stores_prints_its_tables() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coatroom-bench"));
    command.args(["stores", "--stores", "memory,sqlite", "--grants", "100,200", "--clients", "8"]);
    let output = command.args(["--rounds", "1", "--seconds", "0.2"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for row in
        ["| memory | 100 |", "| memory | 200 |", "| SQLite 3", "| durable refreshes |", "| durable writes |"]
    {
        assert!(said.contains(row), "{row} is missing in: {said}");
    }
}
