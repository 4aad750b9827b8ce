//! What the program is told: by variables or by flags.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use axum_extra::extract::cookie::Key;
use clap::Parser;

/// GitHub tools that act for whoever calls. `COATROOM_GITHUB_CLIENT_ID` and `COATROOM_GITHUB_CLIENT_SECRET` are needed too.
#[derive(Debug, Parser)]
pub(crate) struct Config {
    /// The origin at which browsers and clients reach this server.
    #[arg(long, env = "COATROOM_PUBLIC_URL", default_value = "http://localhost:8787")]
    pub(crate) public_url: String,
    /// The address to listen on.
    #[arg(long, env = "COATROOM_LISTEN", default_value = "127.0.0.1:8787")]
    pub(crate) listen: SocketAddr,
    /// Where grants are kept, such as `sqlite:coatroom.db`.
    #[arg(long, env = "COATROOM_STORE", default_value = "sqlite:coatroom.db", hide_env_values = true)]
    pub(crate) store: String,
    /// Coatroom's keys. The file is made when there is none.
    #[arg(long, env = "COATROOM_KEYS_FILE", default_value = "keys.toml")]
    pub(crate) keys_file: PathBuf,
    /// The key of the session cookie. The file is made when there is none.
    #[arg(long, env = "COOKIE_KEY_FILE", default_value = "cookie.key")]
    pub(crate) cookie_key_file: PathBuf,
    /// Where GitHub's API is. A GitHub Enterprise Server has it at `https://HOST/api/v3`.
    #[arg(long, env = "GITHUB_API_URL", default_value = "https://api.github.com")]
    pub(crate) github_api_url: String,
    /// How long an access token is good, in seconds.
    #[arg(long, env = "ACCESS_TOKEN_SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) access_token_seconds: u64,
}

/// Reads the key of the session cookie; at the first start it makes one that its owner alone can read.
pub(crate) fn cookie_key(path: &Path) -> anyhow::Result<Key> {
    let fresh = Key::generate();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(fresh.master()).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(fresh)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Key::try_from(bytes.as_slice()).with_context(|| format!("{} is no cookie key", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot make {}", path.display())),
    }
}
