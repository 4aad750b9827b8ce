//! Connections to upstream servers: pooled, HTTP/1.1 and HTTP/2, TLS by an explicit provider.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use super::answering::Answering;
use super::lanes::Lanes;
use super::pool::Pool;

/// Which HTTP a server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Over TLS what the server chooses, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, by prior knowledge where there is no TLS.
    Http2,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// There is no connection.
    #[error("no connection")]
    Unconnected(#[source] Cause),
    /// The connection or the stream broke off.
    #[error("the connection broke off")]
    Broken(#[source] Cause),
}

/// What is behind it.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What all upstream servers share; cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    /// Offers HTTP/1.1 alone over TLS.
    http1: Connector,
    /// Offers both over TLS.
    either: Connector,
    /// Offers HTTP/2 alone over TLS.
    http2: Connector,
}

impl Connections {
    /// Connecting, TLS included, may take `timeout`.
    ///
    /// # Errors
    /// When the cryptographic provider supports no usable version of TLS.
    pub(crate) fn new(timeout: Duration) -> Result<Self, rustls::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let tls = tls()?;
        let builder = || HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
        let connector = |https| Connector { https, timeout };
        Ok(Self {
            http1: connector(builder().enable_http1().wrap_connector(tcp.clone())),
            either: connector(builder().enable_http1().enable_http2().wrap_connector(tcp.clone())),
            http2: connector(builder().enable_http2().wrap_connector(tcp)),
        })
    }

    /// The way to the server at this URL.
    pub(crate) fn to(&self, url: &Uri, wire: Wire) -> Way {
        let is_secure = url.scheme() == Some(&http::uri::Scheme::HTTPS);
        let lanes = match wire {
            Wire::Auto if is_secure => Some(Lanes::new(self.either.clone(), url, false)),
            Wire::Http2 => Some(Lanes::new(self.http2.clone(), url, true)),
            Wire::Auto | Wire::Http1 => None,
        };
        Way { pool: Pool::new(self.http1.clone(), url), lanes }
    }
}

/// TLS with the system's authorities. A minimal container has none of its own.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        || ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    match builder()?.with_native_roots() {
        Ok(config) => Ok(config.with_no_client_auth()),
        Err(cause) => {
            tracing::info!(%cause, "the system has no root certificates; using those that are built in");
            Ok(builder()?.with_webpki_roots().with_no_client_auth())
        }
    }
}

/// The way to one server; cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// Connections of HTTP/1.1.
    pub(super) pool: Arc<Pool>,
    /// Connections of HTTP/2, unless only HTTP/1.1 is spoken.
    lanes: Option<Arc<Lanes>>,
}

impl Way {
    /// Sends a request, and waits until its answer begins.
    ///
    /// # Errors
    /// [`NoAnswer`] when it does not.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Answering>, NoAnswer> {
        let request = match &self.lanes {
            Some(lanes) => match lanes.send(request).await? {
                Ok(response) => return Ok(response),
                // The server speaks HTTP/1.1 only.
                Err(request) => request,
            },
            None => request,
        };
        self.pool.send(request).await
    }
}

/// What a connection is made of.
pub(super) type Io = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connector whose whole work, TLS included, has one deadline.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = Io;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.timeout, self.https.call(uri));
        Box::pin(async move { connecting.await? })
    }
}

const KEEP_ALIVE: Duration = Duration::from_mins(1);

/// How long a connection rests before it is closed: once or twice as long.
pub(super) const IDLE: Duration = Duration::from_secs(15);
