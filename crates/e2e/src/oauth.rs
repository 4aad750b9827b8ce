//! A strict OAuth client for MCP, written by the book: what a norm requires of the server is asserted on the way.
//!
//! MCP 2026-07-28, Authorization; RFC 9728, RFC 8414, RFC 7591, RFC 7636, RFC 9207, RFC 7009.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Html;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use crate::evidence::{self, Secret};
use crate::form_browser::FormBrowser;

/// What the client's own page says when the browser came back to it. The scripts of the foreign clients say the same.
pub const CALLBACK_TEXT: &str = "The client has its answer.";

/// A client that has found a server and is registered there.
#[derive(Debug)]
pub struct OAuthClient {
    http: reqwest::Client,
    /// The MCP server's address.
    pub mcp: String,
    /// The resource metadata (RFC 9728), as found through the challenge.
    pub resource: Value,
    /// The authorization server's metadata (RFC 8414).
    pub server: Value,
    /// What the registration answered (RFC 7591).
    pub registration: Value,
    /// The redirect URI, on which a listener waits.
    pub redirect_uri: String,
    listener: Listener,
    secrets: Arc<Mutex<Vec<String>>>,
}

/// A redirect URI on a loopback port, as native clients have one (RFC 8252 section 7.3).
#[derive(Debug)]
pub struct Listener {
    /// The redirect URI.
    pub uri: String,
    answers: tokio::sync::Mutex<Answers>,
}

/// What browsers came back with.
#[derive(Debug)]
struct Answers {
    arriving: mpsc::UnboundedReceiver<Callback>,
    /// What others of the same client wait for.
    waiting: Vec<Callback>,
}

/// An authorization under way, on the client's side.
#[derive(Debug, Clone)]
pub struct Pending {
    /// What the browser opens.
    pub url: String,
    /// The PKCE verifier.
    pub verifier: String,
    /// The state to expect back.
    pub state: String,
}

/// What came back to the redirect URI.
#[derive(Debug, Clone)]
pub struct Callback(Vec<(String, String)>);

/// A token answer (RFC 6749 section 5.1).
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The granted scopes, as they were sent.
    pub scope: String,
}

/// Any answer of the token endpoint, or of another endpoint that answers with JSON.
#[derive(Debug, Clone)]
pub struct TokenAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; `Null` when it is not JSON.
    pub body: Value,
}

impl OAuthClient {
    /// Finds the authorization server from the MCP address alone, as the norms say, and registers as a public client.
    pub async fn connect(mcp: &str) -> Self {
        Self::connect_with(mcp, json!({})).await
    }

