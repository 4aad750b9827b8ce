//! A server that is measured, in a process of its own with all that it starts.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A running server, ended with all that it started when it is dropped.
pub(crate) struct Served {
    process: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    /// From the start of its process to its first good answer.
    pub(crate) started_in: Duration,
}

impl Served {
    /// Starts it in a folder of its own, and waits until it answers 200 to `GET path`.
    pub(crate) async fn start(mut command: Command, port: u16, path: &str, folder: TempDir) -> Result<Self> {
        let log = File::create(folder.path().join(LOG))?;
        command.current_dir(folder.path()).process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let began = Instant::now();
        let process = command.spawn()?;
        let mut served = Self { process, folder, address, started_in: Duration::ZERO };
        while !answers(address, path).await {
            let ended = served.process.try_wait()?;
            ensure!(ended.is_none(), "{command:?} ended at start: {}", served.log());
            ensure!(began.elapsed() < PATIENCE, "{command:?} does not answer: {}", served.log());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        served.started_in = began.elapsed();
        Ok(served)
    }

    /// The process that was started; it may have started others.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// The end of what it said.
    pub(crate) fn log(&self) -> String {
        let all = fs::read_to_string(self.folder().join(LOG)).unwrap_or_default();
        all.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

async fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let host = address.port();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost:{host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        std::io::Result::Ok(status.ends_with(b" 200"))
    };
    ask.await.unwrap_or(false)
}

const LOG: &str = "log.txt";
const PATIENCE: Duration = Duration::from_mins(3);
