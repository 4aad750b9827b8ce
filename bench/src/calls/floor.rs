//! The least that a proxy on hyper can cost: one that does nothing, and one that knows its tokens by heart.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use coatroom::protocol::words::AccessToken;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// What the proxy is to do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Where requests go.
    #[arg(long)]
    upstream: SocketAddr,
    /// The tokens that it knows by heart: the one that a client presents, and the one in whose place it goes on. Without any it
    /// proxies everything as it is.
    #[arg(long, value_delimiter = ',')]
    tokens: Vec<String>,
}

struct Proxy {
    upstream: Authority,
    client: Client<HttpConnector, Incoming>,
    remembered: HashMap<[u8; 32], Remembered>,
}

struct Remembered {
    until: Instant,
    scopes: Vec<String>,
    credential: HeaderValue,
}

/// Serves until it is killed.
pub(crate) async fn run(options: Options) -> Result<()> {
    let mut remembered = HashMap::new();
    for pair in options.tokens.chunks_exact(2) {
        let until = Instant::now() + Duration::from_hours(24);
        let credential = HeaderValue::try_from(format!("Bearer {}", pair[1]))?;
        let scopes = vec!["tools".to_owned()];
        remembered.insert(hash(&pair[0]), Remembered { until, scopes, credential });
    }
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let proxy = Arc::new(Proxy {
        upstream: options.upstream.to_string().parse()?,
        client: Client::builder(TokioExecutor::new()).build(connector),
        remembered,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            let service = service_fn(move |request| Arc::clone(&proxy).pass(request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Answer = Response<Either<Incoming, Empty<Bytes>>>;

impl Proxy {
    async fn pass(self: Arc<Self>, mut request: Request<Incoming>) -> Result<Answer> {
        if !self.remembered.is_empty() {
            let Some(credential) = self.credential(&request) else {
                return Ok(refused(StatusCode::UNAUTHORIZED));
            };
            request.headers_mut().insert(header::AUTHORIZATION, credential);
        }
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        (uri.scheme, uri.authority) = (Some(Scheme::HTTP), Some(self.upstream.clone()));
        *request.uri_mut() = Uri::from_parts(uri)?;
        Ok(match self.client.request(request).await {
            Ok(answer) => answer.map(Either::Left),
            Err(_) => refused(StatusCode::BAD_GATEWAY),
        })
    }

    fn credential(&self, request: &Request<Incoming>) -> Option<HeaderValue> {
        let token = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let found = self.remembered.get(&hash(token))?;
        let good = Instant::now() < found.until && found.scopes.iter().any(|scope| scope == "tools");
        good.then(|| found.credential.clone())
    }
}

fn hash(token: &str) -> [u8; 32] {
    *AccessToken::new(token).hash().as_bytes()
}

fn refused(status: StatusCode) -> Answer {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = status;
    response
}
