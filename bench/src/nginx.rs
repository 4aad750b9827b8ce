//! Debian's nginx with one worker.

use std::fs;

use anyhow::{Context as _, Result};
use coatroom_e2e::tools;

use crate::processes::{self, CONTENDER_CORE};
use crate::served::Served;

/// Starts it on the core of contenders. It answers `GET path` with an empty document; `around` stands beside its server in the
/// configuration, `within` in it.
pub(crate) async fn start(path: &str, around: &str, within: &str) -> Result<Served> {
    let (folder, port) = (tempfile::tempdir()?, tools::free_port());
    let at = folder.path().display();
    let configuration = format!(
        "daemon off;\nworker_processes 1;\npid {at}/pid;\nerror_log {at}/errors;\nevents {{ worker_connections 4096; }}\n\
         http {{\naccess_log off;\nclient_body_temp_path {at}/body;\nproxy_temp_path {at}/proxy;\nfastcgi_temp_path {at}/f;\n\
         uwsgi_temp_path {at}/u;\nscgi_temp_path {at}/s;\n{around}\n\
         server {{\nlisten 127.0.0.1:{port};\nlocation = {path} {{ return 200 '{{}}'; }}\n{within}}}\n}}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = processes::on_core(CONTENDER_CORE, "nginx");
    command.arg("-c").arg(&file).arg("-p").arg(folder.path());
    Served::start(command, port, path, folder)
        .await
        .context("nginx does not start: Debian's package nginx-light has it")
}
