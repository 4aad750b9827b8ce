//! A PostgreSQL server.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::tls::Certificates;
use crate::{Process, free_port, run, wait_until};

/// A server with an empty database.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
}

impl Postgres {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server that takes TLS connections only.
    pub async fn start_with_tls(certificates: &Certificates) -> Self {
        Self::start_with_tls_for(certificates, None).await
    }

    /// The same, for clients with a certificate of this authority.
    pub async fn start_with_tls_for(certificates: &Certificates, clients: Option<&str>) -> Self {
        let mut server = Self::new();
        let (certificate, key) =
            (server.folder.path().join("server.pem"), server.folder.path().join("server.key"));
        std::fs::write(&certificate, &certificates.certificate).unwrap();
        std::fs::write(&key, &certificates.key).unwrap();
        run(Path::new("chmod"), &["600", key.to_str().unwrap()], None);
        own(&key);
        let rules = server.folder.path().join("rules");
        let rule = if clients.is_some() { "trust clientcert=verify-ca" } else { "trust" };
        std::fs::write(&rules, format!("hostssl all all 127.0.0.1/32 {rule}\n")).unwrap();
        server.settings = vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", certificate.display()),
            format!("ssl_key_file={}", key.display()),
            format!("hba_file={}", rules.display()),
        ];
        if let Some(authority) = clients {
            let file = server.folder.path().join("clients.pem");
            std::fs::write(&file, authority).unwrap();
            server.settings.push(format!("ssl_ca_file={}", file.display()));
        }
        server.process = Some(server.spawn());
        let log = server.folder.path().join("log");
        wait_until("Postgres starts", async || {
            std::fs::read_to_string(&log).unwrap().contains("ready to accept connections")
        })
        .await;
        server
    }

    /// Starts a server with settings like `max_connections=10`.
    pub async fn start_with(settings: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    /// Starts a server with rules of its own about who may connect (`pg_hba.conf`), and with SQL that is run before they hold.
    pub async fn start_with_rules(sql: &str, rules: &str, settings: &[&str]) -> Self {
        let mut server = Self::start_with(settings).await;
        server.client().await.batch_execute(sql).await.unwrap();
        std::fs::write(server.data().join("pg_hba.conf"), rules).unwrap();
        run(&program("pg_ctl"), &["reload", "-D", server.data().to_str().unwrap()], Some(USER));
        // What was there before is read as well, until the signal has arrived.
        wait_until("the rules hold", async || server.connect().await.is_err()).await;
        server.settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        server
    }

    /// Starts a copy of this server that follows it and can take over.
    pub async fn standby(&self) -> Self {
        let mut standby = Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            settings: Vec::new(),
            process: None,
        };
        own(standby.folder.path());
        let (port, data) = (self.port.to_string(), standby.data());
        let from = [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "coatroom",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-N",
            "-D",
        ];
        run(&program("pg_basebackup"), &[&from[..], &[data.to_str().unwrap()]].concat(), Some(USER));
        standby.restart().await;
        let client = self.client().await;
        wait_until("the standby follows", async || {
            let followers = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
            client.query_one(followers, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        standby
    }

    /// Lets a standby take over.
    pub async fn promote(&self) {
        self.client().await.query_one("SELECT pg_promote()", &[]).await.unwrap();
    }

    /// The URL of a server and its standby.
    pub fn url_with(&self, standby: &Self) -> String {
        format!("postgres://coatroom@127.0.0.1:{},127.0.0.1:{}/postgres", self.port, standby.port)
    }

    /// Starts a server whose data is in a folder.
    pub async fn start_in(folder: TempDir, settings: &[&str]) -> Self {
        let mut server = Self::new_in(folder);
        server.settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        server.restart().await;
        server
    }

    fn new() -> Self {
        Self::new_in(tempfile::tempdir().unwrap())
    }

    fn new_in(folder: TempDir) -> Self {
        let server = Self { folder, port: free_port(), settings: Vec::new(), process: None };
        own(server.folder.path());
        let data = server.data();
        let data = data.to_str().unwrap();
        let arguments =
            ["-D", data, "-U", "coatroom", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        run(&program("initdb"), &arguments, Some(USER));
        server
    }

    /// Where a store finds it.
    pub fn url(&self) -> String {
        Self::url_at(self.port)
    }

    /// The URL of a server at another port, such as a proxy's.
    pub fn url_at(port: u16) -> String {
        format!("postgres://coatroom@127.0.0.1:{port}/postgres")
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A connection of another program.
    pub async fn client(&self) -> Client {
        self.connect().await.expect("connecting to the test's own server")
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Starts it, again or for the first time, and waits until it answers.
    pub async fn restart(&mut self) {
        self.process = Some(self.spawn());
        wait_until("Postgres answers", async || {
            // A killed one leaves children behind that hold its memory for a moment, and a file that names it.
            if self.process.as_mut().unwrap().has_ended() {
                self.process = Some(self.spawn());
            }
            self.connect().await.is_ok()
        })
        .await;
    }

    /// Starts it again if it is not running.
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

    /// Lets nobody write any more, or lets them again.
    pub async fn set_read_only(&self, read_only: bool) {
        let client = self.client().await;
        // What undoes it has to be written as well.
        client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
        let value = if read_only { "on" } else { "off" };
        let setting = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        client.batch_execute(&setting).await.unwrap();
        client.execute("SELECT pg_reload_conf()", &[]).await.unwrap();
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn spawn(&self) -> Process {
        let port = self.port.to_string();
        let data = self.data();
        let mut arguments = vec!["-D", data.to_str().unwrap(), "-p", &port];
        let fixed = ["listen_addresses=127.0.0.1", "unix_socket_directories="];
        for setting in fixed.into_iter().chain(self.settings.iter().map(String::as_str)) {
            arguments.extend(["-c", setting]);
        }
        Process::start(&program("postgres"), &arguments, self.folder.path(), Some(USER))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

pub(super) fn own(path: &Path) {
    if super::is_root() {
        run(Path::new("chown"), &[USER, path.to_str().unwrap()], None);
    }
}

/// The account that Debian's package makes.
pub(super) const USER: &str = "postgres";

/// Debian keeps the programs of each version in a folder of its own.
fn program(name: &str) -> PathBuf {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").expect("the package `postgresql` is not installed");
    let mut found: Vec<_> = versions.map(|version| version.unwrap().path().join("bin").join(name)).collect();
    found.retain(|path| path.is_file());
    found.sort();
    found.pop().expect("the package `postgresql` is not installed")
}
