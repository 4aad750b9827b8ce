//! A server with Apple's habits: the client's secret is a token that the client signs, who signs in comes back by a form that
//! Apple's page posts, and that form tells the name of the user, at the first sign-in alone.
//!
//! Its pages are at `127.0.0.1`, and so at another site than a gateway at `localhost`. Before the form is posted to the gateway
//! it goes to this server under the gateway's own host name, which gets the cookies that the gateway would get: browsers tell
//! hosts apart, not ports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{json_answer, serve};
use crate::evidence::{self, Secret};
use crate::oauth::random;
use crate::signer::{Signer, now};

/// A running server.
#[derive(Debug, Clone)]
pub struct Apple {
    origin: String,
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    /// With what Apple signs.
    own: Signer,
    /// With what the gateway signs.
    gateways: Signer,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Code → account, nonce.
    codes: HashMap<String, (String, String)>,
    /// Who has been here before.
    known: Vec<String>,
    /// Whether cookies came along: with what was posted, and then with the same address by `GET`.
    cookies: Vec<(bool, bool)>,
}

const CLIENT_ID: &str = "com.example.coatroom";
const TEAM_ID: &str = "TEAM123456";
const ISSUER: &str = "https://appleid.apple.com";

impl Apple {
    /// Starts it on a free loopback port.
    pub async fn start() -> Self {
        let (own, gateways) = (Signer::new("apple-1"), Signer::new("KEY1234567"));
        for line in gateways.private_key().lines().filter(|line| !line.starts_with("-----")) {
            evidence::secret(Secret::Credential, line);
        }
        let inside = Arc::new(Inside { own, gateways, kept: Mutex::default() });
        let routes = Router::new()
            .route("/auth/authorize", get(ask).post(agree))
            .route("/callback/apple", get(by_get).post(posted))
            .route("/auth/post", get(post_to_gateway))
            .route("/auth/token", post(token))
            .route("/auth/keys", get(keys))
            .with_state(Arc::clone(&inside));
        Self { origin: serve(routes).await, inside }
    }

    /// The `[providers.apple]` section that makes the gateway use it.
    #[must_use]
    pub fn configuration(&self) -> String {
        format!(
            "[providers.apple]\nclient_id = \"{CLIENT_ID}\"\nteam_id = \"{TEAM_ID}\"\nkey_id = \"{}\"\nprivate_key = \"\"\"\n{}\"\"\"\n\
             base_url = \"{}\"\n",
            self.inside.gateways.name(),
            self.inside.gateways.private_key(),
            self.origin
        )
    }

    /// For each form that came on its way to the gateway: whether the browser's cookies for the gateway came with it, and
    /// whether they came when the browser then went to the same address by itself.
    #[must_use]
    pub fn cookies(&self) -> Vec<(bool, bool)> {
        self.inside.kept.lock().expect("the record").cookies.clone()
    }
}

async fn ask(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked = pairs(&query);
    let is = |name: &str, value: &str| asked.get(name).is_some_and(|asked| asked == value);
    if !is("client_id", CLIENT_ID) || !is("response_mode", "form_post") || !is("scope", "email name") {
        return (StatusCode::BAD_REQUEST, "invalid_request").into_response();
    }
    let action = escaped(&query);
    let button =
        |value: &str, label: &str| format!("<button name=\"account\" value=\"{value}\">{label}</button>");
    let buttons = [button("alice", "Alice"), button("bob", "Bob"), button("", "Cancel")].concat();
    Html(format!(
        "<!doctype html><title>Sign in</title><form method=\"post\" action=\"/auth/authorize?{action}\">{buttons}</form>"
    ))
    .into_response()
}

