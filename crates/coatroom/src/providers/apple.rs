//! Apple.
//!
//! Our client secret is a token that a key of the team signs. Who asks for a name or an address gets the callback as a form.
//! The name comes there, unsigned, at the first sign-in alone. A refresh token does not end.

use std::sync::Arc;

use coatroom_protocol::words::ClientSecret;

use super::client_secret::SecretSigner;
use super::config::{ClientAuth, ProviderConfig, ProviderConfigError};
use super::id_token::Issuers;
use super::preset::{Endpoints, Identity, Place, Preset, Prompts, Revocation, pairs};

pub(super) fn preset(config: &ProviderConfig) -> Result<Preset, ProviderConfigError> {
    let at = |path: &str| config.at(ISSUER, path);
    let team = config.team_id.as_deref().ok_or_else(|| config.missing("team_id"))?;
    let key = config.key_id.as_deref().ok_or_else(|| config.missing("key_id"))?;
    let pem = config.private_key.as_ref().map(ClientSecret::expose);
    let pem = pem.ok_or_else(|| config.missing("private_key"))?;
    let reason = "must be the text of the key file that Apple gives, from BEGIN to END";
    let refusal = ProviderConfigError::Value { setting: "private_key", reason };
    let signer = SecretSigner::new(pem, (team, key, &config.client_id), ISSUER).ok_or(refusal)?;
    let place = Place::Fixed(Arc::new(Endpoints {
        issuer: Some(ISSUER.to_owned()),
        keys: Some(at("/auth/keys")?),
        revoke: Some(at("/auth/revoke")?),
        ..Endpoints::new(at("/auth/authorize")?, at("/auth/token")?, ClientAuth::Body)
    }));
    let identity = Identity::IdToken { issuers: Issuers::Listed(vec![ISSUER.to_owned()]) };
    Ok(Preset {
        authorize_params: pairs(&[("response_mode", "form_post")]),
        prompts: Prompts { always: None, known: &[] },
        // Revoking one token ends all that the user gave to this app.
        revocation: if config.revoke == Some(true) { Revocation::Standard } else { Revocation::Never },
        signer: Some(signer),
        form_post: true,
        ..Preset::standard("Apple", place, identity, config.scopes_or(&["name", "email"]))
    })
}

const ISSUER: &str = "https://appleid.apple.com";
