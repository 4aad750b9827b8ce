//! PgBouncer before a PostgreSQL server.

use std::path::Path;

use tempfile::TempDir;

use super::postgres::{USER, own};
use super::{Process, free_port, wait_until};

/// A pooler, which lets everybody in.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts one before the port of a server; `mode` is `session` or `transaction`.
    pub async fn start(server: u16, mode: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        own(folder.path());
        let file = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\npostgres = host=127.0.0.1 port={server} user=coatroom\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        );
        std::fs::write(&file, text).unwrap();
        let program = Path::new("/usr/sbin/pgbouncer");
        let process = Process::start(program, &[file.to_str().unwrap()], folder.path(), Some(USER));
        wait_until("PgBouncer answers", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self { port, _process: process, _folder: folder }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }
}
