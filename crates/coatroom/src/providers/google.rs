//! Google.
//!
//! A refresh token comes only with `access_type=offline` and a consent page, and is not repeated by a renewal. The
//! issuer has two spellings. The hosted domain of a Workspace user is the claim `hd`, which stays among the user's
//! claims.

use std::sync::Arc;

use super::config::{ProviderConfig, ProviderConfigError, below};
use super::preset::{ClientAuth, Endpoints, Identity, Place, Preset, Prompts, Revocation};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    config.refuse(&[("issuer", &config.issuer), ("api_url", &config.api_url)])?;
    config.needs_secret()?;
    let at = |host: &str, path: &str| below("base_url", config.base_url.as_deref().unwrap_or(host), path);
    let place = Place::Fixed(Arc::new(Endpoints {
        issuer: Some(ISSUER.to_owned()),
        callback_names_issuer: false,
        authorize: at("https://accounts.google.com", "/o/oauth2/v2/auth")?,
        token: at("https://oauth2.googleapis.com", "/token")?,
        user: Some(at("https://openidconnect.googleapis.com", "/v1/userinfo")?),
        keys: Some(at("https://www.googleapis.com", "/oauth2/v3/certs")?),
        revoke: Some(at("https://oauth2.googleapis.com", "/revoke")?),
        client_auth: ClientAuth::Body,
    }));
    let identity = Identity::IdToken { issuers: vec![ISSUER.to_owned(), "accounts.google.com".to_owned()] };
    Ok(Preset {
        authorize_params: &[("access_type", "offline")],
        prompts: Prompts { always: Some("consent"), ..Prompts::OPENID },
        // Revoking one token ends everything that the user granted to this app, their other connections too.
        revocation: if config.revoke == Some(true) { Revocation::Standard } else { Revocation::Never },
        ..Preset::standard("Google", place, identity, config.openid_scopes()?)
    })
}

const ISSUER: &str = "https://accounts.google.com";