    /// As [`connect`](Self::connect), with members to add to the registration.
    pub async fn connect_with(mcp: &str, metadata: Value) -> Self {
        let mut client = Self::discover(mcp).await;
        let mut asked = json!({
            "client_name": "A strict client",
            "redirect_uris": [client.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        for (name, value) in metadata.as_object().expect("an object") {
            asked[name] = value.clone();
        }
        let endpoint = text(&client.server, "registration_endpoint");
        let answer = client.http.post(endpoint).json(&asked).send().await.expect("registering");
        let answer = TokenAnswer::read(answer).await;
        assert_eq!(answer.status, 201, "registration: {}", answer.body);
        answer.must_not_be_stored();
        client.registration = answer.body;
        client.keep(client.registration["client_secret"].as_str());
        client
    }

    /// A client that is described by the document at the URL `id`: it registers nowhere.
    pub async fn described_at(mcp: &str, id: &str) -> Self {
        Self { registration: json!({ "client_id": id }), ..Self::discover(mcp).await }
    }

    /// A client that knows where to go, and that nobody knows yet.
    async fn discover(mcp: &str) -> Self {
        let http = http();
        let resource = discover_resource(&http, mcp).await;
        let issuer =
            resource["authorization_servers"][0].as_str().expect("an authorization server").to_owned();
        let server = discover_server(&http, &issuer).await;
        let listener = Listener::start().await;
        let redirect_uri = listener.uri.clone();
        Self {
            http,
            mcp: mcp.to_owned(),
            resource,
            server,
            registration: Value::Null,
            redirect_uri,
            listener,
            secrets: Arc::default(),
        }
    }

    /// The client id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.registration["client_id"].as_str().expect("a client id")
    }

    /// Every secret that was issued to this client so far: codes, tokens, client secret, and its own verifiers.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().expect("the secrets").clone()
    }

    /// The link that starts an authorization, asking for `scope` if there is one.
    #[must_use]
    pub fn start(&self, scope: Option<&str>) -> Pending {
        let (verifier, state) = (random(), random());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let mut url = Url::parse(text(&self.server, "authorization_endpoint")).expect("an address");
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.id())
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("state", &state)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(digest.as_ref()))
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", text(&self.resource, "resource"))
            .extend_pairs(scope.map(|scope| ("scope", scope)));
        self.keep(Some(&verifier));
        evidence::secret(Secret::Carried, &state);
        Pending { url: url.into(), verifier, state }
    }

    /// Waits for the browser to come back with the state of `pending` (RFC 6749 section 4.1.2), and checks its issuer (RFC 9207).
    pub async fn callback(&self, pending: &Pending) -> Callback {
        let callback = self.listener.next_of(|callback| callback.get("state") == Some(&pending.state)).await;
        assert_eq!(callback.get("iss"), self.server["issuer"].as_str(), "the issuer in the callback");
        self.keep(callback.get("code"));
        callback
    }

    /// Redeems a code.
    pub async fn redeem(&self, pending: &Pending, callback: &Callback) -> TokenAnswer {
        let code = callback.get("code").unwrap_or_else(|| panic!("no code: {callback:?}"));
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", &pending.verifier),
            ("redirect_uri", &self.redirect_uri),
            ("client_id", self.id()),
            ("resource", text(&self.resource, "resource")),
        ])
        .await
    }

    /// Redeems a refresh token.
    pub async fn refresh(&self, refresh_token: &str) -> TokenAnswer {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", self.id()),
        ])
        .await
    }

    /// Revokes a token (RFC 7009).
    pub async fn revoke(&self, token: &str) -> TokenAnswer {
        self.post("revocation_endpoint", &[("token", token), ("client_id", self.id())]).await
    }

    /// Sends a form to the token endpoint as it is.
    pub async fn token(&self, form: &[(&str, &str)]) -> TokenAnswer {
        let answer = self.post("token_endpoint", form).await;
        self.keep(answer.body["access_token"].as_str());
        self.keep(answer.body["refresh_token"].as_str());
        answer.must_not_be_stored();
        answer
    }

    /// The whole way: consent, sign-in as `account`, code, tokens; by a fresh [`FormBrowser`].
    pub async fn sign_in(&self, account: &str) -> Tokens {
        self.sign_in_for(account, None).await
    }

    /// As [`sign_in`](Self::sign_in), asking for a scope.
    pub async fn sign_in_for(&self, account: &str, scope: Option<&str>) -> Tokens {
        let pending = self.start(scope);
        FormBrowser::new().approve(&pending.url, account).await;
        let callback = self.callback(&pending).await;
        self.redeem(&pending, &callback).await.tokens()
    }

    async fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> TokenAnswer {
        let answer = self.http.post(text(&self.server, endpoint)).form(form).send().await;
        TokenAnswer::read(answer.unwrap_or_else(|error| panic!("{endpoint}: {error:?}"))).await
    }

    fn keep(&self, secret: Option<&str>) {
        if let Some(secret) = secret {
            evidence::secret(Secret::Credential, secret);
            self.secrets.lock().expect("the secrets").push(secret.to_owned());
        }
    }
}

