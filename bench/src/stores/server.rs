//! The server that is measured: the library with all that it does, but for a network in front of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::post;
use coatroom::clock::SystemClock;
use coatroom::outbound::Outbound;
use coatroom::protocol::words::{ClientId, ClientSecret, ProviderName, ScopeCatalogue, ScopeEntry};
use coatroom::providers::{Provider, ProviderConfig, ProviderKind};
use coatroom::settings::{ClientDocuments, DocumentMode, Rates, Settings};
use coatroom::store::Store;
use coatroom::vault::KeyRing;
use coatroom::{Coatroom, Protection};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::form_urlencoded::Serializer;

/// A server over one store.
#[derive(Clone)]
pub(crate) struct Server {
    coatroom: Coatroom,
    /// The authorization server, and one MCP endpoint behind the guard.
    routes: Router,
    client: ClientId,
}

impl Server {
    /// A server whose client is `client`, or one that registers now.
    pub(crate) async fn over(
        store: Arc<dyn Store>,
        keys: &KeyRing,
        client: Option<&ClientId>,
    ) -> Result<Self> {
        let clock = Arc::new(SystemClock::new());
        let name = ProviderName::parse("demo").context("the provider's name")?;
        let mut config = ProviderConfig::new(name, ProviderKind::Demo, "coatroom");
        config.client_secret = Some(ClientSecret::new("secret"));
        // Nobody is asked: the credentials live longer than the benchmark.
        config.base_url = Some("http://127.0.0.1:9".to_owned());
        let mut settings = Settings::default();
        settings.remembered = Duration::ZERO;
        settings.access_token_life = Duration::from_hours(24);
        settings.rates = Rates::none();
        let scope = |name: &str| -> Result<_> {
            let entry = ScopeEntry { default: true, ..ScopeEntry::default() };
            Ok((name.parse()?, entry))
        };
        let scopes = ScopeCatalogue::new([scope("notes:read")?, scope("notes:write")?].into())?;
        let coatroom = Coatroom::builder("https://mcp.example.com")
            .settings(settings)
            .client_documents(ClientDocuments::in_mode(DocumentMode::Off))
            .store(store)
            .keys(keys.clone())
            .provider(Provider::new(config, Arc::new(Outbound::new()), clock)?)
            .resource(Protection::new("/mcp").with_name("Notes").with_scopes(scopes))
            .build()?;
        coatroom.start().await?;
        let answer = || async { r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"# };
        let endpoint = Router::new().route("/mcp", post(answer)).layer(coatroom.guard("/mcp"));
        let routes = coatroom.routes().merge(endpoint);
        let client = match client {
            Some(client) => client.clone(),
            None => register(&routes).await?,
        };
        Ok(Self { coatroom, routes, client })
    }

    pub(crate) const fn client(&self) -> &ClientId {
        &self.client
    }

    /// Writes the grant of this number.
    pub(crate) async fn insert(&self, grant: u64) -> Result<()> {
        Ok(self.coatroom.seed(grant, &self.client).await?)
    }

    /// The refresh token that the grant of this number began with.
    pub(crate) fn first_refresh_token(&self, grant: u64) -> String {
        self.coatroom.seeded(grant).refresh_token.expose().to_owned()
    }

    /// Refreshes, and returns the next refresh token.
    pub(crate) async fn refresh(&self, token: &str) -> Result<String> {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", self.client.as_str())];
        let form = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
        let answer = send(&self.routes, request.body(Body::from(form))?, 200).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        Ok(answer["refresh_token"].as_str().context("there is no refresh token")?.to_owned())
    }

    /// Calls the MCP endpoint with the access token of the grant of this number.
    pub(crate) async fn verify(&self, grant: u64) -> Result<()> {
        let token = self.coatroom.seeded(grant).access_token;
        let request = Request::post("/mcp")
            .header("host", "mcp.example.com")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-06-18")
            .header("authorization", format!("Bearer {}", token.expose()))
            .body(Body::from(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#))?;
        send(&self.routes, request, 200).await.map(drop)
    }
}

/// Registers as a desktop client does.
async fn register(routes: &Router) -> Result<ClientId> {
    let metadata = json!({
        "client_name": "Example Desktop",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    let request = Request::post("/register").header("content-type", "application/json");
    let answer = send(routes, request.body(Body::from(metadata.to_string()))?, 201).await?;
    let answer: Value = serde_json::from_str(&answer)?;
    Ok(ClientId::new(answer["client_id"].as_str().context("there is no client id")?))
}

/// Sends a request through the routes, and insists on this status.
async fn send(routes: &Router, request: Request<Body>, status: u16) -> Result<String> {
    let (parts, body) = routes.clone().oneshot(request).await?.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await?.to_vec())?;
    ensure!(parts.status == status, "the answer was {}: {body}", parts.status);
    Ok(body)
}
