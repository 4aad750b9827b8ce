//! What a guard is told when the program starts, checked as a whole.

use std::net::SocketAddr;
use std::sync::Arc;

use coatroom_protocol::access::{Authentication, Manifest};
use coatroom_protocol::discovery::metadata_url;
use coatroom_protocol::words::{Resource, ScopeCatalogue, Scopes};

use super::call::Handlers;
use super::connect::Connecting;
use super::layer::GuardLayer;
use super::learned::Learned;
use super::limits::CallLimits;
use super::origin::Places;
use super::respond::Challenger;
use super::sessions::Sessions;
use super::verify::VerifyToken;
use crate::clock::Clock;
use crate::context::Revocations;
use crate::outbound::Outbound;

/// What the lists of a server show: its tools, prompts, resources and templates of resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these three")]
pub enum Lists {
    /// What the caller may use now.
    #[default]
    Usable,
    /// Also what more scopes, or signing in, would open: for clients that ask their user for more.
    Reachable,
    /// Everything that the server lists.
    All,
}

/// Collects the settings of a guard.
#[derive(Debug)]
#[must_use]
pub struct GuardBuilder {
    settings: Settings,
    handlers: Option<Outbound>,
    problems: Vec<String>,
}

/// What the guard works with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) resource: Resource,
    pub(super) verify: Arc<dyn VerifyToken>,
    pub(super) authentication: Authentication,
    /// Whether rules say who must have signed in.
    pub(super) body_says: bool,
    pub(super) manifest: Arc<Manifest>,
    pub(super) lists: Lists,
    pub(super) learned: Arc<Learned>,
    pub(super) catalogue: ScopeCatalogue,
    pub(super) roles_claim: String,
    pub(super) body_limit: usize,
    pub(super) header_limit: usize,
    pub(super) sessions: Option<Arc<Sessions>>,
    pub(super) challenger: Challenger,
    pub(super) places: Places,
    pub(super) ending: Option<StreamEnds>,
    pub(super) limits: Option<Arc<CallLimits>>,
    pub(super) connecting: Option<Connecting>,
    /// What stands behind the guard may ask it for answers; nothing where a proxy does.
    pub(super) handlers: Option<Arc<Handlers>>,
}

/// What open streams end with.
#[derive(Debug)]
pub(super) struct StreamEnds {
    pub(super) revocations: Arc<Revocations>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Settings that no guard can work with; every problem at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
#[non_exhaustive]
pub struct GuardConfigError {
    /// One sentence for each problem.
    pub problems: Vec<String>,
}

impl GuardBuilder {
    pub(super) fn new(resource: Resource, verify: Arc<dyn VerifyToken>) -> Self {
        let settings = Settings {
            challenger: Challenger { metadata_url: metadata_url(&resource), baseline: Scopes::none() },
            places: Places::of_resource(&resource),
            resource,
            verify,
            authentication: Authentication::default(),
            body_says: false,
            manifest: Arc::default(),
            lists: Lists::default(),
            learned: Arc::default(),
            catalogue: ScopeCatalogue::default(),
            roles_claim: "roles".to_owned(),
            body_limit: BODY_LIMIT,
            header_limit: HEADER_LIMIT,
            sessions: None,
            ending: None,
            limits: None,
            connecting: None,
            handlers: None,
        };
        Self { settings, handlers: None, problems: Vec::new() }
    }

    /// Who may call at all. Default: whoever has a good token.
    pub const fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.settings.authentication = authentication;
        self
    }

    /// Which scopes and roles tools, prompts and resources need. Default: none.
    pub fn with_manifest(mut self, manifest: Manifest) -> Self {
        self.settings.body_says = manifest.sets_authentication();
        self.settings.manifest = Arc::new(manifest);
        self
    }

    /// What lists show of tools, prompts and resources with rules. Default: what the caller may use now.
    pub const fn with_lists(mut self, lists: Lists) -> Self {
        self.settings.lists = lists;
        self
    }

    /// The scopes of the resource. Its default scopes are what the first challenge asks for.
    pub fn with_scopes(mut self, catalogue: ScopeCatalogue) -> Self {
        self.settings.challenger.baseline = catalogue.defaults();
        self.settings.catalogue = catalogue;
        self
    }

