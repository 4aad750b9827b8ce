//! A provider with as many people as a test wants, each with tokens of their own. It is plain OAuth 2.0, and asks for no password.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{json_answer, serve};
use crate::evidence::{self, Secret};
use crate::oauth::random;

/// A running provider.
#[derive(Debug, Clone)]
pub struct Crowd {
    origin: String,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    people: usize,
    /// How long access tokens live, in seconds; for ever without.
    lifetime: Option<u64>,
    /// Code, access token or refresh token → who.
    issued: HashMap<String, String>,
    renewals: u64,
}

impl Crowd {
    /// Starts it with so many people, whose access tokens live for ever or so many seconds.
    pub async fn start(people: usize, lifetime: Option<u64>) -> Self {
        let kept = Kept { people, lifetime, issued: HashMap::new(), renewals: 0 };
        let kept = Arc::new(Mutex::new(kept));
        let routes = Router::new()
            .route("/authorize", get(ask).post(agree))
            .route("/token", post(token))
            .route("/user", get(user))
            .with_state(Arc::clone(&kept));
        Self { origin: serve(routes).await, kept }
    }

    /// The name of a person, from 0.
    #[must_use]
    pub fn name(number: usize) -> String {
        format!("person-{number:04}")
    }

    /// The `[providers.crowd]` section that makes the gateway use it.
    #[must_use]
    pub fn configuration(&self) -> String {
        let origin = &self.origin;
        format!(
            "[providers.crowd]\nkind = \"oauth2\"\nclient_id = \"coatroom\"\nclient_secret = \"{SECRET}\"\n\
             authorize_url = \"{origin}/authorize\"\ntoken_url = \"{origin}/token\"\nuser_url = \"{origin}/user\"\n\
             user = {{ id = \"id\", username = \"id\" }}\n"
        )
    }

    /// Whose access token this is.
    #[must_use]
    pub fn owner_of(&self, token: &str) -> Option<String> {
        self.kept().issued.get(token).cloned()
    }

    /// How many times a refresh token was redeemed.
    #[must_use]
    pub fn renewals(&self) -> u64 {
        self.kept().renewals
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("the people")
    }
}

impl Kept {
    /// A new secret that stands for this person.
    fn issue(&mut self, person: &str) -> String {
        let secret = random();
        evidence::secret(Secret::Credential, &secret);
        self.issued.insert(secret.clone(), person.to_owned());
        secret
    }
}

/// The page with everybody on it.
async fn ask(State(kept): State<Arc<Mutex<Kept>>>) -> Html<String> {
    let people = kept.lock().expect("the people").people;
    let button = |name: String| format!("<button name=\"person\" value=\"{name}\">{name}</button>");
    let buttons: String = (0..people).map(|number| button(Crowd::name(number))).collect();
    Html(format!("<!doctype html><title>Crowd</title><form method=\"post\">{buttons}</form>"))
}

async fn agree(State(kept): State<Arc<Mutex<Kept>>>, RawQuery(query): RawQuery, body: String) -> Redirect {
    let (asked, form) = (fields(&query.unwrap_or_default()), fields(&body));
    let mut back = Url::parse(&asked["redirect_uri"]).expect("a redirect URI");
    let code = kept.lock().expect("the people").issue(&form["person"]);
    back.query_pairs_mut().append_pair("code", &code).append_pair("state", &asked["state"]);
    Redirect::to(back.as_str())
}

/// Codes and refresh tokens work once; access tokens that were replaced go on, as they do at most providers.
async fn token(State(kept): State<Arc<Mutex<Kept>>>, body: String) -> Response {
    let form = fields(&body);
    let mut kept = kept.lock().expect("the people");
    let is_renewal = form["grant_type"] == "refresh_token";
    let presented = if is_renewal { &form["refresh_token"] } else { &form["code"] };
    let Some(person) = kept.issued.remove(presented) else {
        return json_answer(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant"}));
    };
    kept.renewals += u64::from(is_renewal);
    let mut answer = json!({"access_token": kept.issue(&person), "token_type": "bearer"});
    if let Some(lifetime) = kept.lifetime {
        answer["expires_in"] = json!(lifetime);
        answer["refresh_token"] = json!(kept.issue(&person));
    }
    json_answer(StatusCode::OK, &answer)
}

async fn user(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap) -> Response {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = bearer.trim_start_matches("Bearer ");
    let person = kept.lock().expect("the people").issued.get(token).cloned();
    match person {
        Some(person) => json_answer(StatusCode::OK, &json!({"id": person}) as &Value),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// What a query or a form says.
fn fields(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

const SECRET: &str = "crowd-secret-of-the-gateway-0123456789";
