//! The MCP server that the official conformance suite wants to meet, and that its package does not bring along.
//!
//! It has every tool, prompt and resource that a required scenario of 2025-03-26 to 2026-07-28 asks for, and those of
//! the scenarios that are not scored yet; not the extensions (tasks, skills). It is rmcp that speaks the protocol; what
//! is listed stands in `catalogue`, what asks the client back in `questions`. It is met over HTTP, and as the program
//! `everything` over stdio.

mod catalogue;
mod questions;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    ErrorCode, GetPromptRequestParams, GetPromptResponse, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ServerConfig, SubscriptionFilter, Tool,
};
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServiceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::serve;

/// A running server.
#[derive(Debug, Clone)]
pub struct EverythingServer {
    /// Its MCP endpoint.
    pub url: String,
}

/// What the server makes of the headers that repeat parts of the message (`Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingHeaders {
    /// It compares them with the body, as rmcp does.
    Compared,
    /// It never looks at them, as many servers do: who relies on them must have compared them before.
    Ignored,
}

/// Which revisions the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revisions {
    /// Every one that there is.
    All,
    /// 2025-11-25 and before.
    Legacy,
    /// 2026-07-28.
    Modern,
}

impl EverythingServer {
    /// Starts it on a free loopback port.
    pub async fn start(headers: RoutingHeaders) -> Self {
        let handler = Everything::new(headers, Revisions::All);
        let sessions = Arc::clone(&handler.sessions);
        let service = StreamableHttpService::new(move || Ok(handler.clone()), sessions, configuration());
        let mut routes = Router::new().route_service("/mcp", service);
        if headers == RoutingHeaders::Ignored {
            routes = routes.layer(middleware::from_fn(repeat_the_body));
        }
        Self { url: format!("{}/mcp", serve(routes).await) }
    }
}

/// Serves whoever started this program, on stdin and stdout, until stdin ends.
pub async fn serve_stdio(revisions: Revisions) {
    let handler = Everything::new(RoutingHeaders::Ignored, revisions);
    // A client that goes before it said anything is no surprise.
    if let Ok(service) = handler.serve(rmcp::transport::stdio()).await {
        service.waiting().await.expect("serving");
    }
}

fn configuration() -> StreamableHttpServerConfig {
    // Clients that poll come back soon, so that no scenario waits long.
    StreamableHttpServerConfig::default().with_sse_retry(Some(Duration::from_millis(500)))
}

/// Writes the routing headers anew from the body, so that what a client put there has no effect.
async fn repeat_the_body(request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, 4 << 20).await else { return StatusCode::BAD_REQUEST.into_response() };
    let message: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let params = &message["params"];
    if params["_meta"].get("io.modelcontextprotocol/protocolVersion").is_some() {
        write(&mut head.headers, "mcp-method", &message["method"]);
        write(&mut head.headers, "mcp-name", params.get("name").unwrap_or(&params["uri"]));
    }
    next.run(Request::from_parts(head, Body::from(bytes))).await
}

fn write(headers: &mut HeaderMap, name: &'static str, value: &Value) {
    headers.remove(name);
    if let Some(value) = value.as_str().and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// What rmcp asks when a request has come.
#[derive(Clone)]
struct Everything {
    headers: RoutingHeaders,
    revisions: Revisions,
    sessions: Arc<LocalSessionManager>,
    listeners: Arc<Listeners>,
    states: questions::States,
}

/// The open streams of `subscriptions/listen`.
#[derive(Default)]
struct Listeners {
    open: Mutex<HashMap<u64, SubscriptionSink>>,
    next: AtomicU64,
}

/// A value of rmcp's, from the JSON that it stands for.
fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("rmcp knows this shape")
}

/// A result that is not a question: 2026-07-28 wants it said.
fn complete<T: DeserializeOwned>(mut result: Value) -> T {
    result["resultType"] = json!("complete");
    typed(result)
}

/// A tool's result with one text.
fn text(text: impl Into<String>) -> CallToolResult {
    complete(json!({"content": [{"type": "text", "text": text.into()}]}))
}

fn unknown(what: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no {what} {name:?}"), None)
}

