//! Discord.
//!
//! It asks everybody to agree at each sign-in, unless told not to ask those who have. The picture is a hash of which a URL is
//! made. It ignores PKCE.

use std::sync::Arc;

use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::preset::{Endpoints, Identity, Place, Preset, Prompts, Revocation};
use super::profile::{UserPaths, paths};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let at = |path: &str| config.at("https://discord.com", path);
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(at("/api/users/@me")?),
        revoke: Some(at("/api/oauth2/token/revoke")?),
        ..Endpoints::new(at("/oauth2/authorize")?, at("/api/oauth2/token")?, ClientAuth::Basic)
    }));
    Ok(Preset {
        prompts: Prompts { always: Some("none"), known: &["none"] },
        profile: UserPaths {
            id: paths(&["id"]),
            email: paths(&["email"]),
            email_verified: paths(&["verified"]),
            name: paths(&["global_name", "username"]),
            username: paths(&["username"]),
            nickname: paths(&["global_name"]),
            picture: paths(&["https://cdn.discordapp.com/avatars/{id}/{avatar}.png"]),
            ..UserPaths::default()
        },
        // Revoking one token ends every token that the user gave to this app.
        revocation: if config.revoke == Some(true) { Revocation::Standard } else { Revocation::Never },
        ..Preset::standard("Discord", place, Identity::USER, config.scopes_or(&["identify", "email"]))
    })
}
