//! A client's own site: a real https server on this machine with a certificate authority of its own, which can misbehave;
//! and the keys with which a client signs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use coatroom::outbound::PublicWeb;
use coatroom::protocol::words::base64url;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::world::NOW;

/// What the site answers at a path.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status, header lines, body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A body that never ends.
    Endless,
    /// A byte now and then.
    Slow,
    /// Nothing at all.
    Silent,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self::json_with(body, &[])
    }

    pub(crate) fn json_with(body: &Value, headers: &[(&'static str, &str)]) -> Self {
        let mut all = vec![("content-type", "application/json".to_owned())];
        all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self::Whole(200, all, body.to_string().into_bytes())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Whole(status, vec![("content-type", "application/json".to_owned())], b"{}".to_vec())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) port: u16,
    authority: String,
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

impl Site {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "client.example"].map(str::to_owned);
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let site = Self { port, authority: authority.pem(), state: Arc::default() };
        let (state, tls) = (Arc::clone(&site.state), TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                state.connections.fetch_add(1, Ordering::SeqCst);
                if *state.down.lock().unwrap() {
                    continue;
                }
                let (state, tls) = (Arc::clone(&state), tls.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        let _ = answer(&state, stream).await;
                    }
                });
            }
        });
        site
    }

    /// How a server reaches this site: it trusts its certificate authority.
    pub(crate) fn web(&self) -> PublicWeb {
        PublicWeb::new().with_root_certificates(self.authority.as_bytes()).unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(crate) fn put(&self, path: &str, reply: Reply) {
        self.state.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Puts a document for a public command line client at `/c`, with what `members` changes; its URL.
    pub(crate) fn document(&self, members: &Value) -> String {
        let mut document = json!({
            "client_id": self.url("/c"),
            "client_name": "Document client",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.put("/c", Reply::json(&document));
        self.url("/c")
    }

    /// Whether connections are dropped as soon as they are made.
    pub(crate) fn set_down(&self, down: bool) {
        *self.state.down.lock().unwrap() = down;
    }

    /// The requests for a path, whole.
    pub(crate) fn requests(&self, path: &str) -> Vec<String> {
        let start = format!("GET {path} ");
        let requests = self.state.requests.lock().unwrap();
        requests.iter().filter(|request| request.starts_with(&start)).cloned().collect()
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of endless bodies were taken.
    pub(crate) fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }
}

async fn answer(
    state: &State,
    mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    state.requests.lock().unwrap().push(request);
    let reply = state.replies.lock().unwrap().get(&path).cloned().unwrap_or_else(|| Reply::status(404));
    // As a site far away does, so that whoever asks at the same time is there before the answer.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    match reply {
        Reply::Whole(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head.extend([name, ": ", value.as_str(), "\r\n"]);
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).await?;
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
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Reply::Silent => std::future::pending().await,
    }
    stream.shutdown().await
}

/// With what a client signs its assertions.
pub(crate) struct Signer {
    pair: Ed25519KeyPair,
    kid: String,
    signed: AtomicU64,
}

impl Signer {
    pub(crate) fn new(kid: &str) -> Self {
        Self { pair: Ed25519KeyPair::generate().unwrap(), kid: kid.to_owned(), signed: AtomicU64::new(0) }
    }

    /// The set with its public key, and those of others.
    pub(crate) fn jwks(signers: &[&Self]) -> Value {
        let key = |signer: &&Self| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "kid": signer.kid,
                "x": base64url(signer.pair.public_key().as_ref()),
            })
        };
        json!({ "keys": signers.iter().map(key).collect::<Vec<_>>() })
    }

    /// Good claims, with a fresh id.
    pub(crate) fn claims(&self, client: &str, audience: &str) -> Value {
        let number = self.signed.fetch_add(1, Ordering::SeqCst);
        json!({
            "iss": client, "sub": client, "aud": audience, "exp": NOW + 300, "iat": NOW,
            "jti": format!("{}-{number}", self.kid),
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.kid, "typ": "JWT" });
        let part = |value: &Value| base64url(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(claims));
        let signature = base64url(self.pair.sign(input.as_bytes()).as_ref());
        format!("{input}.{signature}")
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}
