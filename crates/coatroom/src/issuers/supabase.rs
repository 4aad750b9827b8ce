//! Supabase Auth. Its tokens are for everybody who is signed in to the project (`aud` is `authenticated`), and `role` is a role
//! of the database. A project signs with ES256, or with a secret: then HS256 is taken and nothing else.

use coatroom_protocol::access::Audience;
use coatroom_protocol::jws::{Algorithm, SharedSecret};

use super::claims::{ClaimPaths, Permissions};
use super::config::{IssuerConfig, IssuerConfigError, url_of};
use super::preset::{CODE_AND_REFRESH, Endpoints, Keys, Preset, rule, scopes};

pub(super) fn preset(config: &IssuerConfig) -> Result<Preset, IssuerConfigError> {
    config.reads(&["jwt_secret"])?;
    let issuer = format!("{}/auth/v1", config.bare_base()?);
    let audience = config.audience.clone().unwrap_or_else(|| "authenticated".to_owned());
    let keys = match &config.jwt_secret {
        Some(_) if !config.algorithms.is_empty() => {
            return Err(IssuerConfigError::bad(
                "algorithms",
                "means nothing beside jwt_secret: HS256 is all there is",
            ));
        }
        Some(secret) => SharedSecret::new(secret.expose().as_bytes())
            .map(|secret| Keys::Secret(Box::new(secret)))
            .ok_or_else(|| IssuerConfigError::bad("jwt_secret", "must have at least 32 bytes"))?,
        None => Keys::At(url_of("url", &format!("{issuer}/.well-known/jwks.json"))?),
    };
    let mut rule = rule(&[&issuer], Audience::AnyOf(vec![audience]));
    rule.subject.push("user_id".to_owned());
    Ok(Preset {
        rule,
        keys,
        algorithms: vec![Algorithm::Es256],
        scopes: scopes(&[]),
        claims: ClaimPaths {
            name: &["user_metadata.name", "user_metadata.full_name"],
            username: &["user_metadata.username"],
            nickname: &[],
            picture: &["user_metadata.avatar_url"],
            roles: &["role"],
            permissions: Permissions::Prefixed("aal:", "aal"),
            organisation: &[],
            ..ClaimPaths::USUAL
        },
        endpoints: Some(Endpoints {
            authorize: format!("{issuer}/oauth/authorize"),
            token: format!("{issuer}/oauth/token"),
            register: Some(format!("{issuer}/oauth/clients/register")),
            grants: CODE_AND_REFRESH,
        }),
        advice: "turn the OAuth server of the Supabase project on, and sign with an ES256 key or set its JWT secret here",
        issuer,
    })
}
