//! A client as MCP clients are: it registers, sends people to us, redeems, refreshes, revokes and calls.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coatroom::protocol::client::CLIENT_ASSERTION_TYPE;
use coatroom::protocol::grant::CodeChallenge;
use coatroom::protocol::words::CodeVerifier;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::Url;

use super::site::Signer;
use super::world::ISSUER;

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:5555/callback";

/// An answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and `error`, which is what clients act on.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    /// The member of a JSON answer with status 200.
    pub(crate) fn text(&self, member: &str) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()[member].as_str().unwrap_or_else(|| panic!("no {member} in {self:?}")).to_owned()
    }
}

/// Sends one request through the routes.
pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

pub(crate) async fn get(app: &Router, path: &str) -> Answer {
    send(app, Request::get(path).body(Body::empty()).unwrap()).await
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn query_of(address: &str) -> HashMap<String, String> {
    Url::parse(address).unwrap().query_pairs().into_owned().collect()
}

/// How it proves who it is.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Public,
    Basic(String),
    Post(String),
    /// Signs an assertion for each request.
    Signs(Arc<Signer>),
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) app: Router,
    pub(crate) id: String,
    pub(crate) proof: Proof,
    pub(crate) redirect: String,
    pub(crate) issuer: &'static str,
}

impl Client {
    /// Registers as a command line client does, with what `members` changes.
    pub(crate) async fn register_with(app: &Router, members: Value) -> Self {
        let mut metadata = json!({
            "client_name": "Test client",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let answer = Self::try_register(app, &metadata).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let answer = answer.json();
        let secret = answer["client_secret"].as_str().map(str::to_owned);
        let proof = match (secret, answer["token_endpoint_auth_method"].as_str().unwrap()) {
            (None, "none") => Proof::Public,
            (Some(secret), "client_secret_basic") => Proof::Basic(secret),
            (Some(secret), "client_secret_post") => Proof::Post(secret),
            other => panic!("{other:?}"),
        };
        let registered = answer["redirect_uris"][0].as_str().unwrap();
        let redirect = if registered == "http://127.0.0.1/callback" { REDIRECT } else { registered };
        let id = answer["client_id"].as_str().unwrap().to_owned();
        Self { app: app.clone(), id, proof, redirect: redirect.to_owned(), issuer: ISSUER }
    }

    pub(crate) async fn register(app: &Router) -> Self {
        Self::register_with(app, json!({})).await
    }

    /// A client that the operator configured.
    pub(crate) fn configured(app: &Router, id: &str, redirect: &str) -> Self {
        Self {
            app: app.clone(),
            id: id.to_owned(),
            proof: Proof::Public,
            redirect: redirect.to_owned(),
            issuer: ISSUER,
        }
    }

    pub(crate) async fn try_register(app: &Router, metadata: &Value) -> Answer {
        let request = Request::post("/register").header("content-type", "application/json");
        send(app, request.body(Body::from(metadata.to_string())).unwrap()).await
    }

    /// The same client at another replica.
    pub(crate) fn at(&self, app: &Router) -> Self {
        Self { app: app.clone(), ..self.clone() }
    }

    /// Where it sends a person; `changes` replaces parameters, and removes those that are empty.
    pub(crate) fn authorize_url(&self, changes: &[(&str, &str)]) -> String {
        let challenge = CodeChallenge::of(&CodeVerifier::new(VERIFIER));
        let mut params = vec![
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", self.redirect.as_str()),
            ("state", "the state"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            params.retain(|(known, _)| known != name);
            if !value.is_empty() {
                params.push((name, value));
            }
        }
        format!("/authorize?{}", form(&params))
    }

    /// Reads the answer to an authorization request, and checks what every answer has.
    pub(crate) fn answered(&self, address: &str) -> HashMap<String, String> {
        assert!(address.starts_with(&self.redirect), "{address} is not for {}", self.redirect);
        let query = query_of(address);
        assert_eq!(query["iss"], self.issuer);
        assert_eq!(query["state"], "the state");
        assert_eq!(address.matches("iss=").count(), 1);
        query
    }

    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.redeem_with(code, &[]).await
    }

    pub(crate) async fn redeem_with(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let params = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", self.redirect.as_str()),
        ];
        self.post("/token", &params, changes).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.refresh_with(token, &[]).await
    }

    pub(crate) async fn refresh_with(&self, token: &str, changes: &[(&str, &str)]) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)], changes).await
    }

    pub(crate) async fn revoke(&self, token: &str) -> Answer {
        self.post("/revoke", &[("token", token)], &[]).await
    }

    /// Posts a form with the client's own authentication; `changes` replaces parameters, and removes those that are
    /// empty.
    pub(crate) async fn post(&self, path: &str, params: &[(&str, &str)], changes: &[(&str, &str)]) -> Answer {
        let mut params = params.to_vec();
        let signed;
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        match &self.proof {
            Proof::Public => params.push(("client_id", &self.id)),
            Proof::Post(secret) => {
                params.extend([("client_id", self.id.as_str()), ("client_secret", secret)]);
            }
            Proof::Signs(keys) => {
                signed = keys.sign(&keys.claims(&self.id, self.issuer));
                params.extend([("client_id", self.id.as_str()), ("client_assertion", signed.as_str())]);
                params.push(("client_assertion_type", CLIENT_ASSERTION_TYPE));
            }
            Proof::Basic(secret) => {
                request = request.header("authorization", basic(&self.id, secret));
            }
        }
        for (name, value) in changes {
            params.retain(|(known, _)| known != name);
            if !value.is_empty() {
                params.push((name, value));
            }
        }
        send(&self.app, request.body(Body::from(form(&params))).unwrap()).await
    }
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}
