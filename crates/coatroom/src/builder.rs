//! Putting a server together: what it is called, where it keeps things, who signs users in, and what it protects.

#[cfg(feature = "server")]
mod accounts;
mod asking;
mod assembled;
mod description;
mod grants;
mod guards;
mod hooks;
mod key_source;
mod protection;
mod protection_toml;
mod remote;
mod resources;
#[cfg(feature = "rmcp")]
mod rmcp;
#[cfg(feature = "seed")]
mod seed;
mod source;
mod theme;

#[cfg(feature = "server")]
pub use accounts::Users;
pub use description::{Description, ProviderDescription, ScopeDescription};
pub use protection::Protection;
pub use protection_toml::ProtectionError;
#[cfg(feature = "seed")]
pub use seed::SeededGrant;
pub use source::Source;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use coatroom_protocol::client::{AppUris, Client, RedirectHosts, RedirectPrefixes, SecretRedirects};
use coatroom_protocol::words::{ClientId, Issuer};

use self::asking::asking_servers;
use self::assembled::{AssembledParts, assembled};
use self::key_source::KeySource;
use self::resources::issue_tokens;
use self::theme::{Appearance, Pages};
#[cfg(feature = "server")]
use crate::client_documents::{ClientDocuments, DocumentParts};
use crate::clock::{Clock, SystemClock};
use crate::connections::{ConnectionParts, Connections};
use crate::context::{AskingServer, Blocks, Context, ResourceServer, Revocations, agree_on_keys};
use crate::entropy::{Entropy, SystemEntropy};
use crate::error::Error;
use crate::guard::{Assertions, CallLimits, Remembered, SessionLimits, Sessions};
use crate::hooks::HookLine;
use crate::issuers::{IssuerConfig, RemoteIssuer};
use crate::outbound::Outbound;
#[cfg(feature = "server")]
use crate::outbound::PublicWeb;
use crate::providers::{Provider, ProviderConfig};
#[cfg(feature = "server")]
use crate::settings;
use crate::settings::Settings;
use crate::store::Store;
use crate::vault::{KeyRing, LiveKeys};

/// A server: its authorization server's routes, and a guard for each thing that it protects.
#[derive(Debug, Clone)]
pub struct Coatroom {
    context: Arc<Context>,
    verify: Arc<Remembered>,
    protected: Arc<HashMap<String, Protection>>,
    limits: Arc<CallLimits>,
    places: Arc<Places>,
    sessions: Arc<Sessions>,
    outbound: Outbound,
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a guard alone shows no page"))]
    pages: Pages,
}

/// How requests may address the server.
#[derive(Debug, Default)]
struct Places {
    listen: Option<SocketAddr>,
    origins: Vec<String>,
}

/// Collects what a server is made of. Every mistake is reported at once.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    public_url: String,
    settings: Settings,
    store: Option<Arc<dyn Store>>,
    keys: KeySource,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    providers: Vec<Source<ProviderConfig, Provider>>,
    #[cfg(feature = "server")]
    local: Option<accounts::LocalParts>,
    remote_issuers: Vec<Source<IssuerConfig, RemoteIssuer>>,
    protections: Vec<Protection>,
    default_path: Option<String>,
    clients: Vec<Client>,
    resource_servers: Vec<ResourceServer>,
    app_uris: AppUris,
    redirect_hosts: RedirectHosts,
    redirect_prefixes: RedirectPrefixes,
    secret_redirects: SecretRedirects,
    registration: bool,
    #[cfg(feature = "server")]
    client_documents: settings::ClientDocuments,
    #[cfg(feature = "server")]
    web: PublicWeb,
    appearance: Appearance,
    hooks: HookLine,
    places: Places,
}

/// Why a server cannot be built: every reason.
#[derive(thiserror::Error)]
#[error("{}", problems.join("; "))]
#[non_exhaustive]
pub struct BuildError {
    /// One sentence each.
    pub problems: Vec<String>,
}

