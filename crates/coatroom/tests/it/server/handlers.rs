//! Handlers of a server's own behind the guard: axum's, and tools of rmcp. What they ask the caller for and do not get reaches
//! the client in the way of OAuth and MCP, also where the answer is a stream.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::post;
use coatroom::guard::{
    Authentication, Caller, CallerError, CallerErrorKind, CallerOf as _, DataError, MaybeCaller,
};
use coatroom::store::{Kind, Store as _};
use coatroom::{Coatroom, Protection};
use http::Request;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{CallToolRequestParams, ListToolsResult, PaginatedRequestParams};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Answer, send};
use super::world::World;

/// What the handlers of these tests keep with a grant.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    lines: Vec<String>,
}

#[derive(Clone)]
struct Tools {
    router: ToolRouter<Self>,
}

#[tool_router(router = router)]
impl Tools {
    #[tool(description = "who calls")]
    async fn whoami(&self, caller: Caller) -> String {
        caller.user().id().to_owned()
    }

    #[tool(description = "who calls, if anybody has signed in")]
    async fn maybe(&self, MaybeCaller(caller): MaybeCaller) -> String {
        caller.map_or_else(|| "nobody".to_owned(), |caller| caller.user().id().to_owned())
    }

    #[tool(description = "the user's own token")]
    async fn token(&self, caller: Caller) -> Result<String, ErrorData> {
        Ok(caller.upstream("demo").await?.expose().to_owned())
    }

    #[tool(description = "a token of another provider")]
    async fn other(&self, caller: Caller) -> Result<String, ErrorData> {
        Ok(caller.upstream("other").await?.expose().to_owned())
    }

    #[tool(description = "a token of no provider")]
    async fn nowhere(&self, caller: Caller) -> Result<String, ErrorData> {
        Ok(caller.upstream("nowhere").await?.expose().to_owned())
    }

    #[tool(description = "needs a scope")]
    async fn write(&self, caller: Caller) -> Result<String, ErrorData> {
        caller.require_scope("write")?;
        Ok("written".to_owned())
    }

    #[tool(description = "needs a role")]
    async fn administer(&self, caller: Caller) -> Result<String, ErrorData> {
        caller.require_role("admin")?;
        Ok("done".to_owned())
    }

    #[tool(description = "adds a line")]
    async fn note(&self, caller: Caller) -> Result<String, ErrorData> {
        caller
            .update_data(|notes: Option<Notes>| {
                let mut notes = notes.unwrap_or_default();
                notes.lines.push("a line".to_owned());
                notes
            })
            .await?;
        let notes: Notes = caller.data().await?.unwrap_or_default();
        Ok(notes.lines.len().to_string())
    }
}

impl ServerHandler for Tools {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<rmcp::model::CallToolResponse, ErrorData> {
        assert!(context.caller().is_ok(), "a guard stands before this");
        let context = rmcp::handler::server::tool::ToolCallContext::new(self, request, context);
        self.router.call(context).await
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.router.list_all()))
    }
}

/// An MCP server of rmcp behind the guard, as its author would write it.
fn mcp(coatroom: &Coatroom) -> Router {
    let tools = Tools { router: Tools::router() };
    let service = StreamableHttpService::new(
        move || Ok(tools.clone()),
        Arc::new(LocalSessionManager::default()),
        coatroom.rmcp_config(),
    );
    Router::new().route_service("/mcp", service).layer(coatroom.guard("/mcp"))
}

fn message(token: Option<&str>, body: &Value) -> Request<axum::body::Body> {
    let mut request = Request::post("/mcp")
        .header("host", "gate.example")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let meta = &body["params"]["_meta"];
    if !meta.is_null() {
        request = request
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", body["method"].as_str().unwrap())
            .header("mcp-name", body["params"]["name"].as_str().unwrap_or_default());
    }
    request.body(body.to_string().into()).unwrap()
}

