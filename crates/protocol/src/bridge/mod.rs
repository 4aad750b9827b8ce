//! What the bridge between HTTP and a server on stdio changes in messages, so that clients and servers of every revision of MCP
//! understand each other.
//!
//! Messages are edited, not rewritten: members that are not named here stay as they were written, in their order, both ways.
//! [`envelope`] reads one message, [`calls`] are those of clients on their way to the server, [`results`] come back. [`handshake`] answers
//! `initialize` for a server of MCP 2026-07-28 and `server/discover` for an older one. [`asking`] is what servers ask of clients: requests of
//! their own before 2026-07-28, results that ask for input since then. [`listening`] is how clients hear that something changed.
//!
//! Each line that a server reads is made of one judged message ([`crate::access::one_line`]) or by a function of this room.

pub mod asking;
pub mod calls;
mod draft;
pub mod envelope;
pub mod handshake;
pub mod listening;
pub mod results;

pub use asking::{Asked, Retried, UrlElicitation};
pub use calls::{ModernClient, Outgoing};
pub use envelope::{Envelope, Kind};
pub use handshake::Welcome;
pub use listening::Filter;
