//! Remote issuers: authorization servers whose own tokens open our resources. They register clients and sign users in;
//! Coatroom verifies what they issue, and keeps nothing.
//!
//! [`RemoteIssuer`] is the engine: the issuer's keys and metadata, fetched when they are first needed and remembered. An
//! issuer is one short file that turns an operator's [`IssuerConfig`] into data: how it spells itself, whom its tokens are
//! for, where its keys are, and where in a token the parts of a user stand. What a token must say is decided in
//! `coatroom_protocol::access::remote_token`; none of it can be switched off.

mod auth0;
mod better_auth;
mod claims;
mod clerk;
mod config;
mod custom;
mod from_env;
mod issuer;
mod keycloak;
mod preset;
mod scalekit;
mod supabase;
mod workos;

pub use claims::ClaimField;
pub use config::{IssuerConfig, IssuerConfigError, IssuerEndpoints, IssuerKeys, IssuerKind};
pub use from_env::{IssuerVariables, find_in_env, from_env};
pub use issuer::{RemoteIssuer, RemoteTokenError, VerifiedToken};
