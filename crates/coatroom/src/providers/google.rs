//! Google.
//!
//! A refresh token comes only with `access_type=offline` and a consent page, and is not repeated by a renewal. The
//! issuer has two spellings. The hosted domain of a Workspace user is the claim `hd`, which becomes the user's
//! organisation.

use std::sync::Arc;

use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::id_token::Issuers;
use super::preset::{Endpoints, Identity, Place, Preset, Prompts, Revocation, pairs};
use super::profile::{UserPaths, paths};
use crate::allowlist::List;

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let at = |host: &str, path: &str| config.at(host, path);
    let authorize = at("https://accounts.google.com", "/o/oauth2/v2/auth")?;
    let place = Place::Fixed(Arc::new(Endpoints {
        issuer: Some(ISSUER.to_owned()),
        user: Some(at("https://openidconnect.googleapis.com", "/v1/userinfo")?),
        keys: Some(at("https://www.googleapis.com", "/oauth2/v3/certs")?),
        revoke: Some(at("https://oauth2.googleapis.com", "/revoke")?),
        ..Endpoints::new(authorize, at("https://oauth2.googleapis.com", "/token")?, ClientAuth::Body)
    }));
    let issuers = Issuers::Listed(vec![ISSUER.to_owned(), "accounts.google.com".to_owned()]);
    let offline = pairs(&[("access_type", "offline")]);
    // Which accounts Google shows; who may enter, the claim decides.
    let workspaces = config.allow.entries(List::WorkspaceDomains);
    let hint = match (workspaces, config.allow.entries(List::Users)) {
        ([only], []) => pairs(&[("hd", only)]),
        _ => Vec::new(),
    };
    Ok(Preset {
        authorize_params: offline.into_iter().chain(hint).collect(),
        prompts: Prompts { always: Some("consent"), ..Prompts::OPENID },
        profile: UserPaths { organisation: paths(&["hd"]), ..UserPaths::openid() },
        // Revoking one token ends everything that the user granted to this app, their other connections too.
        revocation: if config.revoke == Some(true) { Revocation::Standard } else { Revocation::Never },
        ..Preset::standard("Google", place, Identity::IdToken { issuers }, config.openid_scopes()?)
    })
}

const ISSUER: &str = "https://accounts.google.com";
