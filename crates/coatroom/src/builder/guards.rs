//! The guards of what a server protects.

use std::sync::Arc;

use coatroom_protocol::words::Resource;

use super::{BuildError, Coatroom};
use crate::guard::{GuardLayer, Sessions};
use crate::outbound::Outbound;

impl Coatroom {
    /// The guard for the handlers of the endpoint at `path`: they find the [`Caller`](crate::guard::Caller), and sessions of older MCP
    /// revisions belong to whoever began them.
    ///
    /// At a path where nothing is protected it lets nobody through, and the log says so.
    #[must_use]
    pub fn guard(&self, path: &str) -> GuardLayer {
        self.guard_or_nothing(path, &self.sessions, Some(&self.outbound))
    }

    /// The same for a proxy at `path`, which answers for itself, with the sessions that it keeps.
    #[must_use]
    pub fn guard_of_proxy(&self, path: &str, sessions: &Arc<Sessions>) -> GuardLayer {
        self.guard_or_nothing(path, sessions, None)
    }

    fn guard_or_nothing(
        &self,
        path: &str,
        sessions: &Arc<Sessions>,
        handlers: Option<&Outbound>,
    ) -> GuardLayer {
        self.try_guard(path, sessions, handlers).unwrap_or_else(|BuildError { problems }| {
            let protected: Vec<&str> = self.protected.keys().map(String::as_str).collect();
            let (problem, protected) = (problems.join("; "), protected.join(" "));
            tracing::error!(path, problem, protected, "this guard lets nobody through");
            GuardLayer::shut()
        })
    }

    /// What can go wrong here but for the path is found by [`Builder::build`].
    pub(super) fn try_guard(
        &self,
        path: &str,
        sessions: &Arc<Sessions>,
        handlers: Option<&Outbound>,
    ) -> Result<GuardLayer, BuildError> {
        let problem = |text: String| BuildError { problems: vec![text] };
        let protection =
            self.protected.get(path).ok_or_else(|| problem(format!("nothing is protected at {path}")))?;
        let id = Resource::parse(&self.context.issuer.url(path))
            .map_err(|refusal| problem(refusal.to_string()))?;
        let guard = match self.remote(&id) {
            Some(remote) => self.remote_guard(remote, protection),
            None => self.own_guard(id, protection),
        };
        let mut guard = guard
            .with_authentication(protection.authentication)
            .with_manifest(protection.manifest.clone())
            .with_roles_claim(&protection.roles_claim)
            .with_lists(protection.lists)
            .with_header_limit(self.context.settings.mcp_header_limit)
            .with_body_limit(self.context.settings.mcp_body_limit)
            .with_sessions(Arc::clone(sessions))
            .with_limits(Arc::clone(&self.limits));
        for origin in &self.places.origins {
            guard = guard.with_origin(origin);
        }
        if let Some(listen) = self.places.listen {
            guard = guard.with_listen(listen);
        }
        if let Some(outbound) = handlers {
            guard = guard.with_handlers(outbound.clone());
        }
        guard.build().map_err(|error| BuildError { problems: error.problems })
    }
}
