//! Who may ask about tokens, checked against what is protected.

use std::collections::HashMap;

use coatroom_protocol::client::ExpectedSecret;
use coatroom_protocol::words::{ClientId, Issuer, Resource};

use super::Protection;
use crate::context::{AskingServer, ResourceServer};

/// The resource servers by their ids; every problem is noted.
pub(super) fn asking_servers(
    servers: &[ResourceServer],
    protections: &[Protection],
    issuer: &Issuer,
    problems: &mut Vec<String>,
) -> HashMap<ClientId, AskingServer> {
    let mut asking = HashMap::new();
    for ResourceServer { id, secret, paths } in servers {
        let name = id.as_str();
        if name.is_empty() || secret.expose().len() < SHORTEST_SECRET {
            let text = "needs an id, and a secret of at least";
            problems.push(format!("the resource server '{name}' {text} {SHORTEST_SECRET} bytes"));
        }
        if paths.is_empty() {
            problems.push(format!("the resource server '{name}' has no path: it could learn nothing"));
        }
        let mut resources = Vec::new();
        for path in paths {
            let is_ours = |protection: &Protection| &protection.path == path && protection.issuer.is_none();
            let is_protected = protections.iter().any(is_ours);
            match Resource::parse(&issuer.url(path)) {
                Ok(resource) if is_protected => resources.push(resource),
                _ => problems.push(format!(
                    "the resource server '{name}' names {path}, which is not protected by tokens of ours"
                )),
            }
        }
        let server = AskingServer { secret: ExpectedSecret::of(secret), resources };
        if asking.insert(id.clone(), server).is_some() {
            problems.push(format!("two resource servers have the id '{name}'"));
        }
    }
    asking
}

/// Of a resource server's secret, in bytes.
const SHORTEST_SECRET: usize = 16;
