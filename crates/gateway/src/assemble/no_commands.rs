//! Servers that are commands, where the system has nothing to keep the processes of users apart.

use coatroom::Coatroom;
use coatroom::guard::{Guard, GuardLayer};

use crate::command::CommandConfig;
use crate::config::{Config, ServerConfig};
use crate::proxy::Proxy;

/// There are none.
pub(super) enum Commands {}

impl Commands {
    /// Refuses servers that are commands.
    pub(super) fn open(config: &Config, _: &Coatroom) -> anyhow::Result<Option<Self>> {
        what_keeps_apart(config).transpose().map(|_| None)
    }

    pub(super) fn serve(
        &self,
        _: &Config,
        _: (&ServerConfig, &CommandConfig),
        _: &GuardLayer,
    ) -> Guard<Proxy> {
        match *self {}
    }
}

/// Why `serve` would not start here; `None` where no server is a command.
pub(crate) fn what_keeps_apart(config: &Config) -> Option<anyhow::Result<String>> {
    let server = config.servers.iter().find(|server| server.command().is_some())?;
    Some(Err(anyhow::anyhow!("server `{}` is a command, which takes Linux", server.name)))
}
