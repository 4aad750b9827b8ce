//! Any OpenID provider that publishes its metadata and promises PKCE: Keycloak, Auth0, Zitadel, ….

use coatroom_protocol::words::{OFFLINE_ACCESS, Scopes};

use super::config::{ProviderConfig, ProviderConfigError};
use super::discovery::metadata_urls;
use super::id_token::Issuers;
use super::preset::{Identity, Place, Preset, Prompts};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let issuer = config.issuer.clone().ok_or_else(|| config.missing("issuer"))?;
    let preset = discovered("OpenID", "issuer", issuer, config.openid_scopes()?, config)?;
    // Providers must ignore `offline_access` unless consent is prompted for (OpenID Connect Core 1.0 §11).
    let asks_offline_access = preset.scopes.iter().any(|scope| scope.as_str() == OFFLINE_ACCESS);
    let prompts = Prompts { always: asks_offline_access.then_some("consent"), ..Prompts::OPENID };
    Ok(Preset {
        prompts,
        scope_separator: config.scope_separator.clone().unwrap_or(preset.scope_separator),
        scope_param: config.scope_param.clone().unwrap_or(preset.scope_param),
        ..preset
    })
}

/// An OpenID provider whose endpoints the metadata of `issuer` names; `setting` is where the issuer comes from.
pub(super) fn discovered(
    label: &'static str,
    setting: &'static str,
    issuer: String,
    scopes: Scopes,
    config: &ProviderConfig,
) -> Result<Preset, ProviderConfigError> {
    metadata_urls(&issuer).map_err(|refusal| ProviderConfigError::Url { setting, refusal })?;
    let issuers = Issuers::Listed(vec![issuer.clone()]);
    let (assume_pkce, client_auth) = (config.assume_pkce, config.client_auth);
    let place = Place::Discovered { issuer, assume_pkce, client_auth };
    Ok(Preset::standard(label, place, Identity::IdToken { issuers }, scopes))
}

#[cfg(test)]
mod tests {
    use coatroom_protocol::words::ProviderName;

    use super::super::kind::ProviderKind;
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
