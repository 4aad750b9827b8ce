//! MCP servers on stdio: one process for each user, with that user's own credential.

#[cfg(target_os = "linux")]
mod cgroup;
pub(crate) mod command;
#[cfg(target_os = "linux")]
pub(crate) mod isolation;
#[cfg(target_os = "linux")]
pub(crate) mod place;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod remove;
#[cfg(all(test, target_os = "linux"))]
mod tests;
