//! Better Auth with its OAuth provider. Its issuer is what the server signs with, without a slash at the end.

use super::claims::ClaimPaths;
use super::config::{IssuerConfig, IssuerConfigError, url_of};
use super::preset::{CODE_REFRESH_AND_CREDENTIALS, Endpoints, Keys, Preset, audience, rule, scopes};

pub(super) fn preset(config: &IssuerConfig) -> Result<Preset, IssuerConfigError> {
    config.reads(&[])?;
    let issuer = config.base()?;
    Ok(Preset {
        rule: rule(&[&issuer], audience(config.audience.as_ref())),
        keys: Keys::At(url_of("url", &format!("{issuer}/jwks"))?),
        algorithms: Vec::new(),
        scopes: scopes(&["openid", "profile", "email", "offline_access"]),
        claims: ClaimPaths { username: &[], nickname: &[], organisation: &[], ..ClaimPaths::USUAL },
        endpoints: Some(Endpoints {
            authorize: format!("{issuer}/oauth2/authorize"),
            token: format!("{issuer}/oauth2/token"),
            register: Some(format!("{issuer}/oauth2/register")),
            grants: CODE_REFRESH_AND_CREDENTIALS,
        }),
        advice: "Better Auth issues JWTs where the client names a resource that it knows: list the MCP server's URL in its resources \
                 and clientRegistrationDefaultResources (before 1.7 in validAudiences)",
        issuer,
    })
}
