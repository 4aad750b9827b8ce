#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! In the direction they may use each other: `clock`, `entropy`, `settings`, `user`, `outbound` ← `store` ← `error`;
//! `outbound`, `user` ← `providers`; `error`, `vault` ← `records`; `records`, `providers` ← `vault::connections` ←
//! `context` ← `server`, `guard` ← `builder`. `pages` only renders, and `server` and `guard` never use each other.

mod builder;
pub mod clock;
mod context;
pub mod entropy;
pub mod error;
pub mod guard;
pub mod outbound;
#[cfg(feature = "server")]
pub mod pages;
pub mod providers;
pub mod records;
#[cfg(feature = "server")]
mod server;
pub mod settings;
pub mod store;
pub mod user;
pub mod vault;

pub use builder::{BuildError, Builder, Coatroom, Protection};
pub use coatroom_protocol as protocol;
pub use context::{Block, BlockForm, Revocations};
#[cfg(feature = "server")]
pub use server::ClientAddress;
