//! AuthKit of WorkOS. Its tokens name no client.

use super::claims::ClaimPaths;
use super::config::{IssuerConfig, IssuerConfigError, url_of};
use super::preset::{CODE_AND_REFRESH, Endpoints, Keys, Preset, audience, rule, scopes};

pub(super) fn preset(config: &IssuerConfig) -> Result<Preset, IssuerConfigError> {
    config.reads(&[])?;
    let issuer = config.bare_base()?;
    if !config.url.contains(['.', ':']) {
        return Err(IssuerConfigError::bad("url", "must be the whole host, such as example.authkit.app"));
    }
    Ok(Preset {
        rule: rule(&[&issuer], audience(config.audience.as_ref())),
        keys: Keys::At(url_of("url", &format!("{issuer}/oauth2/jwks"))?),
        algorithms: Vec::new(),
        scopes: scopes(&["email", "offline_access", "openid", "profile"]),
        claims: ClaimPaths { username: &["preferred_username"], nickname: &[], ..ClaimPaths::USUAL },
        endpoints: Some(Endpoints {
            authorize: format!("{issuer}/oauth2/authorize"),
            token: format!("{issuer}/oauth2/token"),
            register: Some(format!("{issuer}/oauth2/register")),
            grants: CODE_AND_REFRESH,
        }),
        advice: "add the MCP server's URL to the resource indicators of the WorkOS application",
        issuer,
    })
}
