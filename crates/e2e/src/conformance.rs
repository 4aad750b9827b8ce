//! The official conformance suite's scenarios for MCP servers.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
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
    /// Every verdict, also of what does not count.
    pub verdicts: Verdicts,
    /// Every check that was not passed, with its reason.
    pub failures: Vec<String>,
    /// What it printed.
    pub said: String,
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
    let (mut verdicts, mut failures) = (Verdicts::new(), Vec::new());
    let mut folders: Vec<PathBuf> =
        fs::read_dir(results.path()).expect("results").map(|entry| entry.expect("a folder").path()).collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let checks = fs::read(folder.join("checks.json")).expect("the checks of a scenario");
        let checks: Vec<Check> = serde_json::from_slice(&checks).expect("checks as JSON");
        for check in checks.into_iter().filter(|check| check.status != "INFO") {
            if check.status != "SUCCESS" {
                let reason = check.error_message.unwrap_or_default();
                failures.push(format!(
                    "{} {}/{}: {}: {reason}",
                    check.status,
                    scenario(&name),
                    check.id,
                    check.name
                ));
            }
            verdicts
                .entry((scenario(&name).to_owned(), check.id, check.name))
                .or_default()
                .push(check.status);
        }
    }
    Run { passed: status.success(), verdicts, failures, said }
}

/// The scenario that a folder of results is named after: `server-NAME-2026-01-02T03-04-05-678Z`.
fn scenario(folder: &str) -> &str {
    const TIME: usize = "-2026-01-02T03-04-05-678Z".len();
    let name = folder.strip_prefix("server-").and_then(|name| name.get(..name.len().checked_sub(TIME)?));
    name.unwrap_or_else(|| panic!("a folder of results is named {folder}"))
}
