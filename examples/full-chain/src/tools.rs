//! The end of the chain: tools that call GitHub with their caller's own token.

use std::sync::Arc;

use coatroom::guard::Caller;
use rmcp::handler::server::tool::schema_for_output;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Tools that act at GitHub for their caller.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    api: Arc<str>,
}

/// An account at GitHub.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Account {
    /// The name of the account.
    login: String,
}

/// Repositories.
#[derive(Debug, Serialize, JsonSchema)]
struct Repos {
    /// The repositories of the caller.
    repositories: Vec<Repo>,
}

/// A repository.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Repo {
    /// Owner and name.
    full_name: String,
    /// Whether only some may see it.
    private: bool,
}

#[tool_router]
impl Tools {
    /// Tools that call the API at this address.
    pub(crate) fn new(api: &str) -> Self {
        Self { api: api.trim_end_matches('/').into() }
    }

    #[tool(
        name = "whoami",
        title = "Who am I?",
        description = "Says whose account at GitHub this connection acts for.",
        output_schema = schema_for_output::<Account>(),
        annotations(read_only_hint = true)
    )]
    async fn whoami(&self, caller: Caller) -> Result<CallToolResult, ErrorData> {
        self.get(&caller, "/user", |account: Account| account).await
    }

    #[tool(
        name = "list-my-repos",
        title = "List my repositories",
        description = "Lists the repositories of the signed-in user, and of nobody else.",
        output_schema = schema_for_output::<Repos>(),
        annotations(read_only_hint = true)
    )]
    async fn list_my_repos(&self, caller: Caller) -> Result<CallToolResult, ErrorData> {
        self.get(&caller, "/user/repos?per_page=100", |repositories| Repos { repositories }).await
    }

    /// What GitHub answers its caller, as the result of a tool.
    async fn get<T: DeserializeOwned, U: Serialize>(
        &self,
        caller: &Caller,
        path: &str,
        shown: impl FnOnce(T) -> U,
    ) -> Result<CallToolResult, ErrorData> {
        let answer = caller.http("github").await?.get(&format!("{}{path}", self.api)).send().await?;
        if !answer.status().is_success() {
            let words = format!("GitHub answered {}.", answer.status());
            return Ok(CallToolResult::error(vec![ContentBlock::text(words)]));
        }
        let value = serde_json::to_value(shown(answer.json()?));
        let value = value.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(CallToolResult::structured(value))
    }
}

#[tool_handler(name = "full-chain")]
impl ServerHandler for Tools {}
