//! What is set by variables of the environment. Their defaults serve on this machine alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use coatroom::protocol::words::ClientSecret;
use coatroom::providers::{self, ProviderConfig, ProviderKind};

/// Everything but the providers. It may hold a password, so it cannot be printed.
pub(crate) struct Settings {
    /// The origin at which browsers and clients reach this server; also the issuer of its tokens.
    pub(crate) public_url: String,
    pub(crate) listen: SocketAddr,
    /// Where grants are kept, such as `postgres://user:password@host/database`.
    pub(crate) store: String,
    pub(crate) keys_file: PathBuf,
    /// The secret of the confidential client `portal`; without one there is no such client.
    pub(crate) portal_secret: Option<ClientSecret>,
    pub(crate) portal_redirect_uri: String,
    /// The secret of the resource server `reports`; without one there is no introspection.
    pub(crate) reports_secret: Option<ClientSecret>,
}

impl Settings {
    /// Reads the variables.
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        let or = |name, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        let listen = or("COATROOM_LISTEN", "127.0.0.1:8787");
        Ok(Self {
            public_url: or("COATROOM_PUBLIC_URL", "http://localhost:8787"),
            listen: listen.parse().with_context(|| format!("COATROOM_LISTEN: {listen}"))?,
            store: variable("COATROOM_STORE")
                .context("COATROOM_STORE is not set: name a database, postgres://user@host/name")?,
            keys_file: or("COATROOM_KEYS_FILE", "keys.toml").into(),
            portal_secret: secret("PORTAL_SECRET_FILE")?,
            portal_redirect_uri: or("PORTAL_REDIRECT_URI", "http://127.0.0.1/callback"),
            reports_secret: secret("REPORTS_SECRET_FILE")?,
        })
    }
}

/// Every provider whose client id is set; people choose among them on the consent page.
pub(crate) fn providers() -> anyhow::Result<Vec<ProviderConfig>> {
    let is_set = |kind: &&ProviderKind| {
        let name = kind.as_str().to_ascii_uppercase();
        variable(&format!("COATROOM_{name}_CLIENT_ID")).is_some()
    };
    let kinds = ProviderKind::ALL.iter().filter(is_set);
    let set = kinds.map(|kind| providers::from_env(*kind)).collect::<Result<Vec<_>, _>>()?;
    ensure!(
        !set.is_empty(),
        "nobody can sign in: set COATROOM_GITHUB_CLIENT_ID and COATROOM_GITHUB_CLIENT_SECRET, \
         or the same two of another provider"
    );
    Ok(set)
}

/// A variable that is set, and not empty.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.to_string_lossy().into_owned();
    Some(value).filter(|value| !value.is_empty())
}

/// The secret in the file that a variable names.
fn secret(name: &str) -> anyhow::Result<Option<ClientSecret>> {
    let Some(path) = variable(name) else { return Ok(None) };
    let text = std::fs::read_to_string(&path).with_context(|| format!("{name}: {path}"))?;
    Ok(Some(ClientSecret::new(text.trim())))
}
