//! What every request of one server shares: its settings, store, keys, providers, resources and clients.

mod access;
mod background;
mod blocks;
mod clients;
mod connecting;
mod grants;
mod introspection;
mod keys;
mod retire;
mod revocations;
mod revoke;
#[cfg(feature = "server")]
mod sign_in_at;

pub(crate) use access::{AccessRefusal, LiveAccess};
pub(crate) use blocks::Blocks;
pub use blocks::{Block, BlockForm};
#[cfg(feature = "server")]
pub(crate) use clients::{ClientRefusal, FoundClient};
pub(crate) use connecting::{CallOf, ConnectLink, STATE_MARK, link_address, state_prefix};
pub use grants::GrantSummary;
pub(crate) use introspection::AskingServer;
pub use introspection::ResourceServer;
pub use keys::agree_on_keys;
pub use retire::{SealAgain, SealedAgain, give_up_key, grants_of_clients_under};
pub use revocations::Revocations;
#[cfg(feature = "server")]
pub(crate) use sign_in_at::SignInAt;

use std::collections::HashMap;
use std::sync::{Arc, Once};

use coatroom_protocol::client::{AppUris, Client, RedirectHosts, RedirectPrefixes, SecretRedirects};
use coatroom_protocol::grant::Resources;
use coatroom_protocol::words::{ClientId, Issuer, ProviderName, Resource, Scopes};

#[cfg(feature = "server")]
use crate::accounts::Accounts;
#[cfg(feature = "server")]
use crate::client_documents::ClientDocuments;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::entropy::Entropy;
use crate::hooks::HookLine;
use crate::issuers::RemoteIssuer;
use crate::providers::Provider;
use crate::settings::Settings;
use crate::store::Store;
use crate::vault::{KeyRing, LiveKeys};

/// What every request of one server shares.
#[derive(Debug)]
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a guard alone registers nobody"))]
pub(crate) struct Context {
    pub(crate) issuer: Issuer,
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<LiveKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// In the order in which the consent page offers them.
    pub(crate) providers: Vec<Arc<Provider>>,
    /// The accounts of this server itself, if there are any.
    #[cfg(feature = "server")]
    pub(crate) accounts: Option<Accounts>,
    /// Those for which we issue tokens.
    pub(crate) resources: Resources,
    /// Those that take the tokens of others.
    pub(crate) remote: Vec<RemoteResource>,
    /// Whether anybody needs a token of ours, so that there is an authorization server here at all.
    pub(crate) issues_tokens: bool,
    pub(crate) configured_clients: HashMap<ClientId, Client>,
    /// The private-use schemes that may be registered.
    pub(crate) app_uris: AppUris,
    /// Clients that are described by documents.
    #[cfg(feature = "server")]
    pub(crate) client_documents: Arc<ClientDocuments>,
    /// The hosts that redirect URIs may lead to.
    pub(crate) redirect_hosts: RedirectHosts,
    /// The sites where one segment of a redirect URI is free.
    pub(crate) redirect_prefixes: RedirectPrefixes,
    /// The redirect URIs whose clients get a secret that they did not ask for.
    pub(crate) secret_redirects: SecretRedirects,
    /// Whether clients may register themselves.
    pub(crate) registration: bool,
    /// Who may ask about tokens, by the id that they authenticate with.
    pub(crate) asking_servers: HashMap<ClientId, AskingServer>,
    pub(crate) connections: Connections,
    /// What the embedding program decides, and is told.
    pub(crate) hooks: HookLine,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) blocks: Blocks,
    pub(crate) background: Once,
}

/// A resource that takes the tokens of a remote issuer.
#[derive(Debug)]
pub(crate) struct RemoteResource {
    /// Its identifier.
    pub(crate) id: Resource,
    /// What people call it.
    pub(crate) name: String,
    /// The scopes to ask for at first.
    pub(crate) baseline: Scopes,
    /// Whose tokens it takes.
    pub(crate) issuer: RemoteIssuer,
}

impl Context {
    /// Our keys at the moment. What belongs together takes them once.
    pub(crate) fn keys(&self) -> Arc<KeyRing> {
        self.keys.current()
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, name: &ProviderName) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| provider.name() == name)
    }
}
