//! Any OpenID provider that publishes its metadata and promises PKCE: Keycloak, Auth0, Okta, GitLab, Zitadel, ….

use super::config::{ProviderConfig, ProviderConfigError};
use super::discovery::metadata_urls;
use super::preset::{Identity, Place, Preset};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    config.refuse(&[("base_url", &config.base_url), ("api_url", &config.api_url)])?;
    let missing = ProviderConfigError::Missing { setting: "issuer", kind: config.kind };
    let issuer = config.issuer.clone().ok_or(missing)?;
    metadata_urls(&issuer).map_err(|refusal| ProviderConfigError::Url { setting: "issuer", refusal })?;
    let identity = Identity::IdToken { issuers: vec![issuer.clone()] };
    let place = Place::Discovered { issuer, assume_pkce: config.assume_pkce };
    Ok(Preset::standard("OpenID", place, identity, config.openid_scopes()?))
}
