//! Identity providers: where users sign in, and whose tokens the vault keeps.

mod tokens;

pub use tokens::{UpstreamToken, UpstreamTokens};
