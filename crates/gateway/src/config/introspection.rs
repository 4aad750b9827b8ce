//! `[introspection.*]`: the resource servers beside Coatroom that may ask about its tokens (RFC 7662).

use coatroom::protocol::words::ClientSecret;
use secrecy::ExposeSecret;

use super::environment::variable;
use super::reader::{Section, meant};
use super::servers::{Auth, ServerConfig};

/// Who may ask, and about which tokens.
#[derive(Debug, Clone)]
pub(crate) struct IntrospectionConfig {
    /// What it authenticates with.
    pub(crate) client_id: String,
    /// Its secret.
    pub(crate) secret: ClientSecret,
    /// The paths of the servers whose tokens it is told about.
    pub(crate) paths: Vec<String>,
}

/// Reads `[introspection.*]`. A secret may also be in `COATROOM_INTROSPECTION_NAME_SECRET`.
pub(super) fn read_introspection(root: &Section<'_>, servers: &[ServerConfig]) -> Vec<IntrospectionConfig> {
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    let mut all: Vec<IntrospectionConfig> = Vec::new();
    for (name, section) in root.sections("introspection") {
        let prefix = variable(&variable("COATROOM", "introspection"), &name.value);
        let section = section.with_variables(prefix.clone());
        section.only(&["client_id", "secret", "secret_file", "servers"]);
        let client_id = section.text("client_id").unwrap_or_else(|| name.clone());
        if all.iter().any(|other| other.client_id == client_id.value) {
            let message = format!("two of them have the client_id `{}`", client_id.value);
            section.refuse(&client_id.place, message, None);
        }
        if !section.is_set("secret", &[]) {
            let help = Some(format!("set `secret`, `secret_file` or {}", variable(&prefix, "secret")));
            section.refuse(&name.place, format!("`{}` has no secret", name.value), help);
        }
        let secret = section.secret("secret", &[]).map(|secret| ClientSecret::new(secret.expose_secret()));
        if secret.as_ref().is_some_and(|secret| secret.expose().len() < SHORTEST_SECRET) {
            let message = format!("the secret of `{}` is shorter than {SHORTEST_SECRET} bytes", name.value);
            section.refuse(&name.place, message, Some("make one: openssl rand -base64 32".to_owned()));
        }
        let path = |text: &str| {
            let found = servers.iter().find(|server| server.name == text);
            match found {
                Some(server) if server.auth != Auth::Off => Ok(server.path.clone()),
                Some(_) => Err(format!("server `{text}` takes no tokens")),
                None => Err(format!("there is no server `{text}`; {}", meant(text, &names))),
            }
        };
        let paths = section.list("servers", path).unwrap_or_default();
        if paths.is_empty() && section.text("servers").is_none() && section.in_file("servers").is_none() {
            let help = Some("list the servers whose tokens it takes: `servers = [\"NAME\"]`".to_owned());
            section.refuse(&name.place, format!("`{}` names no servers", name.value), help);
        }
        let paths = paths.into_iter().map(|path| path.value).collect();
        all.extend(secret.map(|secret| IntrospectionConfig { client_id: client_id.value, secret, paths }));
    }
    all
}

/// Of a secret, in bytes; the library insists on the same.
const SHORTEST_SECRET: usize = 16;
