//! The whole thing from outside: the real binary, real clients written by others, a real browser.
//!
//! The helpers here know nothing of the code that they test: they start the program, speak HTTP to it and open its
//! pages. They panic at the first surprise, because a test has nobody else to tell.
//!
//! - [`Gateway`] starts, kills and restarts the program and keeps its log.
//! - [`Launcher`] is in which circumstances it starts it, as on a machine with other means.
//! - [`Program`] does the same with another one, such as an example.
//! - [`Fleet`] is several of them over one store, behind a proxy that sends each request to another one.
//! - [`Browser`] is Chromium; [`FormBrowser`] follows links and submits forms without one, for tests with many users.
//! - [`OAuthClient`] is a strict client, written by the book; [`Mcp`] speaks raw JSON-RPC in both wire eras.
//! - [`conformance`] runs the official suite, which knows no tokens; [`TokenProxy`] adds one on the way.
//! - [`evidence`] keeps what the program said and every secret that a test saw, for the check after all tests.
//! - [`processes`] looks at the processes of the machine.
//! - [`StdioServer`] is a server on stdio without the gateway.
//! - [`Signer`] signs tokens of issuers that a test plays itself.
//! - [`foreign`] runs clients written by others; [`upstream`] starts providers and MCP servers to stand behind.

pub mod browser;
pub mod conformance;
pub mod document_site;
pub mod evidence;
pub mod fleet;
pub mod foreign;
pub mod form_browser;
pub mod gateway;
pub mod launcher;
pub mod mcp;
pub mod oauth;
pub mod processes;
pub mod program;
pub mod senses;
pub mod signer;
pub mod stdio;
pub mod tls;
pub mod token_proxy;
pub mod tools;
pub mod upstream;

pub use browser::{Browser, Profile};
pub use fleet::Fleet;
pub use form_browser::{FormBrowser, Page};
pub use gateway::Gateway;
pub use launcher::Launcher;
pub use mcp::{Answer, Era, Mcp, Stream};
pub use oauth::{Callback, Listener, OAuthClient, TokenAnswer, Tokens};
pub use program::Program;
pub use senses::Look;
pub use signer::Signer;
pub use stdio::StdioServer;
pub use token_proxy::TokenProxy;
