//! Several processes over one store, and a proxy before them that sends each request to another one.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reqwest::redirect::Policy;
use tokio::net::TcpListener;

use crate::{Gateway, tools};

/// Replicas, and the proxy that has their public origin.
#[derive(Debug)]
pub struct Fleet {
    /// The processes. They share a configuration and a key file.
    pub replicas: Vec<Gateway>,
    port: u16,
    front: Arc<Front>,
}

/// Where a request went that came through the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its path, without a query.
    pub path: String,
    /// The number of the replica.
    pub replica: usize,
}

#[derive(Debug)]
struct Front {
    http: reqwest::Client,
    /// The ports of the replicas.
    ports: OnceLock<Vec<u16>>,
    turn: AtomicUsize,
    passed: Mutex<Vec<Passed>>,
}

/// A request with this header goes to the replica of that number, and to no other.
pub const REPLICA: &str = "x-replica";
/// An answer with this header is the proxy's own: the replica gave none.
pub const LOST: &str = "x-lost";

impl Fleet {
    /// Starts `count` processes over the store with that URL. `configuration` is what follows the keys at the top.
    pub async fn start(count: usize, store: &str, configuration: &str) -> Self {
        Self::start_with(count, store, configuration, &[]).await
    }

    /// The same, with variables of the environment.
    pub async fn start_with(
        count: usize,
        store: &str,
        configuration: &str,
        environment: &[(String, String)],
    ) -> Self {
        let port = tools::free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the proxy's port");
        // A connection for each request: which replica gets it is nobody's habit.
        let http = reqwest::Client::builder().redirect(Policy::none()).pool_max_idle_per_host(0).build();
        let front = Arc::new(Front {
            http: http.expect("an HTTP client"),
            ports: OnceLock::new(),
            turn: AtomicUsize::new(0),
            passed: Mutex::default(),
        });
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&front));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let ports: Vec<u16> = (0..count).map(|_| tools::free_port()).collect();
        front.ports.set(ports.clone()).expect("set once");
        let replicas = replicas_with((port, &ports), store, configuration, environment).await;
        Self { replicas, port, front }
    }

    /// The public origin.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The address of the MCP server at `/mcp`.
    #[must_use]
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// Lets the next request go to the replica of that number, and forgets where others went.
    pub fn begin_at(&self, replica: usize) {
        self.front.turn.store(replica, Ordering::SeqCst);
        self.front.passed.lock().expect("the record").clear();
    }

    /// Where the requests went since then, in the order in which they were answered.
    #[must_use]
    pub fn passed(&self) -> Vec<Passed> {
        self.front.passed.lock().expect("the record").clone()
    }
}

/// Starts a process at each of the ports, over the same store, behind whoever has the public port.
pub async fn replicas(public_port: u16, ports: &[u16], store: &str, configuration: &str) -> Vec<Gateway> {
    replicas_with((public_port, ports), store, configuration, &[]).await
}

async fn replicas_with(
    (public_port, ports): (u16, &[u16]),
    store: &str,
    configuration: &str,
    environment: &[(String, String)],
) -> Vec<Gateway> {
    let text = format!(
        "public_url = \"http://localhost:{public_port}\"\nlisten = \"127.0.0.1:{}\"\nstore = \"{store}\"\n\
         keys_file = \"{{data}}/keys.toml\"\n{configuration}",
        ports[0]
    );
    let mut replicas = vec![Gateway::serve_behind(public_port, ports[0], &text, environment).await];
    for &port in &ports[1..] {
        let another = replicas[0].beside(port).await;
        replicas.push(another);
    }
    replicas
}

/// Passes a request on to the replica whose turn it is, or to the next that can be reached.
async fn pass(State(front): State<Arc<Front>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap_or_default();
    let named = head.headers.remove(REPLICA);
    let named = named.map(|number| number.to_str().expect("ASCII").parse::<usize>().expect("a number"));
    let first = named.unwrap_or_else(|| front.turn.fetch_add(1, Ordering::SeqCst));
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let headers = end_to_end(&head.headers);
    let ports = front.ports.get().expect("the replicas have ports");
    let tries = if named.is_some() { 1 } else { ports.len() };
    for replica in (0..tries).map(|attempt| (first + attempt) % ports.len()) {
        let url = format!("http://127.0.0.1:{}{path}", ports[replica]);
        let request = front.http.request(head.method.clone(), url).headers(headers.clone());
        match request.body(body.clone()).send().await {
            Ok(answer) => {
                let passed = Passed { path: head.uri.path().to_owned(), replica };
                front.passed.lock().expect("the record").push(passed);
                let (status, headers) = (answer.status(), end_to_end(answer.headers()));
                let mut passed_on = Body::from_stream(answer.bytes_stream()).into_response();
                *passed_on.status_mut() = status;
                *passed_on.headers_mut() = headers;
                return passed_on;
            }
            // It was not sent, so it may be sent elsewhere.
            Err(error) if error.is_connect() => {}
            Err(_) => break,
        }
    }
    (StatusCode::BAD_GATEWAY, [(LOST, "yes")]).into_response()
}

/// The headers that are not about one connection.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in ["connection", "keep-alive", "transfer-encoding"] {
        headers.remove(name);
    }
    headers
}
