//! The program under test: started, killed and started again on the same port with the same data.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::evidence::{self, Secret};
use crate::launcher::Launcher;
use crate::tools;
use crate::upstream::MailServer;

/// A running `coatroom`, killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Option<Child>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    launcher: Launcher,
    folder: Arc<TempDir>,
    log: Arc<Mutex<Vec<u8>>>,
    port: u16,
    /// The port of the public origin; another one than `port` for a process beside the first.
    public_port: u16,
    started_in: Duration,
}

impl Gateway {
    /// Starts `coatroom demo` and waits until it answers.
    pub async fn demo() -> Self {
        Self::demo_with(&[]).await
    }

    /// As [`demo`](Self::demo), with variables of the environment.
    pub async fn demo_with(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("no temporary folder");
        let port = tools::free_port();
        let data = folder.path().join("data").display().to_string();
        Self::start(
            folder,
            port,
            ["demo", "--listen", &format!("127.0.0.1:{port}"), "--data", &data],
            environment,
        )
        .await
    }

    /// Starts `coatroom serve` with a configuration that listens on `port` of loopback, and waits until it answers.
    ///
    /// In the text, `{data}` stands for an existing folder of its own.
    pub async fn serve_at(port: u16, configuration: &str) -> Self {
        Self::serve_with(port, configuration, &[]).await
    }

    /// The same, with further environment variables.
    pub async fn serve_with(port: u16, configuration: &str, environment: &[(&str, &str)]) -> Self {
        let (folder, file) = configured(configuration);
        Self::start(folder, port, ["serve", "--config", &file], environment).await
    }

    /// Starts `coatroom serve` with a configuration that listens on `port`, behind a proxy that has the public origin's port.
    pub async fn serve_behind(
        public_port: u16,
        port: u16,
        configuration: &str,
        environment: &[(String, String)],
    ) -> Self {
        let (folder, file) = configured(configuration);
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Self::start_behind(folder, (public_port, port), ["serve", "--config", &file], &environment).await
    }

    /// Starts `coatroom serve` before the one server at `upstream`, without a file: what else it needs to know are variables.
    pub async fn serve_by_variables(port: u16, upstream: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("no temporary folder");
        let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
        let arguments = ["serve", "--public-url", &origin, "--listen", &listen, "--upstream", upstream];
        Self::start(folder, port, arguments, environment).await
    }

    /// As [`serve_at`](Self::serve_at), in the circumstances of a launcher.
    pub async fn serve_by(launcher: Launcher, port: u16, configuration: &str) -> Self {
        let (folder, file) = configured(configuration);
        if launcher.owner.is_some() {
            for path in [folder.path().to_owned(), folder.path().join("data"), PathBuf::from(&file)] {
                chown(path, launcher.owner, launcher.owner).expect("giving the folder away");
            }
        }
        let mut gateway = Self::new(folder, (port, port), &["serve", "--config", &file], &[]);
        gateway.launcher = launcher;
        gateway.run().await;
        gateway
    }

    /// What the program says when it refuses to start in the circumstances of a launcher.
    ///
    /// # Panics
    /// When it starts all the same.
    pub async fn refusal(launcher: &Launcher, configuration: &str) -> String {
        let (_folder, file) = configured(configuration);
        let words = launcher.words.iter().map(OsString::from).chain([tools::coatroom().into_os_string()]);
        let words: Vec<OsString> = words.chain(["serve", "--config", &file].map(OsString::from)).collect();
        let mut command = Command::new(&words[0]);
        let run =
            command.args(&words[1..]).env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true).output();
        let output =
            tokio::time::timeout(Duration::from_secs(30), run).await.expect("it starts").expect("running");
        assert!(!output.status.success(), "it ends as if nothing was wrong");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts `coatroom wrap` with these options before the command.
    pub async fn wrap(options: &[&str], command: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("no temporary folder");
        let port = tools::free_port();
        let (listen, origin) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
        let place = ["wrap", "--listen", &listen, "--public-url", &origin];
        let mut gateway = Self::new(folder, (port, port), &[&place, options, &["--"], command].concat(), &[]);
        gateway.run().await;
        gateway
    }

    /// Starts another process over the same store and with the same configuration, but for the port.
    pub async fn beside(&self, port: u16) -> Self {
        let listen = ["--listen".to_owned(), format!("127.0.0.1:{port}")];
        let mut gateway = Self {
            child: None,
            environment: self.environment.clone(),
            launcher: self.launcher.clone(),
            arguments: self.arguments.iter().cloned().chain(listen).collect(),
            folder: Arc::clone(&self.folder),
            log: Arc::default(),
            port,
            public_port: self.public_port,
            started_in: Duration::ZERO,
        };
        gateway.run().await;
        gateway
    }

