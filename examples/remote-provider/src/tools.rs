//! The tools: what is known of whoever calls.

use std::sync::Arc;

use coatroom::guard::Caller;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;

/// The MCP server.
#[derive(Debug, Clone)]
pub(crate) struct Tools;

#[tool_router]
impl Tools {
    /// Says who you are: id, name, roles, permissions, and every claim of your provider.
    #[tool]
    async fn whoami(&self, caller: Caller) -> String {
        let user = caller.user();
        let said = json!({
            "id": user.subject.to_string(),
            "name": user.display_name(),
            "email": user.email,
            "organisation": user.organisation,
            "roles": caller.roles(),
            "permissions": caller.permissions(),
            "scopes": caller.scopes(),
            "claims": caller.claims(),
        });
        said.to_string()
    }

    /// Says something that only those with the role `admin` may hear.
    #[tool]
    async fn secret_of_admins(&self, caller: Caller) -> Result<String, ErrorData> {
        caller.require_role("admin")?;
        Ok(format!("Only admins such as {} read this.", caller.user().display_name()))
    }
}

#[tool_handler]
impl ServerHandler for Tools {}

pub(crate) type McpServer = StreamableHttpService<Tools, LocalSessionManager>;

pub(crate) fn service(config: StreamableHttpServerConfig) -> McpServer {
    StreamableHttpService::new(|| Ok(Tools), Arc::new(LocalSessionManager::default()), config)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use coatroom::testing;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn a_user_hears_who_they_are_and_only_admins_hear_more() {
        let app = Router::new().route_service("/mcp", service(StreamableHttpServerConfig::default()));
        let call = async |caller: testing::TestCaller, tool| {
            testing::call_tool(app.clone().layer(caller.layer()), "/mcp", tool, json!({})).await
        };
        let alice = || testing::caller("alice").roles(["admin"]).claim("team", "garden");
        let answer = call(alice(), "whoami").await;
        let said = answer["result"]["content"][0]["text"].as_str().unwrap();
        let said: Value = serde_json::from_str(said).unwrap();
        assert_eq!((&said["id"], &said["roles"][0]), (&json!("test:alice"), &json!("admin")));
        assert_eq!(said["claims"]["team"], "garden");
        assert!(call(alice(), "secret_of_admins").await["error"].is_null());
        let refused = call(testing::caller("bob"), "secret_of_admins").await;
        assert_eq!(refused["error"]["message"], "this operation needs the role admin");
    }
}