impl ServerHandler for Everything {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        let is_spoken = |version: &ProtocolVersion| match self.revisions {
            Revisions::All => true,
            Revisions::Legacy => version.has_initialize(),
            Revisions::Modern => !version.has_initialize(),
        };
        ProtocolVersion::KNOWN_VERSIONS.iter().filter(|version| is_spoken(version)).cloned().collect()
    }

    fn get_info(&self) -> ServerConfig {
        let newest = if self.revisions == Revisions::Legacy { "2025-11-25" } else { "2026-07-28" };
        typed(json!({
            "protocolVersion": newest,
            "serverInfo": {"name": "everything", "version": "1"},
            "capabilities": {
                "tools": {"listChanged": true},
                "prompts": {"listChanged": true},
                "resources": {"listChanged": true, "subscribe": true},
                "completions": {},
                "logging": {},
            },
        }))
    }

    /// rmcp compares `Mcp-Param-*` with the body for the tools that it finds here.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        let compared = self.headers == RoutingHeaders::Compared;
        compared.then(|| catalogue::tools().tools.into_iter().find(|tool| tool.name == name)).flatten()
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(catalogue::tools())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(catalogue::prompts())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(catalogue::resources())
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(catalogue::templates())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(answer) = self.states.call(&request, &context)? {
            return Ok(answer);
        }
        let argument = |name: &str| {
            let value = request.arguments.as_ref().and_then(|arguments| arguments.get(name));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let result = match request.name.as_ref() {
            "test_tool_with_logging" => log(&context).await,
            "test_logging_tool" => log_if_asked(&context).await,
            "test_tool_with_progress" => progress(&context).await,
            "test_reconnection" => self.hang_up(&context).await,
            "test_trigger_tool_change" => {
                let _ = context.peer.notify_tool_list_changed().await;
                self.tell(async |sink| sink.notify_tool_list_changed().await.is_ok()).await
            }
            "test_trigger_prompt_change" => {
                let _ = context.peer.notify_prompt_list_changed().await;
                self.tell(async |sink| sink.notify_prompt_list_changed().await.is_ok()).await
            }
            "test_sampling" => questions::sample(&context, &argument("prompt")).await?,
            "test_elicitation" => questions::elicit(&context, &argument("message"), "contact").await?,
            "test_elicitation_sep1034_defaults" => {
                questions::elicit(&context, "Nothing needs filling in", "defaults").await?
            }
            "test_elicitation_sep1330_enums" => questions::elicit(&context, "Choose", "enums").await?,
            "test_x_mcp_header" => text(format!("The region is {}", argument("region"))),
            name => catalogue::result(name).ok_or_else(|| unknown("tool", name))?,
        };
        Ok(result.into())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if let Some(answer) = questions::prompt(&request) {
            return Ok(answer);
        }
        let argument = |name: &str| {
            let value = request.arguments.as_ref().and_then(|arguments| arguments.get(name));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        catalogue::prompt(&request.name, argument).ok_or_else(|| unknown("prompt", &request.name))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let missing = || {
            let told = Some(json!({"uri": request.uri}));
            ErrorData::new(ErrorCode::INVALID_PARAMS, "there is no such resource", told)
        };
        catalogue::resource(&request.uri).ok_or_else(missing)
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(complete(
            json!({"completion": {"values": ["paris", "park", "party"], "total": 3, "hasMore": false}}),
        ))
    }

    #[expect(deprecated, reason = "what only the older revisions have is tested too")]
    async fn set_level(
        &self,
        _request: rmcp::model::SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        _request: rmcp::model::SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: rmcp::model::UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let number = self.listeners.next.fetch_add(1, Ordering::Relaxed);
        self.listeners.open.lock().expect("the listeners").insert(number, context.sink().clone());
        context.cancelled().await;
        self.listeners.open.lock().expect("the listeners").remove(&number);
        Ok(())
    }
}

impl Everything {
    fn new(headers: RoutingHeaders, revisions: Revisions) -> Self {
        Self {
            headers,
            revisions,
            sessions: Arc::default(),
            listeners: Arc::default(),
            states: questions::States::new(),
        }
    }

    /// Tells every open subscription something; rmcp leaves out those that did not ask for it.
    async fn tell(&self, notify: impl AsyncFn(&SubscriptionSink) -> bool) -> CallToolResult {
        let sinks: Vec<_> = self.listeners.open.lock().expect("the listeners").values().cloned().collect();
        for sink in &sinks {
            notify(sink).await;
        }
        text("Told")
    }

    /// Ends the stream on which the answer is awaited, and answers a moment later: the client has to come back for it.
    async fn hang_up(&self, context: &RequestContext<RoleServer>) -> CallToolResult {
        let id = context.extensions.get::<Parts>().and_then(|head| head.headers.get("mcp-session-id"));
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let session = self.sessions.sessions.read().await.get(id).cloned();
        if let Some(session) = session {
            // A tool does not learn which stream is its own. This call is the only one of its session.
            for stream in 0..64 {
                let _ = session.close_sse_stream(stream, Some(Duration::from_millis(500))).await;
            }
        }
        // What is sent while nobody listens is lost here, so there is time to come back, also on a busy machine.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        text("Came back")
    }
}

#[expect(deprecated, reason = "what only the older revisions have is tested too")]
async fn log(context: &RequestContext<RoleServer>) -> CallToolResult {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let line = typed(json!({"level": "info", "logger": "everything", "data": message}));
        let _ = context.peer.notify_logging_message(line).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    text("Logged")
}

#[expect(deprecated, reason = "what only the older revisions have is tested too")]
async fn log_if_asked(context: &RequestContext<RoleServer>) -> CallToolResult {
    if let Some(level) = context.meta.log_level() {
        let line = typed(json!({"level": level, "logger": "everything", "data": "as asked"}));
        let _ = context.peer.notify_logging_message(line).await;
    }
    text("Logged what was asked for")
}

async fn progress(context: &RequestContext<RoleServer>) -> CallToolResult {
    for progress in [0, 50, 100] {
        if let Some(token) = context.meta.get_progress_token() {
            let note = typed(json!({"progressToken": token, "progress": progress, "total": 100}));
            let _ = context.peer.notify_progress(note).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    text("Made progress")
}
