//! MCP servers on stdio: one process for each user, with that user's own credential.
//!
//! [`service`] stands behind the guard, as the proxy does for servers on HTTP, and speaks streamable HTTP in every revision of MCP. It finds
//! the client's [`seat`] in the [`pool`], which starts a [`process`] there where there is none, bounds how many there are, and ends them.
//! A [`link`] is the conversation with one process, which begins by [`meet`]; [`modern`] and [`legacy`] are calls of clients of either era,
//! [`listen`] those that wait for changes, [`hub`] what is about no call, [`outbox`] the answer over HTTP. What is changed in messages on
//! the way stands in [`coatroom::protocol::bridge`].
//!
//! [`place`] is where a process lives, [`isolation`] what keeps it from others, [`cgroup`] and its limits how much it may use; what is started says
//! [`crate::command`].

mod cgroup;
mod hub;
mod input;
pub(crate) mod isolation;
mod last_words;
mod legacy;
mod lines;
mod link;
mod listen;
mod meet;
mod modern;
mod outbox;
pub(crate) mod place;
mod pool;
mod process;
mod program;
mod remove;
mod seat;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use pool::{Bounds, Pool};
pub(crate) use service::{Stdio, StdioServer};
