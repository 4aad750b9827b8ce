//! X, formerly Twitter.
//!
//! Everything about a user stands below `data`, and the only address told is one that was confirmed. Refresh tokens are good
//! once; one that is not good is an `invalid_request`, which only its description tells from others.

use std::sync::Arc;

use super::answer::{ErrorCodes, TokenQuirks};
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::preset::{Endpoints, Identity, Place, Preset, Prompts};
use super::profile::{UserPaths, paths};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let api = |path: &str| config.at("https://api.x.com", path);
    let scopes = config.scopes_or(&["users.read", "tweet.read", "users.email", "offline.access"]);
    let mut user = api("/2/users/me")?;
    let tells_address = scopes.iter().any(|scope| scope.as_str() == "users.email");
    let fields = if tells_address { "profile_image_url,confirmed_email" } else { "profile_image_url" };
    user.query_pairs_mut().append_pair("user.fields", fields);
    let authorize = config.at("https://x.com", "/i/oauth2/authorize")?;
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(user),
        revoke: Some(api("/2/oauth2/revoke")?),
        ..Endpoints::new(authorize, api("/2/oauth2/token")?, ClientAuth::Basic)
    }));
    Ok(Preset {
        prompts: Prompts { always: None, known: &[] },
        profile: UserPaths {
            id: paths(&["data.id"]),
            email: paths(&["data.confirmed_email"]),
            email_verified: paths(&["data.confirmed_email"]),
            name: paths(&["data.name"]),
            username: paths(&["data.username"]),
            picture: paths(&["data.profile_image_url"]),
            ..UserPaths::default()
        },
        tokens: TokenQuirks { codes: CODES, ..TokenQuirks::default() },
        ..Preset::standard("X", place, Identity::USER, scopes)
    })
}

const CODES: ErrorCodes = ErrorCodes {
    dead: &[
        "invalid_request: Value passed for the token was invalid.",
        "invalid_request: Value passed for the authorization code was invalid.",
    ],
    misconfigured: &[],
    transient: &[],
};
