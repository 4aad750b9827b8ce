//! Clients: event streams over connections of their own on HTTP/1.1, or many on each connection on HTTP/2.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, Response, Version, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// How the clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
}

/// A way to a server: connections are made as they are needed.
pub(crate) struct Clients {
    wire: Wire,
    port: u16,
    host: String,
    shared: Option<(http2::SendRequest<Full<Bytes>>, usize)>,
}

impl Clients {
    pub(crate) fn new(wire: Wire, port: u16, host: &str) -> Self {
        Self { wire, port, host: host.to_owned(), shared: None }
    }

    /// Opens the stream of this number.
    pub(crate) async fn open(&mut self, token: &str, number: usize) -> Result<EventStream> {
        let request = self
            .request("GET", token)
            .header(header::ACCEPT, "text/event-stream")
            .header("x-stream", number.to_string());
        let response = self.send(request.body(Full::default())?).await?;
        ensure!(response.status() == 200, "a stream was answered with {}", response.status());
        Ok(EventStream { body: response.into_body(), wire: self.wire })
    }

    /// Calls once, on a connection of its own or a shared one; the status.
    pub(crate) async fn ping(&mut self, token: &str) -> Result<u16> {
        let request = self
            .request("POST", token)
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header(header::CONTENT_TYPE, "application/json");
        let body = Full::from(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        let response = self.send(request.body(body)?).await?;
        let status = response.status().as_u16();
        response.into_body().collect().await?;
        Ok(status)
    }

    fn request(&self, method: &str, token: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("mcp-protocol-version", "2025-06-18");
        match self.wire {
            Wire::Http1 => request.uri("/mcp").header(header::HOST, &self.host),
            Wire::Http2 => request.version(Version::HTTP_2).uri(format!("http://{}/mcp", self.host)),
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        match self.wire {
            Wire::Http1 => {
                let (mut sender, connection) = http1::handshake(self.connect().await?).await?;
                tokio::spawn(connection);
                Ok(sender.send_request(request).await?)
            }
            Wire::Http2 => {
                let (mut sender, used) = match self.shared.take() {
                    Some((sender, used)) if used < STREAMS_OF_A_CONNECTION => (sender, used),
                    _ => {
                        let connecting = http2::handshake(TokioExecutor::new(), self.connect().await?);
                        let (sender, connection) = connecting.await?;
                        tokio::spawn(connection);
                        (sender, 0)
                    }
                };
                let response = sender.send_request(request).await?;
                self.shared = Some((sender, used + 1));
                Ok(response)
            }
        }
    }

    async fn connect(&self) -> Result<TokioIo<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }
}

/// An open stream.
pub(crate) struct EventStream {
    body: Incoming,
    wire: Wire,
}

impl EventStream {
    /// The next piece, and when it came; `None` when the stream ended as streams should.
    pub(crate) async fn next(&mut self) -> Result<Option<(Bytes, Instant)>> {
        if let Some(frame) = self.body.frame().await {
            return Ok(frame?.into_data().ok().map(|piece| (piece, Instant::now())));
        }
        // Hyper takes some resets for an end; END_STREAM is one.
        ensure!(self.wire == Wire::Http1 || self.body.is_end_stream(), "a stream was reset");
        Ok(None)
    }

    /// The next piece, which comes within ten seconds.
    pub(crate) async fn soon(&mut self) -> Result<(Bytes, Instant)> {
        let piece = tokio::time::timeout(Duration::from_secs(10), self.next()).await;
        piece.context("nothing comes")??.context("the stream ended")
    }
}

/// Half of what the gateway allows by default, as clients behind a proxy have it.
const STREAMS_OF_A_CONNECTION: usize = 50;
