//! Connections to upstream servers: pooled, HTTP/1.1 and HTTP/2, TLS by an explicit provider.

use std::cell::OnceCell;
use std::future::Future;
use std::mem;
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
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
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
    /// It did not begin in time.
    #[error("no answer in time")]
    Silent,
    /// The connection or the stream broke off.
    #[error("the connection broke off")]
    Broken(#[source] Cause),
}

/// What is behind it.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What all upstream servers share.
#[derive(Debug)]
pub(crate) struct Connections {
    tcp: HttpConnector,
    timeout: Duration,
    /// From the first server with TLS on: the system's authorities are many to read.
    tls: OnceCell<ClientConfig>,
}

impl Connections {
    /// Connecting, TLS included, may take `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEP_ALIVE));
        Self { tcp, timeout, tls: OnceCell::new() }
    }

    /// The way to the server at this URL.
    ///
    /// # Errors
    /// When the cryptographic provider supports no usable version of TLS.
    pub(crate) fn to(&self, url: &Uri, wire: Wire) -> Result<Way, rustls::Error> {
        let is_secure = url.scheme() == Some(&http::uri::Scheme::HTTPS);
        let tls = if is_secure { self.tls()? } else { without_authorities()? };
        let offering = || HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
        let tcp = || self.tcp.clone();
        let connector = |https| Connector { https, timeout: self.timeout };
        let http1 = connector(offering().enable_http1().wrap_connector(tcp()));
        let lanes = match wire {
            Wire::Auto if is_secure => {
                let either = connector(offering().enable_http1().enable_http2().wrap_connector(tcp()));
                Some(Lanes::new(either, url, false))
            }
            Wire::Http2 => {
                let http2 = connector(offering().enable_http2().wrap_connector(tcp()));
                Some(Lanes::new(http2, url, true))
            }
            Wire::Auto | Wire::Http1 => None,
        };
        Ok(Way { pool: Pool::new(http1, url), lanes })
    }

    fn tls(&self) -> Result<ClientConfig, rustls::Error> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let tls = with_authorities()?;
        Ok(self.tls.get_or_init(|| tls).clone())
    }
}

fn tls() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// For servers without TLS.
fn without_authorities() -> Result<ClientConfig, rustls::Error> {
    Ok(tls()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// TLS with the system's authorities. A minimal container has none of its own.
fn with_authorities() -> Result<ClientConfig, rustls::Error> {
    match tls()?.with_native_roots() {
        Ok(config) => Ok(config.with_no_client_auth()),
        Err(cause) => {
            tracing::info!(%cause, "the system has no root certificates; using those that are built in");
            Ok(tls()?.with_webpki_roots().with_no_client_auth())
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
    /// Sends a request, and waits until its answer begins, or until a time.
    ///
    /// # Errors
    /// [`NoAnswer`] when it does not.
    pub(crate) async fn send(
        &self,
        request: &mut Request<Full<Bytes>>,
        until: Option<Instant>,
    ) -> Result<Response<Answering>, NoAnswer> {
        if let Some(lanes) = &self.lanes {
            let sending = lanes.send(mem::take(request));
            let sent = match until {
                Some(until) => timeout_at(until, sending).await.map_err(|_| NoAnswer::Silent)?,
                None => sending.await,
            };
            match sent? {
                Ok(response) => return Ok(response),
                // The server speaks HTTP/1.1 only.
                Err(unsent) => *request = unsent,
            }
        }
        self.pool.send(request, until).await
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
