//! `docs/requirements.md` says which test holds which requirement; this says whether that is so.

use std::collections::BTreeSet;

use crate::workspace::{Tests, root};

#[test]
fn each_requirement_is_named_once_and_its_tests_exist() {
    let text = std::fs::read_to_string(root().join("docs/requirements.md")).unwrap();
    let known = Tests::read();
    let mut ids = BTreeSet::new();
    for row in rows(&text) {
        let [id, words, last] = &row[..] else { panic!("a row has not three columns: {row:?}") };
        assert!(is_id(id), "'{id}' is not the id of a requirement");
        assert!(ids.insert(id.clone()), "{id} is named twice");
        assert!(words.ends_with('.') || words.is_empty(), "{id}: say it in a sentence");
        let tests: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        for test in &tests {
            let is_script = test.contains('/') && root().join("crates/e2e/clients").join(test).is_file();
            let checked = if is_script { Ok(()) } else { known.check(test) };
            assert!(checked.is_ok(), "{id} names the test {test}, {}", checked.unwrap_err());
        }
        let does_not_apply = tests.is_empty() && last.ends_with('.');
        assert!(!tests.is_empty() || does_not_apply, "{id} names no test and no reason");
    }
    assert!(ids.len() > 100, "only {} requirements were read", ids.len());
}

#[test]
fn ids_have_letters_and_two_digits() {
    for good in ["TOK-43", "AZ-01", "CIMD-10"] {
        assert!(is_id(good), "{good}");
    }
    for bad in ["TOK-4", "tok-43", "TOK43", "TOK-43, TOK-44", "T-01", ""] {
        assert!(!is_id(bad), "{bad}");
    }
}

/// The rows of all tables, without their heads.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let rows = lines
        .map(|line| line.trim().trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect());
    rows.filter(|row: &Vec<String>| row.first().is_some_and(|first| first != "id")).collect()
}

/// Two to four capitals, a hyphen, two digits.
fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(area, number)| {
        (2..=4).contains(&area.len())
            && area.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.len() == 2
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}
