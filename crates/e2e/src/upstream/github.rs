//! A server shaped like GitHub, with its habits: answers are form-encoded unless JSON is asked for, errors come with
//! status 200, ids are numbers, the e-mail address may be null, and the API wants a `User-Agent`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{delete, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded;

use super::{json_answer, serve};
use crate::evidence::{self, Secret};
use crate::oauth::random;

/// Which kind of registration the gateway has there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitHubApp {
    /// An OAuth app: tokens never expire, and there is no refresh token.
    OAuth,
    /// A GitHub App with expiring user tokens, which live this many seconds.
    Expiring(u64),
}

/// What becomes of a request to renew a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// A running server.
#[derive(Debug, Clone)]
pub struct GitHub {
    /// Its origin; the API lies below `/api/v3`, as on a GitHub Enterprise Server.
    pub origin: String,
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    app: GitHubApp,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Code → account, redirect URI, PKCE challenge.
    codes: HashMap<String, (String, String, Option<String>)>,
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
}

/// The gateway's registration there.
pub const CLIENT_ID: &str = "Iv1.coatroom";
/// Its secret.
pub const CLIENT_SECRET: &str = "github-secret-of-the-gateway";

impl GitHub {
    /// Starts it on a free loopback port.
    pub async fn start(app: GitHubApp) -> Self {
        let inside = Arc::new(Inside { app, kept: Mutex::default() });
        evidence::secret(Secret::Credential, CLIENT_SECRET);
        let routes = Router::new()
            .route("/login/oauth/authorize", get(ask).post(agree))
            .route("/login/oauth/access_token", post(token))
            .route("/api/v3/user", get(user))
            .route("/api/v3/user/emails", get(emails))
            .route("/api/v3/user/memberships/orgs/{organisation}", get(membership))
            .route("/api/v3/applications/{client_id}/token", delete(forget))
            .with_state(Arc::clone(&inside));
        Self { origin: serve(routes).await, inside }
    }

    /// The `[providers.github]` section that makes the gateway use it.
    #[must_use]
    pub fn configuration(&self) -> String {
        self.configuration_as("github")
    }

    /// The same under another name.
    #[must_use]
    pub fn configuration_as(&self, name: &str) -> String {
        format!(
            "[providers.{name}]\nkind = \"github\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\nbase_url = \"{}\"\n",
            self.origin
        )
    }

    /// Whose access token this is.
    #[must_use]
    pub fn owner_of(&self, access_token: &str) -> Option<String> {
        self.inside.kept.lock().expect("the record").access.get(access_token).cloned()
    }

    /// Every secret that it has issued and that is still good.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let kept = self.inside.kept.lock().expect("the record");
        kept.access.keys().chain(kept.refresh.keys()).cloned().collect()
    }

    /// How many times a refresh token was redeemed.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        self.inside.kept.lock().expect("the record").refreshes
    }

    /// How many times somebody asked for a refresh token to be redeemed.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.inside.kept.lock().expect("the record").asked
    }

    /// What becomes of requests to renew a token from now on.
    pub fn renew(&self, renewal: Renewal) {
        self.inside.kept.lock().expect("the record").renewal = renewal;
    }

    /// An organisation takes somebody in.
    pub fn join(&self, account: &str, organisation: &str) {
        let member = (account.to_owned(), organisation.to_owned());
        self.inside.kept.lock().expect("the record").members.insert(member);
    }

    /// They leave it.
    pub fn leave(&self, account: &str, organisation: &str) {
        let member = (account.to_owned(), organisation.to_owned());
        self.inside.kept.lock().expect("the record").members.remove(&member);
    }

    /// The user takes the app's authorization back, in GitHub's own settings.
    pub fn withdraw(&self, account: &str) {
        let mut kept = self.inside.kept.lock().expect("the record");
        kept.access.retain(|_, owner| owner != account);
        kept.refresh.retain(|_, owner| owner != account);
    }
}

async fn ask(RawQuery(query): RawQuery) -> Html<String> {
    let action = query.unwrap_or_default().replace('&', "&amp;").replace('"', "&quot;");
    Html(format!(
        "<!doctype html><title>Authorize</title><form method=\"post\" action=\"/login/oauth/authorize?{action}\">\
         <button name=\"account\" value=\"alice\">Alice</button><button name=\"account\" value=\"bob\">Bob</button></form>"
    ))
}

async fn agree(State(inside): State<Arc<Inside>>, RawQuery(query): RawQuery, body: String) -> Response {
    let asked = pairs(&query.unwrap_or_default());
    let account = pairs(&body).get("account").cloned().unwrap_or_default();
    let Some(Ok(mut back)) = asked.get("redirect_uri").map(|uri| Url::parse(uri)) else {
        return (StatusCode::NOT_FOUND, "no redirect_uri").into_response();
    };
    if asked.get("client_id").map(String::as_str) != Some(CLIENT_ID) {
        return (StatusCode::NOT_FOUND, "no such app").into_response();
    }
    let code = random();
    evidence::secret(Secret::Credential, &code);
    let redirect_uri = asked.get("redirect_uri").cloned().unwrap_or_default();
    let entry = (account, redirect_uri, asked.get("code_challenge").cloned());
    inside.kept.lock().expect("the record").codes.insert(code.clone(), entry);
    back.query_pairs_mut()
        .append_pair("code", &code)
        .extend_pairs(asked.get("state").map(|state| ("state", state)));
    Redirect::to(back.as_str()).into_response()
}

