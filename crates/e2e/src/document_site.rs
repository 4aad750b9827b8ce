//! The site of a client that is described by a document: https on this machine, with a certificate authority of its own,
//! and as many bad habits as a test wants. And the keys with which such a client signs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::oauth::random;
use crate::tls;

/// What the site answers at a path.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status, header lines and a body.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// A JSON body that never ends.
    Endless,
    /// The answer comes a byte at a time.
    Slow,
}

/// A running site.
#[derive(Debug, Clone)]
pub struct DocumentSite {
    /// `https://localhost:PORT`.
    pub origin: String,
    folder: Arc<TempDir>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    replies: Mutex<HashMap<String, Reply>>,
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
    sent: AtomicU64,
    down: Mutex<bool>,
}

impl Reply {
    /// A good answer with this JSON.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self::Whole(200, headers, body.to_string().into_bytes())
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::Whole(302, vec![("location".to_owned(), to.to_owned())], Vec::new())
    }
}

impl DocumentSite {
    /// Starts a site for as long as the test runs.
    pub async fn start() -> Self {
        let (tls, authority) = tls::server("localhost");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), authority).expect("writing the authority");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let site = Self {
            origin: format!("https://localhost:{port}"),
            folder: Arc::new(folder),
            state: Arc::default(),
        };
        tokio::spawn(serve(listener, tls, Arc::clone(&site.state)));
        site
    }

    /// The certificate authority, for `SSL_CERT_FILE`.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// What is answered at a path from now on.
    pub fn put(&self, path: &str, reply: Reply) {
        self.state.replies.lock().expect("the replies").insert(path.to_owned(), reply);
    }

    /// Puts the document of a public command line client at `path`, with what `members` changes; its URL.
    #[must_use]
    pub fn document(&self, path: &str, members: Value) -> String {
        let mut document = json!({
            "client_id": self.url(path),
            "client_name": "Described client",
            "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        for (name, value) in members.as_object().expect("an object") {
            document[name] = value.clone();
        }
        self.put(path, Reply::json(&document));
        self.url(path)
    }

    /// Whether connections end as soon as they are made.
    pub fn set_down(&self, down: bool) {
        *self.state.down.lock().expect("the state") = down;
    }

    /// The requests for a path, with their headers.
    #[must_use]
    pub fn requests(&self, path: &str) -> Vec<String> {
        let start = format!("GET {path} ");
        let requests = self.state.requests.lock().expect("the requests");
        requests.iter().filter(|request| request.starts_with(&start)).cloned().collect()
    }

    /// How often somebody connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of endless answers were taken.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        if *state.down.lock().expect("the state") {
            continue;
        }
        let (state, tls) = (Arc::clone(&state), tls.clone());
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(stream).await {
                let _ = answer(&state, stream).await;
            }
        });
    }
}

async fn answer(state: &State, mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    state.requests.lock().expect("the requests").push(request);
    let reply = state.replies.lock().expect("the replies").get(&path).cloned();
    // As a site far away does, so that whoever asks at the same time is there before the answer.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    match reply.unwrap_or(Reply::Whole(404, Vec::new(), Vec::new())) {
        Reply::Whole(status, headers, body) => {
            let headers: String =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
        }
        Reply::Endless => {
            stream.write_all(format!("{head}\r\n{{\"x\":\"").as_bytes()).await?;
            loop {
                stream.write_all(&[b'x'; 1024]).await?;
                state.sent.fetch_add(1024, Ordering::SeqCst);
            }
        }
        Reply::Slow => {
            for byte in head.as_bytes().iter().cycle() {
                stream.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    stream.shutdown().await
}

/// With what a client signs its assertions.
pub struct Signer {
    pair: Ed25519KeyPair,
    kid: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

impl Signer {
    /// A new key of this name.
    #[must_use]
    pub fn new(kid: &str) -> Self {
        Self { pair: Ed25519KeyPair::generate().expect("a key"), kid: kid.to_owned() }
    }

    /// The set with its public key.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "use": "sig", "x": x }] })
    }

    /// An assertion that is good for a minute, once.
    #[must_use]
    pub fn assertion(&self, client: &str, audience: &str) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        let claims = json!({
            "iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + 60, "jti": random(),
        });
        let header = json!({ "alg": "EdDSA", "kid": self.kid, "typ": "client-authentication+jwt" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(input.as_bytes()).as_ref());
        format!("{input}.{signature}")
    }
}
