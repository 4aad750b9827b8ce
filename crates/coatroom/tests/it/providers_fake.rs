//! A provider that answers as a test tells it to, on a real socket, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use coatroom::clock::ManualClock;
use coatroom::outbound::Outbound;
use coatroom::protocol::words::{ClientSecret, CodeVerifier, ProviderName, Timestamp};
use coatroom::providers::{
    CodeExchange, Provider, ProviderConfig, ProviderError, ProviderKind, SignedIn, UpstreamAuthorization,
    UpstreamToken, UpstreamTokens,
};
use http::{HeaderMap, Request, StatusCode};

/// The time at which all tests of providers start.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const REDIRECT_URI: &str = "http://localhost/callback/idp";
pub(crate) const NONCE: &str = "the-nonce";

/// What the fake does when a path is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Takes the request and says nothing, ever.
    Hang,
    /// Breaks off in the middle of the body.
    BreakOff,
}

pub(crate) fn json(status: u16, body: &serde_json::Value) -> Behaviour {
    with_type(status, "application/json", &body.to_string())
}

pub(crate) fn with_type(status: u16, content_type: &str, body: &str) -> Behaviour {
    let headers = vec![("content-type", content_type.to_owned())];
    Behaviour::Answer { status, headers, body: body.to_owned() }
}

/// A request as the fake got it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    /// A field of the form that was sent.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Fake {
    pub(crate) base: String,
    pub(crate) clock: Arc<ManualClock>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    behaviours: HashMap<String, Behaviour>,
    asked: Vec<Asked>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let app = Router::new().fallback(move |request| answer(Arc::clone(&shared), request));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOW)));
        Self { base, clock, state }
    }

    /// From now on, `path` is answered like this.
    pub(crate) fn on(&self, path: &str, behaviour: Behaviour) {
        self.state.lock().unwrap().behaviours.insert(path.to_owned(), behaviour);
    }

    /// Every request so far whose line, such as `POST /token`, is this.
    pub(crate) fn asked(&self, line: &str) -> Vec<Asked> {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|asked| asked.line == line).cloned().collect()
    }

    pub(crate) fn config(&self, kind: ProviderKind) -> ProviderConfig {
        let mut config = ProviderConfig::new(ProviderName::parse("idp").unwrap(), kind, "our-id");
        config.client_secret = Some(ClientSecret::new("our-secret"));
        let at = |path: &str| Some(format!("{}{path}", self.base));
        match kind {
            ProviderKind::Oidc => config.issuer = at(""),
            ProviderKind::Okta => config.domain = at(""),
            ProviderKind::Oauth2 => {
                config.authorize_url = at("/authorize");
                config.token_url = at("/token");
                config.user_url = at("/user");
                config.user.id = vec!["id".to_owned()];
            }
            _ => config.base_url = at(""),
        }
        config
    }

    pub(crate) fn provider(&self, kind: ProviderKind) -> Provider {
        self.configured(self.config(kind))
    }

    pub(crate) fn configured(&self, config: ProviderConfig) -> Provider {
        Provider::new(config, Arc::new(Outbound::new()), self.clock.clone()).unwrap()
    }

    /// A provider that waits for hardly any time.
    pub(crate) fn hasty(&self, kind: ProviderKind) -> Provider {
        let mut config = self.config(kind);
        config.deadline = Duration::from_millis(100);
        self.configured(config)
    }
}

pub(crate) fn ask<'a>() -> UpstreamAuthorization<'a> {
    UpstreamAuthorization {
        state: "the-state",
        nonce: Some(NONCE),
        code_challenge: "the-challenge",
        redirect_uri: REDIRECT_URI,
        prompt: None,
        login_hint: None,
    }
}

/// The parameters with which the browser is sent to the provider.
pub(crate) async fn query(provider: &Provider, ask: &UpstreamAuthorization<'_>) -> Vec<(String, String)> {
    provider.authorization_url(ask).await.unwrap().query_pairs().into_owned().collect()
}

pub(crate) fn has(query: &[(String, String)], name: &str, value: &str) -> bool {
    query.iter().any(|(n, v)| n == name && v == value)
}

pub(crate) async fn renew(provider: &Provider) -> Result<UpstreamTokens, ProviderError> {
    provider.renew(&UpstreamToken::new("old-refresh")).await
}

/// Signs in with a code, as the callback would.
pub(crate) async fn sign_in(provider: &Provider) -> Result<SignedIn, ProviderError> {
    sign_in_with_iss(provider, None).await
}

pub(crate) async fn sign_in_with_iss(
    provider: &Provider,
    iss: Option<&str>,
) -> Result<SignedIn, ProviderError> {
    sign_in_with(provider, iss, None).await
}

/// Signs in with what a callback says beside the code.
pub(crate) async fn sign_in_with(
    provider: &Provider,
    iss: Option<&str>,
    user: Option<&str>,
) -> Result<SignedIn, ProviderError> {
    let code_verifier = CodeVerifier::new("the-verifier");
    let nonce = Some(NONCE);
    let callback = CodeExchange {
        code: "the-code",
        code_verifier: &code_verifier,
        redirect_uri: REDIRECT_URI,
        nonce,
        iss,
        user,
    };
    provider.sign_in(callback).await
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let behaviour = {
        let mut state = state.lock().unwrap();
        state.asked.push(Asked {
            line: format!("{} {}", parts.method, parts.uri),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        });
        state.behaviours.get(parts.uri.path()).cloned()
    };
    match behaviour {
        None => Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).unwrap(),
        Some(Behaviour::Hang) => std::future::pending().await,
        Some(Behaviour::BreakOff) => {
            let pieces =
                [Ok(Bytes::from_static(b"{\"access_token\":")), Err(std::io::Error::other("broken"))];
            Response::new(Body::from_stream(futures_util::stream::iter(pieces)))
        }
        Some(Behaviour::Answer { status, headers, body }) => {
            let builder =
                headers.iter().fold(Response::builder().status(status), |b, (k, v)| b.header(*k, v));
            builder.body(Body::from(body)).unwrap()
        }
    }
}
