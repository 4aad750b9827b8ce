//! Clerk. Its access tokens name no audience, so that one is good at every resource of this issuer unless `audience` is set.

use coatroom_protocol::access::Audience;

use super::claims::{ClaimPaths, Permissions};
use super::config::{IssuerConfig, IssuerConfigError, url_of};
use super::preset::{CODE_AND_REFRESH, Endpoints, Keys, Preset, audience, rule, scopes};

pub(super) fn preset(config: &IssuerConfig) -> Result<Preset, IssuerConfigError> {
    config.reads(&[])?;
    let issuer = config.base()?;
    let whom = match &config.audience {
        Some(_) => audience(config.audience.as_ref()),
        None => Audience::Unnamed,
    };
    Ok(Preset {
        rule: rule(&[&issuer], whom),
        keys: Keys::At(url_of("url", &format!("{issuer}/.well-known/jwks.json"))?),
        algorithms: Vec::new(),
        scopes: scopes(&["profile", "email", "offline_access"]),
        claims: ClaimPaths {
            username: &["username"],
            nickname: &[],
            roles: &["org_role", "o.rol"],
            permissions: Permissions::At(&["org_permissions"]),
            organisation: &["org_id", "o.id"],
            ..ClaimPaths::USUAL
        },
        endpoints: Some(Endpoints {
            authorize: format!("{issuer}/oauth/authorize"),
            token: format!("{issuer}/oauth/token"),
            register: Some(format!("{issuer}/oauth/register")),
            grants: CODE_AND_REFRESH,
        }),
        advice: "let Clerk's OAuth applications generate access tokens as JWTs",
        issuer,
    })
}
