//! Servers that are commands: the pool of users' processes, and a service of each command in front of it.

use std::sync::Arc;

use coatroom::Coatroom;
use coatroom::clock::SystemClock;
use coatroom::guard::{Guard, GuardLayer};
use tower_layer::Layer as _;

use crate::command::CommandConfig;
use crate::config::{Config, ServerConfig};
use crate::proxy::Wants;
use crate::stdio::place::Places;
use crate::stdio::{Bounds, Pool, Stdio, StdioServer};

/// The processes of users.
pub(super) struct Commands(Arc<Pool>);

impl Commands {
    /// A pool without processes, where there are servers that are commands.
    ///
    /// # Errors
    /// When nothing here keeps the processes of users apart; the message says what was tried.
    pub(super) fn open(config: &Config, coatroom: &Coatroom) -> anyhow::Result<Option<Self>> {
        let Some(places) = places(config) else { return Ok(None) };
        let bounds = Bounds {
            per_user: config.processes.per_user,
            in_all: config.processes.in_all,
            seats_per_user: config.limits.sessions_per_user,
            session_idle: config.lifetimes.mcp_session,
        };
        let clock = Arc::new(SystemClock::new());
        Ok(Some(Self(Pool::new(places?, bounds, coatroom.revocations(), clock))))
    }

    /// What serves a command, behind its guard.
    pub(super) fn serve(
        &self,
        config: &Config,
        (server, command): (&ServerConfig, &CommandConfig),
        guard: &GuardLayer,
    ) -> Guard<Stdio> {
        let server = StdioServer {
            name: server.name.clone(),
            config: command.clone(),
            wants: Wants::of(command.templates(), server.needs.clone()),
            is_open: server.is_open(),
            variables: config.processes.own_variables.clone(),
            body: config.limits.mcp_body,
        };
        guard.layer(Stdio::new(server, Arc::clone(&self.0)))
    }
}

/// What keeps the processes of users apart, found out by trying; `None` where no server is a command.
///
/// # Errors
/// Why `serve` would not start here.
pub(crate) fn what_keeps_apart(config: &Config) -> Option<anyhow::Result<String>> {
    Some(places(config)?.map(|places| places.means().to_string()))
}

fn places(config: &Config) -> Option<anyhow::Result<Places>> {
    let commands: Vec<_> = config.servers.iter().filter_map(ServerConfig::command).collect();
    (!commands.is_empty()).then(|| Places::probe(&config.processes, &commands))
}