/// A call of a tool, as clients of 2026-07-28 make it.
fn call_of(tool: &str) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "url": {} } },
    });
    let params = json!({ "name": tool, "arguments": {}, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

pub(super) async fn call(app: &Router, token: Option<&str>, tool: &str) -> Answer {
    send(app, message(token, &call_of(tool))).await
}

/// The first message of an answer, whether it is a stream or not.
fn first_message(answer: &Answer) -> Value {
    let mut data = answer.body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let text = data.find(|data| !data.is_empty()).unwrap_or(&answer.body);
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no message in {answer:?}"))
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.header(name).unwrap_or_default()
}

fn said(answer: &Answer) -> String {
    let message = first_message(answer);
    assert_eq!(answer.status, 200, "{message}");
    message["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{message}")).to_owned()
}

/// A session of 2025-11-25 that a client has begun.
async fn legacy(app: &Router, token: &str) -> String {
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let answer = send(app, message(Some(token), &initialize)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session = header(&answer, "mcp-session-id").to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let told = send(app, in_session(token, &session, &initialized)).await;
    assert_eq!(told.status, 202, "{told:?}");
    session
}

fn in_session(token: &str, session: &str, body: &Value) -> Request<axum::body::Body> {
    let mut request = message(Some(token), body);
    request.headers_mut().insert("mcp-session-id", session.parse().unwrap());
    request.headers_mut().insert("mcp-protocol-version", "2025-11-25".parse().unwrap());
    request
}

fn legacy_call(tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "arguments": {} } })
}

#[tokio::test]
async fn a_tool_of_rmcp_knows_its_caller_and_has_their_own_token() {
    let world = World::new().await;
    let app = mcp(&world.coatroom);
    let (_, alice) = world.signed_in("alice").await;
    let (_, bob) = world.signed_in("bob").await;
    for (tokens, name) in [(&alice, "alice-1"), (&bob, "bob-1")] {
        assert_eq!(said(&call(&app, Some(&tokens.access), "whoami").await), name);
        assert_eq!(said(&call(&app, Some(&tokens.access), "maybe").await), name);
        let upstream = said(&call(&app, Some(&tokens.access), "token").await);
        assert_eq!(world.call(&tokens.access).await.1["upstream"], json!(upstream));
    }
    let session = legacy(&app, &alice.access).await;
    let answer = send(&app, in_session(&alice.access, &session, &legacy_call("whoami"))).await;
    assert_eq!(said(&answer), "alice-1");
    // Sessions belong to those who began them.
    let stolen = send(&app, in_session(&bob.access, &session, &legacy_call("whoami"))).await;
    assert_eq!(stolen.status, 404);
}

