//! The way from the MCP server to the repositories API: HTTP, with the caller's own token.

use std::time::Duration;

use bytes::Bytes;
use coatroom::providers::UpstreamToken;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A client of the repositories API.
#[derive(Debug, Clone)]
pub(super) struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

/// Why a call of the API came to nothing, in words for whoever called the tool.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiFailure {
    /// The gateway sent no token.
    #[error("This call came without a sign-in. Connect through the gateway, which adds one.")]
    NoToken,
    /// The API did not answer.
    #[error("The repositories API did not answer. Try again in a moment.")]
    Unreachable,
    /// The API answered with an error.
    #[error("The repositories API refused this ({status}): {reason}.")]
    Refused {
        /// Its status.
        status: u16,
        /// Its own words.
        reason: String,
    },
    /// The API answered something else than it documents.
    #[error("The repositories API sent an answer that makes no sense.")]
    Senseless,
}

/// The API's own words for an error.
#[derive(Deserialize)]
struct ErrorBody {
    error_description: String,
}

impl Api {
    /// A client of the provider at `base`, a plain http address on the loopback interface.
    pub(super) fn new(base: &Uri) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(4).build_http();
        Self { client, base: base.to_string().trim_end_matches('/').to_owned() }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// [`ApiFailure`].
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        token: Option<&UpstreamToken>,
        path: &str,
    ) -> Result<T, ApiFailure> {
        self.send(token, (Method::GET, path), Bytes::new()).await
    }

    /// Sends something new.
    ///
    /// # Errors
    /// [`ApiFailure`].
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        token: Option<&UpstreamToken>,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, ApiFailure> {
        self.send(token, (Method::POST, path), Bytes::from(body.to_string())).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        token: Option<&UpstreamToken>,
        (method, path): (Method, &str),
        body: Bytes,
    ) -> Result<T, ApiFailure> {
        let token = token.ok_or(ApiFailure::NoToken)?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
        let mut bearer = bearer.map_err(|_| ApiFailure::NoToken)?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|_| ApiFailure::Senseless)?;
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        let (status, body) = answer.map_err(|_| ApiFailure::Unreachable)??;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| ApiFailure::Senseless);
        }
        let words = serde_json::from_slice::<ErrorBody>(&body).map(|body| body.error_description);
        let reason = words.unwrap_or_else(|_| "it did not say why".to_owned());
        Err(ApiFailure::Refused { status: status.as_u16(), reason })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ApiFailure> {
        let answer = self.client.request(request).await.map_err(|_| ApiFailure::Unreachable)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST_ANSWER_BYTES).collect().await;
        Ok((status, body.map_err(|_| ApiFailure::Senseless)?.to_bytes()))
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const MOST_ANSWER_BYTES: usize = 1024 * 1024;
