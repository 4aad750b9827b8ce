//! The words that every rule speaks: time, secrets, ids, scopes, resources, parameters.

mod catalogue;
mod email;
mod ids;
mod issuer;
mod keys;
mod params;
mod public_address;
mod resource;
mod scope;
mod secrets;
mod strict_json;
mod text;
mod timestamp;

pub use catalogue::{CatalogueRefusal, ScopeCatalogue, ScopeEntry};
pub use email::{EmailAddress, EmailRefusal};
pub use ids::{ClientId, ClientIdHash, FlowId, GrantId, ProviderName, Subject};
pub use issuer::{Issuer, IssuerRefusal, is_loopback_host};
pub use keys::{KeyId, MacKey, MacKeys};
pub use params::{Params, ParamsRefusal};
pub use public_address::is_public_address;
pub use resource::{Resource, ResourceRefusal};
pub use scope::{OFFLINE_ACCESS, Scope, ScopeRefusal, Scopes};
pub use secrets::{
    AccessToken, AuthorizationCode, ClientAssertion, ClientSecret, CodeVerifier, RefreshToken, TokenHash,
    sha256,
};
pub use strict_json::{JsonRefusal, parse_object};
pub use text::{base64url, from_base64url, is_deceptive, same_bytes};
pub use timestamp::{Date, Timestamp};
