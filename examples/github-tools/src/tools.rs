//! The tools. Each calls GitHub as whoever calls it: `caller.http("github")` carries that user's own token.

use std::sync::Arc;

use coatroom::guard::{Caller, UpstreamAnswer};
use rmcp::handler::server::tool::schema_for_output;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Tools that act at GitHub for their caller.
#[derive(Debug, Clone)]
pub(crate) struct GitHubTools {
    api: Arc<str>,
}

/// The caller's own repositories.
#[derive(Debug, Serialize, JsonSchema)]
struct MyRepos {
    /// The name of the caller at GitHub.
    user: String,
    /// The repositories.
    repositories: Vec<Repo>,
}

/// A repository.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Repo {
    /// Owner and name, as create-issue takes them.
    full_name: String,
    /// What it is about.
    description: Option<String>,
    /// Whether only some may see it.
    private: bool,
    /// Its page.
    #[serde(rename(deserialize = "html_url"))]
    url: String,
}

/// An issue to open.
#[derive(Debug, Deserialize, JsonSchema)]
struct NewIssue {
    /// The repository as owner/name, such as alice/garden-planner.
    repo: String,
    /// One line that says what it is about.
    title: String,
    /// The text, as Markdown.
    #[serde(default)]
    body: String,
}

/// An issue that was opened.
#[derive(Debug, Serialize, JsonSchema)]
struct OpenedIssue {
    /// Repository and number, such as alice/garden-planner#1.
    issue: String,
    /// Its page.
    url: String,
}

#[tool_router]
impl GitHubTools {
    /// Tools that call the API at this address.
    pub(crate) fn new(api: &str) -> Self {
        Self { api: api.trim_end_matches('/').into() }
    }

    #[tool(
        name = "get-my-repos",
        title = "List my repositories",
        description = "Lists the repositories of the signed-in user, and of nobody else.",
        output_schema = schema_for_output::<MyRepos>(),
        annotations(read_only_hint = true)
    )]
    async fn get_my_repos(&self, caller: Caller) -> Result<CallToolResult, ErrorData> {
        let github = caller.http("github").await?;
        let repos = github.get(&format!("{}/user/repos", self.api)).query("per_page", 100).send().await?;
        if !repos.status().is_success() {
            return Ok(refused(&repos));
        }
        let user = caller.user().display_name().to_owned();
        result(&MyRepos { user, repositories: repos.json()? })
    }

    #[tool(
        name = "create-issue",
        title = "Open an issue",
        description = "Opens an issue at GitHub in the name of the signed-in user.",
        output_schema = schema_for_output::<OpenedIssue>(),
        annotations(destructive_hint = false)
    )]
    async fn create_issue(
        &self,
        caller: Caller,
        Parameters(NewIssue { repo, title, body }): Parameters<NewIssue>,
    ) -> Result<CallToolResult, ErrorData> {
        if !is_full_name(&repo) {
            return Ok(failed("The repository must be given as owner/name, such as alice/garden-planner."));
        }
        let github = caller.http("github").await?;
        let url = format!("{}/repos/{repo}/issues", self.api);
        let answer = github.post(&url).json(&json!({ "title": title, "body": body })).send().await?;
        if !answer.status().is_success() {
            return Ok(refused(&answer));
        }
        let opened: Value = answer.json()?;
        let url = opened.get("html_url").and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = opened.get("number").and_then(Value::as_u64).unwrap_or_default();
        result(&OpenedIssue { issue: format!("{repo}#{number}"), url })
    }
}

#[tool_handler(name = "github-tools")]
impl ServerHandler for GitHubTools {}

fn result<T: Serialize>(value: &T) -> Result<CallToolResult, ErrorData> {
    let value =
        serde_json::to_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(CallToolResult::structured(value))
}

/// What GitHub says is for the model and its user to read. That a token is refused is not among it: there the call ends before.
fn refused(answer: &UpstreamAnswer) -> CallToolResult {
    let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let message = said.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    failed(&format!("GitHub answered {}: {message}", answer.status()))
}

fn failed(words: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(words)])
}

/// Whether a text is owner/name, of characters that mean nothing in a URL.
fn is_full_name(repo: &str) -> bool {
    let plain = |part: &str| {
        part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && part.bytes().any(|b| b != b'.')
    };
    repo.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}