async fn token(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: String) -> Response {
    let form = pairs(&body);
    let renewal = if form.get("grant_type").is_some_and(|kind| kind == "refresh_token") {
        let mut kept = inside.kept.lock().expect("the record");
        kept.asked += 1;
        kept.renewal
    } else {
        Renewal::Prompt
    };
    if renewal == Renewal::Ignored {
        std::future::pending::<()>().await;
    }
    let answer = exchange(&inside, &form);
    match renewal {
        Renewal::Slow(pause) => tokio::time::sleep(pause).await,
        Renewal::Swallowed => std::future::pending().await,
        Renewal::Prompt | Renewal::Ignored => {}
    }
    let wants_json =
        headers.get("accept").is_some_and(|accept| accept.as_bytes().windows(4).any(|part| part == b"json"));
    if wants_json {
        return json_answer(StatusCode::OK, &answer);
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer.as_object().expect("an object") {
        form.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    ([("content-type", "application/x-www-form-urlencoded; charset=utf-8")], form.finish()).into_response()
}

fn exchange(inside: &Inside, form: &HashMap<String, String>) -> Value {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("client_id") != CLIENT_ID || field("client_secret") != CLIENT_SECRET {
        return json!({"error": "incorrect_client_credentials"});
    }
    let mut kept = inside.kept.lock().expect("the record");
    let account = if field("grant_type") == "refresh_token" {
        let Some(account) = kept.refresh.remove(field("refresh_token")) else {
            return json!({"error": "bad_refresh_token"});
        };
        kept.refreshes += 1;
        kept.access.retain(|_, owner| *owner != account);
        account
    } else {
        let Some((account, redirect_uri, challenge)) = kept.codes.remove(field("code")) else {
            return json!({"error": "bad_verification_code"});
        };
        if redirect_uri != field("redirect_uri") {
            return json!({"error": "redirect_uri_mismatch"});
        }
        if challenge.is_some() && field("code_verifier").is_empty() {
            return json!({"error": "bad_verification_code"});
        }
        account
    };
    let access = format!("gho_{}", random());
    evidence::secret(Secret::Credential, &access);
    kept.access.insert(access.clone(), account.clone());
    let mut answer = json!({"access_token": access, "token_type": "bearer", "scope": "read:user,repo"});
    if let GitHubApp::Expiring(seconds) = inside.app {
        let refresh = format!("ghr_{}", random());
        evidence::secret(Secret::Credential, &refresh);
        kept.refresh.insert(refresh.clone(), account);
        answer["expires_in"] = json!(seconds);
        answer["refresh_token"] = json!(refresh);
        answer["refresh_token_expires_in"] = json!(15_897_600);
    }
    answer
}

async fn user(State(inside): State<Arc<Inside>>, headers: HeaderMap) -> Response {
    let Some(account) = owner(&inside, &headers) else { return bad_credentials(&headers) };
    let id = if account == "alice" { 583_231 } else { 583_232 };
    let profile = json!({"id": id, "login": account, "name": null, "email": null, "avatar_url": null});
    json_answer(StatusCode::OK, &profile)
}

async fn emails(State(inside): State<Arc<Inside>>, headers: HeaderMap) -> Response {
    let Some(account) = owner(&inside, &headers) else { return bad_credentials(&headers) };
    let address = json!({"email": format!("{account}@example.com"), "primary": true, "verified": true, "visibility": null});
    json_answer(StatusCode::OK, &json!([address]))
}

async fn membership(
    State(inside): State<Arc<Inside>>,
    Path(organisation): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(account) = owner(&inside, &headers) else { return bad_credentials(&headers) };
    let member = (account, organisation);
    if !inside.kept.lock().expect("the record").members.contains(&member) {
        return json_answer(StatusCode::NOT_FOUND, &json!({"message": "Not Found"}));
    }
    let said = json!({"state": "active", "role": "member", "organization": {"login": member.1}});
    json_answer(StatusCode::OK, &said)
}

/// `DELETE /applications/{client_id}/token`: the app gives one token back.
async fn forget(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: String) -> Response {
    let credentials = STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if sent != format!("Basic {credentials}") {
        return json_answer(StatusCode::NOT_FOUND, &json!({"message": "Not Found"}));
    }
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let token = body["access_token"].as_str().unwrap_or_default();
    match inside.kept.lock().expect("the record").access.remove(token) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => json_answer(StatusCode::UNPROCESSABLE_ENTITY, &json!({"message": "Validation Failed"})),
    }
}

/// Whose token was sent, as GitHub's API decides it.
fn owner(inside: &Inside, headers: &HeaderMap) -> Option<String> {
    let bearer = headers.get("authorization")?.to_str().ok()?;
    let token = bearer.strip_prefix("Bearer ").or_else(|| bearer.strip_prefix("token "))?;
    let named = headers.contains_key("user-agent");
    inside.kept.lock().expect("the record").access.get(token).filter(|_| named).cloned()
}

fn bad_credentials(headers: &HeaderMap) -> Response {
    if headers.contains_key("user-agent") {
        return json_answer(StatusCode::UNAUTHORIZED, &json!({"message": "Bad credentials"}));
    }
    (StatusCode::FORBIDDEN, "Request forbidden by administrative rules.").into_response()
}

fn pairs(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
