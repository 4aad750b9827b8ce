//! Any other issuer: by its metadata (RFC 8414 or OpenID Connect Discovery), or by hand.

use super::claims::ClaimPaths;
use super::config::{IssuerConfig, IssuerConfigError, IssuerKeys, url_of};
use super::preset::{CODE_AND_REFRESH, Endpoints, Keys, Preset, audience, rule, scopes};

pub(super) fn preset(config: &IssuerConfig) -> Result<Preset, IssuerConfigError> {
    config.reads(&["jwks_uri", "token_endpoint"])?;
    // Its spelling is what tokens are compared with, so nothing is added or taken away.
    let issuer = config.url.clone();
    if url_of("issuer", &issuer)?.query().is_some() {
        return Err(IssuerConfigError::bad("issuer", "must have no query"));
    }
    let keys = match &config.keys {
        Some(IssuerKeys::At(url)) => Keys::At(url_of("jwks_uri", url)?),
        Some(IssuerKeys::These(keys)) => Keys::These(keys.clone()),
        None => Keys::Discovered,
    };
    let endpoints = config.endpoints.as_ref().map(|endpoints| {
        url_of("authorization_endpoint", &endpoints.authorize)?;
        url_of("token_endpoint", &endpoints.token)?;
        if let Some(register) = &endpoints.register {
            url_of("registration_endpoint", register)?;
        }
        Ok(Endpoints {
            authorize: endpoints.authorize.clone(),
            token: endpoints.token.clone(),
            register: endpoints.register.clone(),
            grants: CODE_AND_REFRESH,
        })
    });
    Ok(Preset {
        rule: rule(&[&issuer], audience(config.audience.as_ref())),
        issuer,
        keys,
        algorithms: Vec::new(),
        scopes: scopes(&["openid", "profile", "email", "offline_access"]),
        claims: ClaimPaths::USUAL,
        endpoints: endpoints.transpose()?,
        advice: "the issuer must issue JWTs that name the MCP server's URL in aud, or set `audience`",
    })
}
