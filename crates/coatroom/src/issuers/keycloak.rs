//! A realm of Keycloak. It names no resource in `aud` unless a mapper of a client scope says so.

use super::claims::{ClaimPaths, Permissions};
use super::config::{IssuerConfig, IssuerConfigError, url_of};
use super::preset::{CODE_AND_REFRESH, Endpoints, Keys, Preset, audience, rule, scopes};

pub(super) fn preset(config: &IssuerConfig) -> Result<Preset, IssuerConfigError> {
    config.reads(&["realm"])?;
    let realm = config.needs("realm", config.realm.as_ref())?;
    if realm.contains(['/', '?', '#']) {
        return Err(IssuerConfigError::bad("realm", "may not contain / ? or #"));
    }
    let issuer = format!("{}/realms/{realm}", config.base()?);
    let below = format!("{issuer}/protocol/openid-connect");
    Ok(Preset {
        rule: rule(&[&issuer], audience(config.audience.as_ref())),
        keys: Keys::At(url_of("url", &format!("{below}/certs"))?),
        algorithms: Vec::new(),
        scopes: scopes(&["openid", "profile", "email", "offline_access", "roles"]),
        claims: ClaimPaths {
            username: &["preferred_username"],
            nickname: &["nickname", "preferred_username"],
            roles: &["realm_access.roles"],
            permissions: Permissions::ByClient("resource_access"),
            organisation: &[],
            ..ClaimPaths::USUAL
        },
        endpoints: Some(Endpoints {
            authorize: format!("{below}/auth"),
            token: format!("{below}/token"),
            register: Some(format!("{issuer}/clients-registrations/openid-connect")),
            grants: CODE_AND_REFRESH,
        }),
        advice: "add an audience mapper to a default client scope of the Keycloak realm that puts the MCP server's URL into \
                 aud, or set `audience`",
        issuer,
    })
}
