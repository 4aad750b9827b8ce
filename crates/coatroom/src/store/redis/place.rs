//! The URL: which servers, and how to get there. It may hold passwords, so no message repeats it.

use std::path::PathBuf;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use redis::ConnectionAddr;

use super::trouble::Trouble;

/// Servers, and the way to them.
pub(super) struct Place {
    pub(super) shape: Shape,
    pub(super) hosts: Vec<(String, u16)>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: i64,
    pub(super) is_tls: bool,
    /// In PEM; the system's where there are none.
    pub(super) authorities: Option<Vec<u8>>,
    /// A certificate of ours and its key, in PEM.
    pub(super) own: Option<(Vec<u8>, Vec<u8>)>,
}

/// How many servers there are, and who knows which one to ask.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Single,
    Cluster,
    Sentinel { name: String, username: Option<String>, password: Option<String> },
}

impl Place {
    /// Reads a URL.
    pub(super) fn parse(url: &str) -> Result<Self, Trouble> {
        let (scheme, rest) = url.split_once("://").ok_or(Trouble::NoUrl)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let options = Options::parse(query)?;
        let (is_tls, shape) = match scheme.strip_prefix("rediss") {
            Some(shape) => (true, shape),
            None => (false, scheme.strip_prefix("redis").ok_or(Trouble::NoUrl)?),
        };
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (username, password) = user.split_once(':').unwrap_or((user, ""));
        let (shape, database) = match shape {
            "" => (Shape::Single, path),
            "+cluster" if path.is_empty() => (Shape::Cluster, ""),
            "+cluster" => return Err(Trouble::ClusterDatabase),
            "+sentinel" => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                let name = decoded(name)?.ok_or(Trouble::NoUrl)?;
                let Options { username, password, .. } = &options;
                (Shape::Sentinel { name, username: username.clone(), password: password.clone() }, database)
            }
            _ => return Err(Trouble::NoUrl),
        };
        let is_sentinel = matches!(shape, Shape::Sentinel { .. });
        if !is_sentinel && (options.username.is_some() || options.password.is_some()) {
            return Err(Trouble::Option);
        }
        let own = match (options.certificate, options.key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(Trouble::HalfCertificate),
        };
        if (options.authorities.is_some() || own.is_some()) && !is_tls {
            return Err(Trouble::CertificatesWithoutTls);
        }
        let port = if is_sentinel { SENTINEL_PORT } else { PORT };
        let hosts = hosts.split(',').map(|host| host_and_port(host, port)).collect::<Result<Vec<_>, _>>()?;
        if hosts.len() > 1 && shape == Shape::Single {
            return Err(Trouble::NoUrl);
        }
        Ok(Self {
            shape,
            hosts,
            username: decoded(username)?,
            password: decoded(password)?,
            database: if database.is_empty() { 0 } else { database.parse().map_err(|_| Trouble::NoUrl)? },
            is_tls,
            authorities: options.authorities,
            own,
        })
    }

    /// The hosts, as the driver wants them.
    pub(super) fn addresses(&self) -> Vec<ConnectionAddr> {
        let address = |(host, port): &(String, u16)| {
            let (host, port) = (host.clone(), *port);
            if self.is_tls {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            } else {
                ConnectionAddr::Tcp(host, port)
            }
        };
        self.hosts.iter().map(address).collect()
    }

    /// Hosts and name, for messages.
    pub(super) fn shown(&self) -> Arc<str> {
        let hosts: Vec<String> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let hosts = hosts.join(", ");
        let shown = match &self.shape {
            Shape::Single => format!("Redis at {hosts}"),
            Shape::Cluster => format!("the Redis Cluster at {hosts}"),
            Shape::Sentinel { name, .. } => format!("{name} of the Sentinels at {hosts}"),
        };
        shown.into()
    }
}

#[derive(Default)]
struct Options {
    username: Option<String>,
    password: Option<String>,
    authorities: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl Options {
    fn parse(query: &str) -> Result<Self, Trouble> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').ok_or(Trouble::Option)? {
                ("sentinel_username", name) => options.username = decoded(name)?,
                ("sentinel_password", password) => options.password = decoded(password)?,
                ("ssl_ca_certs", path) => options.authorities = Some(read(path)?),
                ("ssl_certfile", path) => options.certificate = Some(read(path)?),
                ("ssl_keyfile", path) => options.key = Some(read(path)?),
                _ => return Err(Trouble::Option),
            }
        }
        Ok(options)
    }
}

fn read(path: &str) -> Result<Vec<u8>, Trouble> {
    let path = PathBuf::from(decoded(path)?.ok_or(Trouble::NoUrl)?);
    std::fs::read(&path).map_err(|source| Trouble::Certificates { path, source })
}

fn host_and_port(text: &str, default_port: u16) -> Result<(String, u16), Trouble> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or(Trouble::NoUrl)?)),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default_port), str::parse).map_err(|_| Trouble::NoUrl)?;
    if host.is_empty() { Err(Trouble::NoUrl) } else { Ok((host.to_owned(), port)) }
}

/// `None` for the empty text.
fn decoded(text: &str) -> Result<Option<String>, Trouble> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| Trouble::NoUrl)?;
    Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
}

const PORT: u16 = 6379;

const SENTINEL_PORT: u16 = 26379;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_servers_and_how_to_reach_them() {
        let place = Place::parse("redis://h.example").unwrap();
        assert_eq!((place.shape, place.database, place.is_tls), (Shape::Single, 0, false));
        let place = Place::parse("rediss://u:p%40ss@[::1]:7000/3").unwrap();
        assert_eq!(place.hosts, [("::1".to_owned(), 7000)]);
        assert_eq!((place.username.as_deref(), place.password.as_deref()), (Some("u"), Some("p@ss")));
        assert_eq!((place.database, place.is_tls), (3, true));
        let place = Place::parse("rediss+cluster://:p@a,b:7001").unwrap();
        assert_eq!((place.username.as_deref(), place.password.as_deref()), (None, Some("p")));
        assert_eq!(place.shown().as_ref(), "the Redis Cluster at a:6379, b:7001");
        let place = Place::parse("redis+sentinel://a,b/main/2?sentinel_password=s").unwrap();
        assert_eq!(place.shown().as_ref(), "main of the Sentinels at a:26379, b:26379");
        let Shape::Sentinel { name, username: None, password: Some(password) } = place.shape else {
            panic!()
        };
        assert_eq!((name.as_str(), password.as_str(), place.database), ("main", "s", 2));
    }

    #[test]
    fn no_message_repeats_anything_of_a_url() {
        for url in [
            "canary",
            "redis://u:can/ary@h",
            "redis://u:can?ary@h",
            "redis://u:canary@h:canary",
            "redis://u:canary@h/canary",
            "redis://u:canary@h,i",
            "redis://u:canary@h?canary=1",
            "redis://u:canary@h?sentinel_password=canary",
            "redis://u:canary@h?ssl_ca_certs=/dev/null",
            "rediss://u:canary@h?ssl_certfile=/dev/null",
            "redis+cluster://u:canary@h/1",
            "redis+sentinel://u:canary@h",
            "redis+canary://u:canary@h",
            "http://u:canary@h",
        ] {
            let Err(trouble) = Place::parse(url) else { panic!("{url}") };
            assert!(!format!("{trouble} {trouble:?}").contains("canary"), "{url}: {trouble}");
        }
    }
}
