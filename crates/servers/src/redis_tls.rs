//! Redis servers that speak TLS alone, also with each other: a cluster, and one that Sentinels watch.

use std::path::Path;

use super::redis::Redis;
use super::tls::Certificates;
use super::{free_port, run, wait_until};

/// Servers of which each connection is TLS.
#[derive(Debug)]
pub struct TlsRedis {
    servers: Vec<Redis>,
    url: String,
}

impl TlsRedis {
    /// A cluster of three.
    pub async fn cluster(certificates: &Certificates) -> Self {
        let mut servers = Vec::new();
        for _ in 0..3 {
            let bus = free_port().to_string();
            let more = ["--tls-cluster", "yes", "--cluster-enabled", "yes", "--cluster-port", &bus];
            servers.push(start(certificates, &more).await);
        }
        let addresses = addresses(&servers);
        let create: Vec<&str> = ["--cluster", "create"].into_iter().chain(addresses.split(',')).collect();
        command(&servers[0], &[&create[..], &["--cluster-yes"]].concat());
        wait_until("the cluster is whole", async || {
            servers.iter().all(|server| command(server, &["cluster", "info"]).contains("cluster_state:ok"))
        })
        .await;
        Self { servers, url: format!("rediss+cluster://{addresses}") }
    }

    /// One that a Sentinel watches.
    pub async fn watched(certificates: &Certificates) -> Self {
        let master = start(certificates, &[]).await;
        let mut sentinel = Redis::new("redis-sentinel");
        let file = sentinel.folder.path().join("sentinel.conf");
        let settings = tls(&sentinel, certificates);
        let mut lines: Vec<String> =
            settings.chunks(2).map(|pair| pair.join(" ").replacen("--", "", 1)).collect();
        lines.push("bind 127.0.0.1".to_owned());
        lines.push(format!("sentinel monitor main 127.0.0.1 {} 1\n", master.port));
        std::fs::write(&file, lines.join("\n")).unwrap();
        sentinel.arguments = vec![file.to_str().unwrap().to_owned()];
        sentinel.process = Some(sentinel.spawn());
        wait_until("the Sentinel sees its master", async || {
            let log = std::fs::read_to_string(sentinel.folder.path().join("log")).unwrap_or_default();
            log.contains("+monitor")
                && command(&sentinel, &["sentinel", "ckquorum", "main"]).starts_with("OK")
        })
        .await;
        let url = format!("rediss+sentinel://127.0.0.1:{}/main", sentinel.port);
        Self { servers: vec![master, sentinel], url }
    }

    /// Its URL, for who trusts the certificates of that file.
    pub fn url(&self, authority: &Path) -> String {
        format!("{}?ssl_ca_certs={}", self.url, authority.display())
    }

    /// The URL of somebody who speaks no TLS.
    pub fn plain_url(&self) -> String {
        self.url.replace("rediss", "redis")
    }

    /// Asks for certificates of clients from now on.
    pub fn ask_for_certificates(&self) {
        for server in &self.servers {
            command(server, &["config", "set", "tls-auth-clients", "yes"]);
        }
    }
}

pub(super) async fn start(certificates: &Certificates, more: &[&str]) -> Redis {
    let mut server = Redis::new("redis-server");
    let settings = tls(&server, certificates);
    server.arguments =
        ["--bind", "127.0.0.1"].iter().chain(more).map(|&argument| argument.to_owned()).collect();
    server.arguments.extend(settings);
    server.process = Some(server.spawn());
    let log = server.folder.path().join("log");
    wait_until("Redis starts", async || {
        std::fs::read_to_string(&log).unwrap().contains("Ready to accept connections")
    })
    .await;
    server
}

fn tls(server: &Redis, certificates: &Certificates) -> Vec<String> {
    let path = |name: &str| server.folder.path().join(name).to_str().unwrap().to_owned();
    let files = [
        ("server.pem", &certificates.certificate),
        ("server.key", &certificates.key),
        ("authority.pem", &certificates.authority),
    ];
    for (name, text) in files {
        std::fs::write(path(name), text).unwrap();
    }
    let pairs = [
        ("--port", "0".to_owned()),
        ("--tls-port", server.port.to_string()),
        ("--tls-cert-file", path("server.pem")),
        ("--tls-key-file", path("server.key")),
        ("--tls-ca-cert-file", path("authority.pem")),
        ("--tls-auth-clients", "no".to_owned()),
        ("--tls-replication", "yes".to_owned()),
    ];
    pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

fn command(server: &Redis, words: &[&str]) -> String {
    let port = server.port.to_string();
    let path = |name: &str| server.folder.path().join(name).to_str().unwrap().to_owned();
    let (authority, certificate, key) = (path("authority.pem"), path("server.pem"), path("server.key"));
    let to = ["-p", &port, "--tls", "--cacert", &authority, "--cert", &certificate, "--key", &key];
    run(Path::new("redis-cli"), &[&to[..], words].concat(), None)
}

fn addresses(servers: &[Redis]) -> String {
    let addresses: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    addresses.join(",")
}
