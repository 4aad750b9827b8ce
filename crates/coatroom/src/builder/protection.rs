//! What one MCP endpoint is protected by.

use coatroom_protocol::access::Manifest;
use coatroom_protocol::words::{ProviderName, ScopeCatalogue};

use crate::guard::{Authentication, Lists};

/// One MCP endpoint to protect.
#[derive(Debug, Clone)]
#[must_use]
pub struct Protection {
    pub(super) path: String,
    pub(super) name: Option<String>,
    pub(super) provider: Option<ProviderName>,
    pub(super) issuer: Option<ProviderName>,
    pub(super) scopes: ScopeCatalogue,
    pub(super) manifest: Manifest,
    pub(super) roles_claim: String,
    pub(super) lists: Lists,
    pub(super) authentication: Authentication,
    pub(super) connects: Vec<ProviderName>,
}

impl Protection {
    /// Protects the endpoint at `path`, such as `/mcp`.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            name: None,
            provider: None,
            issuer: None,
            scopes: ScopeCatalogue::default(),
            manifest: Manifest::default(),
            roles_claim: "roles".to_owned(),
            lists: Lists::default(),
            authentication: Authentication::Required,
            connects: Vec::new(),
        }
    }

    /// Sets what people read on the consent page, such as `Example Notes`. Default: the host of the public URL.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Has its users sign in at this provider only. Default: any.
    pub fn with_provider(mut self, provider: ProviderName) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Takes the tokens of this remote issuer instead of our own: there are no grants, no consent and no upstream tokens of its
    /// users here. Default: our own tokens.
    pub fn with_issuer(mut self, issuer: ProviderName) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// Sets its scopes. Default: none.
    pub fn with_scopes(mut self, scopes: ScopeCatalogue) -> Self {
        self.scopes = scopes;
        self
    }

    /// Sets what its tools, prompts and resources need. Default: nothing but a token.
    pub fn with_manifest(mut self, manifest: Manifest) -> Self {
        self.manifest = manifest;
        self
    }

    /// Sets the user's claim that holds their roles; dots lead into objects. Default: `roles`.
    pub fn with_roles_claim(mut self, path: impl Into<String>) -> Self {
        self.roles_claim = path.into();
        self
    }

    /// Names providers that its users may have to connect besides the one where they signed in. Clients that open links for
    /// their users then get a session that remembers it, also where the endpoint has no sessions. Default: none.
    pub fn with_connections(mut self, providers: impl IntoIterator<Item = ProviderName>) -> Self {
        self.connects = providers.into_iter().collect();
        self
    }

    /// Sets what its lists show. Default: what the caller may use now.
    pub const fn with_lists(mut self, lists: Lists) -> Self {
        self.lists = lists;
        self
    }

    /// Whether it takes tokens, and ours.
    pub(super) fn needs_our_tokens(&self) -> bool {
        let signs_in = self.authentication != Authentication::Off || self.manifest.sets_authentication();
        self.issuer.is_none() && signs_in
    }

    /// Sets whether callers must sign in. Default: they must.
    pub const fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }
}

/// The path of an endpoint, with everything else as it is by default.
impl From<&str> for Protection {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}
