//! A small program under test, such as an example: in a folder of its own, on a port of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::tools;

/// A program that takes `COATROOM_PUBLIC_URL` and `COATROOM_LISTEN` from its environment, killed when dropped.
#[derive(Debug)]
pub struct Program {
    file: OsString,
    folder: TempDir,
    port: u16,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Program {
    /// The program in this file, which has not started yet. It will have these variables, and those above, in its environment.
    #[must_use]
    pub fn new<N: Into<String>, V: Into<String>>(
        file: impl Into<OsString>,
        environment: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let folder = tempfile::tempdir().expect("no temporary folder");
        Self { file: file.into(), folder, port: tools::free_port(), environment, child: None }
    }

    /// Starts it, and waits until it listens.
    pub async fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log");
        let (also, mut command) = (log.try_clone().expect("the log"), self.command());
        let started = command.stdout(also).stderr(log).spawn().expect("starting the program");
        let child = self.child.insert(started);
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            let ended = child.try_wait().expect("waiting for the program");
            assert!(ended.is_none(), "it ended at once: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not listen after 30 s: {}", self.log());
    }

    /// Runs it where it is expected to end by itself.
    pub async fn output(&self) -> Output {
        let ended = tokio::time::timeout(Duration::from_mins(1), self.command().output()).await;
        ended.expect("it goes on").expect("starting the program")
    }

    /// Gives it another value of a variable from its next start on; none takes the variable away.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Stops it as a service manager does (SIGTERM), which it must take for good, and soon.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("the program is running");
        tools::ask_to_stop(&child).await;
        let ended = tokio::time::timeout(Duration::from_secs(10), child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("still running 10 s after SIGTERM: {}", self.log()));
        assert!(ended.as_ref().is_ok_and(std::process::ExitStatus::success), "{ended:?}: {}", self.log());
    }

    /// Kills it as a power cut would.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("killing the program");
        }
    }

    /// Kills it, and starts it with what it kept.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.start().await;
    }

    /// The public origin, which is also the issuer.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The address of its MCP server.
    #[must_use]
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// The folder in which it works.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that it has written so far, in all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> std::path::PathBuf {
        self.folder.path().join("log.txt")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("COATROOM_PUBLIC_URL", self.origin())
            .env("COATROOM_LISTEN", format!("127.0.0.1:{}", self.port))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}