/// The sentences: it is what is printed where `main` returns the error.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl Coatroom {
    /// Starts building the server that people and clients reach at `public_url`, a bare origin such as
    /// `https://mcp.example.com`.
    pub fn builder(public_url: impl Into<String>) -> Builder {
        Builder {
            public_url: public_url.into(),
            settings: Settings::default(),
            store: None,
            keys: KeySource::File(PathBuf::from(KEY_FILE)),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy::new()),
            providers: Vec::new(),
            #[cfg(feature = "server")]
            local: None,
            remote_issuers: Vec::new(),
            protections: Vec::new(),
            default_path: None,
            clients: Vec::new(),
            resource_servers: Vec::new(),
            app_uris: AppUris::shipped(),
            redirect_hosts: RedirectHosts::default(),
            redirect_prefixes: RedirectPrefixes::default(),
            secret_redirects: SecretRedirects::shipped(),
            registration: true,
            #[cfg(feature = "server")]
            client_documents: settings::ClientDocuments::default(),
            #[cfg(feature = "server")]
            web: PublicWeb::new(),
            appearance: Appearance::default(),
            hooks: HookLine::default(),
            places: Places::default(),
        }
    }

    /// Makes sure that the store answers and that all replicas of this server have the same keys, and starts the background work:
    /// reading what other replicas write, following the key file, purging what has expired. Await it once before serving. Without it
    /// the work starts with the first request, and nobody compares the keys.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names the key that differs; [`Error::Unavailable`] when the store is down.
    pub async fn start(&self) -> Result<(), Error> {
        self.context.start_background();
        #[cfg(feature = "server")]
        self.context.client_documents.start();
        agree_on_keys(self.context.store.as_ref(), &self.context.keys()).await
    }

    /// The routes of the authorization server: discovery, registration, consent, tokens. Merge them at the root.
    #[cfg(feature = "server")]
    pub fn routes(&self) -> axum::Router {
        crate::server::routes(Arc::clone(&self.context), self.pages.clone())
    }

    /// The revocations of this server: streams and processes that outlive a request end with their grant.
    #[must_use]
    pub fn revocations(&self) -> Arc<Revocations> {
        Arc::clone(&self.context.revocations)
    }

    /// Sessions of older MCP revisions, bound to their users, for a proxy.
    #[must_use]
    pub fn sessions(&self, limits: SessionLimits) -> Arc<Sessions> {
        assembled::sessions_of(&self.context, limits)
    }

    /// What signs, for the MCP server of this exact URL, who its callers are.
    #[must_use]
    pub fn assertions(&self, audience: impl Into<String>) -> Assertions {
        Assertions::new(Arc::clone(&self.context), audience.into())
    }
}

