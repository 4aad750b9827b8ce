//! A resource of Scalekit. Its tokens come from the environment or from the resource, and are for the resource's id.

use coatroom_protocol::access::Audience;

use super::claims::{ClaimPaths, Permissions};
use super::config::{IssuerConfig, IssuerConfigError, url_of};
use super::preset::{CODE_REFRESH_AND_CREDENTIALS, Endpoints, Keys, Preset, rule, scopes};

pub(super) fn preset(config: &IssuerConfig) -> Result<Preset, IssuerConfigError> {
    config.reads(&["resource_id"])?;
    let id = config.needs("resource_id", config.resource_id.as_ref())?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !id.strip_prefix("res_").is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_plain)) {
        return Err(IssuerConfigError::bad("resource_id", "must start with res_"));
    }
    let environment = config.bare_base()?;
    let issuer = format!("{environment}/resources/{id}");
    let audience = std::iter::once(id.to_owned()).chain(config.audience.clone()).collect();
    Ok(Preset {
        rule: rule(&[&environment, &issuer], Audience::AnyOf(audience)),
        keys: Keys::At(url_of("url", &format!("{environment}/keys"))?),
        algorithms: Vec::new(),
        scopes: scopes(&[]),
        claims: ClaimPaths { roles: &[], permissions: Permissions::At(&[]), ..ClaimPaths::USUAL },
        endpoints: Some(Endpoints {
            authorize: format!("{issuer}/oauth/authorize"),
            token: format!("{issuer}/oauth/token"),
            register: Some(format!("{environment}/api/v1/resources/{id}/clients:register")),
            grants: CODE_REFRESH_AND_CREDENTIALS,
        }),
        advice: "the resource id must be the one that Scalekit shows for this MCP server",
        issuer,
    })
}
