//! The identity provider of these tests: plain OAuth 2.1 on a real socket, with Alice and Bob.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use coatroom::protocol::grant::CodeChallenge;
use coatroom::protocol::words::CodeVerifier;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::client::query_of;

/// What the token endpoint does with a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Fine,
    /// Answers with this status.
    Fails(u16),
    /// Says `invalid_grant`.
    Refuses,
    /// Renews without another refresh token: the old one stays good. Who signs in gets none.
    KeepsRefresh,
}

#[derive(Debug, Clone)]
pub(crate) struct Idp {
    pub(crate) base: String,
    state: Arc<Mutex<Ledger>>,
}

#[derive(Debug)]
struct Ledger {
    mood: Mood,
    delay: Duration,
    token_life: u64,
    codes: HashMap<String, Pending>,
    access: HashMap<String, String>,
    /// Each is good once.
    refresh: HashMap<String, String>,
    issued: Vec<String>,
    /// Requests at the token endpoint, answered or not.
    arrivals: usize,
    renewals: usize,
    exchanges: usize,
    /// Requests at the user endpoint.
    questions: usize,
    /// What it was told is thrown away.
    revoked: Vec<String>,
}

#[derive(Debug)]
struct Pending {
    user: String,
    challenge: String,
    redirect_uri: String,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Ledger {
            mood: Mood::Fine,
            delay: Duration::ZERO,
            token_life: 8 * 3600,
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            issued: Vec::new(),
            arrivals: 0,
            renewals: 0,
            exchanges: 0,
            questions: 0,
            revoked: Vec::new(),
        }));
        let app = Router::new()
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/revoke", post(revoke))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, state }
    }

    /// A person signs in at the address to which our pages sent their browser; where the provider sends it then.
    pub(crate) fn sign_in(&self, address: &str, user: &str) -> String {
        assert!(address.starts_with(&format!("{}/authorize?", self.base)), "{address}");
        let query = query_of(address);
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["response_type"], "code");
        let mut ledger = self.state.lock().unwrap();
        let code = format!("idp-code-{}", ledger.codes.len() + ledger.exchanges);
        let redirect_uri = query["redirect_uri"].clone();
        let callback = with_query(&redirect_uri, &[("code", &code), ("state", &query["state"])]);
        let challenge = query["code_challenge"].clone();
        ledger.codes.insert(code, Pending { user: user.to_owned(), challenge, redirect_uri });
        callback
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    pub(crate) fn set_token_life(&self, seconds: u64) {
        self.state.lock().unwrap().token_life = seconds;
    }

    /// How many requests reached its token endpoint, answered or not.
    pub(crate) fn arrivals(&self) -> usize {
        self.state.lock().unwrap().arrivals
    }

    /// How many renewals it was asked for.
    pub(crate) fn renewals(&self) -> usize {
        self.state.lock().unwrap().renewals
    }

    /// How many codes it was asked to exchange.
    pub(crate) fn exchanges(&self) -> usize {
        self.state.lock().unwrap().exchanges
    }

    /// How often it was asked whose token something is.
    pub(crate) fn questions(&self) -> usize {
        self.state.lock().unwrap().questions
    }

    /// A user takes back what an access token may do.
    pub(crate) fn take_back(&self, access: &str) {
        self.state.lock().unwrap().access.remove(access).unwrap();
    }

    /// What it was told is thrown away.
    pub(crate) fn revoked(&self) -> Vec<String> {
        self.state.lock().unwrap().revoked.clone()
    }

    /// Whose access token this is.
    pub(crate) fn owner_of(&self, token: &str) -> Option<String> {
        self.state.lock().unwrap().access.get(token).cloned()
    }

    /// Every token that it ever issued.
    pub(crate) fn issued(&self) -> Vec<String> {
        self.state.lock().unwrap().issued.clone()
    }
}

/// Where the provider sends a browser with an error.
pub(crate) fn refused_at(address: &str, error: &str) -> String {
    let query = query_of(address);
    let text = "idp-text-that-nobody-should-see";
    let params = [("error", error), ("error_description", text), ("state", &query["state"])];
    with_query(&query["redirect_uri"], &params)
}

fn with_query(address: &str, params: &[(&str, &str)]) -> String {
    let mut url = Url::parse(address).unwrap();
    url.query_pairs_mut().extend_pairs(params);
    url.to_string()
}

async fn revoke(State(state): State<Arc<Mutex<Ledger>>>, body: String) -> StatusCode {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let mut ledger = state.lock().unwrap();
    if let Mood::Fails(status) = ledger.mood {
        return StatusCode::from_u16(status).unwrap();
    }
    ledger.revoked.push(form["token"].clone());
    StatusCode::OK
}

async fn token(State(state): State<Arc<Mutex<Ledger>>>, headers: HeaderMap, body: String) -> Response {
    let delay = {
        let mut ledger = state.lock().unwrap();
        ledger.arrivals += 1;
        ledger.delay
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let mut ledger = state.lock().unwrap();
    if !headers.contains_key("authorization") {
        return refused("invalid_client");
    }
    match form["grant_type"].as_str() {
        "authorization_code" => {
            ledger.exchanges += 1;
            let Some(pending) = ledger.codes.remove(&form["code"]) else { return refused("invalid_grant") };
            let challenge = CodeChallenge::of(&CodeVerifier::new(form["code_verifier"].clone()));
            if pending.challenge != challenge.as_str() || pending.redirect_uri != form["redirect_uri"] {
                return refused("invalid_grant");
            }
            if let Mood::Fails(status) = ledger.mood {
                return StatusCode::from_u16(status).unwrap().into_response();
            }
            ledger.issue(&pending.user)
        }
        "refresh_token" => {
            ledger.renewals += 1;
            match ledger.mood {
                Mood::Fails(status) => return StatusCode::from_u16(status).unwrap().into_response(),
                Mood::Refuses => return refused("invalid_grant"),
                Mood::Fine | Mood::KeepsRefresh => {}
            }
            let Some(user) = ledger.refresh.remove(&form["refresh_token"]) else {
                return refused("invalid_grant");
            };
            if ledger.mood == Mood::KeepsRefresh {
                ledger.refresh.insert(form["refresh_token"].clone(), user.clone());
            }
            ledger.issue(&user)
        }
        other => panic!("{other}"),
    }
}

impl Ledger {
    fn issue(&mut self, user: &str) -> Response {
        let number = self.issued.len();
        let (access, refresh) =
            (format!("idp-access-{user}-{number}"), format!("idp-refresh-{user}-{number}"));
        self.access.insert(access.clone(), user.to_owned());
        self.refresh.insert(refresh.clone(), user.to_owned());
        self.issued.extend([access.clone(), refresh.clone()]);
        let mut answer = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": self.token_life,
            "scope": "profile email",
        });
        if self.mood != Mood::KeepsRefresh {
            answer["refresh_token"] = json!(refresh);
        }
        json_answer(200, &answer)
    }
}

async fn userinfo(State(state): State<Arc<Mutex<Ledger>>>, headers: HeaderMap) -> Response {
    let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let mut ledger = state.lock().unwrap();
    ledger.questions += 1;
    if let Mood::Fails(status) = ledger.mood {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let Some(user) = ledger.access.get(&token).cloned() else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    json_answer(
        200,
        &json!({ "sub": format!("{user}-1"), "name": user, "email": format!("{user}@example.com") }),
    )
}

fn refused(code: &str) -> Response {
    json_answer(400, &json!({ "error": code }))
}

pub(crate) fn json_answer(status: u16, body: &Value) -> Response {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(body.to_string())).unwrap()
}