    /// The scopes that the first challenge asks for, where these are not the default scopes of the resource.
    pub fn with_baseline(mut self, scopes: Scopes) -> Self {
        self.settings.challenger.baseline = scopes;
        self
    }

    /// The claim of the user that holds their roles, as text or a list of texts; dots lead into objects. Default: `roles`.
    pub fn with_roles_claim(mut self, path: impl Into<String>) -> Self {
        self.settings.roles_claim = path.into();
        self
    }

    /// Where the resource's metadata is. Default: the well-known URL of RFC 9728 §3.1.
    pub fn with_metadata_url(mut self, url: impl Into<String>) -> Self {
        self.settings.challenger.metadata_url = url.into();
        self
    }

    /// Another host under which the resource may be called, with its port unless it is the scheme's own.
    pub fn with_host(mut self, host: &str) -> Self {
        if !self.settings.places.add_host(host) {
            self.problems.push(format!("'{host}' is not a host, such as mcp.example.com:8443"));
        }
        self
    }

    /// The address that the server listens on, so that it may be called by it where it is a loopback address.
    pub fn with_listen(self, address: SocketAddr) -> Self {
        if address.ip().is_loopback() { self.with_host(&address.to_string()) } else { self }
    }

    /// Another origin whose pages may call, or `*` for all of them.
    pub fn with_origin(mut self, origin: &str) -> Self {
        if !self.settings.places.add_origin(origin) {
            self.problems.push(format!("'{origin}' is not an origin, such as https://app.example.com"));
        }
        self
    }

    /// The largest body of a call, in bytes. Default: 4 MiB.
    pub const fn with_body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// The largest header block, names and values together, in bytes. Default: 32 KiB.
    pub const fn with_header_limit(mut self, bytes: usize) -> Self {
        self.settings.header_limit = bytes;
        self
    }

    /// Binds the sessions of legacy transports to their users. Default: session ids pass as they are, which is right only for
    /// servers that have none.
    pub fn with_sessions(mut self, sessions: Arc<Sessions>) -> Self {
        self.settings.sessions = Some(sessions);
        self
    }

    /// Lets answers that are under way end when their token expires or their grant is revoked. Default: they outlive both.
    pub fn with_revocations(mut self, revocations: Arc<Revocations>, clock: Arc<dyn Clock>) -> Self {
        self.settings.ending = Some(StreamEnds { revocations, clock });
        self
    }

    /// Lets handlers of this server itself stand behind the guard: their [`Caller`](super::Caller) knows its roles and calls APIs with
    /// this client, and a stream is held back until its first message, at most 10 s, so that an error of the caller can still
    /// become a challenge. Default: a proxy stands there, and nothing is held back.
    pub fn with_handlers(mut self, outbound: Outbound) -> Self {
        self.handlers = Some(outbound);
        self
    }

    /// Limits how often it may be called. Default: not at all.
    pub fn with_limits(mut self, limits: Arc<CallLimits>) -> Self {
        self.settings.limits = Some(limits);
        self
    }

    /// Leads users to the page where they connect what a call needs. Default: they are told in words alone.
    #[cfg(feature = "server")]
    pub(crate) fn with_connecting(mut self, connecting: Connecting) -> Self {
        self.settings.connecting = Some(connecting);
        self
    }

    /// The layer that protects the resource.
    ///
    /// # Errors
    /// [`GuardConfigError`] with everything that is wrong.
    pub fn build(mut self) -> Result<GuardLayer, GuardConfigError> {
        if http::HeaderValue::from_str(&self.settings.challenger.metadata_url).is_err() {
            self.problems.push("the metadata URL does not fit into a header".to_owned());
        }
        if !self.problems.is_empty() {
            return Err(GuardConfigError { problems: self.problems });
        }
        let roles_claim = &self.settings.roles_claim;
        let handlers = |outbound| Arc::new(Handlers { roles_claim: roles_claim.clone(), outbound });
        self.settings.handlers = self.handlers.map(handlers);
        Ok(GuardLayer::new(self.settings))
    }
}

const BODY_LIMIT: usize = 4 * 1024 * 1024;
const HEADER_LIMIT: usize = 32 * 1024;
