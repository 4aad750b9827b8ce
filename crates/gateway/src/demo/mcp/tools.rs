//! What the MCP server offers: three tools, one prompt and one resource.

use std::fmt::Write as _;

use coatroom::providers::UpstreamToken;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::schema_for_output;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CacheScope, CallToolResult, ContentBlock, Implementation, ListResourcesResult, PaginatedRequestParams,
    PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, prompt, prompt_handler, prompt_router, tool, tool_handler,
    tool_router,
};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::api::{Api, ApiFailure};

/// The MCP server. One serves every user: whose data it shows is decided by the token of each call.
#[derive(Debug)]
pub(super) struct DemoServer {
    api: Api,
    tools: ToolRouter<Self>,
    prompts: PromptRouter<Self>,
}

/// The caller's own token at the provider, if the gateway sent one.
struct CallersToken(Option<UpstreamToken>);

impl<C: AsRequestContext> FromContextPart<C> for CallersToken {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let parts = context.as_request_context().extensions.get::<http::request::Parts>();
        Ok(Self(parts.and_then(|parts| parts.extensions.get::<UpstreamToken>()).cloned()))
    }
}

/// JSON Schema knows no `uint32`, and clients that check schemas warn about it.
fn without_format(schema: &mut Schema) {
    schema.remove("format");
}

/// The account behind the caller's token.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Person {
    /// The number of the account.
    #[schemars(transform = without_format)]
    id: u32,
    /// The login, which is also the owner of the account's repositories.
    login: String,
    /// The name as people write it.
    name: String,
    /// The e-mail address.
    email: String,
}

/// Which repositories to list.
#[derive(Debug, Deserialize, JsonSchema)]
struct WhichRepos {
    /// Which repositories to list: all of them, or the public or private ones only.
    #[serde(default)]
    visibility: Visibility,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Visibility {
    #[default]
    All,
    Public,
    Private,
}

/// Repositories of the caller.
#[derive(Debug, Serialize, JsonSchema)]
struct RepoList {
    /// The repositories, public ones first.
    repositories: Vec<ListedRepo>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ListedRepo {
    /// Owner and name, as `create-issue` takes them.
    full_name: String,
    /// What it is about.
    description: String,
    /// `public` or `private`.
    visibility: String,
    /// How many issues are open.
    #[schemars(transform = without_format)]
    open_issues: u32,
}

/// An issue to open.
#[derive(Debug, Deserialize, JsonSchema)]
struct IssueToOpen {
    /// The repository as owner/name, such as `alice/garden-planner`. It must be one of the caller's own.
    repo: String,
    /// One line that says what it is about.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// The text of the issue, as Markdown.
    #[serde(default)]
    #[schemars(length(max = 4000))]
    body: String,
}

/// An issue that was opened.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct OpenedIssue {
    /// Its number in its repository.
    #[schemars(transform = without_format)]
    number: u64,
    /// The repository, as owner/name.
    repo: String,
    /// Its title.
    title: String,
    /// The login of who opened it.
    author: String,
}

#[tool_router]
impl DemoServer {
    /// A server that calls this API.
    pub(super) fn new(api: Api) -> Self {
        Self { api, tools: Self::tool_router(), prompts: Self::prompt_router() }
    }

