//! An OpenID provider that this test plays: a page with two people, ID tokens and a key, by the book (OpenID Connect Core 1.0).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use coatroom_e2e::Signer;
use coatroom_e2e::oauth::random;
use coatroom_e2e::signer::now;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

pub(crate) const CLIENT_ID: &str = "coatroom";
pub(crate) const CLIENT_SECRET: &str = "secret-of-the-example-0123456789";

/// A running provider.
pub(crate) struct OpenIdProvider {
    pub(crate) issuer: String,
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    callback: String,
    key: Signer,
    /// What each code was given for: the parameters of its request, with the person.
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    last: Mutex<String>,
}

impl OpenIdProvider {
    /// Starts it on a free loopback port, with one client that returns to `callback`.
    pub(crate) async fn start(callback: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (codes, last) = (Mutex::default(), Mutex::default());
        let (key, callback) = (Signer::new("one"), callback.to_owned());
        let shared = Arc::new(Shared { issuer: issuer.clone(), callback, key, codes, last });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/approve", get(approve))
            .route("/token", post(token))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { issuer, shared }
    }

    pub(crate) fn last_access_token(&self) -> String {
        self.shared.last.lock().unwrap().clone()
    }
}

async fn configuration(State(shared): State<Arc<Shared>>) -> Response {
    let issuer = &shared.issuer;
    answer(&json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
    }))
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    answer(&json!({ "keys": [shared.key.jwk()] }))
}

async fn authorize(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Html<String> {
    let query = query.unwrap();
    let asked = form(query.as_bytes());
    assert_eq!((&*asked["client_id"], &*asked["redirect_uri"]), (CLIENT_ID, &*shared.callback));
    let field = |(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
    let fields: Vec<String> = asked.iter().map(field).collect();
    let button = |person| format!("<button name=\"person\" value=\"{person}\">{person}</button>");
    Html(format!("<form action=\"/approve\">{}{}{}</form>", fields.concat(), button("Alice"), button("Bob")))
}

async fn approve(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Redirect {
    let asked = form(query.unwrap().as_bytes());
    let code = random();
    let back = [("code", code.as_str()), ("state", &asked["state"]), ("iss", &shared.issuer)];
    let back = Url::parse_with_params(&shared.callback, back).unwrap();
    shared.codes.lock().unwrap().insert(code, asked);
    Redirect::to(back.as_str())
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let asked = form(&body);
    let by_header = headers.get("authorization").is_some();
    assert!(by_header || asked.get("client_secret").is_some_and(|secret| secret == CLIENT_SECRET));
    let given = shared.codes.lock().unwrap().remove(&asked["code"]).expect("a code is good once");
    assert!(given["code_challenge_method"] == "S256" && asked.contains_key("code_verifier"));
    let person = &given["person"];
    let role = if person == "Alice" { "admin" } else { "reader" };
    let id_token = shared.key.sign(&json!({
        "iss": shared.issuer, "aud": CLIENT_ID, "sub": person.to_lowercase(), "nonce": given.get("nonce"),
        "exp": now() + 300, "iat": now(), "name": format!("{person} Example"), "roles": [role],
    }));
    let access_token = random();
    shared.last.lock().unwrap().clone_from(&access_token);
    answer(&json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": 3600, "id_token": id_token,
    }))
}

fn form(text: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn answer(body: &Value) -> Response {
    ([("content-type", "application/json")], body.to_string()).into_response()
}
