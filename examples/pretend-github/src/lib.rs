//! A server shaped like GitHub Enterprise Server, in which two people live, Alice and Bob. For trying things, and for tests.
//!
//! It has GitHub's habits: token answers are form-encoded unless JSON is asked for, their errors come with status 200, ids are
//! numbers, the e-mail address may be null, and the API wants a `User-Agent`. Nobody needs a password, and nothing is kept on disk.
//!
//! | file | what |
//! |---|---|
//! | `people.rs` | Alice and Bob, and their repositories |
//! | `authorize.rs` | the page on which a person chooses who they are |
//! | `token.rs` | codes and refresh tokens into tokens |
//! | `api.rs` | what apps read and write with a token |

mod api;
mod authorize;
pub mod people;
mod token;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::net::TcpListener;
use url::form_urlencoded;

/// The id of the one app that is registered there.
pub const CLIENT_ID: &str = "Iv1.coatroom";
/// Its secret. It protects nothing but this pretence.
pub const CLIENT_SECRET: &str = "github-secret-of-the-gateway";

/// Which kind of registration the app has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "GitHub has these two")]
pub enum GitHubApp {
    /// An OAuth app: tokens never expire, and there is no refresh token.
    OAuth,
    /// A GitHub App with expiring user tokens, which live this many seconds.
    Expiring(u64),
}

/// What becomes of a request to renew a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests name what they want")]
pub enum Renewal {
    /// It is done and answered at once.
    #[default]
    Prompt,
    /// It is done at once, and answered so much later.
    Slow(Duration),
    /// It is done, and never answered.
    Swallowed,
    /// It is neither done nor answered.
    Ignored,
}

/// An issue that somebody opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issue {
    /// Its repository, as owner/name.
    pub repo: String,
    /// Its number there, from 1.
    pub number: usize,
    /// One line.
    pub title: String,
    /// Its text; may be empty.
    pub body: String,
    /// The login of who opened it.
    pub author: String,
}

/// A running server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GitHub {
    /// Its origin; the API lies below `/api/v3`, as on a GitHub Enterprise Server.
    pub origin: String,
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    origin: String,
    app: GitHubApp,
    on_secret: fn(&str),
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    codes: HashMap<String, Code>,
    /// Access token → account.
    access: HashMap<String, String>,
    /// Refresh token → account.
    refresh: HashMap<String, String>,
    refreshes: u64,
    /// How many times somebody asked for that.
    asked: u64,
    renewal: Renewal,
    /// Account and organisation.
    members: HashSet<(String, String)>,
    issues: Vec<Issue>,
}

/// What a code stands for.
#[derive(Debug)]
struct Code {
    account: String,
    redirect_uri: String,
    /// The PKCE challenge, if there was one.
    challenge: Option<String>,
}

impl GitHub {
    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(app: GitHubApp) -> io::Result<Self> {
        Self::serve(TcpListener::bind("127.0.0.1:0").await?, "127.0.0.1", app, |_| {})
    }

    /// Serves on a loopback listener for as long as the runtime lives. `host` is how the world calls this machine, `127.0.0.1`
    /// or `localhost`; `on_secret` hears of each secret when it is issued.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn serve(listener: TcpListener, host: &str, app: GitHubApp, on_secret: fn(&str)) -> io::Result<Self> {
        let origin = format!("http://{host}:{}", listener.local_addr()?.port());
        let inside = Inside { origin: origin.clone(), app, on_secret, kept: Mutex::default() };
        let inside = Arc::new(inside);
        on_secret(CLIENT_SECRET);
        let routes = Router::new()
            .route("/login/oauth/authorize", get(authorize::ask).post(authorize::agree))
            .route("/login/oauth/access_token", post(token::post))
            .route("/api/v3/user", get(api::user))
            .route("/api/v3/user/emails", get(api::emails))
            .route("/api/v3/user/repos", get(api::repos))
            .route("/api/v3/user/memberships/orgs/{organisation}", get(api::membership))
            .route("/api/v3/repos/{owner}/{repo}/issues", post(api::open_issue))
            .route("/api/v3/applications/{client_id}/token", delete(api::forget))
            .with_state(Arc::clone(&inside));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { origin, inside })
    }

    /// The address of the API, as `GITHUB_API_URL` has it.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api/v3", self.origin)
    }

    /// The environment variables by which an example finds it.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("COATROOM_GITHUB_CLIENT_ID", CLIENT_ID.to_owned()),
            ("COATROOM_GITHUB_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("COATROOM_GITHUB_BASE_URL", self.origin.clone()),
            ("GITHUB_API_URL", self.api_url()),
        ]
    }

    /// Every issue that was opened, oldest first.
    #[must_use]
    pub fn issues(&self) -> Vec<Issue> {
        self.inside.kept().issues.clone()
    }

    /// Whose access token this is.
    #[must_use]
    pub fn owner_of(&self, access_token: &str) -> Option<String> {
        self.inside.kept().access.get(access_token).cloned()
    }

    /// Every secret that it has issued and that is still good.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let kept = self.inside.kept();
        kept.access.keys().chain(kept.refresh.keys()).cloned().collect()
    }

    /// How many times a refresh token was redeemed.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        self.inside.kept().refreshes
    }

    /// How many times somebody asked for a refresh token to be redeemed.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.inside.kept().asked
    }

    /// What becomes of requests to renew a token from now on.
    pub fn renew(&self, renewal: Renewal) {
        self.inside.kept().renewal = renewal;
    }

    /// An organisation takes somebody in.
    pub fn join(&self, account: &str, organisation: &str) {
        self.inside.kept().members.insert((account.to_owned(), organisation.to_owned()));
    }

    /// They leave it.
    pub fn leave(&self, account: &str, organisation: &str) {
        self.inside.kept().members.remove(&(account.to_owned(), organisation.to_owned()));
    }

    /// The user takes the app's authorization back, in GitHub's own settings.
    pub fn withdraw(&self, account: &str) {
        let mut kept = self.inside.kept();
        kept.access.retain(|_, owner| owner != account);
        kept.refresh.retain(|_, owner| owner != account);
    }
}

impl Inside {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new secret: 256 random bits after a prefix. `None` when the system has no randomness.
    fn new_secret(&self, prefix: &str) -> Option<String> {
        let mut bytes = [0; 32];
        #[expect(clippy::disallowed_methods, reason = "this program uses nothing of Coatroom")]
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let secret = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes));
        (self.on_secret)(&secret);
        Some(secret)
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

/// The parameters of a query or a form.
fn pairs(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
