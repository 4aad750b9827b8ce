//! A guarded endpoint with known tokens, and a server behind it that notes what reaches it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use coatroom::clock::ManualClock;
use coatroom::entropy::SeededEntropy;
use coatroom::error::Error;
use coatroom::guard::{
    Caller, CallerClient, CallerParts, GuardBuilder, GuardLayer, NoCredentials, NoData, SessionLimits,
    Sessions, VerifyError, VerifyToken,
};
use coatroom::protocol::access::{Era, Judged, Manifest, Rule, Unlisted};
use coatroom::protocol::words::{
    AccessToken, ClientId, GrantId, KeyId, MacKey, MacKeys, ProviderName, Resource, ScopeCatalogue,
    ScopeEntry, Subject, Timestamp,
};
use coatroom::user::User;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

pub(super) const RESOURCE: &str = "https://mcp.example.com/github";
pub(super) const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/github";
pub(super) const MODERN: &str = "2026-07-28";

/// A token of Alice with the default scope.
pub(super) const ALICE: &str = "coat_at_alice";
/// A later token of the same grant.
pub(super) const ALICE_REFRESHED: &str = "coat_at_alice_refreshed";
/// Alice by another client.
pub(super) const ALICE_ELSEWHERE: &str = "coat_at_alice_elsewhere";
/// A token of Alice with every scope.
pub(super) const ALICE_WRITES: &str = "coat_at_alice_writes";
/// Another user.
pub(super) const BOB: &str = "coat_at_bob";
/// A token for `/gitlab` on the same host.
pub(super) const OTHER_RESOURCE: &str = "coat_at_gitlab";
/// A token of Alice that is bound to a key.
pub(super) const BOUND: &str = "coat_at_bound";
/// A token that nobody can verify for the moment.
pub(super) const OUTAGE: &str = "coat_at_outage";

/// The tokens that are good, each at one resource.
#[derive(Debug)]
pub(super) struct Tokens {
    callers: HashMap<&'static str, Caller>,
    pub(super) asked: AtomicUsize,
}

impl Tokens {
    pub(super) fn new() -> Self {
        let callers = [
            (ALICE, caller("alice", 1, "repos:read", RESOURCE)),
            (ALICE_REFRESHED, caller("alice", 1, "repos:read", RESOURCE)),
            (ALICE_ELSEWHERE, caller("alice", 2, "repos:read", RESOURCE)),
            (ALICE_WRITES, caller("alice", 1, "repos:admin", RESOURCE)),
            (
                BOUND,
                Caller::new(CallerParts {
                    sender_constrained: true,
                    ..parts("alice", 5, "repos:read", RESOURCE)
                }),
            ),
            (BOB, caller("bob", 3, "repos:read", RESOURCE)),
            (OTHER_RESOURCE, caller("alice", 4, "repos:read", "https://mcp.example.com/gitlab")),
        ];
        Self { callers: callers.into(), asked: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl VerifyToken for Tokens {
    async fn verify(&self, token: &AccessToken, resource: &Resource) -> Result<Caller, VerifyError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if token.expose() == OUTAGE {
            return Err(Error::Unavailable { what: "the store", source: "down".into() }.into());
        }
        let caller = self.callers.get(token.expose()).filter(|caller| caller.resource() == resource);
        caller.cloned().ok_or(VerifyError::Refused("unknown"))
    }
}

pub(super) fn caller(user: &str, grant: u8, scopes: &str, resource: &str) -> Caller {
    Caller::new(parts(user, grant, scopes, resource))
}

fn parts(user: &str, grant: u8, scopes: &str, resource: &str) -> CallerParts {
    let provider = ProviderName::parse("github").unwrap();
    let roles = if user == "bob" { json!({ "roles": ["admin"] }) } else { json!({}) };
    CallerParts {
        user: User {
            claims: roles.as_object().unwrap().clone(),
            ..User::new(Subject { provider, id: user.to_owned() })
        },
        client: CallerClient { id: ClientId::new("client"), name: None },
        grant: GrantId::from_bytes([grant; 16]),
        resource: Resource::parse(resource).unwrap(),
        scopes: scopes.parse().unwrap(),
        sender_constrained: false,
        expires_at: Timestamp::from_unix(10_000),
        credentials: Arc::new(NoCredentials),
        data: Arc::new(NoData),
    }
}

/// What reached the server behind the guard.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) user: Option<String>,
    pub(super) era: Option<Era>,
    pub(super) judged: bool,
}

/// What the guard answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(super) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or(0)
    }

    /// Status and JSON-RPC code at once.
    pub(super) fn refusal(&self) -> (u16, i64) {
        (self.status.as_u16(), self.code())
    }
}

