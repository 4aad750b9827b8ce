//! The authorization server, driven over HTTP as its users drive it.
//!
//! The people of these tests: a [`Browser`](browser::Browser) with cookies, which follows our pages; a
//! [`Client`](client::Client) that registers, redeems and refreshes; a fake [`Idp`](idp::Idp) that can misbehave.
//! They meet in a [`World`](world::World), whose clock stands still and whose store counts, records and fails as it
//! is told.

mod absent;
mod account;
mod assertions;
mod authorize;
mod browser;
mod callback;
mod client;
mod clock_steps;
mod code;
mod connect;
mod consent;
mod custom;
mod documents;
mod documents_kept;
mod dpop;
mod endpoints;
mod entry;
mod habits;
mod handlers;
mod hooks;
mod idp;
mod introspection;
mod keys;
mod languages;
mod limits;
mod local;
mod local_mail;
mod metadata;
mod model;
mod outage;
mod quirks;
mod refresh;
mod registration;
mod renewal;
mod replicas;
mod retired;
mod revoke;
mod site;
mod strangers;
mod themed;
mod thieves;
mod vault;
mod watched;
mod world;