impl Builder {
    /// Where grants, tokens and sealed credentials are kept. Required.
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The keys themselves. They must outlive the process for tokens to do so. Default: a [key file](Self::key_file).
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = KeySource::Ring(Box::new(keys));
        self
    }

    /// The file of the keys, made with mode 0600 when there is none. It is followed: keys that are added to it or
    /// retired from it come and go without a restart. Default: `keys.toml` in the working directory.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keys = KeySource::File(path.into());
        self
    }

    /// Adds a provider where users sign in, as it is configured or made. At least one is required, unless there are local accounts
    /// or nobody needs to sign in.
    pub fn provider(mut self, provider: impl Into<Source<ProviderConfig, Provider>>) -> Self {
        self.providers.push(provider.into());
        self
    }

    /// Adds an issuer elsewhere whose tokens a [protected](Protection::with_issuer) endpoint may take, as it is configured or made.
    pub fn remote_issuer(mut self, issuer: impl Into<Source<IssuerConfig, RemoteIssuer>>) -> Self {
        self.remote_issuers.push(issuer.into());
        self
    }

    /// Adds an MCP endpoint to protect: its path, such as `/mcp`, or all that there is to say about it. At least one is required.
    pub fn resource(mut self, resource: impl Into<Protection>) -> Self {
        self.protections.push(resource.into());
        self
    }

    /// Which endpoint is meant when a client names none; needed only when there are several.
    pub fn default_path(mut self, path: impl Into<String>) -> Self {
        self.default_path = Some(path.into());
        self
    }

    /// Adds a client that the operator vouches for.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Adds a resource server beside this one that may ask about tokens at `/introspect` (RFC 7662). Without any there is no
    /// such endpoint.
    pub fn resource_server(mut self, server: ResourceServer) -> Self {
        self.resource_servers.push(server);
        self
    }

    /// Whether clients may register themselves. Default: yes.
    pub fn registration(mut self, open: bool) -> Self {
        self.registration = open;
        self
    }

    /// Whether and how clients are taken that are described by a document at the URL that is their id. Default: everybody's
    /// documents, as soon as the network lets us out.
    #[cfg(feature = "server")]
    pub fn client_documents(mut self, documents: settings::ClientDocuments) -> Self {
        self.client_documents = documents;
        self
    }

    /// How documents of clients are fetched: for tests, and for another name service or certificate authority.
    #[cfg(feature = "server")]
    pub fn public_web(mut self, web: PublicWeb) -> Self {
        self.web = web;
        self
    }

    /// The private-use schemes that clients may register, besides https and loopback. Default: those of well-known
    /// clients.
    pub fn app_uris(mut self, uris: AppUris) -> Self {
        self.app_uris = uris;
        self
    }

    /// The hosts to which clients that nobody vouches for may have their answers sent. Clients of the operator go where they are
    /// configured to. Default: every host; the consent page names it.
    pub fn redirect_hosts(mut self, hosts: RedirectHosts) -> Self {
        self.redirect_hosts = hosts;
        self
    }

    /// The sites where one segment of a client's redirect URI is free. Default: none.
    pub fn redirect_prefixes(mut self, prefixes: RedirectPrefixes) -> Self {
        self.redirect_prefixes = prefixes;
        self
    }

    /// The redirect URIs whose clients get a secret though they register for none. Default: those of well-known clients.
    pub fn secret_redirects(mut self, uris: SecretRedirects) -> Self {
        self.secret_redirects = uris;
        self
    }

    /// Lifetimes and limits.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The address that the server listens on; its loopback form is then accepted as `Host`.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.places.listen = Some(address);
        self
    }

    /// Adds an origin whose pages may call the protected endpoints.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.places.origins.push(origin.into());
        self
    }

    /// The clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The source of random bytes, for tests.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Builds the server.
    ///
    /// # Errors
    /// [`BuildError`] with everything that is missing or wrong.
    pub fn build(mut self) -> Result<Coatroom, BuildError> {
        let mut problems = Vec::new();
        let outbound = Arc::new(Outbound::new());
        let (providers, issuers) = self.people(&outbound, &mut problems);
        let issuer = self.issuer(&mut problems);
        self.note_what_is_missing(&providers, &mut problems);
        let resources =
            issuer.as_ref().map(|issuer| self.resources(issuer, (&providers, &issuers), &mut problems));
        let asking_servers =
            issuer.as_ref().map(|issuer| self.asking_servers(issuer, &mut problems)).unwrap_or_default();
        let live = self.live_keys(&mut problems);
        #[cfg(feature = "server")]
        let documents = issuer.as_ref().map(|issuer| self.documents(issuer, &mut problems));
        let pages = issuer.as_ref().and_then(|issuer| self.appearance.pages(issuer, &mut problems));
        let complete = (issuer, self.store, live, resources, pages);
        let (Some(issuer), Some(store), Some(keys), Some((resources, remote)), Some(pages)) = complete else {
            return Err(BuildError { problems });
        };
        #[cfg(feature = "server")]
        let Some(client_documents) = documents else { return Err(BuildError { problems }) };
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let keys = Arc::new(keys);
        #[cfg(feature = "server")]
        let accounts = self.local.take().and_then(|local| {
            let shared = (&issuer, &store, &keys);
            local.accounts(shared, (&self.clock, &self.entropy), &self.settings)
        });
        let providers: Vec<Arc<Provider>> = providers.into_iter().map(Arc::new).collect();
        let by_name = providers.iter().map(|provider| (provider.name().clone(), Arc::clone(provider)));
        let connections = Connections::new(ConnectionParts {
            store: Arc::clone(&store),
            keys: Arc::clone(&keys),
            providers: by_name.collect(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            hooks: self.hooks.clone(),
        });
        let context = Arc::new(Context {
            #[cfg(feature = "server")]
            client_documents,
            #[cfg(feature = "server")]
            accounts,
            issuer,
            settings: self.settings,
            store,
            keys,
            clock: Arc::clone(&self.clock),
            entropy: self.entropy,
            providers,
            resources,
            remote,
            issues_tokens: issue_tokens(&self.protections),
            configured_clients: self.clients.into_iter().map(|client| (client.id.clone(), client)).collect(),
            app_uris: self.app_uris,
            redirect_hosts: self.redirect_hosts,
            redirect_prefixes: self.redirect_prefixes,
            secret_redirects: self.secret_redirects,
            registration: self.registration,
            asking_servers,
            connections,
            hooks: self.hooks,
            revocations: Arc::new(Revocations::new()),
            blocks: Blocks::default(),
            background: Once::new(),
        });
        let parts = AssembledParts { pages, places: self.places, outbound: Outbound::clone(&outbound) };
        assembled(context, parts, self.protections)
    }

    fn issuer(&self, problems: &mut Vec<String>) -> Option<Issuer> {
        Issuer::parse(&self.public_url).map_err(|refusal| problems.push(refusal.to_string())).ok()
    }

    fn note_what_is_missing(&self, providers: &[Provider], problems: &mut Vec<String>) {
        if self.store.is_none() {
            problems.push("no store is set".to_owned());
        }
        let has_users = self.protections.iter().any(Protection::needs_our_tokens);
        if providers.is_empty() && !self.has_accounts() && has_users {
            problems.push("no provider is set: users have nowhere to sign in".to_owned());
        }
        #[cfg(feature = "server")]
        self.note_wrong_accounts(providers, problems);
    }

    #[cfg(feature = "server")]
    const fn has_accounts(&self) -> bool {
        self.local.is_some()
    }

    #[cfg(not(feature = "server"))]
    #[expect(clippy::unused_self, reason = "a guard alone signs nobody in")]
    const fn has_accounts(&self) -> bool {
        false
    }

    fn asking_servers(&self, issuer: &Issuer, problems: &mut Vec<String>) -> HashMap<ClientId, AskingServer> {
        asking_servers(&self.resource_servers, &self.protections, issuer, problems)
    }

    fn live_keys(&self, problems: &mut Vec<String>) -> Option<LiveKeys> {
        self.keys.open(self.entropy.as_ref(), self.clock.now(), problems)
    }

    #[cfg(feature = "server")]
    fn documents(&self, issuer: &Issuer, problems: &mut Vec<String>) -> Arc<ClientDocuments> {
        if self.client_documents.loopback && !issuer.is_loopback() {
            problems.push("documents on loopback are for a public URL on loopback alone".to_owned());
        }
        let parts = DocumentParts {
            settings: self.client_documents.clone(),
            web: self.web.clone(),
            clock: Arc::clone(&self.clock),
            app_uris: self.app_uris.clone(),
        };
        Arc::new(ClientDocuments::new(parts, issuer))
    }
}

/// Where the keys are unless something else is said.
const KEY_FILE: &str = "keys.toml";
