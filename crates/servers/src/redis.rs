//! Redis servers: one alone, several as a cluster, and Sentinels that watch one with a replica.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::tls::Certificates;
use crate::{Process, free_port, redis_tls, run, wait_until};

/// One server, which keeps a log and flushes it at each write.
#[derive(Debug)]
pub struct Redis {
    pub(super) folder: TempDir,
    pub(super) port: u16,
    pub(super) arguments: Vec<String>,
    pub(super) program: &'static str,
    pub(super) process: Option<Process>,
}

impl Redis {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with further arguments.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self::new("redis-server");
        server.arguments.extend(DURABLE.iter().chain(arguments).map(|&argument| argument.to_owned()));
        server.restart().await;
        server
    }

    /// Starts a server that takes TLS connections only.
    pub async fn start_with_tls(certificates: &Certificates) -> Self {
        redis_tls::start(certificates, &[]).await
    }

    pub(super) fn new(program: &'static str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let arguments =
            vec!["--bind".to_owned(), "127.0.0.1".to_owned(), "--port".to_owned(), port.to_string()];
        Self { folder, port, arguments, program, process: None }
    }

    /// Where a store finds it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Takes away what it kept, while it is down.
    pub fn forget(&self) {
        std::fs::remove_dir_all(self.folder.path().join("appendonlydir")).unwrap();
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub async fn restart(&mut self) {
        self.process = Some(self.spawn());
        wait_until("Redis answers", async || self.ping().is_some_and(|answer| answer.starts_with("+PONG")))
            .await;
    }

    /// Starts it again if it has ended by itself.
    pub async fn restart_if_ended(&mut self) {
        if self.process.as_mut().unwrap().has_ended() {
            self.restart().await;
        }
    }

    /// Stops it without ending it: it still has its connections, and answers nothing.
    pub fn freeze(&self) {
        self.process.as_ref().unwrap().freeze();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.as_ref().unwrap().thaw();
    }

    /// Runs a command, as an operator would.
    pub fn command(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let arguments: Vec<&str> = ["-p", &port].into_iter().chain(words.iter().copied()).collect();
        run(Path::new("redis-cli"), &arguments, None)
    }

    fn ping(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(b"PING\r\n").ok()?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    pub(super) fn spawn(&self) -> Process {
        Process::start(Path::new(self.program), &self.arguments, self.folder.path(), None)
    }
}

/// A cluster of three servers.
#[derive(Debug)]
pub struct Cluster(pub Vec<Redis>);

impl Cluster {
    /// Starts three servers that share the slots among them.
    pub async fn start() -> Self {
        let mut servers = Vec::new();
        for _ in 0..3 {
            let bus = free_port().to_string();
            let arguments =
                ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", &bus];
            servers.push(Redis::start_with(&arguments).await);
        }
        let addresses: Vec<String> =
            servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let mut arguments = vec!["--cluster", "create"];
        arguments.extend(addresses.iter().map(String::as_str));
        arguments.push("--cluster-yes");
        run(Path::new("redis-cli"), &arguments, None);
        let cluster = Self(servers);
        cluster.wait_until_whole().await;
        cluster
    }

    /// Waits until every server knows that all of them are there.
    pub async fn wait_until_whole(&self) {
        wait_until("the cluster is whole", async || {
            self.0.iter().all(|server| server.command(&["cluster", "info"]).contains("cluster_state:ok"))
        })
        .await;
    }

    /// Where a store finds it.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.0.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// The server that has a key, and another one.
    pub fn with_key(&self, key: &str) -> (&Redis, &Redis) {
        let found = self.0.iter().position(|server| server.command(&["exists", key]).trim() == "1");
        let at = found.expect("no server has the key");
        (&self.0[at], &self.0[(at + 1) % 3])
    }
}

/// A server, its replica, and three Sentinels that let the replica take over.
#[derive(Debug)]
pub struct Watched {
    /// The server that is watched.
    pub master: Redis,
    _replica: Redis,
    sentinels: Vec<Redis>,
}

impl Watched {
    /// Starts all five.
    pub async fn start() -> Self {
        let master = Redis::start().await;
        let port = master.port.to_string();
        let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &port]).await;
        wait_until("the replica follows", async || {
            replica.command(&["info", "replication"]).contains("master_link_status:up")
        })
        .await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let mut sentinel = Redis::new("redis-sentinel");
            let file = sentinel.folder.path().join("sentinel.conf");
            let text = format!(
                "bind 127.0.0.1\nport {}\nsentinel monitor main 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
                sentinel.port
            );
            std::fs::write(&file, text).unwrap();
            sentinel.arguments = vec![file.to_str().unwrap().to_owned()];
            sentinel.restart().await;
            sentinels.push(sentinel);
        }
        wait_until("the Sentinels know each other", async || {
            sentinels.iter().all(|sentinel| {
                let known = sentinel.command(&["sentinel", "master", "main"]);
                let lines: Vec<&str> = known.lines().collect();
                let number =
                    |name: &str| lines.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].to_owned());
                number("num-other-sentinels").as_deref() == Some("2")
                    && number("num-slaves").as_deref() == Some("1")
            })
        })
        .await;
        Self { master, _replica: replica, sentinels }
    }

    /// Where a store finds it.
    pub fn url(&self) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://{}/main", hosts.join(","))
    }
}

const DURABLE: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