impl Listener {
    /// Listens on a free port, for as long as the test runs.
    pub async fn start() -> Self {
        let (sender, arriving) = mpsc::unbounded_channel();
        let answers = tokio::sync::Mutex::new(Answers { arriving, waiting: Vec::new() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let port = listener.local_addr().expect("an address").port();
        let routes = Router::new().route("/callback", get(came_back)).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { uri: format!("http://127.0.0.1:{port}/callback"), answers }
    }

    /// Waits for a browser to come back.
    pub async fn next(&self) -> Callback {
        self.next_of(|_| true).await
    }

    /// Waits for the browser that comes back with what is `expected`; what others bring is kept for who expects that.
    async fn next_of(&self, expected: impl Fn(&Callback) -> bool) -> Callback {
        let mut answers = self.answers.lock().await;
        if let Some(at) = answers.waiting.iter().position(&expected) {
            return answers.waiting.remove(at);
        }
        loop {
            let arrived = tokio::time::timeout(Duration::from_secs(30), answers.arriving.recv()).await;
            let Ok(arrived) = arrived else { panic!("no callback after 30 s, but {:?}", answers.waiting) };
            let callback = arrived.expect("the listener runs");
            if expected(&callback) {
                return callback;
            }
            answers.waiting.push(callback);
        }
    }
}

impl Callback {
    /// The address with which the browser came back to `uri`.
    #[must_use]
    pub fn address(&self, uri: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish();
        format!("{uri}?{query}")
    }

    /// A parameter, which must not occur twice.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} occurs twice in the callback");
        value
    }
}

impl TokenAnswer {
    /// Reads an answer.
    pub async fn read(answer: reqwest::Response) -> Self {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.unwrap_or_default();
        evidence::answer(status, &body);
        Self { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    /// The tokens of a success, with the checks of RFC 6749 section 5.1.
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "the token endpoint refuses: {}", self.body);
        assert_eq!(text(&self.body, "token_type").to_ascii_lowercase(), "bearer");
        assert!(
            self.body["expires_in"].as_u64().is_some_and(|seconds| seconds > 0),
            "expires_in: {}",
            self.body
        );
        let part = |name| text(&self.body, name).to_owned();
        Tokens { access: part("access_token"), refresh: part("refresh_token"), scope: part("scope") }
    }

    /// The error code of a refusal.
    #[must_use]
    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    fn must_not_be_stored(&self) {
        let control =
            self.headers.get("cache-control").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(control.contains("no-store"), "Cache-Control: {control:?} on {}", self.body);
    }
}

/// A client that neither follows redirects nor keeps cookies.
#[must_use]
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("an HTTP client")
}

/// A parameter of the first `WWW-Authenticate: Bearer` challenge.
#[must_use]
pub fn challenge_parameter(headers: &HeaderMap, name: &str) -> Option<String> {
    let challenge = headers.get("www-authenticate")?.to_str().ok()?.strip_prefix("Bearer ")?;
    let after = challenge.split(&format!("{name}=\"")).nth(1)?;
    after.split('"').next().map(str::to_owned)
}

/// 256 random bits, base64url.
#[must_use]
pub fn random() -> String {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// RFC 9728: from the challenge of a call without a token to the resource's metadata.
async fn discover_resource(http: &reqwest::Client, mcp: &str) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    let request = http.post(mcp).header("accept", "application/json, text/event-stream").json(&call);
    let challenged = request.send().await.expect("calling without a token");
    if matches!(challenged.status().as_u16(), 200 | 400) {
        // A server that is open to all, in part, and perhaps wants a handshake first: its metadata is at the well-known address.
        let mut url = Url::parse(mcp).expect("an address");
        url.set_path(&format!("/.well-known/oauth-protected-resource{}", url.path()));
        return json_at(http, url.as_str()).await;
    }
    assert_eq!(challenged.status(), 401, "a call without a token");
    let url = challenge_parameter(challenged.headers(), "resource_metadata")
        .expect("resource_metadata in the challenge");
    assert_eq!(
        challenge_parameter(challenged.headers(), "error"),
        None,
        "no error where no token was sent (RS-01)"
    );
    let metadata = json_at(http, &url).await;
    assert_eq!(metadata["resource"], mcp, "the resource is the address that was called (PRM-05)");
    metadata
}

/// RFC 8414: the metadata of an issuer.
async fn discover_server(http: &reqwest::Client, issuer: &str) -> Value {
    let mut url = Url::parse(issuer).expect("an issuer");
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    let metadata = json_at(http, url.as_str()).await;
    assert_eq!(metadata["issuer"], issuer, "the issuer is the one that was asked (PRM-06)");
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]), "PKCE by S256 alone (ASM-07)");
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true, "iss is promised (ASM-13)");
    metadata
}

async fn json_at(http: &reqwest::Client, url: &str) -> Value {
    let answer = http.get(url).send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
    assert_eq!(answer.status(), 200, "{url}");
    let kind = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{url} is {kind}");
    answer.json().await.unwrap_or_else(|error| panic!("{url}: {error:?}"))
}

async fn came_back(
    State(sender): State<mpsc::UnboundedSender<Callback>>,
    RawQuery(query): RawQuery,
) -> Html<String> {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    for (_, code) in pairs.iter().filter(|(name, _)| name == "code") {
        evidence::secret(Secret::Credential, code);
    }
    let _ = sender.send(Callback(pairs));
    Html(format!("<!doctype html><title>Client</title><p>{CALLBACK_TEXT}</p>"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