/// The page that posts what the gateway is to know, first to this server in the gateway's place.
async fn agree(
    State(inside): State<Arc<Inside>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: String,
) -> Html<String> {
    let asked = pairs(&query.unwrap_or_default());
    let account = pairs(&body).remove("account").unwrap_or_default();
    let mut fields = vec![("state", asked["state"].clone()), ("gateway", asked["redirect_uri"].clone())];
    let mut kept = inside.kept.lock().expect("the record");
    if account.is_empty() {
        fields.push(("error", "user_cancelled_authorize".to_owned()));
    } else {
        let code = random();
        evidence::secret(Secret::Credential, &code);
        kept.codes.insert(code.clone(), (account.clone(), asked["nonce"].clone()));
        fields.push(("code", code));
        if !kept.known.contains(&account) {
            let name = if account == "alice" { "Alice" } else { "Bob" };
            fields.push(("user", json!({"name": {"firstName": name, "lastName": "Example"}}).to_string()));
            kept.known.push(account);
        }
    }
    let host = headers["host"].to_str().expect("a host").replace("127.0.0.1", "localhost");
    posting_page(&format!("http://{host}/callback/apple"), &fields)
}

async fn posted(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: String) -> Redirect {
    inside.kept.lock().expect("the record").cookies.push((headers.contains_key("cookie"), false));
    Redirect::to(&format!("/callback/apple?{body}"))
}

async fn by_get(
    State(inside): State<Arc<Inside>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Redirect {
    if let Some((_, by_get)) = inside.kept.lock().expect("the record").cookies.last_mut() {
        *by_get = headers.contains_key("cookie");
    }
    let host = headers["host"].to_str().expect("a host").replace("localhost", "127.0.0.1");
    Redirect::to(&format!("http://{host}/auth/post?{}", query.unwrap_or_default()))
}

/// The page that posts the same to the gateway itself.
async fn post_to_gateway(RawQuery(query): RawQuery) -> Html<String> {
    let mut fields = pairs(&query.unwrap_or_default());
    let gateway = fields.remove("gateway").expect("the gateway's address");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    posting_page(&gateway, &fields)
}

fn posting_page(action: &str, fields: &[(&str, String)]) -> Html<String> {
    let field = |(name, value): &(&str, String)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value))
    };
    let fields: String = fields.iter().map(field).collect();
    Html(format!(
        "<!doctype html><title>One moment</title><form method=\"post\" action=\"{}\">{fields}</form>\
         <script>document.forms[0].submit()</script>",
        escaped(action)
    ))
}

async fn token(State(inside): State<Arc<Inside>>, body: String) -> Response {
    let form = pairs(&body);
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    evidence::secret(Secret::Credential, field("client_secret"));
    if field("client_id") != CLIENT_ID || !is_ours(&inside.gateways, field("client_secret")) {
        return json_answer(StatusCode::BAD_REQUEST, &json!({"error": "invalid_client"}));
    }
    let found = inside.kept.lock().expect("the record").codes.remove(field("code"));
    let Some((account, nonce)) = found else {
        return json_answer(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant"}));
    };
    let claims = json!({
        "iss": ISSUER, "aud": CLIENT_ID, "sub": format!("001234.{account}.0123"), "iat": now(), "exp": now() + 86_400,
        "nonce": nonce, "nonce_supported": true, "email": format!("{account}@privaterelay.appleid.com"),
        "email_verified": "true", "is_private_email": "true",
    });
    let (access, refresh) = (random(), random());
    evidence::secret(Secret::Credential, &access);
    evidence::secret(Secret::Credential, &refresh);
    let answer = json!({
        "access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh,
        "id_token": inside.own.sign(&claims),
    });
    json_answer(StatusCode::OK, &answer)
}

async fn keys(State(inside): State<Arc<Inside>>) -> Response {
    json_answer(StatusCode::OK, &json!({ "keys": [inside.own.jwk()] }))
}

/// Whether a client secret is a token of the gateway's for Apple, which has not expired.
fn is_ours(gateways: &Signer, secret: &str) -> bool {
    let Some((input, signature)) = secret.rsplit_once('.') else { return false };
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let claims = input.split('.').nth(1).map(decoded).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, gateways.public_key());
    key.verify(input.as_bytes(), &decoded(signature)).is_ok()
        && (&claims["iss"], &claims["sub"], &claims["aud"])
            == (&json!(TEAM_ID), &json!(CLIENT_ID), &json!(ISSUER))
        && claims["exp"].as_u64().is_some_and(|end| end > now())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;")
}

fn pairs(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
