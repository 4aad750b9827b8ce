//! The README of the library says how many crates each feature takes. This asks cargo.

use std::collections::BTreeSet;
use std::process::Command;

use crate::workspace::{files, root};

#[test]
fn the_readme_says_how_many_crates_each_feature_takes() {
    let readme = files("crates/coatroom", "README.md").remove(0).text;
    let rows: Vec<(&str, usize)> = readme.lines().filter_map(row).collect();
    assert!(rows.len() > 10, "the table is not found: {rows:?}");
    for (features, said) in rows {
        assert_eq!(said, crates(features), "{features}: crates/coatroom/README.md says another number");
    }
}

/// The features and the number of a row of the table.
fn row(line: &str) -> Option<(&str, usize)> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let features = cells.split(" | ").next()?.trim_matches('`');
    let number = cells.rsplit(' ').next()?.parse().ok()?;
    Some((if features == "none" { "" } else { features }, number))
}

fn crates(features: &str) -> usize {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "coatroom", "--no-default-features"])
        .args(["--features", features, "--edges", "normal,build", "--prefix", "none"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    tree.lines().map(|line| line.trim_end_matches(" (*)")).collect::<BTreeSet<_>>().len()
}
