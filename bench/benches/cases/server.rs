//! The library over a store in memory, for what is public only through it.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use coatroom::clock::{Clock as _, SystemClock};
use coatroom::entropy::SystemEntropy;
use coatroom::guard::{Caller, Guard};
use coatroom::outbound::Outbound;
use coatroom::protocol::words::{ClientId, ClientSecret, ProviderName};
use coatroom::providers::{Provider, ProviderConfig, ProviderKind};
use coatroom::settings::{ClientDocuments, DocumentMode, Rates, Settings};
use coatroom::store::MemoryStore;
use coatroom::vault::KeyRing;
use coatroom::{Coatroom, Protection};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode};
use tokio::runtime::Runtime;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::bodies::{self, Shape};

/// A server with one protected endpoint, whose handler answers at once.
#[derive(Clone)]
pub(crate) struct Server {
    runtime: Rc<Runtime>,
    coatroom: Coatroom,
    client: ClientId,
    grants: Rc<Cell<u64>>,
}

impl Server {
    /// A server that remembers what it verified for so long.
    pub(crate) fn new(remembered: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let clock = Arc::new(SystemClock::new());
        let keys = KeyRing::generate(&SystemEntropy::new(), clock.now()).expect("keys");
        let name = ProviderName::parse("demo").expect("a name");
        let mut config = ProviderConfig::new(name, ProviderKind::Demo, "coatroom");
        config.client_secret = Some(ClientSecret::new("secret"));
        // Nobody is asked: the credentials live longer than the benchmark.
        config.base_url = Some("http://127.0.0.1:9".to_owned());
        let provider = Provider::new(config, Arc::new(Outbound::new()), Arc::clone(&clock) as _);
        let mut settings = Settings::default();
        settings.remembered = remembered;
        settings.access_token_life = Duration::from_hours(24);
        settings.rates = Rates::none();
        let built = Coatroom::builder("https://mcp.example.com")
            .settings(settings)
            .client_documents(ClientDocuments::in_mode(DocumentMode::Off))
            .store(Arc::new(MemoryStore::new(clock)))
            .keys(keys)
            .provider(provider.expect("a provider"))
            .resource(Protection::new("/mcp").with_name("Notes"))
            .build();
        let coatroom = built.expect("a server");
        runtime.block_on(coatroom.start()).expect("the server starts");
        Self { runtime: Rc::new(runtime), coatroom, client: ClientId::new("client"), grants: Rc::default() }
    }

    /// Makes one more grant.
    pub(crate) fn seeding(&self) -> impl FnOnce() + use<> {
        let (server, number) = (self.clone(), self.grants.get());
        self.grants.set(number + 1);
        move || super::at_once(server.coatroom.seed(number, &server.client)).expect("a grant")
    }

    /// The number of a grant that is made now.
    pub(crate) fn grant(&self) -> u64 {
        self.seeding()();
        self.grants.get() - 1
    }

    /// The caller with a grant that is made now.
    pub(crate) fn caller(&self) -> Caller {
        self.caller_of(self.grant())
    }

    /// The caller with this grant, as a handler knows it.
    pub(crate) fn caller_of(&self, grant: u64) -> Caller {
        let answer = self.calling(grant, bodies::call(Shape::Text, super::KIB))();
        answer.extensions().get::<Caller>().expect("the handler gave the caller back").clone()
    }

    /// Passes a call of the tool `notes-write` through the guard, to a handler that gives back who called.
    pub(crate) fn calling(&self, grant: u64, body: Vec<u8>) -> impl FnOnce() -> Response + use<> {
        let handler = service_fn(async |request: Request<Body>| {
            let mut answer =
                Response::new(Body::from(r#"{"jsonrpc":"2.0","id":17,"result":{"content":[]}}"#));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            answer.extensions_mut().insert(request.extensions().get::<Caller>().expect("a caller").clone());
            Ok::<_, Infallible>(answer)
        });
        let guard: Guard<_> = self.coatroom.guard("/mcp").layer(handler);
        let request = Request::post("/mcp")
            .header("host", "mcp.example.com")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "notes-write")
            .header("authorization", format!("Bearer {}", self.coatroom.seeded(grant).access_token.expose()))
            .body(Body::from(body))
            .expect("a request");
        let runtime = Rc::clone(&self.runtime);
        move || {
            let answer = runtime.block_on(guard.oneshot(request)).expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK, "the guard lets the call through");
            answer
        }
    }
}
