//! Debian's nginx as a plain proxy that keeps its connections, without authentication or with `auth_request`.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use coatroom_e2e::tools;
use tempfile::TempDir;

use super::contender::Caller;
use super::{CONTENDER_CORE, upstream::Upstream};
use crate::processes;

/// A running nginx, gone with this.
pub(super) struct Nginx {
    _folder: TempDir,
    pub(super) process: Child,
    pub(super) address: SocketAddr,
}

impl Nginx {
    /// Starts it. With callers it asks a place of its own, for each request, whether the client's token is known, and puts the
    /// credential of its user in its place.
    pub(super) fn start(upstream: &Upstream, callers: Option<&[Caller]>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], tools::free_port()));
        let (map, asks, answers) = callers.map_or_else(Default::default, authentication);
        let at = folder.path().display();
        let configuration = format!(
            "daemon off;\nworker_processes 1;\npid {at}/pid;\nerror_log {at}/errors;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\naccess_log off;\nclient_body_temp_path {at}/body;\nproxy_temp_path {at}/proxy;\nfastcgi_temp_path {at}/f;\n\
             uwsgi_temp_path {at}/u;\nscgi_temp_path {at}/s;\nkeepalive_requests 100000000;\nkeepalive_timeout 1h;\n{map}\n\
             upstream mcp {{ server {}; keepalive 128; keepalive_requests 100000000; }}\n\
             server {{\nlisten {address};\nlocation /mcp {{ {asks}proxy_pass http://mcp; proxy_http_version 1.1; \
             proxy_set_header Connection \"\"; proxy_buffering off; }}\n{answers}}}\n}}\n",
            upstream.address,
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration)?;
        let mut command = processes::on_core(CONTENDER_CORE, "nginx");
        let mut process = command.arg("-c").arg(&file).arg("-p").arg(folder.path()).spawn()?;
        for _ in 0..500 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(Self { _folder: folder, process, address });
            }
            if process.try_wait()?.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let errors = fs::read_to_string(folder.path().join("errors")).context("nginx does not start")?;
        bail!("nginx does not start (Debian's package nginx-light has it): {errors}")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its master ends the worker.
        let _ = std::process::Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// A map of tokens, the lines that ask it, and the place that answers.
fn authentication(callers: &[Caller]) -> (String, String, String) {
    let mut map =
        String::from("map_hash_bucket_size 256;\nmap $http_authorization $credential {\ndefault \"\";\n");
    for caller in callers {
        let _ = writeln!(map, "\"Bearer {}\" \"Bearer {}\";", caller.presents, caller.arrives);
    }
    map.push_str("}\n");
    let asks = "auth_request /auth; proxy_set_header Authorization $credential; ".to_owned();
    let answers =
        "location = /auth { internal; if ($credential = \"\") { return 401; } return 204; }\n".to_owned();
    (map, asks, answers)
}
