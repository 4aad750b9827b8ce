//! Identity providers: where users sign in, and whose tokens the vault keeps.
//!
//! One engine runs most of them: the authorization code flow with PKCE (OAuth 2.1 §4.1), OpenID Connect where the provider
//! speaks it, renewal and revocation. Such a [`Provider`] is one short file that turns an operator's [`ProviderConfig`] into data
//! for the engine: where the endpoints are, and how the provider departs from the RFCs. What no data describes is written as a
//! [`CustomProvider`]. [`ProviderError`] keeps apart what must never be confused: a credential that is dead, a provider that is
//! down, a registration that is wrong.
//!
//! Who may sign in is the rule of `allowlist`; `entry` and `memberships` find what it must know. Nothing here keeps tokens, and
//! whoever may not enter is turned away by the server.

#[cfg(feature = "server")]
mod again;
mod answer;
mod apple;
mod atlassian;
mod client_secret;
mod config;
mod custom;
mod demo;
mod discord;
mod discovery;
mod document;
mod engine;
mod entry;
mod error;
mod from_env;
mod github;
mod gitlab;
mod google;
mod id_token;
mod identify;
mod kind;
mod linear;
mod memberships;
mod microsoft;
mod notion;
mod oauth2;
mod oidc;
mod okta;
mod path;
mod preset;
mod profile;
mod provider;
mod requests;
mod sign_in;
mod slack;
mod tokens;
mod x;

#[cfg(feature = "server")]
pub(crate) use again::Standing;
pub use answer::TokenPaths;
pub(crate) use answer::{ErrorCodes, TokenAnswer, read_json};
pub use config::{ClientAuth, ProviderConfig, ProviderConfigError, TokenBody, UrlRefusal};
pub(crate) use config::{append, is_loopback, secure_url};
pub use custom::CustomProvider;
pub(crate) use document::Document;
pub(crate) use engine::observed;
pub use error::ProviderError;
pub(crate) use error::printable;
pub use from_env::{
    EnvironmentError, apple_from_env, atlassian_from_env, discord_from_env, from_env, github_from_env,
    gitlab_from_env, google_from_env, linear_from_env, microsoft_from_env, named_from_env, notion_from_env,
    oauth2_from_env, oidc_from_env, okta_from_env, slack_from_env, x_from_env,
};
pub use id_token::IdTokenRefusal;
pub use kind::ProviderKind;
pub use profile::{UserMap, UserPaths};
pub use provider::Provider;
pub(crate) use requests::get;
pub use sign_in::{CodeExchange, RevokeOutcome, SignedIn, UpstreamAuthorization, UpstreamPrompt};
pub use tokens::{UpstreamToken, UpstreamTokens};