    async fn start<const N: usize>(
        folder: TempDir,
        port: u16,
        arguments: [&str; N],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::start_behind(folder, (port, port), arguments, environment).await
    }

    async fn start_behind<const N: usize>(
        folder: TempDir,
        ports: (u16, u16),
        arguments: [&str; N],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut gateway = Self::new(folder, ports, &arguments, environment);
        gateway.run().await;
        gateway
    }

    fn new(
        folder: TempDir,
        (public_port, port): (u16, u16),
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            child: None,
            environment: environment.iter().map(owned).collect(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            launcher: Launcher::default(),
            folder: Arc::new(folder),
            log: Arc::default(),
            port,
            public_port,
            started_in: Duration::ZERO,
        }
    }

    /// Runs another command of the program with the same configuration, and returns what it says.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let file = self.folder.path().join("coatroom.toml");
        let output = Command::new(tools::coatroom())
            .args([&arguments[..1], &["--config", &file.display().to_string()], &arguments[1..]].concat())
            .current_dir(self.folder.path())
            .env_clear()
            .output()
            .await
            .expect("running the program");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Where this process listens, and the `Host` under which it knows itself.
    #[must_use]
    pub fn place(&self) -> (String, String) {
        (format!("http://127.0.0.1:{}", self.port), format!("localhost:{}", self.public_port))
    }

