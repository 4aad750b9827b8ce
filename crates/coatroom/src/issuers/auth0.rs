//! Auth0. Its issuer ends with a slash.

use super::claims::{ClaimPaths, Permissions};
use super::config::{IssuerConfig, IssuerConfigError, url_of};
use super::preset::{CODE_AND_REFRESH, Endpoints, Keys, Preset, audience, rule, scopes};

pub(super) fn preset(config: &IssuerConfig) -> Result<Preset, IssuerConfigError> {
    config.reads(&[])?;
    let base = config.bare_base()?;
    let issuer = format!("{base}/");
    Ok(Preset {
        rule: rule(&[&issuer], audience(config.audience.as_ref())),
        issuer,
        keys: Keys::At(url_of("url", &format!("{base}/.well-known/jwks.json"))?),
        algorithms: Vec::new(),
        scopes: scopes(&["openid", "profile", "email", "offline_access"]),
        claims: ClaimPaths {
            username: &["username", "nickname"],
            roles: &["roles", "https://your-app.com/roles"],
            permissions: Permissions::At(&["permissions"]),
            ..ClaimPaths::USUAL
        },
        endpoints: Some(Endpoints {
            authorize: format!("{base}/authorize"),
            token: format!("{base}/oauth/token"),
            register: Some(format!("{base}/oidc/register")),
            grants: CODE_AND_REFRESH,
        }),
        advice: "Auth0 issues JWTs for an API alone: create one whose identifier is the MCP server's URL (or set `audience`), \
                 with the dialect rfc9068_profile_authz, and turn the resource parameter compatibility profile on",
    })
}
