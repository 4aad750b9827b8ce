//! Everything that a test needs: a server, its clock and store, and a provider.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::routing::any;
use axum::{Extension, Router};
use coatroom::allowlist::{Allowlist, List};
use coatroom::clock::{Clock as _, ManualClock};
use coatroom::entropy::SystemEntropy;
use coatroom::guard::{Caller, UpstreamError};
use coatroom::outbound::{Outbound, PublicWeb};
use coatroom::protocol::client::{AppUris, Client as KnownClient, RedirectUri};
use coatroom::protocol::words::{
    AccessToken, ClientSecret, ProviderName, ScopeCatalogue, ScopeEntry, Timestamp,
};
use coatroom::providers::{Provider, ProviderConfig, ProviderKind, UpstreamToken};
use coatroom::settings::{ClientDocuments, DocumentMode, LocalAccounts, Settings};
use coatroom::store::{Kind, MemoryStore, Portable, Record, Store as _};
use coatroom::vault::KeyRing;
use coatroom::{Builder, Coatroom, Protection};
use http::{HeaderMap, Request};
use serde_json::{Value, json};

use super::browser::Browser;
use super::client::{Answer, Client, send};
use super::idp::{Idp, json_answer};
use super::watched::Watched;

pub(crate) const ISSUER: &str = "https://gate.example";
/// A server on this machine, over https all the same.
pub(crate) const LOCAL: &str = "https://localhost";
/// Says which upstream token was refused.
const REJECTED: &str = "x-rejected";
pub(crate) const NOW: u64 = 1_800_000_000;
/// The redirect URI of the client that the operator configured.
pub(crate) const PORTAL: &str = "https://portal.example/cb";

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Watched,
    pub(crate) keys: KeyRing,
    pub(crate) idp: Idp,
    pub(crate) coatroom: Coatroom,
    /// The routes of the authorization server.
    pub(crate) app: Router,
    /// How a server on this machine fetches documents.
    local: Option<PublicWeb>,
}

