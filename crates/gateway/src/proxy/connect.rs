//! Connections to upstream servers: pooled, HTTP/1.1 and HTTP/2, TLS by an explicit provider.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

/// The client that all upstream servers share; cloning it is cheap.
pub(crate) type UpstreamClient = Client<TimedConnector, Full<Bytes>>;

/// Makes the client. Connecting, TLS included, may take `timeout`.
///
/// # Errors
/// When the cryptographic provider supports no usable version of TLS.
pub(crate) fn client(timeout: Duration) -> Result<UpstreamClient, rustls::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEP_ALIVE));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // A minimal container has no certificates of its own.
    let https = match HttpsConnectorBuilder::new().with_provider_and_native_roots(Arc::clone(&provider)) {
        Ok(https) => https,
        Err(cause) => {
            tracing::info!(%cause, "the system has no root certificates; using those that are built in");
            HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider)?
        }
    };
    let https = https.https_or_http().enable_http1().enable_http2().wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .build(TimedConnector { https, timeout });
    Ok(client)
}

/// A connector whose whole work, TLS included, has one deadline.
#[derive(Debug, Clone)]
pub(crate) struct TimedConnector {
    https: HttpsConnector<HttpConnector>,
    timeout: Duration,
}

impl Service<Uri> for TimedConnector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
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
const POOL_IDLE: Duration = Duration::from_secs(30);
