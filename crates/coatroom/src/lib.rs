#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! A room may use the rooms that stand before its arrow on the same line. `allowlist`, `clock`, `entropy`, `settings`, `user`,
//! `outbound` and `pages` use no other room; `settings` ← `allowance`.
//!
//! * `clock`, `entropy` ← `store` ← `error`
//! * `allowlist`, `clock`, `user`, `outbound` ← `providers` ← `issuers`
//! * `entropy` ← `vault`
//! * `user`, `store`, `error`, `vault` ← `records`
//! * `user` ← `hooks`
//! * `clock`, `entropy`, `user`, `hooks`, `store`, `error`, `providers`, `vault`, `records` ← `connections`
//! * `allowance`, `clock`, `settings`, `outbound` ← `client_documents`
//! * `allowance`, `clock`, `entropy`, `settings`, `user`, `store`, `error`, `vault`, `records` ← `accounts`
//! * all of these but `allowance`, `allowlist`, `outbound` and `pages` ← `context` ← `server`, `guard` ← `builder`
//! * `allowance`, `allowlist`, `pages` ← `server`; `allowance`, `outbound` ← `guard`; `outbound`, `pages` ← `builder`;
//!   `server` and `guard` never use each other
//! * `user`, `store`, `error`, `providers`, `guard` ← `testing`

#[cfg(feature = "server")]
pub mod accounts;
mod allowance;
pub mod allowlist;
mod builder;
#[cfg(feature = "server")]
mod client_documents;
pub mod clock;
mod connections;
mod context;
pub mod entropy;
pub mod error;
pub mod guard;
pub mod hooks;
pub mod issuers;
pub mod outbound;
#[cfg(feature = "server")]
pub mod pages;
pub mod providers;
mod records;
#[cfg(feature = "server")]
mod server;
pub mod settings;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod user;
pub mod vault;

pub use allowance::ClientAddress;
#[cfg(feature = "seed")]
pub use builder::SeededGrant;
#[cfg(feature = "server")]
pub use builder::Users;
pub use builder::{
    BuildError, Builder, Coatroom, Description, Protection, ProtectionError, ProviderDescription,
    ScopeDescription, Source,
};
pub use coatroom_protocol as protocol;
pub use context::{
    Block, BlockForm, GrantSummary, ResourceServer, Revocations, SealAgain, SealedAgain, agree_on_keys,
    give_up_key, grants_of_clients_under,
};
