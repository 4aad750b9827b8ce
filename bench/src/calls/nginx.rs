//! nginx as a plain proxy that keeps its connections, without authentication or with `auth_request`.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Result;

use super::contender::Caller;
use crate::nginx;
use crate::served::Served;

/// Starts it. With callers it asks a place of its own, for each request, whether the client's token is known, and puts the
/// credential of its user in its place.
pub(super) async fn start(upstream: SocketAddr, callers: Option<&[Caller]>) -> Result<Served> {
    let (map, asks, answers) = callers.map_or_else(Default::default, authentication);
    let around = format!(
        "keepalive_requests 100000000;\nkeepalive_timeout 1h;\n{map}\n\
         upstream mcp {{ server {upstream}; keepalive 128; keepalive_requests 100000000; }}"
    );
    let within = format!(
        "location /mcp {{ {asks}proxy_pass http://mcp; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_buffering off; }}\n{answers}"
    );
    nginx::start("/ready", &around, &within).await
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
