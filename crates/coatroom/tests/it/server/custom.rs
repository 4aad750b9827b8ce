//! Signing in at a provider that is written elsewhere.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use axum::routing::any;
use coatroom::guard::Caller;
use coatroom::protocol::words::{ProviderName, Scopes, Subject, Timestamp};
use coatroom::providers::{
    CodeExchange, CustomProvider, Provider, ProviderError, RevokeOutcome, SignedIn, UpstreamAuthorization,
    UpstreamToken, UpstreamTokens,
};
use coatroom::user::User;
use http::Request;
use serde_json::json;
use url::Url;

use super::browser::{Browser, refresh_of};
use super::client::{Client, query_of, send};
use super::world::{NOW, Tokens, World};

/// The login service of a house: its codes are the names of its people, and its tokens live for an hour.
#[derive(Clone, Default)]
struct House(Arc<Ledger>);

#[derive(Default)]
struct Ledger {
    issued: AtomicU32,
    revoked: Mutex<HashSet<String>>,
    /// What becomes of the next call.
    mood: Mutex<Mood>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Well,
    /// Says whose subject it likes.
    Lying,
    Stuck,
    Down,
}

fn house() -> ProviderName {
    ProviderName::parse("house").unwrap()
}

impl House {
    fn tokens(&self, person: &str, expires_at: u64) -> UpstreamTokens {
        let number = self.0.issued.fetch_add(1, Ordering::Relaxed);
        UpstreamTokens {
            access_token: UpstreamToken::new(format!("house-{person}-{number}")),
            refresh_token: Some(UpstreamToken::new(format!("again-{person}"))),
            expires_at: Some(Timestamp::from_unix(expires_at)),
            scopes: String::new(),
        }
    }

    fn feel(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }
}

#[async_trait]
impl CustomProvider for House {
    fn label(&self) -> &'static str {
        "The House"
    }

    fn scopes(&self) -> Scopes {
        "keys".parse().unwrap()
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(300)
    }

    async fn authorization_url(&self, ask: &UpstreamAuthorization<'_>) -> Result<Url, ProviderError> {
        let mut url = Url::parse("https://login.house.example/").unwrap();
        url.query_pairs_mut().append_pair("state", ask.state).append_pair("back", ask.redirect_uri);
        Ok(url)
    }

    async fn sign_in(&self, callback: &CodeExchange<'_>) -> Result<SignedIn, ProviderError> {
        let mood = *self.0.mood.lock().unwrap();
        let provider = if mood == Mood::Lying { super::world::demo() } else { house() };
        match mood {
            Mood::Stuck => std::future::pending::<()>().await,
            Mood::Down => {
                return Err(ProviderError::Transient { reason: "the\nlock\u{1b}[31m is stuck".to_owned() });
            }
            Mood::Well | Mood::Lying => {}
        }
        if callback.code == "nobody" {
            return Err(ProviderError::Dead { code: "no such code".to_owned() });
        }
        let mut user = User::new(Subject { provider, id: callback.code.to_owned() });
        user.name = Some(callback.code.to_owned());
        Ok(SignedIn { user, tokens: self.tokens(callback.code, NOW + 3600) })
    }

    async fn renew(&self, refresh_token: &UpstreamToken) -> Result<UpstreamTokens, ProviderError> {
        let person = refresh_token.expose().strip_prefix("again-").unwrap();
        Ok(self.tokens(person, NOW + 100_000))
    }

    async fn revoke(
        &self,
        access: &UpstreamToken,
        _: Option<&UpstreamToken>,
    ) -> Result<RevokeOutcome, ProviderError> {
        self.0.revoked.lock().unwrap().insert(access.expose().to_owned());
        Ok(RevokeOutcome::Told)
    }
}

async fn world(house_here: &House) -> World {
    let provider = Provider::custom(house(), house_here.clone());
    World::with(|_| (), |builder| builder.provider(provider)).await
}

/// Approves, signs in at the house as `code`, and returns what the callback answers.
async fn come_back(world: &World, client: &Client, code: &str) -> super::client::Answer {
    let mut browser = Browser::new(&world.app);
    let consent = browser.ask(&client.authorize_url(&[])).await;
    assert!(consent.page.body.contains("The House"), "{:?}", consent.page);
    let sent = refresh_of(&browser.press(&consent, "house").await);
    assert!(sent.starts_with("https://login.house.example/?"), "{sent}");
    let asked = query_of(&sent);
    assert_eq!(asked["back"], "https://gate.example/callback/house");
    browser.open(&format!("/callback/house?code={code}&state={}", asked["state"])).await
}

/// The caller's token of the house, as a handler gets it.
async fn token_of(world: &World, access: &str) -> String {
    let handler = async |caller: Caller| match caller.upstream("house").await {
        Ok(token) => token.expose().to_owned().into_response(),
        Err(error) => error.into_response(),
    };
    let app = Router::new().route("/mcp", any(handler)).layer(world.coatroom.guard("/mcp"));
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let request = Request::post("/mcp")
        .header("host", "gate.example")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {access}"));
    send(&app, request.body(Body::from(body)).unwrap()).await.body
}

#[tokio::test]
async fn a_provider_that_is_written_elsewhere_signs_in_renews_and_is_told_of_the_end() {
    let here = House::default();
    let world = world(&here).await;
    let client = Client::register(&world.app).await;
    let answer = refresh_of(&come_back(&world, &client, "alice").await);
    let tokens = Tokens::of(&client.redeem(&client.answered(&answer)["code"]).await);
    assert_eq!(token_of(&world, &tokens.access).await, "house-alice-0");

    // An hour later the token has ended, and the first call that needs it has it renewed.
    world.advance(3_590);
    assert_eq!(token_of(&world, &tokens.access).await, "house-alice-1");
    assert_eq!(token_of(&world, &tokens.access).await, "house-alice-1");

    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    let is_told = || here.0.revoked.lock().unwrap().contains("house-alice-1");
    for _ in 0..500 {
        if is_told() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(is_told());
}

#[tokio::test]
async fn a_provider_that_is_written_elsewhere_is_held_to_its_word() {
    let here = House::default();
    let world = world(&here).await;
    let client = Client::register(&world.app).await;
    // Nobody signs in as a user of another provider, whatever this one says.
    here.feel(Mood::Lying);
    let page = come_back(&world, &client, "alice").await;
    assert_eq!((page.status.as_u16(), page.header("refresh")), (502, None), "{page:?}");
    // Silence is an outage, and so is an error that says so.
    for mood in [Mood::Stuck, Mood::Down] {
        here.feel(mood);
        let page = come_back(&world, &client, "alice").await;
        assert_eq!((page.status.as_u16(), page.header("refresh")), (503, None), "{mood:?}: {page:?}");
        assert!(!page.body.contains("lock"), "an error's text is for the log alone");
    }
    here.feel(Mood::Well);
    let page = come_back(&world, &client, "nobody").await;
    assert_ne!(page.status, 200, "{page:?}");
    let long = "x".repeat(256);
    assert_eq!(come_back(&world, &client, &long).await.status, 502);
    assert_eq!(come_back(&world, &client, "alice").await.status, 200);
}
