//! Atlassian Cloud: Jira, Confluence and the rest.
//!
//! Tokens are for an audience, and the page of consent must be asked for. Refresh tokens rotate; one that is not good is
//! refused in two ways. There is no revocation. On which sites a token is good, the API tells
//! (`/oauth/token/accessible-resources`).

use std::sync::Arc;

use super::answer::{ErrorCodes, TokenQuirks};
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::preset::{Endpoints, Identity, Place, Preset, Prompts, Revocation, pairs};
use super::profile::{UserPaths, paths};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let auth = |path: &str| config.at("https://auth.atlassian.com", path);
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(config.at("https://api.atlassian.com", "/me")?),
        ..Endpoints::new(auth("/authorize")?, auth("/oauth/token")?, ClientAuth::Body)
    }));
    // Without `read:me` it would not tell who the user is.
    let scopes = config.scopes_with(&["read:me"], &["offline_access"])?;
    Ok(Preset {
        authorize_params: pairs(&[("audience", "api.atlassian.com")]),
        prompts: Prompts { always: Some("consent"), known: &[] },
        profile: UserPaths {
            id: paths(&["account_id"]),
            email: paths(&["email"]),
            email_verified: paths(&["email_verified"]),
            name: paths(&["name"]),
            nickname: paths(&["nickname"]),
            picture: paths(&["picture"]),
            ..UserPaths::default()
        },
        tokens: TokenQuirks { codes: CODES, ..TokenQuirks::default() },
        revocation: Revocation::Never,
        ..Preset::standard("Atlassian", place, Identity::USER, scopes)
    })
}

const CODES: ErrorCodes = ErrorCodes {
    dead: &["unauthorized_client: refresh_token is invalid"],
    misconfigured: &[],
    transient: &[],
};
