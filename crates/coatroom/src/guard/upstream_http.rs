//! An HTTP client that calls an upstream API as the user.
//!
//! The token travels in the `Authorization` header, over https or loopback alone, and no redirect is followed, so it reaches
//! the host of the given URL and no other. A token that is refused is renewed and the request sent once more.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::call::{CallerError, CallerErrorKind};
use super::caller::Caller;
use crate::outbound::{DEFAULT_DEADLINE, Outbound};
use crate::providers::{UpstreamToken, secure_url};

/// Calls the API of one provider as the user. From [`Caller::http`].
#[derive(Clone)]
pub struct UpstreamHttp {
    caller: Caller,
    provider: String,
    token: UpstreamToken,
    outbound: Outbound,
}

impl UpstreamHttp {
    pub(super) const fn new(
        caller: Caller,
        provider: String,
        token: UpstreamToken,
        outbound: Outbound,
    ) -> Self {
        Self { caller, provider, token, outbound }
    }

    /// A request with any method.
    pub fn request(&self, method: Method, url: &str) -> UpstreamRequest {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut problem = None;
        let url = secure_url(url).map_err(|refusal| problem = Some(format!("the URL {url} {refusal}"))).ok();
        let body = Bytes::new();
        UpstreamRequest {
            http: self.clone(),
            method,
            url,
            headers,
            body,
            deadline: DEFAULT_DEADLINE,
            problem,
        }
    }

    /// A `GET` request.
    pub fn get(&self, url: &str) -> UpstreamRequest {
        self.request(Method::GET, url)
    }

    /// A `POST` request.
    pub fn post(&self, url: &str) -> UpstreamRequest {
        self.request(Method::POST, url)
    }

    /// A `PUT` request.
    pub fn put(&self, url: &str) -> UpstreamRequest {
        self.request(Method::PUT, url)
    }

    /// A `PATCH` request.
    pub fn patch(&self, url: &str) -> UpstreamRequest {
        self.request(Method::PATCH, url)
    }

    /// A `DELETE` request.
    pub fn delete(&self, url: &str) -> UpstreamRequest {
        self.request(Method::DELETE, url)
    }
}

impl fmt::Debug for UpstreamHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamHttp").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// A request as the user. What is wrong with it is told when it is sent.
#[derive(Debug, Clone)]
#[must_use]
pub struct UpstreamRequest {
    http: UpstreamHttp,
    method: Method,
    url: Option<Url>,
    headers: HeaderMap,
    body: Bytes,
    deadline: Duration,
    problem: Option<String>,
}

impl UpstreamRequest {
    /// Adds a parameter to the query of the URL.
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        if let Some(url) = &mut self.url {
            url.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }

    /// Sets a header. `Authorization` is the user's, and cannot be set.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) if name != AUTHORIZATION => drop(self.headers.insert(name, value)),
            _ => self.problem = Some(format!("the header {name} cannot be set to that")),
        }
        self
    }

    /// Sends this as JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.body = json.into(),
            Err(error) => self.problem = Some(format!("the body is no JSON: {error}")),
        }
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    /// Sends these bytes.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// How long everything may take, to the last byte of the answer. Default: 10 s.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends it, and reads the whole answer, up to 1 MiB.
    ///
    /// # Errors
    /// [`CallerErrorKind::Request`] when it cannot be sent like this, [`CallerErrorKind::NoAnswer`] when nobody answered, and
    /// those of [`Caller::upstream`] when the token was refused and could not be renewed. An answer with any status is an answer.
    pub async fn send(self) -> Result<UpstreamAnswer, CallerError> {
        let answer = self.send_with(&self.http.token).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(UpstreamAnswer { answer, http: self.http });
        }
        let http = &self.http;
        let token = http.caller.renew_upstream(&http.provider, &http.token).await?;
        let answer =
            if token.expose() == http.token.expose() { answer } else { self.send_with(&token).await? };
        Ok(UpstreamAnswer { answer, http: self.http })
    }

    async fn send_with(&self, token: &UpstreamToken) -> Result<Response<Bytes>, CallerError> {
        let refused = |kind| self.http.caller.refused(kind);
        let wrong = |problem: &str| refused(CallerErrorKind::Request(problem.to_owned()));
        let url = match (&self.url, &self.problem) {
            (Some(url), None) => url.as_str(),
            (_, problem) => return Err(wrong(problem.as_deref().unwrap_or("the request has no URL"))),
        };
        let request = Request::builder().method(self.method.clone()).uri(url).body(self.body.clone());
        let mut request = request.map_err(|error| wrong(&error.to_string()))?;
        request.headers_mut().extend(self.headers.clone());
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let mut value = value.map_err(|_| wrong("the user's token fits into no header"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        let provider = &self.http.provider;
        let no_answer = |error| refused(CallerErrorKind::NoAnswer { provider: provider.clone(), error });
        Box::pin(self.http.outbound.send(request, self.deadline)).await.map_err(no_answer)
    }
}

/// What an upstream API answered.
#[derive(Debug, Clone)]
pub struct UpstreamAnswer {
    answer: Response<Bytes>,
    http: UpstreamHttp,
}

impl UpstreamAnswer {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.answer.status()
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// Its body, whatever the status.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.answer.body()
    }

    /// Its body as JSON, if the status is one of success.
    ///
    /// # Errors
    /// [`CallerErrorKind::Answer`] when the status is another one, or the body is no `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallerError> {
        self.ok()?;
        serde_json::from_slice(self.answer.body()).map_err(|_| self.unexpected(true))
    }

    /// Goes on only if the status is one of success.
    ///
    /// # Errors
    /// [`CallerErrorKind::Answer`] when it is another one.
    pub fn ok(&self) -> Result<&Self, CallerError> {
        if self.status().is_success() { Ok(self) } else { Err(self.unexpected(false)) }
    }

    fn unexpected(&self, unreadable: bool) -> CallerError {
        let (provider, status) = (self.http.provider.clone(), self.status());
        self.http.caller.refused(CallerErrorKind::Answer { provider, status, unreadable })
    }
}
