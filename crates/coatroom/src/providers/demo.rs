//! The provider of the built-in demo: plain OAuth 2.1, with the user as JSON at `/userinfo`.

use std::sync::Arc;

use super::config::{ClientAuth, ProviderConfig, ProviderConfigError, below};
use super::preset::{Endpoints, Identity, Place, Preset};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let base = config.base_url.as_deref().ok_or_else(|| config.missing("base_url"))?;
    let at = |path: &str| below("base_url", base, path);
    let place = Place::Fixed(Arc::new(Endpoints {
        user: Some(at("/userinfo")?),
        revoke: Some(at("/revoke")?),
        ..Endpoints::new(at("/authorize")?, at("/token")?, ClientAuth::Basic)
    }));
    Ok(Preset::standard("Demo", place, Identity::USER, config.scopes_or(&["profile", "email"])))
}
