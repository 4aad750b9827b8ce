//! The tools. None of them looks at tokens or scopes: who gets this far may call them.

use coatroom::guard::Caller;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

/// The MCP server: notes, which are kept with the caller's grant.
#[derive(Debug)]
pub(crate) struct Notes;

/// A new note.
#[derive(Debug, Deserialize, JsonSchema)]
struct NewNote {
    /// What to remember, in one line.
    text: String,
}

#[tool_router]
impl Notes {
    /// Lists the caller's notes.
    #[tool(annotations(read_only_hint = true))]
    async fn list_notes(&self, caller: Caller) -> Result<String, ErrorData> {
        let notes: Vec<String> = caller.data().await?.unwrap_or_default();
        Ok(notes.join("\n"))
    }

    /// Adds a note.
    #[tool(annotations(destructive_hint = false))]
    async fn add_note(
        &self,
        caller: Caller,
        Parameters(NewNote { text }): Parameters<NewNote>,
    ) -> Result<String, ErrorData> {
        let with_text = |notes: Option<Vec<String>>| {
            let mut notes = notes.unwrap_or_default();
            notes.push(text.clone());
            notes
        };
        caller.update_data(with_text).await?;
        Ok("Noted.".to_owned())
    }

    /// Tells who the caller is.
    #[tool(annotations(read_only_hint = true))]
    async fn profile(&self, caller: Caller) -> String {
        let user = caller.user();
        // Only what the provider vouches for: GitHub, for one, tells addresses that nobody verified.
        let email = user.email.as_ref().filter(|_| user.email_verified);
        let email = email.map(|email| format!(" ({email})")).unwrap_or_default();
        let client = caller.client().name.as_deref().unwrap_or("an app without a name");
        format!("{}{email}, signed in at {}, by {client}", user.display_name(), user.subject.provider)
    }
}

#[tool_handler]
impl ServerHandler for Notes {}
