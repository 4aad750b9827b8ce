//! GitHub and GitHub Enterprise Server.
//!
//! OAuth 2.0 without OpenID: the user comes from the API. Errors come with status 200, answers as forms unless JSON
//! is asked for, scopes with commas. Tokens of OAuth apps do not expire; those of GitHub apps may, and are renewed
//! once each.

use std::sync::Arc;

use super::answer::{ErrorCodes, TokenQuirks};
use super::config::{ProviderConfig, ProviderConfigError, below};
use super::preset::{Addresses, ClientAuth, Endpoints, Identity, Place, Preset, Prompts, Revocation};
use super::profile::ProfilePaths;

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    config.refuse(&[("issuer", &config.issuer)])?;
    config.needs_secret()?;
    let base = config.base_url.as_deref().unwrap_or("https://github.com");
    let api = match (&config.api_url, &config.base_url) {
        (Some(api), _) => api.clone(),
        (None, Some(base)) => format!("{}/api/v3", base.trim_end_matches('/')),
        (None, None) => "https://api.github.com".to_owned(),
    };
    let place = Place::Fixed(Arc::new(Endpoints {
        issuer: None,
        callback_names_issuer: false,
        authorize: below("base_url", base, "/login/oauth/authorize")?,
        token: below("base_url", base, "/login/oauth/access_token")?,
        user: Some(below("api_url", &api, "/user")?),
        keys: None,
        revoke: None,
        client_auth: ClientAuth::Body,
    }));
    let mut registration = below("api_url", &api, "/applications")?;
    if let Ok(mut path) = registration.path_segments_mut() {
        path.extend([config.client_id.as_str(), "token"]);
    }
    let addresses =
        Addresses { url: below("api_url", &api, "/user/emails")?, scopes: &["user:email", "user"] };
    let scopes = config.scopes_or(&["read:user", "user:email"]);
    let identity = Identity::UserEndpoint { addresses: Some(addresses) };
    Ok(Preset {
        prompts: Prompts { always: None, known: &["select_account"] },
        login_hint: "login",
        profile: ProfilePaths {
            id: &["id"],
            email: &["email"],
            // The address in a profile is only what the user chose to show.
            email_verified: &[],
            name: &["name", "login"],
            username: &["login"],
            picture: &["avatar_url"],
        },
        tokens: TokenQuirks { codes: CODES, default_lifetime: None },
        // The token, not the grant: the user's other connections by the same app go on.
        revocation: Revocation::Delete(registration),
        ..Preset::standard("GitHub", place, identity, scopes)
    })
}

const CODES: ErrorCodes = ErrorCodes {
    dead: &["bad_verification_code", "bad_refresh_token"],
    misconfigured: &["incorrect_client_credentials", "application_suspended"],
};
