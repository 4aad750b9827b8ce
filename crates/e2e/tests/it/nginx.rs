//! Two replicas behind nginx, with the configuration that docs/replicas.md gives.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coatroom_e2e::fleet;
use coatroom_e2e::foreign::Script;
use coatroom_e2e::oauth::{Pending, http};
use coatroom_e2e::upstream::{EchoServer, GitHub, GitHubApp};
use coatroom_e2e::{Era, FormBrowser, Gateway, Mcp, OAuthClient, tools};
use futures_util::StreamExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use coatroom_servers::postgres::Postgres;
use coatroom_servers::tls::Certificates;
use coatroom_servers::{Process, wait_until};

/// nginx on a port of its own.
struct Nginx {
    folder: TempDir,
    _process: Process,
}

impl Nginx {
    /// Starts it with what the document says, but for places and names. It is reached at `public_port`.
    async fn start(public_port: u16, replicas: [u16; 2]) -> Self {
        let port = tools::free_port();
        let document = include_str!("../../../../docs/replicas.md");
        let example = document.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let certificates = Certificates::naming("localhost");
        fs::write(at("certificate"), &certificates.certificate).unwrap();
        fs::write(at("key"), &certificates.key).unwrap();
        let changes = [
            ("10.0.0.11:8787", format!("127.0.0.1:{}", replicas[0])),
            ("10.0.0.12:8787", format!("127.0.0.1:{}", replicas[1])),
            ("listen 443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
            ("server_name mcp.example.com;", "server_name localhost;".to_owned()),
            ("/etc/ssl/mcp.example.com.pem", at("certificate")),
            ("/etc/ssl/mcp.example.com.key", at("key")),
        ];
        let site = changes.into_iter().fold(example.to_owned(), |site, (said, here)| {
            assert!(site.contains(said), "the example does not say {said:?} any more");
            site.replace(said, &here)
        });
        let place = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|what| format!("    {what}_temp_path {place}/{what};\n"))
            .collect();
        let text = format!(
            "user root;\ndaemon off;\nworker_processes 2;\npid {place}/pid;\nerror_log {place}/errors;\nevents {{}}\nhttp {{\n\
             {temporary}    log_format which '$upstream_addr $status $request_method $uri';\n    access_log {place}/requests which;\n{site}}}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let arguments = ["-p", folder.path().to_str().unwrap(), "-c", file.to_str().unwrap()];
        let process = Process::start(Path::new("/usr/sbin/nginx"), &arguments, folder.path(), None);
        let nginx = Self { folder, _process: process };
        wait_until("nginx answers", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        speak_tls(public_port, port, &certificates.authority).await;
        nginx
    }

    /// One line for each request: who answered it, how, and what it was.
    fn requests(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("requests")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Speaks TLS to nginx for the clients of the tests, who speak none: with who is called `localhost` by this authority, and nobody else.
async fn speak_tls(public_port: u16, port: u16, authority: &str) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let listener = TcpListener::bind(("127.0.0.1", public_port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let connector = connector.clone();
            tokio::spawn(async move {
                let nginx = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let name = ServerName::try_from("localhost").unwrap();
                let mut nginx = connector.connect(name, nginx).await.expect("TLS to nginx");
                // Either side may end it.
                tokio::io::copy_bidirectional(&mut client, &mut nginx).await.ok();
            });
        }
    });
}

/// Two replicas behind nginx, over Postgres.
struct World {
    replicas: Vec<Gateway>,
    ports: [u16; 2],
    origin: String,
    nginx: Nginx,
    _github: GitHub,
    _store: Postgres,
}

impl World {
    async fn start() -> Self {
        let (github, echo) = (GitHub::start(GitHubApp::OAuth).await, EchoServer::start().await);
        let store = Postgres::start().await;
        let (port, ports) = (tools::free_port(), [tools::free_port(), tools::free_port()]);
        let configuration = format!(
            "trusted_proxies = [\"127.0.0.1\"]\n\n{}\n[servers.echo]\npath = \"/mcp\"\nupstream = \"{}\"\nprovider = \"github\"\n\
             headers = {{ Authorization = \"Bearer {{github.access_token}}\", X-Login = \"{{user.username}}\" }}\n",
            github.configuration(),
            echo.url,
        );
        let replicas = fleet::replicas(port, &ports, &store.url(), &configuration).await;
        let nginx = Nginx::start(port, ports).await;
        let origin = format!("http://localhost:{port}");
        Self { replicas, ports, origin, nginx, _github: github, _store: store }
    }

    fn mcp_url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    /// How many requests each of the replicas answered.
    fn answered(&self) -> [usize; 2] {
        let requests = self.nginx.requests();
        self.ports.map(|port| {
            let replica = format!("127.0.0.1:{port} ");
            requests.iter().filter(|line| line.starts_with(&replica)).count()
        })
    }
}

#[tokio::test]
async fn two_replicas_behind_nginx_are_one_server() {
    let mut world = World::start().await;
    let client = OAuthClient::connect(&world.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let tokens = client.refresh(&tokens.refresh).await.tokens();
    let mcp = Mcp::without_handshake(&world.mcp_url(), Era::Modern, &tokens.access);
    for _ in 0..20 {
        assert!(mcp.call("headers", json!({})).await.text().contains("alice"));
    }
    let large = mcp.call("headers", json!({"text": "x".repeat(3 << 19)})).await;
    assert!(large.text().contains("alice"), "more than nginx takes by itself");
    let plan = json!(["list", {"call": "headers"}, "refresh", {"call": "headers"}]);
    let person = async |url: &str| {
        FormBrowser::new().approve(url, "Bob").await;
    };
    let transcript = Script::Node("ts-sdk-1.mjs").run_where(&world.mcp_url(), &plan, person).await;
    assert!(transcript.steps[3]["text"].as_str().unwrap().contains("bob"), "{transcript:?}");
    println!("{:?} requests at the replicas", world.answered());
    assert!(world.answered().iter().all(|count| *count > 15), "{:?}", world.nginx.requests());

    // From now on one of them is gone, and nobody notices.
    world.replicas[0].kill().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..10 {
        assert!(mcp.call("headers", json!({})).await.text().contains("alice"));
    }
    let again = client.sign_in("Alice").await;
    client.refresh(&again.refresh).await.tokens();
    let failed: Vec<_> = world
        .nginx
        .requests()
        .into_iter()
        .filter(|line| line.contains(" 50") || line.contains(" 413 "))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn nginx_lets_events_through_at_once_and_a_stream_end_with_its_grant() {
    let world = World::start().await;
    let client = OAuthClient::connect(&world.mcp_url()).await;
    let tokens = client.sign_in("Alice").await;
    let mut streams = Vec::new();
    // One at each replica.
    for _ in 0..2 {
        let opened = Instant::now();
        let open =
            http().get(world.mcp_url()).bearer_auth(&tokens.access).header("accept", "text/event-stream");
        let stream = open.send().await.unwrap();
        assert_eq!(stream.status(), 200);
        let mut events = stream.bytes_stream();
        assert!(events.next().await.unwrap().unwrap().starts_with(b"event: tick"));
        assert!(opened.elapsed() < Duration::from_secs(2), "the first event was held back");
        streams.push(events);
    }
    assert_eq!(client.revoke(&tokens.refresh).await.status, 200);
    let revoked = Instant::now();
    for mut events in streams {
        while let Some(Ok(_)) = events.next().await {
            assert!(revoked.elapsed() < Duration::from_secs(5), "the stream of a revoked grant goes on");
        }
    }
    println!("streams ended {:?} after the revocation", revoked.elapsed());
    assert!(revoked.elapsed() < Duration::from_secs(1));
}

/// What a browser carries while it signs in grows with the request; nginx's own limits are below it.
#[tokio::test]
async fn long_requests_and_several_sign_ins_at_once_go_through_nginx() {
    let world = World::start().await;
    let client = OAuthClient::connect(&world.mcp_url()).await;
    let person = FormBrowser::new();
    let mut last = None;
    for letter in ["a", "b", "c"] {
        let pending = client.start(None);
        let state = letter.repeat(STATE);
        let url = pending.url.replace(&pending.state, &state);
        let consent = person.open(&url).await;
        assert_eq!(consent.status, 200, "the consent page: {}", consent.text());
        let provider = person.press(&consent, "Continue").await;
        assert_eq!(provider.status, 200, "the provider's page: {}", provider.text());
        last = Some((Pending { state, ..pending }, provider));
    }
    let (pending, provider) = last.unwrap();
    let end = person.press(&provider, "Alice").await;
    assert_eq!(end.status, 200, "{}", end.text());
    let callback = client.callback(&pending).await;
    client.redeem(&pending, &callback).await.tokens();
}

/// As long as the states of clients that keep something in them.
const STATE: usize = 2000;
