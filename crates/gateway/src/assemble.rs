//! Wires the configuration to the proxy: the one place that knows both.

use anyhow::bail;
use axum::Router;
use axum::routing::any_service;

use crate::cli::Demo;
use crate::config::{Auth, Config, ServerConfig};
use crate::edge::{Edge, Hosts};
use crate::proxy::{Proxy, Upstream, Waiting, client};

/// The router of everything that is served, with the checks that stand before it.
///
/// # Errors
/// When a server needs users to sign in: the authorization server is not wired up yet.
pub(crate) fn edge(config: &Config) -> anyhow::Result<Edge> {
    let client = client(config.limits.upstream_connect)?;
    let mut router = Router::new();
    for server in &config.servers {
        if server.auth != Auth::Off {
            bail!(
                "server `{}` needs users to sign in, which this build cannot do; set `auth = \"off\"`",
                server.name
            );
        }
        let proxy = Proxy::new(upstream(config, server), client.clone());
        router = router.route_service(&server.path, any_service(proxy));
    }
    let hosts = Hosts::of(config.listen, &config.public_url);
    Ok(Edge::new(router, config.trusted_proxies.clone(), hosts))
}

fn upstream(config: &Config, server: &ServerConfig) -> Upstream {
    Upstream {
        name: server.name.clone(),
        url: server.upstream.clone(),
        is_open: server.auth != Auth::Required,
        headers: server.headers.clone(),
        public_url: config.public_url.clone(),
        waiting: Waiting { body: config.limits.mcp_body, first_byte: config.limits.upstream_first_byte },
    }
}

/// Runs the demo.
///
/// # Errors
/// Always: the demo is not part of this build yet.
#[expect(clippy::unused_async, reason = "the demo serves until it is stopped")]
pub(crate) async fn demo(demo: &Demo) -> anyhow::Result<()> {
    bail!("the demo on {} is not part of this build", demo.listen)
}
