//! Any OpenID provider that publishes its metadata and promises PKCE: Keycloak, Auth0, Okta, GitLab, Zitadel, ….

use coatroom_protocol::words::OFFLINE_ACCESS;

use super::config::{ProviderConfig, ProviderConfigError};
use super::discovery::metadata_urls;
use super::preset::{Identity, Place, Preset, Prompts};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    config.refuse(&[("base_url", &config.base_url), ("api_url", &config.api_url)])?;
    let missing = ProviderConfigError::Missing { setting: "issuer", kind: config.kind };
    let issuer = config.issuer.clone().ok_or(missing)?;
    metadata_urls(&issuer).map_err(|refusal| ProviderConfigError::Url { setting: "issuer", refusal })?;
    let identity = Identity::IdToken { issuers: vec![issuer.clone()] };
    let place = Place::Discovered { issuer, assume_pkce: config.assume_pkce };
    let scopes = config.openid_scopes()?;
    // Providers must ignore `offline_access` unless consent is prompted for (OpenID Connect Core 1.0 §11).
    let asks_offline_access = scopes.iter().any(|scope| scope.as_str() == OFFLINE_ACCESS);
    let prompts = Prompts { always: asks_offline_access.then_some("consent"), ..Prompts::OPENID };
    Ok(Preset { prompts, ..Preset::standard("OpenID", place, identity, scopes) })
}

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::ProviderName;

    use super::super::config::ProviderKind;
    use super::*;

    fn prompt(scopes: &str) -> Option<&'static str> {
        let mut config =
            ProviderConfig::new(ProviderName::parse("corp").unwrap(), ProviderKind::Oidc, "coatroom");
        config.issuer = Some("https://id.example".to_owned());
        config.scopes = scopes.parse().unwrap();
        preset(&config).unwrap().prompts.always
    }

    #[test]
    fn offline_access_is_asked_for_together_with_consent() {
        assert_eq!(prompt("openid offline_access"), Some("consent"));
        assert_eq!(prompt("openid email"), None);
    }
}
