//! Okta: an OpenID provider at the address of an organisation, whose issuer is either the organisation itself or one of its
//! custom authorization servers.

use super::config::{ProviderConfig, ProviderConfigError};
use super::oidc::discovered;
use super::preset::Preset;
use super::profile::{UserPaths, paths};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let domain = config.domain.as_deref().ok_or_else(|| config.missing("domain"))?;
    // A test, or a proxy on this machine, has a scheme.
    let base = if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") };
    let base = base.trim_end_matches('/');
    let issuer = match config.authorization_server.as_deref() {
        None => base.to_owned(),
        Some(server) if is_plain(server) => format!("{base}/oauth2/{server}"),
        Some(_) => {
            let reason = "must be an id such as `default`, without slashes";
            return Err(ProviderConfigError::Value { setting: "authorization_server", reason });
        }
    };
    let scopes = config.scopes_with(&["openid"], &["email", "profile", "offline_access"])?;
    Ok(Preset {
        profile: UserPaths { roles: paths(&["roles", "groups"]), ..UserPaths::openid() },
        ..discovered("Okta", "domain", issuer, scopes, config)?
    })
}

fn is_plain(server: &str) -> bool {
    !server.is_empty() && server.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}
