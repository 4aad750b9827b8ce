//! Who asks for access: clients, how they register, and how they prove who they are.
//!
//! A client is configured by the operator or registers itself (RFC 7591). A registration is kept nowhere: its client id
//! carries the validated metadata and a MAC (RFC 7591 appendix A.5.2; ARCHITECTURE.md, rule 1).

mod app_uris;
mod authentication;
mod client_id;
mod display;
mod metadata;
mod record;
mod redirect_prefixes;
mod redirect_uri;
mod registration;
mod secret_redirects;
mod strict_json;

pub use app_uris::{AppUriRefusal, AppUris, SHIPPED_APP_URIS};
pub use authentication::{AuthenticationRefusal, PresentedClient};
pub use client_id::{CLIENT_ID_PREFIX, ClientIdRefusal, MAX_CLIENT_ID_LENGTH, open};
pub use metadata::{
    ApplicationType, AuthenticationMethod, ClientMetadata, MAX_REDIRECT_URIS, RegistrationRefusal,
    RegistrationRequest,
};
pub use record::{
    Client, ClientAuthentication, ClientLinks, ClientOrigin, ConfiguredClientRefusal, ExpectedSecret,
    RedirectRefusal, SecretMethods,
};
pub use redirect_prefixes::{RedirectPrefixRefusal, RedirectPrefixes};
pub use redirect_uri::{MAX_REDIRECT_URI_LENGTH, RedirectUri, RedirectUriKind, RedirectUriRefusal};
pub use registration::{Registration, RegistrationAnswer, register};
pub use secret_redirects::{SHIPPED_SECRET_REDIRECTS, SecretRedirectRefusal, SecretRedirects};
pub use strict_json::JsonRefusal;