/// What a client holds after a sign-in.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    pub(crate) fn of(answer: &Answer) -> Self {
        Self { access: answer.text("access_token"), refresh: answer.text("refresh_token") }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| (), |builder| builder).await
    }

    pub(crate) async fn with_settings(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(change, |builder| builder).await
    }

    pub(crate) async fn with(
        change: impl FnOnce(&mut Settings),
        build: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOW)));
        let store = MemoryStore::new(clock.clone());
        Self::over(store, clock, change, build).await
    }

    pub(crate) async fn over(
        store: impl Portable + 'static,
        clock: Arc<ManualClock>,
        change: impl FnOnce(&mut Settings),
        build: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let (store, idp) = (Watched::new(store), Idp::start().await);
        let keys = KeyRing::generate(&SystemEntropy::new(), clock.now()).unwrap();
        let mut settings = Settings::default();
        change(&mut settings);
        let builder = builder(ISSUER, &idp, &clock, settings).store(store.clone()).keys(keys.clone());
        let coatroom = build(builder).build().unwrap();
        let app = coatroom.routes();
        Self { clock, store, keys, idp, coatroom, app, local: None }
    }

    /// A server on this machine that takes documents of clients from here, as one does while developing.
    pub(crate) async fn local(web: PublicWeb, change: impl FnOnce(&mut ClientDocuments)) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOW)));
        let (store, idp) = (Watched::new(MemoryStore::new(clock.clone())), Idp::start().await);
        let keys = KeyRing::generate(&SystemEntropy::new(), clock.now()).unwrap();
        let mut documents = ClientDocuments::in_mode(DocumentMode::On);
        documents.loopback = true;
        change(&mut documents);
        Self::assemble(LOCAL, (store, clock, keys, idp), &web, documents)
    }

    /// Another replica of such a server.
    pub(crate) fn local_replica(&self) -> Self {
        let mut documents = ClientDocuments::in_mode(DocumentMode::On);
        documents.loopback = true;
        let parts = (self.store.clone(), self.clock.clone(), self.keys.clone(), self.idp.clone());
        Self::assemble(LOCAL, parts, self.local.as_ref().unwrap(), documents)
    }

    fn assemble(
        issuer: &str,
        (store, clock, keys, idp): (Watched, Arc<ManualClock>, KeyRing, Idp),
        web: &PublicWeb,
        documents: ClientDocuments,
    ) -> Self {
        let builder = builder(issuer, &idp, &clock, Settings::default()).store(store.clone());
        let builder = builder.keys(keys.clone()).client_documents(documents).public_web(web.clone());
        let coatroom = builder.build().unwrap();
        let app = coatroom.routes();
        Self { clock, store, keys, idp, coatroom, app, local: Some(web.clone()) }
    }

    /// Another replica: the same store, keys and clock, and nothing else in common.
    pub(crate) fn replica(&self) -> Coatroom {
        self.replica_with(self.keys.clone())
    }

    /// The same with other keys.
    pub(crate) fn replica_with(&self, keys: KeyRing) -> Coatroom {
        let builder = builder(ISSUER, &self.idp, &self.clock, Settings::default());
        builder.store(self.store.clone()).keys(keys).build().unwrap()
    }

    /// The same, built otherwise.
    pub(crate) fn replica_where(&self, build: impl FnOnce(Builder) -> Builder) -> Coatroom {
        let builder = builder(ISSUER, &self.idp, &self.clock, Settings::default());
        build(builder.store(self.store.clone()).keys(self.keys.clone())).build().unwrap()
    }

    /// The server that a thief runs, over a copy of these records and with these keys, at the same provider.
    pub(crate) async fn stolen(&self, keys: KeyRing, records: &[Record]) -> Self {
        self.stolen_where(keys, records, |builder| builder).await
    }

    /// The same with local accounts.
    pub(crate) async fn stolen_with_accounts(&self, keys: KeyRing, records: &[Record]) -> Self {
        self.stolen_where(keys, records, |builder| builder.local_accounts(LocalAccounts::default(), None))
            .await
    }

    async fn stolen_where(
        &self,
        keys: KeyRing,
        records: &[Record],
        build: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let store = Watched::new(MemoryStore::new(self.clock.clone()));
        for record in records {
            store.put(record.clone()).await.unwrap();
        }
        let builder = builder(ISSUER, &self.idp, &self.clock, Settings::default()).store(store.clone());
        let coatroom = build(builder.keys(keys.clone())).build().unwrap();
        let (app, clock, idp) = (coatroom.routes(), self.clock.clone(), self.idp.clone());
        Self { clock, store, keys, idp, coatroom, app, local: None }
    }

    /// A replica at whose provider `demo` only these may sign in.
    pub(crate) fn replica_for(&self, users: &[&str], build: impl FnOnce(Builder) -> Builder) -> Coatroom {
        let allow = Allowlist::default().with(List::Users, users).unwrap();
        let demo = provider_for(&self.idp, &self.clock, "demo", allow);
        let builder = builder_with(ISSUER, (&self.idp, demo), &self.clock, Settings::default());
        build(builder.store(self.store.clone()).keys(self.keys.clone())).build().unwrap()
    }

    /// A replica whose operator forgot the provider `demo`.
    pub(crate) fn replica_without_demo(&self) -> Coatroom {
        Coatroom::builder(ISSUER)
            .client_documents(ClientDocuments::in_mode(DocumentMode::Off))
            .clock(self.clock.clone())
            .store(self.store.clone())
            .keys(self.keys.clone())
            .provider(provider(&self.idp, &self.clock, "other"))
            .resource(Protection::new("/mcp").with_name("Demo server").with_scopes(scopes()))
            .build()
            .unwrap()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A registered client that `user` has just signed in to.
    pub(crate) async fn signed_in(&self, user: &str) -> (Client, Tokens) {
        let client = Client::register(&self.app).await;
        let tokens = self.sign_in_to(&client, user).await;
        (client, tokens)
    }

    pub(crate) async fn sign_in_to(&self, client: &Client, user: &str) -> Tokens {
        let code = Browser::new(&self.app).code(&self.idp, client, user).await;
        Tokens::of(&client.redeem(&code).await)
    }

    /// The same at a server on this machine.
    pub(crate) async fn sign_in_local(&self, client: &Client, user: &str) -> Tokens {
        let code = Browser::at(&self.app, LOCAL).code(&self.idp, client, user).await;
        Tokens::of(&client.redeem(&code).await)
    }

    pub(crate) async fn signed_in_local(&self, user: &str) -> (Client, Tokens) {
        let client = Client { issuer: LOCAL, ..Client::register(&self.app).await };
        let tokens = self.sign_in_local(&client, user).await;
        (client, tokens)
    }

    /// Calls the MCP server behind the guard, and returns the status and what the server answered.
    pub(crate) async fn call(&self, token: &str) -> (u16, Value) {
        let mut request = request(token, "/mcp");
        if self.local.is_some() {
            request.headers_mut().insert("host", "localhost".parse().unwrap());
        }
        read(&send(&mcp(&self.coatroom, "/mcp"), request).await)
    }

    /// The same, where the upstream server has refused this upstream token.
    pub(crate) async fn call_again(&self, token: &str, rejected: &str) -> (u16, Value) {
        let mut request = request(token, "/mcp");
        request.headers_mut().insert(REJECTED, rejected.parse().unwrap());
        read(&send(&mcp(&self.coatroom, "/mcp"), request).await)
    }

    pub(crate) async fn status(&self, token: &str) -> u16 {
        self.call(token).await.0
    }

    /// The record of an access token.
    pub(crate) async fn record_of(&self, token: &str) -> Record {
        let key = AccessToken::new(token).hash().to_string();
        self.store.get(Kind::AccessToken, &key).await.unwrap().unwrap()
    }

    /// The id of the grant that an access token belongs to.
    pub(crate) async fn grant_of(&self, token: &str) -> String {
        let body: Value = serde_json::from_str(&self.record_of(token).await.body).unwrap();
        body["grant"].as_str().unwrap().to_owned()
    }

    /// Waits until the guard has noted, off the hot path, that it accepted a token.
    pub(crate) async fn noted(&self, token: &str) {
        let noted = async {
            while !self.record_of(token).await.body.contains(r#""accepted":true"#) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), noted).await.unwrap();
    }
}

fn builder(issuer: &str, idp: &Idp, clock: &Arc<ManualClock>, settings: Settings) -> Builder {
    builder_with(issuer, (idp, provider(idp, clock, "demo")), clock, settings)
}

fn builder_with(
    issuer: &str,
    (idp, demo_provider): (&Idp, Provider),
    clock: &Arc<ManualClock>,
    settings: Settings,
) -> Builder {
    let portal = RedirectUri::parse(PORTAL, &AppUris::none()).unwrap();
    Coatroom::builder(issuer)
        .settings(settings)
        .client_documents(ClientDocuments::in_mode(DocumentMode::Off))
        .clock(clock.clone())
        .provider(demo_provider)
        .provider(provider(idp, clock, "other"))
        .client(KnownClient::configured("portal", None, vec![portal]).unwrap())
        .resource(Protection::new("/mcp").with_name("Demo server").with_scopes(scopes()))
        .resource(
            Protection::new("/bound").with_name("Bound server").with_provider(demo()).with_scopes(scopes()),
        )
        .default_path("/mcp")
}

fn provider(idp: &Idp, clock: &Arc<ManualClock>, name: &str) -> Provider {
    provider_for(idp, clock, name, Allowlist::default())
}

fn provider_for(idp: &Idp, clock: &Arc<ManualClock>, name: &str, allow: Allowlist) -> Provider {
    let name = ProviderName::parse(name).unwrap();
    let mut config = ProviderConfig::new(name, ProviderKind::Demo, "our-id");
    config.client_secret = Some(ClientSecret::new("our-secret"));
    config.base_url = Some(idp.base.clone());
    config.deadline = Duration::from_secs(1);
    config.allow = allow;
    Provider::new(config, Arc::new(Outbound::new()), clock.clone()).unwrap()
}

fn scopes() -> ScopeCatalogue {
    let scope = |name: &str, default| {
        (name.parse().unwrap(), ScopeEntry { title: format!("May {name}"), default, ..ScopeEntry::default() })
    };
    ScopeCatalogue::new([scope("read", true), scope("write", false), scope("admin", false)].into()).unwrap()
}

pub(crate) fn demo() -> ProviderName {
    ProviderName::parse("demo").unwrap()
}

/// Calls an MCP server behind the guard of a replica.
pub(crate) async fn call(coatroom: &Coatroom, token: &str, path: &str) -> (u16, Value) {
    read(&send(&mcp(coatroom, path), request(token, path)).await)
}

fn read(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or(Value::Null))
}

/// A call of a tool's list, as a client of 2025-06-18 makes it.
fn request(token: &str, path: &str) -> Request<Body> {
    Request::post(path)
        .header("host", "gate.example")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string()))
        .unwrap()
}

/// An MCP server that tells who calls it, and with which token of theirs it would call upstream.
fn mcp(coatroom: &Coatroom, path: &str) -> Router {
    let tell = async |Extension(caller): Extension<Caller>, headers: HeaderMap| {
        let upstream = match headers.get(REJECTED) {
            None => caller.credentials().token(&demo()).await,
            Some(token) => {
                let token = UpstreamToken::new(token.to_str().unwrap());
                caller.credentials().renew(&demo(), &token).await
            }
        };
        let (status, upstream) = match &upstream {
            Ok(token) => (200, token.expose().to_owned()),
            Err(UpstreamError::Unavailable(_)) => (502, "unavailable".to_owned()),
            Err(error) => (502, error.to_string()),
        };
        let told = json!({
            "user": caller.user().subject.to_string(), "scopes": caller.scopes().to_string(), "upstream": upstream,
        });
        json_answer(status, &told)
    };
    Router::new().route(path, any(tell)).layer(coatroom.guard(path))
}
