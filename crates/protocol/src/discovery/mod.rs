//! What clients read before they ask: who protects what, who issues tokens for it, and how.
//!
//! Two documents and one header: protected resource metadata (RFC 9728), authorization server metadata (RFC 8414) and
//! the `WWW-Authenticate` challenge (RFC 6750 §3). All are built from the configured public URL, never from a request.

mod authorization_server;
mod challenge;
mod protected_resource;
mod validator;

pub use authorization_server::{AuthorizationServer, AuthorizationServerMetadata, METADATA_PATHS, path};
pub use challenge::Challenge;
pub use protected_resource::{ProtectedResource, ProtectedResourceMetadata, metadata_path, metadata_url};
pub use validator::is_current;
