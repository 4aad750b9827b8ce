//! MCP servers on stdio: one process for each user, with that user's own credential.
//!
//! [`service`] stands behind the guard, as the proxy does for servers on HTTP, and speaks streamable HTTP in every revision of MCP. It finds
//! the client's [`seat`] in the [`pool`], which starts a [`process`] there where there is none, bounds how many there are, and ends them.
//! A [`link`] is the conversation with one process, which begins by [`meet`]; [`modern`] and [`legacy`] are calls of clients of either era,
//! [`listen`] those that wait for changes, [`hub`] what is about no call, [`outbox`] the answer over HTTP. What is changed in messages on
//! the way stands in [`coatroom::protocol::bridge`].
//!
//! [`command`] says what is started, [`place`] where it lives, [`isolation`] what keeps it from others.

#[cfg(target_os = "linux")]
mod cgroup;
pub(crate) mod command;
#[cfg(target_os = "linux")]
mod hub;
#[cfg(target_os = "linux")]
pub(crate) mod isolation;
#[cfg(target_os = "linux")]
mod last_words;
#[cfg(target_os = "linux")]
mod legacy;
#[cfg(target_os = "linux")]
mod lines;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod listen;
#[cfg(target_os = "linux")]
mod meet;
#[cfg(target_os = "linux")]
mod modern;
#[cfg(target_os = "linux")]
mod outbox;
#[cfg(target_os = "linux")]
pub(crate) mod place;
#[cfg(target_os = "linux")]
mod pool;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod remove;
#[cfg(target_os = "linux")]
mod seat;
#[cfg(target_os = "linux")]
mod service;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

#[cfg(target_os = "linux")]
pub(crate) use pool::{Bounds, Pool};
#[cfg(target_os = "linux")]
pub(crate) use service::{Stdio, StdioServer};
