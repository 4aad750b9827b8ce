//! The vault: seals upstream credentials so that only a live ticket opens them (ARCHITECTURE.md, rule 3).
//!
//! * `seal` is authenticated encryption under a key of ours; every sealed value is bound to what it belongs to.
//! * `key_ring` holds our keys, one ring per purpose.
//! * `wrap` is a grant's own key pair: credentials are sealed to its public key, and its private key is kept only wrapped
//!   under the secret of a live code, access token or refresh token.

mod key_ring;
mod seal;
mod wrap;

pub use key_ring::{KeyCheck, KeyRing, KeyRingError, SigningKey};
pub use seal::{OpenRefusal, SealingKey, SealingKeys};
pub use wrap::{Binding, GrantVault, Sealer, Shred, Ticket, VaultKey};
