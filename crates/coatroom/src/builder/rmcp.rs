//! How rmcp serves MCP over HTTP behind a guard (feature `rmcp`).

use ::rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use url::Url;

use super::Coatroom;

impl Coatroom {
    /// The settings of rmcp's HTTP service with the hosts and origins of this server. By default rmcp answers to loopback hosts alone,
    /// and so refuses every call that comes to a public URL.
    #[must_use]
    pub fn rmcp_config(&self) -> StreamableHttpServerConfig {
        let public = self.context.issuer.as_str();
        let authority = public.split_once("://").map_or(public, |(_, authority)| authority).to_owned();
        let is_loopback = self.context.issuer.is_loopback();
        let listen = self.places.listen.filter(|address| address.ip().is_loopback());
        let mut hosts: Vec<String> = listen.map(|address| address.to_string()).into_iter().collect();
        let mut origins: Vec<String> = self.places.origins.iter().map(|origin| with_port(origin)).collect();
        if is_loopback {
            // Every loopback host is at home where the public one is, as the guard has it.
            hosts.extend(LOOPBACK.map(str::to_owned));
            let anywhere =
                LOOPBACK.iter().flat_map(|host| ["http", "https"].map(|it| format!("{it}://{host}:*")));
            origins.extend(anywhere);
        }
        hosts.push(authority);
        origins.push(with_port(public));
        let config = StreamableHttpServerConfig::default().with_allowed_hosts(hosts);
        if self.places.origins.iter().any(|origin| origin == "*") {
            return config.disable_allowed_origins();
        }
        config.with_allowed_origins(origins)
    }
}

/// rmcp takes an origin without a port for every port.
fn with_port(origin: &str) -> String {
    let port =
        Url::parse(origin).ok().and_then(|url| url.port().is_none().then_some(url.port_or_known_default()?));
    port.map_or_else(|| origin.to_owned(), |port| format!("{}:{port}", origin.trim_end_matches('/')))
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
