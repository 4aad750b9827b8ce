//! What the RFCs say: the rules of an OAuth authorization server and resource server for MCP.
//!
//! Nothing here does I/O, reads a clock or draws randomness: rules take plain data, the time as `now`, and
//! random values as arguments, and return a verdict. The `coatroom` crate applies the verdicts.
//!
//! # Rooms
//!
//! A room may use the rooms that stand before its arrow on the same line. `words` and `errors` use no other room.
//!
//! * `words`, `errors` ← `access` ← `bridge`
//! * `words` ← `jws` ← `discovery`
//! * `words`, `errors`, `jws` ← `client` ← `grant`

#![expect(
    clippy::exhaustive_structs,
    clippy::exhaustive_enums,
    reason = "rules speak in plain data, and callers must decide about every case"
)]

pub mod access;
pub mod bridge;
pub mod client;
pub mod discovery;
pub mod errors;
pub mod grant;
pub mod jws;
pub mod words;
