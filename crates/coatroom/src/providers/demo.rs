//! The provider of the built-in demo: plain OAuth 2.1, with the user as JSON at `/userinfo`.

use std::sync::Arc;

use super::config::{ProviderConfig, ProviderConfigError, below};
use super::preset::{ClientAuth, Endpoints, Identity, Place, Preset};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    config.refuse(&[("issuer", &config.issuer), ("api_url", &config.api_url)])?;
    let missing = ProviderConfigError::Missing { setting: "base_url", kind: config.kind };
    let base = config.base_url.as_deref().ok_or(missing)?;
    let at = |path: &str| below("base_url", base, path);
    let place = Place::Fixed(Arc::new(Endpoints {
        issuer: None,
        callback_names_issuer: false,
        authorize: at("/authorize")?,
        token: at("/token")?,
        user: Some(at("/userinfo")?),
        keys: None,
        revoke: Some(at("/revoke")?),
        client_auth: ClientAuth::Basic,
    }));
    let identity = Identity::UserEndpoint { addresses: None };
    Ok(Preset::standard("Demo", place, identity, config.scopes_or(&["profile", "email"])))
}
