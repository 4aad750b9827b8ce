//! Open files: each connection is one, and most systems give a program few unless it asks.

/// Asks the system for as many open files as `connections` need, as far as the administrator lets us, and says if that is less.
#[cfg(unix)]
pub(crate) fn allow(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    // Each call has a connection to its MCP server too; then there are the store, the log and the keys.
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(SPARE);
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < wanted) else { return };
    let possible = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = Rlimit { current: Some(possible), maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { possible } else { current };
    if now < wanted {
        tracing::warn!(
            open_files = now,
            connections,
            "the system allows fewer open files than all connections would need; raise the limit (ulimit -n, LimitNOFILE) or \
             lower `connections`"
        );
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub(crate) const fn allow(_: usize) {}

const SPARE: u64 = 200;
