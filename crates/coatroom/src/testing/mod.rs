//! What the tests of a server's own handlers need (feature `testing`): a caller who did not have to sign in.
//!
//! No network, no browser, no store. A function that takes a [`Caller`] is tested by calling it:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use coatroom::guard::{Caller, CallerError};
//! use coatroom::testing;
//!
//! async fn publish(caller: Caller) -> Result<String, CallerError> {
//!     caller.require_scope("posts:write")?;
//!     let token = caller.upstream("github").await?;
//!     Ok(format!("{} has {} bytes of token", caller.user().id(), token.expose().len()))
//! }
//!
//! let alice = testing::caller("alice").scopes("posts:write").upstream("github", "gho_alice");
//! assert_eq!(publish(alice.build()).await.unwrap(), "alice has 9 bytes of token");
//! assert!(publish(testing::caller("bob").build()).await.is_err());
//! # });
//! ```
//!
//! A whole router is tested behind [`TestCaller::layer`], which stands in the place of the guard, and
//! [`call_tool`] calls a tool of an MCP server there:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use axum::{Router, routing::post};
//! use coatroom::guard::Caller;
//! use coatroom::testing;
//! use serde_json::json;
//!
//! // In the place of an MCP server, of which rmcp has more.
//! async fn whoami(caller: Caller) -> String {
//!     json!({ "jsonrpc": "2.0", "id": 1, "result": { "text": caller.user().id() } }).to_string()
//! }
//!
//! let app = Router::new().route("/mcp", post(whoami)).layer(testing::caller("alice").layer());
//! let answer = testing::call_tool(app, "/mcp", "whoami", json!({})).await;
//! assert_eq!(answer["result"]["text"], "alice");
//! # });
//! ```
//!
//! What a guard refuses before a handler runs (tokens, origins, manifests), and how it words a handler's refusal for the client, is
//! not seen here: that takes the real one.

#![expect(clippy::panic, reason = "a test that is written wrong fails by a panic that says how")]

mod kept;
mod layer;
mod tool;

use std::fmt::Display;
use std::sync::Arc;

use coatroom_protocol::words::{ClientId, GrantId, ProviderName, Resource, Subject, sha256};
use serde::Serialize;
use serde_json::Value;

use crate::guard::{Caller, CallerParts};
use crate::user::User;

use self::kept::{DataInMemory, Upstream, Upstreams};
pub use self::layer::{CallerLayer, WithCaller};
pub use self::tool::call_tool;

/// Starts a caller: the user with this id at the provider `test`, who came by the client `test-client` and has nothing yet.
///
/// The grant belongs to the id: callers of one id have the same, callers of two ids never.
pub fn caller(id: &str) -> TestCaller {
    let subject = Subject { provider: provider("test"), id: id.to_owned() };
    let resource = read("resource", "http://localhost/mcp", Resource::parse("http://localhost/mcp"));
    let grant = sha256(id.as_bytes()).first_chunk().copied().unwrap_or_default();
    let client = ClientId::new("test-client");
    let parts = CallerParts::new(User::new(subject), client, GrantId::from_bytes(grant), resource);
    TestCaller { parts, upstreams: Upstreams::default(), data: DataInMemory::default() }
}

/// Nobody: the layer of a guard where signing in is optional, and nobody has signed in.
#[must_use]
pub const fn anonymous() -> CallerLayer {
    CallerLayer::new(None)
}

/// A caller in the making. From [`caller`].
#[derive(Debug)]
#[must_use]
pub struct TestCaller {
    parts: CallerParts,
    upstreams: Upstreams,
    data: DataInMemory,
}

impl TestCaller {
    /// The scopes of the token, separated by spaces. What a scope implies is to be named as well.
    ///
    /// # Panics
    /// When one of them is not a scope.
    pub fn scopes(mut self, scopes: &str) -> Self {
        self.parts.scopes = read("scopes", scopes, scopes.parse());
        self
    }

    /// The user's roles.
    pub fn roles<const N: usize>(mut self, roles: [&str; N]) -> Self {
        self.parts.user.roles = roles.map(str::to_owned).into();
        self
    }

    /// What the user may do, in the provider's words.
    pub fn permissions<const N: usize>(mut self, permissions: [&str; N]) -> Self {
        self.parts.user.permissions = permissions.map(str::to_owned).into();
        self
    }

    /// A claim of the provider about the user.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parts.user.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Whatever else is known of the user: name, address, groups, organisation, or another provider.
    pub fn user(mut self, describe: impl FnOnce(&mut User)) -> Self {
        describe(&mut self.parts.user);
        self
    }

    /// The user's own token at an upstream provider. Renewing it gives the same one. Providers that are not named are
    /// unknown, as in a server where they are not set.
    ///
    /// # Panics
    /// When this cannot name a provider.
    pub fn upstream(self, provider: &str, token: &str) -> Self {
        self.at(provider, Upstream::token(token))
    }

    /// A provider that is set, and that the user has not connected.
    ///
    /// # Panics
    /// When this cannot name a provider.
    pub fn not_connected(self, provider: &str) -> Self {
        self.at(provider, Upstream::NotConnected)
    }

    /// A provider that refused the user's credential for good.
    ///
    /// # Panics
    /// When this cannot name a provider.
    pub fn sign_in_ended(self, provider: &str) -> Self {
        self.at(provider, Upstream::SignInEnded)
    }

    /// A provider that is down.
    ///
    /// # Panics
    /// When this cannot name a provider.
    pub fn unavailable(self, provider: &str) -> Self {
        self.at(provider, Upstream::Unavailable)
    }

    /// What an earlier call kept with the grant. What the calls of the test keep is in memory, and goes with the caller.
    ///
    /// # Panics
    /// When it cannot be JSON.
    pub fn data<T: Serialize + ?Sized>(mut self, data: &T) -> Self {
        self.data = DataInMemory::of(read("data", "the value", serde_json::to_string(data)));
        self
    }

    /// The caller, for functions that take one. Its clones share what they keep.
    #[must_use]
    pub fn build(self) -> Caller {
        let mut parts = self.parts;
        parts.credentials = Arc::new(self.upstreams);
        parts.data = Arc::new(self.data);
        Caller::new(parts)
    }

    /// The layer that makes this caller the one of every request, in the place of the guard.
    #[must_use]
    pub fn layer(self) -> CallerLayer {
        CallerLayer::new(Some(self.build()))
    }

    fn at(mut self, name: &str, upstream: Upstream) -> Self {
        self.upstreams.set(provider(name), upstream);
        self
    }
}

fn provider(name: &str) -> ProviderName {
    ProviderName::parse(name).unwrap_or_else(|| panic!("{name:?} cannot name a provider"))
}

fn read<T, E: Display>(what: &str, text: &str, parsed: Result<T, E>) -> T {
    parsed.unwrap_or_else(|error| panic!("{what}: {text:?}: {error}"))
}
