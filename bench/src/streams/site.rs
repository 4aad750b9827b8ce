//! The gateway before a server that says what it is told, with users who have signed in.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use coatroom::clock::SystemClock;
use coatroom::outbound::Outbound;
use coatroom::protocol::words::{ClientId, ClientSecret, ProviderName};
use coatroom::providers::{Provider, ProviderConfig, ProviderKind};
use coatroom::settings::{ClientDocuments, DocumentMode, Settings};
use coatroom::store::{StoreLocation, Synchronous};
use coatroom::{Coatroom, Protection};
use coatroom_e2e::{Gateway, OAuthClient, tools};
use futures_util::future::try_join_all;

use super::upstream::Upstream;

/// A running gateway, and the tokens of its users.
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    tokens: Vec<String>,
}

impl Site {
    /// Starts both, and lets so many users sign in. `server` is added to the server's table, `more` to the end of the file.
    pub(crate) async fn start(users: usize, server: &str, more: &str) -> Result<Self> {
        let upstream = Upstream::start().await?;
        let port = tools::free_port();
        let origin = format!("http://localhost:{port}");
        let configuration = format!(
            "public_url = \"{origin}\"\nlisten = \"127.0.0.1:{port}\"\nstore = \"sqlite:{{data}}/coatroom.db\"\n\
             keys_file = \"{{data}}/keys.toml\"\n[providers.{PROVIDER}]\nkind = \"oauth2\"\nclient_id = \"coatroom\"\n\
             client_secret = \"{SECRET}\"\nauthorize_url = \"http://127.0.0.1:9/authorize\"\n\
             token_url = \"http://127.0.0.1:9/token\"\nuser_url = \"http://127.0.0.1:9/user\"\nuser = {{ id = \"id\" }}\n\
             [servers.streams]\nupstream = \"{}\"\nprovider = \"{PROVIDER}\"\n{server}\n{more}\n",
            upstream.url(),
        );
        let gateway = Gateway::serve_with(port, &configuration, &[("COATROOM_LOG", "warn")]).await;
        let tokens = seed(&gateway, &origin, users).await?;
        Ok(Self { gateway, upstream, tokens })
    }

    /// The token of a user, from 0; there may be fewer users than that.
    pub(crate) fn token(&self, user: usize) -> &str {
        &self.tokens[user % self.tokens.len()]
    }

    /// What the gateway holds in memory, in bytes.
    pub(crate) fn held(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no machine has so much memory")]
        let kib = self.gateway.resident_kib() as f64;
        kib * 1024.0
    }
}

/// Writes the grants of so many users into the gateway's store, and returns their access tokens.
async fn seed(gateway: &Gateway, origin: &str, users: usize) -> Result<Vec<String>> {
    let clock = Arc::new(SystemClock::new());
    let data = gateway.folder().join("data");
    let name = ProviderName::parse(PROVIDER).context("the provider's name")?;
    let mut config = ProviderConfig::new(name, ProviderKind::Demo, "coatroom");
    config.client_secret = Some(ClientSecret::new(SECRET));
    config.base_url = Some("http://127.0.0.1:9".to_owned());
    let mut settings = Settings::default();
    settings.access_token_life = std::time::Duration::from_hours(24);
    let store = StoreLocation::Sqlite(data.join("coatroom.db"), Synchronous::Full)
        .open(Arc::clone(&clock) as _)
        .await?;
    let server = Coatroom::builder(origin)
        .settings(settings)
        .client_documents(ClientDocuments::in_mode(DocumentMode::Off))
        .store(store)
        .key_file(data.join("keys.toml"))
        .provider(Provider::new(config, Arc::new(Outbound::new()), clock)?)
        .resource(Protection::new("/mcp"))
        .build()?;
    server.start().await?;
    let registered = OAuthClient::connect(&gateway.mcp_url()).await;
    let client = ClientId::new(registered.id());
    // Each user has two grants, of which one is used here.
    let numbers: Vec<u64> = (0..u64::try_from(users)?).map(|user| user * 2).collect();
    for some in numbers.chunks(SEEDERS) {
        try_join_all(some.iter().map(|number| server.seed(*number, &client))).await?;
    }
    Ok(numbers.iter().map(|number| server.seeded(*number).access_token.expose().to_owned()).collect())
}

const PROVIDER: &str = "somewhere";
const SECRET: &str = "a-secret-of-the-gateway-0123456789";

/// Grants that are written at once.
const SEEDERS: usize = 256;
