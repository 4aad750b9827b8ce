//! `https://api.github.com`, for a program that knows no other address: TLS on a loopback address of its own, and a hosts file that
//! gives it the name. It answers for the tokens of [`GitHub`], whose people and repositories it shows.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::{fs, iter};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pretend_github::people::{EVERYBODY, Person, Repo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use url::form_urlencoded;

use super::{GitHub, json_answer};
use crate::tls;

/// A running server.
#[derive(Debug)]
pub struct GitHubApi {
    folder: TempDir,
}

impl GitHubApi {
    /// Starts it for as long as the test runs.
    ///
    /// # Panics
    /// When this process may not listen on port 443.
    pub async fn start(github: &GitHub) -> Self {
        let (listener, address) = listen().await;
        let (tls, authority) = tls::server("api.github.com");
        let folder = tempfile::tempdir().expect("a folder");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("what is in it is no secret");
        fs::write(folder.path().join("ca.pem"), authority).expect("writing the authority");
        let hosts = format!("127.0.0.1 localhost\n{address} api.github.com\n");
        fs::write(folder.path().join("hosts"), hosts).expect("writing the names");
        let routes = Router::new()
            .route("/search/repositories", get(search))
            .route("/repos/{owner}/{repo}/contents/{*path}", get(contents))
            .with_state(github.clone());
        tokio::spawn(async move { axum::serve(TlsListener { listener, tls }, routes).await });
        Self { folder }
    }

    /// The file that gives it its name, to lie over `/etc/hosts`.
    #[must_use]
    pub fn hosts(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    /// The certificate authority, for `NODE_EXTRA_CA_CERTS`.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// Port 443 of a loopback address that no other test uses.
async fn listen() -> (TcpListener, Ipv4Addr) {
    let [.., high, low] = std::process::id().to_be_bytes();
    for last in (2..250).chain(iter::once(250)) {
        let address = Ipv4Addr::new(127, high | 128, low, last);
        match TcpListener::bind((address, 443)).await {
            Ok(listener) => return (listener, address),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{address}:443: {error}"),
        }
    }
    panic!("no address is free")
}

/// Connections that have shaken hands.
struct TlsListener {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// `GET /search/repositories?q=user:LOGIN`: theirs, as far as the caller may see them.
async fn search(State(github): State<GitHub>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Some(caller) = caller(&github, &headers) else { return bad_credentials() };
    let query = query.unwrap_or_default();
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "q");
    let asked = asked.as_ref().and_then(|(_, text)| text.strip_prefix("user:"));
    let found: Vec<Value> = EVERYBODY
        .iter()
        .filter(|owner| asked.is_none_or(|login| login == owner.login))
        .flat_map(|owner| owner.repos.iter().map(move |repo| (owner, repo)))
        .filter(|(owner, repo)| !repo.private || *owner == caller)
        .map(|(owner, repo)| shown(owner, repo))
        .collect();
    json_answer(
        StatusCode::OK,
        &json!({"total_count": found.len(), "incomplete_results": false, "items": found}),
    )
}

/// `GET /repos/OWNER/REPO/contents/PATH`: every file says whose it is.
async fn contents(
    State(github): State<GitHub>,
    Path((owner, repo, path)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some(caller) = caller(&github, &headers) else { return bad_credentials() };
    let found = Person::find(&owner).and_then(|owner| Some((owner, owner.repo(&repo)?)));
    let Some((owner, repo)) = found.filter(|(owner, repo)| !repo.private || *owner == caller) else {
        return json_answer(StatusCode::NOT_FOUND, &json!({"message": "Not Found"}));
    };
    let text = format!("{} of {}: {}", repo.name, owner.name, repo.description);
    let at = format!("https://api.github.com/repos/{}/{}/contents/{path}", owner.login, repo.name);
    let file = json!({
        "name": path, "path": path, "sha": "1".repeat(40), "size": text.len(), "type": "file",
        "url": at, "html_url": at, "git_url": at, "download_url": at,
        "content": STANDARD.encode(text), "encoding": "base64", "_links": {"self": at, "git": at, "html": at},
    });
    json_answer(StatusCode::OK, &file)
}

fn shown(owner: &Person, repo: &Repo) -> Value {
    let home = format!("https://github.com/{}", owner.login);
    let url = format!("{home}/{}", repo.name);
    json!({
        "id": repo.id, "node_id": format!("R_{}", repo.id), "name": repo.name,
        "full_name": format!("{}/{}", owner.login, repo.name), "private": repo.private, "fork": false,
        "owner": {
            "login": owner.login, "id": owner.id, "node_id": format!("U_{}", owner.id), "type": "User",
            "avatar_url": home, "url": home, "html_url": home,
        },
        "description": repo.description, "default_branch": "main", "url": url, "html_url": url, "git_url": url,
        "ssh_url": url, "clone_url": url, "created_at": WHEN, "updated_at": WHEN, "pushed_at": WHEN,
    })
}

/// Whose token was sent.
fn caller(github: &GitHub, headers: &HeaderMap) -> Option<&'static Person> {
    let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    Person::find(&github.owner_of(token)?)
}

fn bad_credentials() -> Response {
    json_answer(StatusCode::UNAUTHORIZED, &json!({"message": "Bad credentials"}))
}

const WHEN: &str = "2026-01-02T03:04:05Z";
