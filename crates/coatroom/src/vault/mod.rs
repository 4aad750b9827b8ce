//! The vault: seals upstream credentials so that only a live ticket opens them (ARCHITECTURE.md, rule 3).
//!
//! * `seal` is authenticated encryption under a key of ours; every sealed value is bound to what it belongs to.
//! * `key_ring` holds our keys, one ring per purpose; `key_file` keeps them and `live_keys` follows the file.
//! * `wrap` is a grant's own key pair: credentials are sealed to its public key, and its private key is kept only wrapped
//!   under the secret of a live code, access token or refresh token.

mod key_file;
mod key_ring;
mod key_trouble;
mod live_keys;
mod private_file;
mod seal;
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a guard alone opens what a server wrapped"))]
mod wrap;

pub use key_file::{KeyEntry, KeyFile, KeyState, Purpose};
pub(crate) use key_ring::KeyCheck;
pub use key_ring::{KeyRing, SigningKey};
pub use key_trouble::{KeyChangeRefusal, KeyRingError};
pub use live_keys::LiveKeys;
pub(crate) use seal::OpenRefusal;
pub use seal::{SealingKey, SealingKeys};
pub(crate) use wrap::{Binding, Contents, Exchange, GrantVault, Sealer, Ticket, TicketKind, VaultKey};