    /// The public origin, which is also the issuer.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.public_port)
    }

    /// The address of the MCP server behind it, in the demo.
    #[must_use]
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// From the start of the process to its first answer about discovery, in its latest start.
    #[must_use]
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Everything that the program has written so far, in all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().expect("the log")).into_owned()
    }

    /// Runs `coatroom keys` beside the program, with the same configuration; returns what it printed.
    ///
    /// # Errors
    /// What it complained about.
    pub async fn keys(&self, arguments: &[&str]) -> Result<String, String> {
        let file = self.arguments.get(2).expect("the configuration file");
        let run = Command::new(tools::coatroom())
            .arg("keys")
            .args(arguments)
            .args(["--config", file])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .output()
            .await
            .expect("running the program");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if run.status.success() { Ok(text(&run.stdout)) } else { Err(text(&run.stderr)) }
    }

    /// Runs `coatroom users` beside the program, which sends mail by `mail`; returns what it printed.
    pub async fn users(&self, mail: &MailServer, arguments: &[&str]) -> String {
        let file = self.folder.path().join("coatroom.toml");
        let run = Command::new(tools::coatroom())
            .arg("users")
            .args(arguments)
            .args(["--config", &file.display().to_string()])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(mail.variables())
            .output()
            .await
            .expect("running the program");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).into_owned()
    }

    /// Overwrites the key file, in which nothing good is left then.
    pub fn overwrite_keys(&self, text: &str) {
        let file = self.folder.path().join("data/keys.toml");
        assert!(file.exists(), "there is no key file");
        fs::write(file, text).expect("the key file");
    }

    /// Kills the program as a power cut would.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("killing the program");
        }
    }

    /// Asks the program to stop (SIGTERM) and waits until it has; returns how long that took.
    pub async fn stop(&mut self) -> Duration {
        let asked = Instant::now();
        let mut child = self.child.take().expect("the program is running");
        tools::ask_to_stop(&child).await;
        tokio::time::timeout(Duration::from_secs(30), child.wait())
            .await
            .unwrap_or_else(|_| panic!("still running 30 s after SIGTERM:\n{}", self.log()))
            .expect("waiting for the program");
        asked.elapsed()
    }

    /// Kills the program and starts it again, with the same port, arguments and data.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.run().await;
    }

    /// The same with other variables of the environment.
    pub async fn restart_with(&mut self, environment: &[(&str, &str)]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.environment = environment.iter().map(owned).collect();
        self.restart().await;
    }

    /// Whether the program made a key file.
    #[must_use]
    pub fn has_key_file(&self) -> bool {
        files(self.folder.path()).iter().any(|file| file.ends_with("keys.toml"))
    }

    /// Stops it, and starts it again at another port with another configuration and the same data.
    pub async fn move_to(&mut self, port: u16, configuration: &str) {
        self.stop().await;
        (self.port, self.public_port) = (port, port);
        let data = self.folder.path().join("data").display().to_string();
        let file = self.folder.path().join("coatroom.toml");
        fs::write(file, configuration.replace("{data}", &data)).expect("the configuration file");
        self.run().await;
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("the program is running")
    }

    /// The folder in which it works: its configuration, and below `data` what it keeps.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Resident memory, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let id = self.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("/proc");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
    }

    /// How many rows each table of the embedded store has, summed up.
    #[must_use]
    pub fn rows_in_store(&self) -> i64 {
        let file = find_database(self.folder.path()).expect("no SQLite file in the data folder");
        let store =
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opening the store");
        let mut names = store
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            .expect("reading the schema");
        let names: Vec<String> = names
            .query_map([], |row| row.get(0))
            .expect("the tables")
            .map(|name| name.expect("a name"))
            .collect();
        names
            .iter()
            .map(|name| {
                store
                    .query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |row| row.get::<_, i64>(0))
                    .expect("counting rows")
            })
            .sum()
    }

    /// Every byte that the program keeps on disk: the store with its side files, and the keys.
    #[must_use]
    pub fn bytes_on_disk(&self) -> Vec<u8> {
        files(self.folder.path()).iter().flat_map(|file| fs::read(file).unwrap_or_default()).collect()
    }

    async fn run(&mut self) {
        let started = Instant::now();
        let program = tools::coatroom().into_os_string();
        let mut words = self.launcher.words.iter().map(OsString::from).chain([program]);
        let mut child = Command::new(words.next().expect("the program"))
            .args(words)
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            // As talkative as it can be, because the tests look for secrets in what it says.
            .env("COATROOM_LOG", "trace")
            // Tests reach nobody beyond this machine; those about documents say so themselves.
            .env("COATROOM_CLIENT_DOCUMENTS_ENABLED", "off")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starting the program");
        self.keep(child.stdout.take().expect("piped"));
        self.keep(child.stderr.take().expect("piped"));
        self.child = Some(child);
        evidence::log(b"");
        self.wait_until_ready(started).await;
        self.tell_keys();
    }

    /// The program's own keys are secrets like any other.
    fn tell_keys(&self) {
        let key_files = files(self.folder.path()).into_iter().filter(|file| file.ends_with("keys.toml"));
        let in_variables = self.environment.iter().filter(|(name, _)| name == "COATROOM_KEYS");
        let texts = key_files.filter_map(|file| fs::read_to_string(file).ok());
        for text in texts.chain(in_variables.map(|(_, text)| text.clone())) {
            let is_key = |word: &&str| word.len() > 30 && !word.contains(char::is_whitespace);
            for word in text.split('"').filter(is_key) {
                evidence::secret(Secret::Credential, word);
            }
        }
    }

    fn keep(&self, mut from: impl AsyncRead + Unpin + Send + 'static) {
        let log = Arc::clone(&self.log);
        tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                evidence::log(&buffer[..read]);
                log.lock().expect("the log").extend_from_slice(&buffer[..read]);
            }
        });
    }

    async fn wait_until_ready(&mut self, started: Instant) {
        // Where there is no authorization server here, the answer is that of one elsewhere, if it can be had.
        let path = if self.arguments.iter().any(|argument| argument == "--upstream") {
            "oauth-protected-resource"
        } else {
            "oauth-authorization-server"
        };
        let discovery = format!("http://127.0.0.1:{}/.well-known/{path}", self.port);
        let http = reqwest::Client::new();
        let (_, host) = self.place();
        loop {
            let child = self.child.as_mut().expect("just started");
            if let Some(status) = child.try_wait().expect("asking for the exit status") {
                tokio::time::sleep(Duration::from_millis(100)).await;
                panic!("the program ended at start ({status}):\n{}", self.log());
            }
            if let Ok(answer) = http.get(&discovery).header("host", &host).send().await {
                assert_eq!(answer.status(), 200, "discovery answers {}:\n{}", answer.status(), self.log());
                self.started_in = started.elapsed();
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "no answer after 30 s:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Gateway {
    /// When the test fails, what the program itself said is the first thing to read.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let own: Vec<_> = log.lines().filter(|line| line.contains("coatroom")).collect();
            eprintln!("the program's own last lines:");
            for line in own.iter().rev().take(40).rev() {
                eprintln!("  {line}");
            }
        }
    }
}

/// A folder with a configuration file and a place for data; the file's path.
fn configured(configuration: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("no temporary folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("the data folder");
    let file = folder.path().join("coatroom.toml");
    fs::write(&file, configuration.replace("{data}", &data.display().to_string()))
        .expect("the configuration file");
    let file = file.display().to_string();
    (folder, file)
}

fn find_database(folder: &Path) -> Option<PathBuf> {
    let is_sqlite =
        |file: &PathBuf| fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"));
    files(folder).into_iter().find(is_sqlite)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