// RS-05: the answers of rmcp are streams, which begin with 200 unless the guard waits.
#[tokio::test]
async fn what_a_tool_lacks_is_asked_for_over_http_in_both_eras() {
    let world = World::new().await;
    let app = mcp(&world.coatroom);
    let (_, alice) = world.signed_in("alice").await;
    let session = legacy(&app, &alice.access).await;
    let refused = |answer: &Answer| {
        assert_eq!(answer.status, 403, "{answer:?}");
        let challenge = header(answer, "www-authenticate");
        assert!(challenge.contains(r#"error="insufficient_scope", scope="write""#), "{challenge}");
    };
    refused(&call(&app, Some(&alice.access), "write").await);
    refused(&send(&app, in_session(&alice.access, &session, &legacy_call("write"))).await);

    let denied = call(&app, Some(&alice.access), "administer").await;
    assert_eq!((denied.status.as_u16(), header(&denied, "www-authenticate")), (403, ""));
    assert!(denied.body.contains("needs the role admin"), "{}", denied.body);

    let connect = first_message(&call(&app, Some(&alice.access), "other").await);
    let asked = &connect["result"]["inputRequests"]["connect_other"]["params"];
    assert!(asked["url"].as_str().unwrap().starts_with("https://gate.example/connect"), "{connect}");
    let told = send(&app, in_session(&alice.access, &session, &legacy_call("other"))).await;
    assert!(told.body.contains("https://gate.example/connect"), "{told:?}");

    // A mistake of the author is none of the client's business.
    let wrong = call(&app, Some(&alice.access), "nowhere").await;
    assert_eq!(wrong.status, 200);
    assert_eq!(first_message(&wrong)["error"]["message"], "there is no provider nowhere");
}

#[tokio::test]
async fn where_signing_in_is_optional_a_tool_may_ask_for_it() {
    let world = World::new().await;
    let open = Protection::new("/open").with_authentication(Authentication::Optional);
    let coatroom = world.replica_where(|builder| builder.resource(open));
    let tools = Tools { router: Tools::router() };
    let service = StreamableHttpService::new(
        move || Ok(tools.clone()),
        Arc::new(LocalSessionManager::default()),
        coatroom.rmcp_config(),
    );
    let app = Router::new().route_service("/mcp", service).layer(coatroom.guard("/open"));
    assert_eq!(said(&call(&app, None, "maybe").await), "nobody");
    let asked = call(&app, None, "whoami").await;
    assert_eq!(asked.status, 401, "{asked:?}");
    assert!(header(&asked, "www-authenticate").contains("oauth-protected-resource/open"), "{asked:?}");
}

#[tokio::test]
async fn what_handlers_keep_with_a_grant_is_sealed_and_goes_with_it() {
    let world = World::new().await;
    let app = mcp(&world.coatroom);
    let (client, alice) = world.signed_in("alice").await;
    let (_, bob) = world.signed_in("bob").await;
    let notes = async |token: &str| said(&call(&app, Some(token), "note").await);
    assert_eq!(notes(&alice.access).await, "1");
    let mut lines = Vec::new();
    for notes in futures_util::future::join_all((0..8).map(|_| notes(&alice.access))).await {
        lines.push(notes.parse::<u32>().unwrap());
    }
    assert_eq!(lines.into_iter().max(), Some(9), "no line was lost");
    assert_eq!(notes(&bob.access).await, "1", "what Alice kept is hers");
    let refreshed = super::world::Tokens::of(&client.refresh(&alice.refresh).await);
    assert_eq!(notes(&refreshed.access).await, "10");

    let grant = world.grant_of(&refreshed.access).await;
    let kept = || async { world.store.list(Kind::GrantData, &grant).await.unwrap() };
    let records = kept().await;
    assert_eq!(records.len(), 1);
    assert!(!records[0].body.contains("a line"), "{}", records[0].body);
    client.revoke(&refreshed.refresh).await;
    assert!(kept().await.is_empty());
}

#[tokio::test]
async fn axum_handlers_take_the_caller_as_an_argument() {
    async fn upstream(caller: Caller) -> Result<String, CallerError> {
        caller.require_permission("deploy")?;
        Ok(String::new())
    }
    async fn keep(caller: Caller) -> Result<(), CallerError> {
        let error = caller.set_data(&"x".repeat(70_000)).await.unwrap_err();
        assert!(matches!(error.kind(), CallerErrorKind::Data(DataError::TooLarge { .. })));
        caller.set_data(&[1, 2, 3]).await?;
        assert_eq!(caller.data::<Vec<u8>>().await?, Some(vec![1, 2, 3]));
        let error = caller.data::<String>().await.unwrap_err();
        assert!(matches!(error.kind(), CallerErrorKind::Data(DataError::Form(_))), "{error}");
        Ok(())
    }
    let world = World::new().await;
    let (_, alice) = world.signed_in("alice").await;
    let guarded = |handler| Router::new().route("/mcp", handler).layer(world.coatroom.guard("/mcp"));
    let denied = call(&guarded(post(upstream)), Some(&alice.access), "x").await;
    assert_eq!(denied.status, 403);
    assert!(denied.body.contains("the permission deploy"), "{}", denied.body);
    assert_eq!(call(&guarded(post(keep)), Some(&alice.access), "x").await.status, 200);
    // Whoever forgot the guard hears of it, and nobody gets in.
    let unguarded = Router::new().route("/mcp", post(async |_: Option<Caller>| "in".into_response()));
    let answer = call(&unguarded, None, "x").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("no guard stands before this handler"), "{}", answer.body);
}

#[tokio::test]
async fn a_guard_at_a_path_where_nothing_is_protected_is_shut() {
    let world = World::new().await;
    let (_, alice) = world.signed_in("alice").await;
    let app = Router::new().route("/mcp", post(async || "in")).layer(world.coatroom.guard("/mpc"));
    for token in [None, Some(alice.access.as_str())] {
        assert_eq!(call(&app, token, "x").await.status, 500);
    }
}
