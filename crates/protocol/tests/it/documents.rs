//! The documents link to what exists, name tests that exist, and have every section that the code cites.

use std::collections::BTreeSet;

use crate::workspace::{File, Tests, files, root};

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    for document in documents() {
        for link in links(&document.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match (path, document.path.rsplit_once('/')) {
                ("", _) => document.path.clone(),
                (path, Some((folder, _))) => format!("{folder}/{path}"),
                (path, None) => path.to_owned(),
            };
            let target = root().join(target);
            assert!(target.exists(), "{} links to {link}, which does not exist", document.path);
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let known = headings(&text).iter().any(|heading| slug(heading) == anchor);
                assert!(known, "{} links to {link}, which has no such heading", document.path);
            }
        }
    }
}

/// Tests are named as sentences. Nothing else in our documents has three underscores, but for names of protocols, which stand in
/// the code between quotation marks.
#[test]
fn every_test_that_a_document_names_exists() {
    let tests = Tests::read();
    let sources = files("crates", ".rs");
    let is_of_a_protocol = |name: &str| {
        let quoted = format!("\"{name}\"");
        sources.iter().any(|file| file.text.contains(&quoted))
    };
    for document in documents() {
        for named in quoted(&document.text) {
            if !is_test_name(named.rsplit("::").next().unwrap_or_default()) {
                continue;
            }
            // Sources are searched only for names that are no test's: there are few of them.
            if let Err(reason) = tests.check(&named) {
                assert!(is_of_a_protocol(&named), "{} names the test {named}, {reason}", document.path);
            }
        }
    }
}

#[test]
fn every_file_that_a_document_names_by_its_path_exists() {
    for document in documents() {
        for path in quoted(&document.text).into_iter().filter(|name| is_source_path(name)) {
            let known =
                ["", "crates/", "crates/coatroom/src/", "crates/protocol/src/", "crates/gateway/src/"];
            let beside = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let found = known.iter().chain(&[beside]).any(|folder| root().join(folder).join(&path).exists());
            assert!(found, "{} names {path}, which does not exist", document.path);
        }
    }
}

#[test]
fn every_part_of_the_architecture_that_the_code_cites_is_there() {
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let headings = headings(&architecture);
    let sources = files("crates", ".rs");
    let cited: BTreeSet<(String, String)> =
        sources.iter().filter(|file| !file.path.contains("/tests/")).flat_map(citations).collect();
    assert!(cited.len() > 10, "too few citations were found: {cited:?}");
    for (path, part) in cited {
        let is_there = match part.strip_prefix("rule ") {
            Some(number) => headings.iter().any(|heading| heading.starts_with(&format!("{number}. "))),
            None => headings.contains(&part),
        };
        assert!(is_there, "{path} cites ARCHITECTURE.md, {part}, which is not there");
    }
}

#[test]
fn the_documents_of_every_good_project_are_there() {
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
    ] {
        assert!(root().join(name).is_file(), "{name} is missing");
    }
}

fn documents() -> Vec<File> {
    files("", ".md")
}

/// The targets of all links: `[text](target)`, outside of code.
fn links(text: &str) -> Vec<String> {
    let prose = without_code(text);
    let starts = prose.match_indices("](").map(|(at, _)| &prose[at + 2..]);
    starts.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.trim().to_owned()).collect()
}

fn without_code(text: &str) -> String {
    let mut inside = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            // Every second part stands between backticks.
            prose.extend(line.split('`').step_by(2));
            prose.push('\n');
        }
    }
    prose
}

/// What stands between backticks, outside of blocks.
fn quoted(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

fn headings(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| line.trim_start_matches('#').trim().to_owned()).collect()
}

/// The anchor that common renderers give a heading.
fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

fn is_test_name(text: &str) -> bool {
    text.matches('_').count() >= 3
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn is_source_path(text: &str) -> bool {
    text.contains('/') && text.strip_suffix(".rs").is_some() && !text.contains([' ', '*', '{'])
}

/// What a file cites of the architecture: `rule 4`, or the name of a section.
fn citations(file: &File) -> Vec<(String, String)> {
    let joined = file.text.replace("\n//! ", " ").replace("\n/// ", " ").replace("\n// ", " ");
    let mut found = Vec::new();
    for (at, _) in joined.match_indices("ARCHITECTURE.md, ") {
        let rest = &joined[at + "ARCHITECTURE.md, ".len()..];
        let rest = rest.split([';', ')']).next().unwrap_or(rest);
        if let Some(number) = rest.strip_prefix("rule ").and_then(|rest| rest.chars().next()) {
            found.push((file.path.clone(), format!("rule {number}")));
        }
        let names = rest.split('"').skip(1).step_by(2);
        found.extend(names.map(|name| (file.path.clone(), name.to_owned())));
    }
    found
}
