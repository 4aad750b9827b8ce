//! The shape of what each issuer's own file says.

use coatroom_protocol::access::{Audience, RemoteRule};
use coatroom_protocol::jws::{Algorithm, KeySet, SharedSecret};
use coatroom_protocol::words::{Scope, Scopes};
use url::Url;

use super::claims::ClaimPaths;

/// One issuer, as data for the engine.
#[derive(Debug)]
pub(super) struct Preset {
    /// The issuer as its metadata spells it.
    pub issuer: String,
    /// What its tokens must say.
    pub rule: RemoteRule,
    /// Where its keys are.
    pub keys: Keys,
    /// The algorithms that it uses; empty for those of its keys.
    pub algorithms: Vec<Algorithm>,
    /// The scopes that clients should ask for.
    pub scopes: Scopes,
    /// Where the parts of a user stand in its tokens.
    pub claims: ClaimPaths,
    /// Its endpoints, for when it publishes no metadata.
    pub endpoints: Option<Endpoints>,
    /// What an operator may have to do where its tokens are opaque or for another audience.
    pub advice: &'static str,
}

/// With what tokens are verified.
#[derive(Debug)]
pub(super) enum Keys {
    /// The key set at this URL.
    At(Url),
    /// The key set that the metadata names.
    Discovered,
    /// These keys.
    These(KeySet),
    /// A secret, and nothing else.
    Secret(Box<SharedSecret>),
}

/// What clients need of an issuer.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub authorize: String,
    pub token: String,
    pub register: Option<String>,
    pub grants: &'static [&'static str],
}

/// A rule for tokens that name their user in `sub`.
pub(super) fn rule(issuers: &[&str], audience: Audience) -> RemoteRule {
    RemoteRule {
        issuers: issuers.iter().map(|&issuer| issuer.to_owned()).collect(),
        audience,
        subject: vec!["sub".to_owned()],
    }
}

/// The configured audience, or else the resource itself.
pub(super) fn audience(configured: Option<&String>) -> Audience {
    configured.map_or(Audience::Resource, |audience| Audience::AnyOf(vec![audience.clone()]))
}

pub(super) fn scopes(names: &[&str]) -> Scopes {
    names.iter().filter_map(|name| name.parse::<Scope>().ok()).collect()
}

pub(super) const CODE_AND_REFRESH: &[&str] = &["authorization_code", "refresh_token"];
pub(super) const CODE_REFRESH_AND_CREDENTIALS: &[&str] =
    &["authorization_code", "refresh_token", "client_credentials"];
