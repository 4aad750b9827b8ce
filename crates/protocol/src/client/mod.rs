//! Who asks for access: clients, how they register, and how they prove who they are.
//!
//! A client is configured by the operator, registers itself (RFC 7591), or is described by a document at the URL that is
//! its id. A registration is kept nowhere: its client id carries the validated metadata and a MAC (RFC 7591 appendix
//! A.5.2; ARCHITECTURE.md, rule 1). Documents are checked here, and fetched elsewhere.

mod app_uris;
mod assertion;
mod authentication;
mod client_id;
mod display;
mod document;
mod document_freshness;
mod document_policy;
mod document_url;
mod metadata;
mod record;
mod redirect_hosts;
mod redirect_prefixes;
mod redirect_uri;
mod registration;
mod secret_redirects;

pub use app_uris::{AppUriRefusal, AppUris, SHIPPED_APP_URIS};
pub use assertion::{
    AssertionRefusal, CLIENT_ASSERTION_TYPE, ExpectedAssertion, MAX_ASSERTION_LENGTH, MAX_JTI_LENGTH,
    VerifiedAssertion, check_assertion, claimed_client,
};
pub use authentication::{AuthenticationRefusal, PresentedClient, SignedProof};
pub use client_id::{CLIENT_ID_PREFIX, ClientIdRefusal, MAX_CLIENT_ID_LENGTH, open};
pub use document::{
    ClientDocument, DocumentRefusal, DocumentRules, FetchedDocument, MAX_DOCUMENT_REDIRECT_URIS,
    check_document,
};
pub use document_freshness::{SHORTEST_LIFE, document_life};
pub use document_policy::{DocumentHosts, HostPattern, HostPatternRefusal};
pub use document_url::{ClientUrl, ClientUrlRefusal, MAX_CLIENT_URL_LENGTH};
pub use metadata::{
    ApplicationType, AuthenticationMethod, ClientMetadata, MAX_REDIRECT_URIS, RegistrationRefusal,
    RegistrationRequest,
};
pub use record::{
    Client, ClientAuthentication, ClientKeys, ClientLinks, ClientOrigin, ConfiguredClientRefusal,
    ExpectedSecret, KeySource, RedirectRefusal, SecretMethods,
};
pub use redirect_hosts::{RedirectHostRefusal, RedirectHosts};
pub use redirect_prefixes::{RedirectPrefixRefusal, RedirectPrefixes};
pub use redirect_uri::{MAX_REDIRECT_URI_LENGTH, RedirectUri, RedirectUriKind, RedirectUriRefusal};
pub use registration::{Registration, RegistrationAnswer, register};
pub use secret_redirects::{SHIPPED_SECRET_REDIRECTS, SecretRedirectRefusal, SecretRedirects};
