//! The MCP server: what any server of rmcp has, but that its handlers know who calls.

use coatroom::Coatroom;
use coatroom::error::Error;
use coatroom::guard::{Caller, MaybeCaller};
use coatroom::protocol::words::{ProviderName, Subject};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::variable;

/// The MCP server. One serves everybody: whose data a call sees is decided by its caller.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    coatroom: Coatroom,
    apis: Apis,
}

/// Where the APIs of both providers are.
#[derive(Debug, Clone)]
pub(crate) struct Apis {
    github: String,
    forge: String,
}

/// What a person set here. It is kept with the grant, so each app of theirs has settings of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Settings {
    most: Option<u32>,
    hides_private: bool,
}

/// A change of the settings. What is left out stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
struct Change {
    /// How many repositories to list at most.
    most: Option<u32>,
    /// Whether to leave private repositories out.
    hides_private: Option<bool>,
}

/// Whose apps to list.
#[derive(Debug, Deserialize, JsonSchema)]
struct Whose {
    /// Somebody else, such as `github:583231`. Without it: the caller.
    user: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    full_name: String,
    private: bool,
}

impl Apis {
    /// Reads `GITHUB_API_URL` and `FORGE_API_URL`.
    pub(crate) fn from_env() -> Self {
        let of = |name| variable(name, "https://api.github.com");
        Self { github: of("GITHUB_API_URL"), forge: of("FORGE_API_URL") }
    }
}

#[tool_router]
impl Tools {
    pub(crate) const fn new(coatroom: Coatroom, apis: Apis) -> Self {
        Self { coatroom, apis }
    }

    /// Tells what this server is; and who has signed in, if anybody has.
    #[tool(annotations(read_only_hint = true))]
    async fn about(&self, MaybeCaller(caller): MaybeCaller) -> String {
        match caller {
            None => "Repositories of whoever signs in. You have not.".to_owned(),
            Some(caller) => {
                format!("You are {}, and allowed this: {}", caller.user().display_name(), caller.scopes())
            }
        }
    }

    /// Lists the caller's repositories at GitHub.
    #[tool(annotations(read_only_hint = true))]
    async fn list_repositories(&self, caller: Caller) -> Result<String, ErrorData> {
        let settings: Settings = caller.data().await?.unwrap_or_default();
        // The token is renewed by itself when it is about to end, and when GitHub refuses it.
        let repositories = repositories(&caller, "github", &self.apis.github).await?;
        let most = settings.most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        let shown = repositories.into_iter().filter(|it| !(settings.hides_private && it.private)).take(most);
        Ok(names(shown).join("\n"))
    }

    /// Compares the caller's repositories at GitHub with those at the forge.
    #[tool(annotations(read_only_hint = true))]
    async fn compare_repositories(&self, caller: Caller) -> Result<String, ErrorData> {
        // Where the forge is not connected yet, the client gets a link for its user instead of an answer.
        let there = repositories(&caller, "forge", &self.apis.forge).await?;
        let here = repositories(&caller, "github", &self.apis.github).await?;
        Ok(format!("At GitHub: {}\nAt the forge: {}", names(here).join(", "), names(there).join(", ")))
    }

    /// Renews the caller's token of GitHub.
    #[tool]
    async fn renew_token(&self, caller: Caller) -> Result<String, ErrorData> {
        // For those who call GitHub by other means than `caller.http`, and were refused there. It is the same token where it cannot
        // be renewed and GitHub still takes it, and where it is less than half a minute old.
        let refused = caller.upstream("github").await?;
        let token = caller.renew_upstream("github", &refused).await?;
        let renewed = token.expose() != refused.expose();
        Ok(if renewed { "The token is a new one." } else { "The token is the same." }.to_owned())
    }

    /// Tells the caller's settings, or changes them.
    #[tool]
    async fn settings(
        &self,
        caller: Caller,
        Parameters(change): Parameters<Change>,
    ) -> Result<String, ErrorData> {
        if change.most.is_some() || change.hides_private.is_some() {
            // Only the handler knows that this call is about to change something.
            caller.require_scope("settings:write")?;
            let changed = |kept: Option<Settings>| {
                let kept = kept.unwrap_or_default();
                Settings {
                    most: change.most.or(kept.most),
                    hides_private: change.hides_private.unwrap_or(kept.hides_private),
                }
            };
            caller.update_data(changed).await?;
        }
        let Settings { most, hides_private } = caller.data().await?.unwrap_or_default();
        let most = most.map_or_else(|| "all".to_owned(), |most| format!("at most {most}"));
        Ok(format!("Listed are {most} repositories{}.", if hides_private { ", no private ones" } else { "" }))
    }

    /// Forgets the caller's settings.
    #[tool]
    async fn reset_settings(&self, caller: Caller) -> Result<String, ErrorData> {
        caller.set_data(&Settings::default()).await?;
        Ok("Forgotten.".to_owned())
    }

    /// Lists the apps that may act for the caller, or for somebody else.
    #[tool(annotations(read_only_hint = true))]
    async fn apps(&self, caller: Caller, Parameters(whose): Parameters<Whose>) -> Result<String, ErrorData> {
        let subject = match whose.user {
            None => caller.user().subject.clone(),
            Some(user) => {
                caller.require_role("admin")?;
                subject(&user).ok_or_else(|| ErrorData::invalid_params("a user is PROVIDER:ID", None))?
            }
        };
        let grants = self.coatroom.grants_of(&subject).await.map_err(|error| unavailable(&error))?;
        let apps = grants.into_iter().map(|grant| {
            format!("{}: {}", grant.client_name.as_deref().unwrap_or("an app without a name"), grant.scopes)
        });
        Ok(apps.collect::<Vec<_>>().join("\n"))
    }

    /// Deletes what has expired, which the server does by itself every ten minutes.
    #[tool]
    async fn purge(&self, caller: Caller) -> Result<String, ErrorData> {
        caller.require_permission("store:purge")?;
        let deleted = self.coatroom.purge_expired().await.map_err(|error| unavailable(&error))?;
        Ok(format!("{deleted} records were deleted."))
    }
}

#[tool_handler]
impl ServerHandler for Tools {}

/// The caller's own repositories at a provider.
async fn repositories(caller: &Caller, provider: &str, api: &str) -> Result<Vec<Repository>, ErrorData> {
    let http = caller.http(provider).await?;
    let answer = http.get(&format!("{api}/user/repos")).query("per_page", 100).send().await?;
    Ok(answer.json()?)
}

fn names(repositories: impl IntoIterator<Item = Repository>) -> Vec<String> {
    repositories.into_iter().map(|repository| repository.full_name).collect()
}

fn subject(text: &str) -> Option<Subject> {
    let (provider, id) = text.split_once(':')?;
    Some(Subject { provider: ProviderName::parse(provider)?, id: id.to_owned() })
}

fn unavailable(error: &Error) -> ErrorData {
    tracing::error!(%error, "the store");
    ErrorData::internal_error("the store is down for the moment", None)
}
