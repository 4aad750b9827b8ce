//! Notion.
//!
//! Tokens belong to a bot whose owner is the user. There are no scopes: what a token is good for is set at Notion and chosen by
//! the user. Requests for tokens are JSON with Basic credentials, and every request names the version of the API. Its API
//! refuses members that it does not know, so it gets no PKCE.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::answer::{ErrorCodes, TokenQuirks};
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError, TokenBody};
use super::preset::{Endpoints, Identity, Place, Preset, Prompts, Revocation, pairs};
use super::profile::{UserPaths, paths};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let at = |path: &str| config.at("https://api.notion.com", path);
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(at("/v1/users/me")?),
        revoke: Some(at("/v1/oauth/revoke")?),
        ..Endpoints::new(at("/v1/oauth/authorize")?, at("/v1/oauth/token")?, ClientAuth::Basic)
    }));
    Ok(Preset {
        authorize_params: pairs(&[("owner", "user")]),
        token_body: TokenBody::Json,
        headers: vec![(HeaderName::from_static("notion-version"), HeaderValue::from_static(VERSION))],
        pkce: false,
        prompts: Prompts { always: None, known: &[] },
        profile: UserPaths {
            id: paths(&["bot.owner.user.id"]),
            // Notion does not say whether it was verified.
            email: paths(&["bot.owner.user.person.email"]),
            name: paths(&["bot.owner.user.name"]),
            picture: paths(&["bot.owner.user.avatar_url"]),
            organisation: paths(&["bot.workspace_id"]),
            ..UserPaths::default()
        },
        tokens: TokenQuirks { codes: CODES, ..TokenQuirks::default() },
        // It is not said whether the bot's other tokens end too.
        revocation: if config.revoke == Some(true) { Revocation::Standard } else { Revocation::Never },
        ..Preset::standard("Notion", place, Identity::USER, config.scopes_or(&[]))
    })
}

const VERSION: &str = "2022-06-28";

const CODES: ErrorCodes = ErrorCodes { dead: &[], misconfigured: &[], transient: &["rate_limited"] };
