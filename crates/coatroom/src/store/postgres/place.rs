//! The URL: which server, and how to get there. It may hold a password, so no message repeats it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::trouble::Trouble;
use crate::store::PATIENCE;

/// A database, and the way to it.
pub(super) struct Place {
    config: Config,
    tls: MakeRustlsConnect,
    pool_size: usize,
    shown: Arc<str>,
}

impl Place {
    /// Reads a URL.
    pub(super) fn parse(url: &str) -> Result<Self, Trouble> {
        let (options, plain_url) = Options::take_from(url)?;
        let mut config: Config = plain_url.parse().map_err(|_| Trouble::NoUrl)?;
        let shown = shown(&config)?;
        let needs_tls = options.tls.unwrap_or_else(|| !config.get_hosts().iter().all(is_this_machine));
        let roots = if needs_tls { trusting(options.roots.as_deref())? } else { RootCertStore::empty() };
        config
            .ssl_mode(if needs_tls { SslMode::Require } else { SslMode::Disable })
            // A server that cannot be written may also be behind: what it says of a revoked grant may be old.
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(PATIENCE)
            .keepalives_idle(KEEPALIVE);
        if config.get_application_name().is_none() {
            config.application_name("coatroom");
        }
        Ok(Self { config, tls: connector(roots, options.own)?, pool_size: options.pool_size, shown })
    }

    /// Opens a connection, and lets a task of its own carry what is said on it.
    pub(super) async fn connect(&self) -> Result<(Client, Carrier), tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let carrier = tokio::spawn(async move {
            // Whoever waits for an answer hears of it.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the store ended");
            }
        });
        Ok((client, Carrier(carrier)))
    }

    pub(super) const fn pool_size(&self) -> usize {
        self.pool_size
    }

    /// Host and database, for messages.
    pub(super) fn shown(&self) -> Arc<str> {
        Arc::clone(&self.shown)
    }
}

/// What carries a connection. Dropping it cuts the connection, whatever is under way on it: a server that stands still
/// would otherwise collect one for each attempt.
#[derive(Debug)]
pub(super) struct Carrier(JoinHandle<()>);

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What of the URL is not for the driver.
#[derive(Debug)]
struct Options {
    tls: Option<bool>,
    roots: Option<PathBuf>,
    /// A certificate of ours, and its key.
    own: Option<(PathBuf, PathBuf)>,
    pool_size: usize,
}

impl Options {
    fn take_from(url: &str) -> Result<(Self, String), Trouble> {
        let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut options = Self { tls: None, roots: None, own: None, pool_size: POOL_SIZE };
        let (mut certificate, mut key) = (None, None);
        let mut left = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').ok_or(Trouble::NoUrl)? {
                ("sslmode", "disable") => options.tls = Some(false),
                ("sslmode", "require" | "verify-full") => options.tls = Some(true),
                ("sslmode", _) => return Err(Trouble::SslMode),
                ("sslrootcert", path) => options.roots = Some(decoded(path)?),
                ("sslcert", path) => certificate = Some(decoded(path)?),
                ("sslkey", path) => key = Some(decoded(path)?),
                ("pool_size", size) => {
                    let size = size.parse().ok().filter(|size| (1..=MOST_CONNECTIONS).contains(size));
                    options.pool_size = size.ok_or(Trouble::PoolSize)?;
                }
                _ => left.push(pair),
            }
        }
        options.own = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(Trouble::HalfCertificate),
        };
        let url = if left.is_empty() { base.to_owned() } else { format!("{base}?{}", left.join("&")) };
        if is_url { Ok((options, url)) } else { Err(Trouble::NoUrl) }
    }
}

fn decoded(path: &str) -> Result<PathBuf, Trouble> {
    let path = percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| Trouble::NoUrl)?;
    Ok(path.as_ref().into())
}

fn shown(config: &Config) -> Result<Arc<str>, Trouble> {
    let names: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let ports = config.get_ports();
            // One port may stand for all hosts.
            let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            }
        })
        .collect();
    if names.is_empty() {
        return Err(Trouble::NoUrl);
    }
    Ok(format!("{} at {}", config.get_dbname().unwrap_or("the database"), names.join(", ")).into())
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// The certificates of the file, or else those that the system trusts.
fn trusting(file: Option<&Path>) -> Result<RootCertStore, Trouble> {
    let mut roots = RootCertStore::empty();
    let Some(path) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if roots.is_empty() { Err(Trouble::NoCertificates) } else { Ok(roots) };
    };
    let unread = |source| Trouble::Certificates { path: path.to_owned(), source };
    for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
        // One that cannot be read as a certificate is trusted for nothing.
        roots.add(certificate.map_err(unread)?).map_err(|_| Trouble::NoCertificates)?;
    }
    if roots.is_empty() { Err(Trouble::NoCertificates) } else { Ok(roots) }
}

fn connector(roots: RootCertStore, own: Option<(PathBuf, PathBuf)>) -> Result<MakeRustlsConnect, Trouble> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|source| Trouble::Tls { source })?.with_root_certificates(roots);
    let Some((certificate, key)) = own else {
        return Ok(MakeRustlsConnect::new(config.with_no_client_auth()));
    };
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| Trouble::Certificates { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&certificate).map_err(unread(&certificate))?;
    let chain = chain.collect::<Result<_, _>>().map_err(unread(&certificate))?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(unread(&key))?;
    let config = config.with_client_auth_cert(chain, key).map_err(|source| Trouble::Tls { source })?;
    Ok(MakeRustlsConnect::new(config))
}

/// For one address; a host may have several.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A silent connection is looked after before a firewall forgets it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How many connections one process opens at most, unless the URL says otherwise. Statements take a millisecond.
const POOL_SIZE: usize = 10;

const MOST_CONNECTIONS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_required_of_other_machines_unless_the_url_says_otherwise() {
        for (url, mode) in [
            ("postgres://u:p@127.0.0.1/db", SslMode::Disable),
            ("postgres://u:p@localhost:6432/db", SslMode::Disable),
            ("postgresql://u:p@db.example.com/db", SslMode::Require),
            ("postgres://u:p@127.0.0.1,10.0.0.1/db", SslMode::Require),
            ("postgres://u:p@db.example.com/db?sslmode=disable", SslMode::Disable),
            ("postgres://u:p@[::1]/db?sslmode=verify-full&application_name=x", SslMode::Require),
        ] {
            assert_eq!(Place::parse(url).unwrap().config.get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn no_message_repeats_anything_of_a_url() {
        for url in [
            "postgres://u:canary@db.example.com:canary/db",
            "postgres://u:canary@db.example.com/db?canary=1",
            "postgres://u:canary@db.example.com/db?sslmode=canary",
            "postgres://u:canary@db.example.com/db?pool_size=canary",
            "postgres://u:canary@db.example.com/db?pool_size=0",
            "postgres://u:canary@db.example.com/db?sslcert=canary",
            "postgres://u:canary@/db?port=canary",
            "canary",
        ] {
            let Err(trouble) = Place::parse(url) else { panic!("{url}") };
            assert!(!format!("{trouble} {trouble:?}").contains("canary"), "{url}: {trouble}");
        }
    }

    #[test]
    fn the_place_is_shown_without_the_user() {
        let place = Place::parse("postgres://user:canary@a,b:6432/coats?sslmode=disable").unwrap();
        assert_eq!(place.shown().as_ref(), "coats at a:5432, b:6432");
        assert_eq!(place.pool_size(), 10);
    }
}
