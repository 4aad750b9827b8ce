//! HTTP to the outside: one client for providers, keys and documents.
//!
//! It follows no redirects and keeps no cookies; every call has a deadline and every answer a size limit. An error
//! here says that an answer did not arrive, never what the answer would have been: trying again later may help, and
//! nobody may be accused because of it.
//!
//! What strangers name is fetched by [`PublicWeb`], which reaches into no private network.

#[cfg(feature = "server")]
mod public;

#[cfg(feature = "server")]
pub(crate) use public::{Fetched, PublicWebError, Reach, Wanted};
#[cfg(feature = "server")]
pub use public::{PublicWeb, Resolve, RootCertificates, SystemResolver};

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

/// How long a call may take when its caller has no reason for another deadline.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// Calls other servers. Cloning is cheap, and clones share their connections.
#[derive(Clone)]
pub struct Outbound {
    connector: Connector,
    client: Client<Connector, Full<Bytes>>,
    max_body: usize,
}

impl Outbound {
    /// A client that has no connections yet. Root certificates are loaded by the first https call.
    #[must_use]
    pub fn new() -> Self {
        let connector = Connector::new();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_PER_HOST)
            .build(connector.clone());
        Self { connector, client, max_body: MAX_BODY }
    }

    /// How connections are made, for clients that stream their bodies: the same TLS settings and connect timeout.
    #[must_use]
    pub fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// `deadline` is the time for everything: connecting, sending, and the last byte of the answer.
    ///
    /// # Errors
    /// [`OutboundError`] when no whole answer came.
    pub async fn send(
        &self,
        mut request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, OutboundError> {
        request.headers_mut().entry(USER_AGENT).or_insert(OUR_NAME);
        let whole = async {
            let response = self.client.request(request.map(Full::new)).await.map_err(not_sent)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, self.max_body).collect().await;
            let body = body.map_err(|error| self.not_read(error))?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        tokio::time::timeout(deadline, whole).await.unwrap_or(Err(OutboundError::Timeout { deadline }))
    }

    fn not_read(&self, error: BoxError) -> OutboundError {
        if error.is::<LengthLimitError>() {
            OutboundError::TooLarge { limit: self.max_body }
        } else {
            OutboundError::Other(error)
        }
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("max_body", &self.max_body).finish_non_exhaustive()
    }
}

fn not_sent(error: hyper_util::client::legacy::Error) -> OutboundError {
    if error.is_connect() {
        OutboundError::Connect(Box::new(error))
    } else {
        OutboundError::Other(Box::new(error))
    }
}

/// Why no whole answer came. Every kind is transient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The deadline passed.
    #[error("no whole answer within {} ms", deadline.as_millis())]
    Timeout {
        /// The time that the call had.
        deadline: Duration,
    },
    /// No connection: the name, the address, or the TLS handshake.
    #[error("no connection")]
    Connect(#[source] BoxError),
    /// The answer is larger than the limit; reading stopped there.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The connection broke, or the answer was not HTTP.
    #[error("the connection broke")]
    Other(#[source] BoxError),
}

/// Makes connections: plain ones for http URLs, TLS by rustls for https URLs.
///
/// The TLS settings name aws-lc-rs as their provider, so that no process-wide default is needed or touched. They are
/// made by the first https connection: a program that makes none holds no root certificates.
#[derive(Clone)]
pub struct Connector {
    tcp: HttpConnector,
    tls: Arc<OnceCell<HttpsConnector<HttpConnector>>>,
}

impl Connector {
    fn new() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, tls: Arc::new(OnceCell::new()) }
    }

    async fn connect(self, uri: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, BoxError> {
        if uri.scheme_str() == Some("http") {
            return Ok(MaybeHttpsStream::Http(self.tcp.oneshot(uri).await?));
        }
        let tcp = self.tcp;
        let tls = self.tls.get_or_try_init(|| async {
            // Certificates are read from files.
            tokio::task::spawn_blocking(move || tls_connector(tcp)).await.map_err(BoxError::from)?
        });
        tls.await?.clone().oneshot(uri).await
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, self.clone().connect(uri));
        Box::pin(async { connected.await.unwrap_or_else(|elapsed| Err(elapsed.into())) })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("tls_ready", &self.tls.initialized()).finish_non_exhaustive()
    }
}

fn tls_connector(tcp: HttpConnector) -> Result<HttpsConnector<HttpConnector>, BoxError> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls_config(None)?).https_or_http();
    #[cfg(feature = "http2")]
    let builder = builder.enable_all_versions();
    #[cfg(not(feature = "http2"))]
    let builder = builder.enable_http1();
    Ok(builder.wrap_connector(tcp))
}

/// Trusts these roots; or else the machine's root certificates, and where it has none, as in an image without a distribution,
/// Mozilla's.
fn tls_config(roots: Option<Arc<RootCertStore>>) -> Result<ClientConfig, BoxError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(match roots {
        Some(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        None => match builder.clone().with_native_roots() {
            Ok(builder) => builder.with_no_client_auth(),
            Err(_) => builder.with_webpki_roots().with_no_client_auth(),
        },
    })
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const OUR_NAME: HeaderValue = HeaderValue::from_static(concat!("coatroom/", env!("CARGO_PKG_VERSION")));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BODY: usize = 1024 * 1024;
const POOL_IDLE: Duration = Duration::from_secs(30);
const POOL_PER_HOST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_loads_no_certificates() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let outbound = Outbound::new();
        let request = Request::get(format!("http://127.0.0.1:{port}/")).body(Bytes::new()).unwrap();
        let error = outbound.send(request, DEFAULT_DEADLINE).await.unwrap_err();
        assert!(matches!(error, OutboundError::Connect(_)), "{error:?}");
        assert!(!outbound.connector.tls.initialized());
    }

    #[tokio::test]
    async fn https_needs_no_process_wide_crypto_provider() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let outbound = Outbound::new();
        let request = Request::get(format!("https://127.0.0.1:{port}/")).body(Bytes::new()).unwrap();
        let error = outbound.send(request, DEFAULT_DEADLINE).await.unwrap_err();
        assert!(matches!(error, OutboundError::Connect(_)), "{error:?}");
        assert!(outbound.connector.tls.initialized());
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
