//! Any OAuth 2 provider without OpenID, described by its configuration alone.

use std::sync::Arc;

use super::answer::TokenQuirks;
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError, TokenBody, secure_url};
use super::preset::{Endpoints, Identity, Place, Preset, Prompts};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let url = |setting: &'static str, text: &Option<String>| {
        let text = text.as_deref().ok_or_else(|| config.missing(setting))?;
        secure_url(text).map_err(|refusal| ProviderConfigError::Url { setting, refusal })
    };
    let revoke = config.revoke_url.is_some().then(|| url("revoke_url", &config.revoke_url));
    let (authorize, token) =
        (url("authorize_url", &config.authorize_url)?, url("token_url", &config.token_url)?);
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(url("user_url", &config.user_url)?),
        revoke: revoke.transpose()?,
        ..Endpoints::new(authorize, token, config.client_auth.unwrap_or(ClientAuth::Basic))
    }));
    let standard = Preset::standard("OAuth", place, Identity::USER, config.scopes_or(&[]));
    Ok(Preset {
        scope_param: config.scope_param.clone().unwrap_or(standard.scope_param),
        scope_separator: config.scope_separator.clone().unwrap_or(standard.scope_separator),
        token_body: config.token_body.unwrap_or(TokenBody::Form),
        headers: config.header_map()?,
        pkce: config.pkce.unwrap_or(true),
        prompts: Prompts { always: None, known: &[] },
        // Nothing is known of what it says but what the configuration says.
        profile: config.user.clone(),
        tokens: TokenQuirks { paths: config.token.clone().complete(), ..TokenQuirks::default() },
        ..standard
    })
}
