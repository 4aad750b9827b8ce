//! GitHub and GitHub Enterprise Server.
//!
//! OAuth 2.0 without OpenID: the user comes from the API. Errors come with status 200, answers as forms unless JSON
//! is asked for, scopes with commas. Tokens of OAuth apps do not expire; those of GitHub apps may, and are renewed
//! once each. Whether somebody belongs to an organisation or a team is asked for one by one, which takes `read:org`.

use std::sync::Arc;

use coatroom_protocol::words::Scope;

use super::answer::{ErrorCodes, TokenQuirks};
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError, below};
use super::preset::{Addresses, Endpoints, Identity, Place, Preset, Prompts, Revocation};
use super::profile::{UserPaths, paths};
use crate::allowlist::List;

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let base = config.base_url.as_deref().unwrap_or("https://github.com");
    let api = match (&config.api_url, &config.base_url) {
        (Some(api), _) => api.clone(),
        (None, Some(base)) => format!("{}/api/v3", base.trim_end_matches('/')),
        (None, None) => "https://api.github.com".to_owned(),
    };
    let authorize = below("base_url", base, "/login/oauth/authorize")?;
    let token = below("base_url", base, "/login/oauth/access_token")?;
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(below("api_url", &api, "/user")?),
        ..Endpoints::new(authorize, token, ClientAuth::Body)
    }));
    let mut registration = below("api_url", &api, "/applications")?;
    if let Ok(mut path) = registration.path_segments_mut() {
        path.extend([config.client_id.as_str(), "token"]);
    }
    let addresses =
        Addresses { url: below("api_url", &api, "/user/emails")?, scopes: &["user:email", "user"] };
    let asks_memberships =
        [List::Organisations, List::Teams].iter().any(|list| !config.allow.entries(*list).is_empty());
    let more = asks_memberships.then(|| "read:org".parse::<Scope>().ok()).flatten();
    let scopes = config.scopes_or(&["read:user", "user:email"]).iter().cloned().chain(more).collect();
    let identity = Identity::UserEndpoint { addresses: Some(addresses), query: None };
    Ok(Preset {
        memberships: asks_memberships.then(|| below("api_url", &api, "")).transpose()?,
        prompts: Prompts { always: None, known: &["select_account"] },
        login_hint: "login",
        profile: UserPaths {
            id: paths(&["id"]),
            // The address in a profile is only what the user chose to show: it is never verified.
            email: paths(&["email"]),
            name: paths(&["name", "login"]),
            username: paths(&["login"]),
            picture: paths(&["avatar_url"]),
            ..UserPaths::default()
        },
        tokens: TokenQuirks { codes: CODES, ..TokenQuirks::default() },
        // The token, not the grant: the user's other connections by the same app go on.
        revocation: Revocation::Delete(registration),
        ..Preset::standard("GitHub", place, identity, scopes)
    })
}

const CODES: ErrorCodes = ErrorCodes {
    dead: &["bad_verification_code", "bad_refresh_token"],
    misconfigured: &["incorrect_client_credentials", "application_suspended"],
    transient: &[],
};
