//! `docs/requirements.md` says of every requirement which tests hold it, or why there are none; this says whether that is so.
//!
//! The last column of a row is either a list of tests, or a sentence that begins with "does not apply:" or "not built:" and may name
//! tests too: those that show how what is not there is refused.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::workspace::{Tests, root};

#[test]
fn each_requirement_is_named_once_and_its_tests_exist() {
    let text = std::fs::read_to_string(root().join("docs/requirements.md")).unwrap();
    let known = Tests::read();
    let mut ids = BTreeSet::new();
    let mut faults = Vec::new();
    for row in rows(&text) {
        let [id, words, last] = &row[..] else { panic!("a row has not three columns: {row:?}") };
        if !ids.insert(id.clone()) {
            faults.push(format!("{id} is named twice"));
        }
        if !words.ends_with('.') {
            faults.push(format!("{id}: say it in a sentence"));
        }
        match Held::parse(last) {
            Some(Held { tests, .. }) => {
                for test in tests {
                    let is_script =
                        test.contains('/') && root().join("crates/e2e/clients").join(&test).is_file();
                    if let (false, Err(fault)) = (is_script, known.check(&test)) {
                        faults.push(format!("{id} names the test {test}, {fault}"));
                    }
                }
            }
            None => faults.push(format!("{id} has neither tests alone nor a reason: {last}")),
        }
    }
    let expected: BTreeSet<String> = every_id().collect();
    faults.extend(expected.difference(&ids).map(|id| format!("{id} is missing")));
    faults.extend(ids.difference(&expected).map(|id| format!("{id} is not the id of a requirement")));
    assert!(faults.is_empty(), "docs/requirements.md:\n{}", faults.join("\n"));
}

#[test]
fn there_are_411_requirements_and_29_statements_of_the_security_best_practices() {
    let ids: BTreeSet<String> = every_id().collect();
    assert_eq!(ids.len(), 411 + 29);
    for known in ["TOK-20", "TOK-30", "TOK-36", "TOK-40", "BP-29"] {
        assert!(ids.contains(known), "{known}");
    }
    for unknown in ["TOK-21", "TOK-37", "TOK-53", "PRM-00", "BP-30"] {
        assert!(!ids.contains(unknown), "{unknown}");
    }
}

#[test]
fn a_row_has_tests_alone_or_a_reason() {
    let held = |text: &str| Held::parse(text).map(|held| (held.reason, held.tests.len()));
    assert_eq!(held("`a_b`, `c::d`"), Some((None, 2)));
    assert_eq!(held("does not apply: no tenants."), Some((Some(Reason::DoesNotApply), 0)));
    assert_eq!(held("not built: it is refused, `a_b`."), Some((Some(Reason::NotBuilt), 1)));
    for bad in
        ["", "later", "`a_b` and more", "`a_b`.", "not built:", "not built: x", "does not apply: no", "``"]
    {
        assert_eq!(held(bad), None, "{bad}");
    }
}

/// Every area of requirements, and how its ids are counted. The letters are those of the specifications' surfaces; `BP` are the
/// statements of MCP's security best practices, in their order.
const AREAS: &[(&str, &[RangeInclusive<u8>])] = &[
    ("PRM", &[1..=20]),
    ("ASM", &[1..=29]),
    ("DCR", &[1..=31]),
    ("DCM", &[1..=5]),
    ("CIMD", &[1..=27]),
    ("AZ", &[1..=41]),
    ("CON", &[1..=15]),
    ("UP", &[1..=14]),
    ("TOK", &[1..=20, 30..=36, 40..=52]),
    ("TEX", &[1..=3]),
    ("REV", &[1..=8]),
    ("INT", &[1..=7]),
    ("KEY", &[1..=7]),
    ("OID", &[1..=5]),
    ("RS", &[1..=30]),
    ("GW", &[1..=24]),
    ("SES", &[1..=11]),
    ("HND", &[1..=3]),
    ("MR", &[1..=3]),
    ("SUB", &[1..=1]),
    ("TP", &[1..=5]),
    ("EL", &[1..=13]),
    ("CC", &[1..=7]),
    ("EMA", &[1..=21]),
    ("DP", &[1..=12]),
    ("WIF", &[1..=8]),
    ("BC", &[1..=13]),
    ("OPS", &[1..=8]),
    ("BP", &[1..=29]),
];

fn every_id() -> impl Iterator<Item = String> {
    AREAS.iter().flat_map(|(area, ranges)| {
        ranges.iter().cloned().flatten().map(move |number| format!("{area}-{number:02}"))
    })
}

/// What holds a requirement.
struct Held {
    reason: Option<Reason>,
    tests: Vec<String>,
}

/// Why no test can hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    DoesNotApply,
    NotBuilt,
}

impl Held {
    fn parse(text: &str) -> Option<Self> {
        let tests: Vec<String> = text.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let reasons = [("does not apply: ", Reason::DoesNotApply), ("not built: ", Reason::NotBuilt)];
        let reason =
            reasons.into_iter().find_map(|(start, reason)| Some((text.strip_prefix(start)?, reason)));
        let is_whole = match reason {
            Some((words, _)) => words.ends_with('.') && words.len() > MIN_REASON,
            None => {
                !tests.is_empty() && text.split('`').step_by(2).all(|between| ["", ", "].contains(&between))
            }
        };
        let are_named = tests.iter().all(|test| !test.is_empty());
        (is_whole && are_named).then_some(Self { reason: reason.map(|(_, reason)| reason), tests })
    }
}

/// Shorter words are no reason.
const MIN_REASON: usize = 10;

/// The rows of all tables, without their heads.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let rows = lines
        .map(|line| line.trim().trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect());
    rows.filter(|row: &Vec<String>| row.first().is_some_and(|first| first != "id")).collect()
}