    #[tool(
        name = "whoami",
        title = "Who am I?",
        description = "Says whose account at the demo's provider this connection acts for.",
        output_schema = schema_for_output::<Person>(),
        annotations(read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    async fn whoami(&self, CallersToken(token): CallersToken) -> CallToolResult {
        let person: Result<Person, _> = self.api.get(token.as_ref(), "/user").await;
        result(person, |person| format!("You are {} ({}, {}).", person.name, person.login, person.email))
    }

    #[tool(
        name = "get-my-repos",
        title = "List my repositories",
        description = "Lists the repositories of the signed-in user, and of nobody else.",
        output_schema = schema_for_output::<RepoList>(),
        annotations(read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    async fn get_my_repos(
        &self,
        CallersToken(token): CallersToken,
        Parameters(WhichRepos { visibility }): Parameters<WhichRepos>,
    ) -> CallToolResult {
        let path = match visibility {
            Visibility::All => "/api/repos?visibility=all",
            Visibility::Public => "/api/repos?visibility=public",
            Visibility::Private => "/api/repos?visibility=private",
        };
        let repos: Result<Vec<ListedRepo>, _> = self.api.get(token.as_ref(), path).await;
        result(repos.map(|repositories| RepoList { repositories }), list)
    }

    #[tool(
        name = "create-issue",
        title = "Open an issue",
        description = "Opens an issue in one of the signed-in user's own repositories.",
        output_schema = schema_for_output::<OpenedIssue>(),
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn create_issue(
        &self,
        CallersToken(token): CallersToken,
        Parameters(IssueToOpen { repo, title, body }): Parameters<IssueToOpen>,
    ) -> CallToolResult {
        if !is_full_name(&repo) {
            return failed("The repository must be given as owner/name, such as alice/garden-planner.");
        }
        let path = format!("/api/repos/{repo}/issues");
        let issue = json!({ "title": title, "body": body });
        let issue: Result<OpenedIssue, _> = self.api.post(token.as_ref(), &path, &issue).await;
        result(issue, |issue| {
            format!("Opened {}#{}: {} (as {}).", issue.repo, issue.number, issue.title, issue.author)
        })
    }
}

#[prompt_router]
impl DemoServer {
    /// Looks over my repositories and proposes one issue.
    #[prompt(
        name = "tidy-up",
        title = "Tidy up my repositories",
        description = "Looks over my repositories and proposes one issue worth opening."
    )]
    async fn tidy_up(&self) -> Vec<PromptMessage> {
        vec![PromptMessage::new_text(
            Role::User,
            "List my repositories with get-my-repos. Say in one sentence each what they are about, then propose one \
             issue that is worth opening. Open it with create-issue only after I have agreed.",
        )]
    }
}

#[tool_handler(router = self.tools)]
#[prompt_handler(router = self.prompts)]
impl ServerHandler for DemoServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_prompts().enable_resources().build();
        let name =
            Implementation::new("coatroom-demo", env!("CARGO_PKG_VERSION")).with_title("Coatroom demo");
        ServerConfig::new(capabilities).with_server_info(name).with_instructions(
            "Acts for one user at a small demo forge. Start with whoami, list repositories with get-my-repos, and open \
             issues with create-issue. Each user sees their own repositories only.",
        )
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let readme = Resource::new(README_URI, "readme")
            .with_title("About this demo")
            .with_description("What the demo shows, and how to see it")
            .with_mime_type("text/markdown");
        let mut result = ListResourcesResult::with_all_items(vec![readme]);
        if knows_cache_hints(&context) {
            result.ttl_ms = Some(0);
            result.cache_scope = Some(CacheScope::Public);
        }
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != README_URI {
            return Err(ErrorData::resource_not_found("the only resource is demo://readme", None));
        }
        let text = ResourceContents::text(README, README_URI).with_mime_type("text/markdown");
        let mut result = ReadResourceResult::new(vec![text]);
        if knows_cache_hints(&context) {
            result = result.with_ttl_ms(0).with_cache_scope(CacheScope::Public);
        }
        Ok(result.into())
    }
}

/// Version 2026-07-28 requires hints about caching; earlier versions do not know them.
fn knows_cache_hints(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= rmcp::model::ProtocolVersion::V_2026_07_28)
}

/// A tool's result: structured for programs and in words for people, or the API's error as a tool error.
fn result<T: Serialize>(outcome: Result<T, ApiFailure>, words: impl Fn(&T) -> String) -> CallToolResult {
    match outcome {
        Ok(value) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(words(&value))]);
            result.structured_content = serde_json::to_value(&value).ok();
            result
        }
        Err(failure) => failed(&failure.to_string()),
    }
}

fn failed(sentence: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(sentence)])
}

fn list(repos: &RepoList) -> String {
    let count = repos.repositories.len();
    let mut text = format!("{count} repositor{}:", if count == 1 { "y" } else { "ies" });
    for repo in &repos.repositories {
        let ListedRepo { full_name, description, visibility, open_issues } = repo;
        // Writing to a String cannot fail.
        let _ = write!(text, "\n- {full_name} ({visibility}, open issues: {open_issues}): {description}");
    }
    text
}

/// Whether a text is owner/name, of characters that mean nothing in a URL's path.
fn is_full_name(repo: &str) -> bool {
    let plain = |part: &str| {
        part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && part.bytes().any(|b| b != b'.')
    };
    repo.split_once('/').is_some_and(|(owner, name)| plain(owner) && plain(name))
}

const README_URI: &str = "demo://readme";
const README: &str = include_str!("readme.md");
