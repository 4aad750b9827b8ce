//! Clients written by others, each driven through a plan by a small script in `clients/`.
//!
//! A script prints JSON lines: `{"authorize": url}` when it needs a person, one line per step, and at the end
//! `{"done": true, "secrets": […]}` or `{"error": …}`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::browser::Profile;
use crate::evidence::{self, Secret};
use crate::tools;

/// A script, and what runs it.
#[derive(Debug, Clone, Copy)]
pub enum Script {
    /// `clients/node/NAME`.
    Node(&'static str),
    /// `clients/python/NAME`, in the environment of that name.
    Python(&'static str, &'static str),
}

/// What a client printed.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// One line per step, in the plan's order.
    pub steps: Vec<Value>,
    /// How many times it sent its person to the browser.
    pub visits: usize,
    /// The tokens that it ended with.
    pub secrets: Vec<String>,
}

impl Script {
    /// The command that runs the script, with the packages that `scripts/test` installed.
    #[must_use]
    pub fn command(self) -> Command {
        let mut command = match self {
            Self::Node(name) => {
                let mut command = Command::new(tools::folder().join("bin/node"));
                // The scripts are reached by a link beside node_modules, and look for their packages from there.
                command.args(["--preserve-symlinks", "--preserve-symlinks-main"]);
                command.arg(tools::folder().join("node/clients").join(name));
                command
            }
            Self::Python(environment, name) => {
                let mut command = Command::new(tools::folder().join(environment).join("bin/python"));
                command
                    .arg("-B")
                    .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python").join(name));
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a plan against an MCP server; whenever the client wants a person, `profile` signs in as `account`.
    pub async fn run(self, mcp_url: &str, plan: &Value, profile: &Profile, account: &str) -> Transcript {
        self.run_where(mcp_url, plan, async |url| profile.approve(url, account).await).await
    }

    /// The same, with a person who does what `person` says at the address that the client names.
    pub async fn run_where(self, mcp_url: &str, plan: &Value, person: impl AsyncFn(&str)) -> Transcript {
        let mut child =
            self.command().arg(mcp_url).arg(plan.to_string()).spawn().expect("starting the script");
        let mut errors = child.stderr.take().expect("piped");
        let errors = tokio::spawn(async move {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text).await;
            text
        });
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut transcript = Transcript { steps: Vec::new(), visits: 0, secrets: Vec::new() };
        let mut done = false;
        while let Some(line) = tokio::time::timeout(Duration::from_secs(120), lines.next_line())
            .await
            .unwrap_or_else(|_| panic!("{self:?} said nothing for 120 s after {transcript:?}"))
            .expect("reading the script's lines")
        {
            let line: Value =
                serde_json::from_str(&line).unwrap_or_else(|_| panic!("{self:?} printed {line}"));
            if let Some(url) = line["authorize"].as_str() {
                transcript.visits += 1;
                person(url).await;
            } else if let Some(secrets) = line["secrets"].as_array() {
                transcript.secrets =
                    secrets.iter().filter_map(|secret| secret.as_str().map(str::to_owned)).collect();
                transcript.secrets.iter().for_each(|secret| evidence::secret(Secret::Credential, secret));
                done = true;
            } else {
                transcript.steps.push(line);
            }
        }
        let status = child.wait().await.expect("waiting for the script");
        let errors = errors.await.unwrap_or_default();
        assert!(done && status.success(), "{self:?} ended with {status} after {transcript:#?}\n{errors}");
        transcript
    }
}
