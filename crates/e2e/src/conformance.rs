//! The official conformance suite: its scenarios for MCP servers, and what it found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::tools;

/// What the suite found: by scenario, check id and name of the check, its verdicts in the order in which they came.
pub type Verdicts = BTreeMap<(String, String, String), Vec<String>>;

/// One run of the suite.
#[derive(Debug)]
pub struct Run {
    /// Whether every check that counts was passed.
    pub passed: bool,
    /// What it found.
    pub found: Found,
    /// What it printed.
    pub said: String,
}

/// What a run left in its folder of results.
#[derive(Debug, Default)]
pub struct Found {
    /// Every verdict, also of what does not count.
    pub verdicts: Verdicts,
    /// Every check that was not passed, with its reason.
    pub failures: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    id: String,
    name: String,
    status: String,
    error_message: Option<String>,
}

/// The suite's own program, to be run with one of its commands.
#[must_use]
pub fn runner() -> Command {
    let program = tools::folder().join("node/node_modules/@modelcontextprotocol/conformance/dist/index.js");
    let mut command = Command::new(tools::folder().join("bin/node"));
    command.arg(program).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs scenarios against an MCP server, chosen by the suite's own options.
pub async fn server(url: &str, options: &[&str]) -> Run {
    let results = tempfile::tempdir().expect("no temporary folder");
    let run = runner().args(["server", "--url", url]).args(options).arg("-o").arg(results.path()).output();
    let Output { status, stdout, stderr } = tokio::time::timeout(Duration::from_secs(200), run)
        .await
        .expect("the suite hangs")
        .expect("the suite");
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    Run { passed: status.success(), found: Found::read(results.path()), said }
}

impl Found {
    /// Reads the checks of every scenario that left its folder in `results`.
    #[must_use]
    pub fn read(results: &Path) -> Self {
        let folders = fs::read_dir(results).expect("results").map(|entry| entry.expect("a folder").path());
        let mut folders: Vec<PathBuf> = folders.collect();
        folders.sort();
        let mut found = Self::default();
        for folder in folders {
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            let checks = fs::read(folder.join("checks.json")).expect("the checks of a scenario");
            let checks: Vec<Check> = serde_json::from_slice(&checks).expect("checks as JSON");
            for check in checks.into_iter().filter(|check| check.status != "INFO") {
                let Check { id, name: check, status, error_message } = check;
                let scenario = scenario(&name);
                if status != "SUCCESS" {
                    let reason = error_message.unwrap_or_default();
                    found.failures.push(format!("{status} {scenario}/{id}: {check}: {reason}"));
                }
                found.verdicts.entry((scenario.to_owned(), id, check)).or_default().push(status);
            }
        }
        found
    }

    /// The verdicts of every check with this id.
    #[must_use]
    pub fn of(&self, check: &str) -> Vec<&str> {
        let found = self.verdicts.iter().filter(|((_, id, _), _)| id == check);
        found.flat_map(|(_, verdicts)| verdicts).map(String::as_str).collect()
    }
}

/// The scenario that a folder of results is named after: `server-NAME-2026-01-02T03-04-05-678Z`, or
/// `authorization-server-NAME-…`.
fn scenario(folder: &str) -> &str {
    const TIME: usize = "-2026-01-02T03-04-05-678Z".len();
    let name = folder.strip_prefix("authorization-server-").or_else(|| folder.strip_prefix("server-"));
    let name = name.and_then(|name| name.get(..name.len().checked_sub(TIME)?));
    name.unwrap_or_else(|| panic!("a folder of results is named {folder}"))
}