/// A guarded endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) layer: GuardLayer,
    pub(super) clock: Arc<ManualClock>,
    pub(super) reached: Arc<Mutex<Vec<Reached>>>,
    /// The session id that the server behind the guard answers with.
    pub(super) session: Mutex<Option<&'static str>>,
    pub(super) answer: Mutex<Option<Response<Body>>>,
}

impl Endpoint {
    pub(super) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(super) fn with(configure: impl FnOnce(GuardBuilder) -> GuardBuilder) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(1_000)));
        let keys = MacKeys::new(MacKey::new(KeyId::from_bytes([0; 4]), [9; 32]), Vec::new());
        let mut limits = SessionLimits::default();
        limits.per_user = 3;
        let sessions = Sessions::new(keys, clock.clone(), Arc::new(SeededEntropy::new(1)), limits);
        let builder = GuardLayer::builder(Resource::parse(RESOURCE).unwrap(), Arc::new(Tokens::new()))
            .with_manifest(manifest())
            .with_scopes(catalogue())
            .with_sessions(Arc::new(sessions));
        let layer = configure(builder).build().unwrap();
        Self { layer, clock, reached: Arc::default(), session: Mutex::default(), answer: Mutex::default() }
    }

    /// Has the server give this answer to the next request.
    pub(super) fn will_answer(&self, answer: Response<Body>) {
        *self.answer.lock().unwrap() = Some(answer);
    }

    /// Has the server answer the next request with a body of this type.
    pub(super) fn will_say(&self, media_type: &str, body: impl Into<Body>) {
        let answer = Response::builder().header("content-type", media_type);
        self.will_answer(answer.body(body.into()).unwrap());
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request and reads no more than the head of its answer.
    pub(super) async fn open(&self, request: Request<Body>) -> Response<Body> {
        let (reached, session) = (Arc::clone(&self.reached), *self.session.lock().unwrap());
        let answer = self.answer.lock().unwrap().take();
        let answer = Arc::new(Mutex::new(answer));
        let server = tower::service_fn(move |request: Request<Body>| {
            let (reached, answer) = (Arc::clone(&reached), answer.lock().unwrap().take());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                reached.lock().unwrap().push(Reached {
                    user: parts.extensions.get::<Caller>().map(|caller| caller.user().subject.id.clone()),
                    era: parts.extensions.get::<Era>().copied(),
                    judged: parts.extensions.get::<Arc<Judged<'static>>>().is_some(),
                    headers: parts.headers,
                    body,
                });
                let plain = || Response::new(Body::from(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
                let mut response = answer.unwrap_or_else(plain);
                response.headers_mut().insert("access-control-allow-origin", "*".parse().unwrap());
                if let Some(session) = session {
                    response.headers_mut().insert("mcp-session-id", session.parse().unwrap());
                }
                Ok::<_, Infallible>(response)
            }
        });
        self.layer.layer(server).oneshot(request).await.unwrap()
    }

    /// Posts a body with a token and more headers.
    pub(super) async fn post(&self, token: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(request(Method::POST, token, headers, body)).await
    }

    /// What reached the server behind the guard since the last look.
    pub(super) fn reached(&self) -> Vec<Reached> {
        std::mem::take(&mut *self.reached.lock().unwrap())
    }
}

pub(super) fn request(method: Method, token: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri("/github").header("host", "mcp.example.com");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// A tool call of the legacy wire.
pub(super) fn call(tool: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } }).to_string()
}

/// A request of the modern wire.
pub(super) fn modern(method: &str, name: Option<&str>) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut params = json!({ "_meta": meta });
    if let Some(name) = name {
        params["name"] = json!(name);
    }
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
}

fn manifest() -> Manifest {
    let tool = |pattern: &str, scopes: &str| Rule::tool(pattern).with_scopes(scopes.parse().unwrap());
    let rules = [
        tool("create_*", "repos:write"),
        tool("*_hook", "hooks"),
        tool("drop", "").denied(),
        tool("audit", "").with_roles(["admin"]),
    ];
    Manifest::new(rules, Unlisted::Permitted)
}

fn catalogue() -> ScopeCatalogue {
    let entry = |default, implies: &str| ScopeEntry {
        default,
        implies: implies.parse().unwrap(),
        ..ScopeEntry::default()
    };
    let entries = [
        ("repos:read", entry(true, "")),
        ("repos:write", entry(false, "repos:read")),
        ("repos:admin", entry(false, "repos:write hooks")),
        ("hooks", entry(false, "")),
    ];
    ScopeCatalogue::new(entries.into_iter().map(|(name, entry)| (name.parse().unwrap(), entry)).collect())
        .unwrap()
}
