//! Identity providers: where users sign in, and whose tokens the vault keeps.
//!
//! [`Provider`] is the engine: the authorization code flow with PKCE (OAuth 2.1 §4.1), OpenID Connect where the provider
//! speaks it, renewal and revocation. A provider is one short file that turns an operator's [`ProviderConfig`] into data
//! for the engine: where the endpoints are, and how the provider departs from the RFCs. [`ProviderError`] keeps apart
//! what must never be confused: a credential that is dead, a provider that is down, a registration that is wrong.
//!
//! Nothing here keeps tokens or decides who may sign in: the vault and the server do.

mod answer;
mod config;
mod demo;
mod discovery;
mod document;
mod error;
mod github;
mod google;
mod id_token;
mod identify;
mod oidc;
mod preset;
mod profile;
mod provider;
mod requests;
mod sign_in;
mod tokens;

pub(crate) use answer::{ErrorCodes, read_json};
pub use config::{ProviderConfig, ProviderConfigError, ProviderKind, UrlRefusal};
pub(crate) use config::{append, is_loopback, secure_url};
pub(crate) use document::Document;
pub use error::ProviderError;
pub(crate) use error::printable;
pub use id_token::IdTokenRefusal;
pub use provider::Provider;
pub(crate) use provider::observed;
pub(crate) use requests::get;
pub use sign_in::{CodeExchange, RevokeOutcome, SignedIn, UpstreamAuthorization, UpstreamPrompt};
pub use tokens::{UpstreamToken, UpstreamTokens};
