//! Who else may ask about our tokens: resource servers beside us that take them (RFC 7662 §2.1).

use coatroom_protocol::client::ExpectedSecret;
use coatroom_protocol::words::{ClientId, ClientSecret, Resource};

/// A resource server that may ask about the tokens of some protected endpoints.
#[derive(Debug, Clone)]
#[must_use]
pub struct ResourceServer {
    pub(crate) id: ClientId,
    pub(crate) secret: ClientSecret,
    pub(crate) paths: Vec<String>,
}

impl ResourceServer {
    /// A server that authenticates with an id and a secret, which it presents in the `Authorization` header or the form.
    pub fn new(id: impl Into<String>, secret: &ClientSecret) -> Self {
        Self { id: ClientId::new(id.into()), secret: secret.clone(), paths: Vec::new() }
    }

    /// Lets it learn about tokens for the endpoint at `path`. It learns of no others.
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }
}

/// The same, as requests are checked with it.
#[derive(Debug)]
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a guard alone is asked by nobody"))]
pub(crate) struct AskingServer {
    pub(crate) secret: ExpectedSecret,
    pub(crate) resources: Vec<Resource>,
}
