//! GitLab, the public one or one's own.
//!
//! An OpenID provider whose issuer is its own address. Access tokens live for two hours, and each renewal rotates the refresh
//! token.

use std::sync::Arc;

use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::id_token::Issuers;
use super::preset::{Endpoints, Identity, Place, Preset, Prompts};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let at = |path: &str| config.at(HOST, path);
    let issuer = config.base_url.as_deref().unwrap_or(HOST).trim_end_matches('/').to_owned();
    let place = Place::Fixed(Arc::new(Endpoints {
        issuer: Some(issuer.clone()),
        user: Some(at("/oauth/userinfo")?),
        keys: Some(at("/oauth/discovery/keys")?),
        revoke: Some(at("/oauth/revoke")?),
        ..Endpoints::new(at("/oauth/authorize")?, at("/oauth/token")?, ClientAuth::Body)
    }));
    let identity = Identity::IdToken { issuers: Issuers::Listed(vec![issuer]) };
    Ok(Preset {
        prompts: Prompts { always: None, known: &[] },
        ..Preset::standard("GitLab", place, identity, config.openid_scopes()?)
    })
}

const HOST: &str = "https://gitlab.com";
